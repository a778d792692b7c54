"""Committing: how far each partition is, what lies beyond, and what is spent of the quota, in one commit for all.

Rules:
 1. One commit is under way at a time, and each carries all partitions: whoever reads them next finds one state.
 2. It is made when there is something to say, and often enough to keep the lease.
 3. What Kafka acknowledged renews the lease by the time at which it was sent.
 4. From the moment in which the group takes everything, a commit is made while the lease holds, or not at all: aiokafka
    commits for a member that was put out without the group's fence, and a group that is empty takes that.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.errors import KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connector.clock import Clock
    from connector.delivery.assignment import Assignment
    from connector.delivery.lease import Lease
    from connector.delivery.request import Slots
    from connector.metrics import WorkspaceMetrics
    from connector.types import Commit, Partition

log = structlog.get_logger()


class Commits(Protocol):
    """Where commits go."""

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        """Commits; False if these partitions are no longer ours. Raises KafkaUnavailable."""
        ...


class Committed(Enum):
    """What became of a commit."""

    NOT_NEEDED = auto()
    ACKNOWLEDGED = auto()
    FAILED = auto()
    NOT_OURS = auto()


class Committer:
    """The commits of one workspace."""

    def __init__(
        self,
        workspace: str,
        commits: Commits,
        quota: Slots,
        lease: Lease,
        clock: Clock,
        metrics: WorkspaceMetrics,
    ) -> None:
        self._workspace = workspace
        self._commits = commits
        self._quota = quota
        self._lease = lease
        self._clock = clock
        self._metrics = metrics
        self._under_way = asyncio.Lock()
        self._letting_go = False

    def begin(self, assignment: Assignment) -> None:
        """An epoch begins: its quota goes on from what was found, and nothing leaves before the first commit."""
        self._letting_go = False
        self._lease.end()
        if not self._quota.take_over(assignment.accounts):
            log.warning("quota_unknown", workspace=self._workspace)

    def let_go(self) -> None:
        """The group takes everything: from now on a commit is made while the lease holds, or not at all."""
        self._letting_go = True

    async def commit(
        self, assignment: Assignment, ahead: int, waiting: Mapping[Partition, Collection[int]]
    ) -> Committed:
        """Commits if there is a reason to. `ahead` and `waiting` are those of `Assignment.look`."""
        async with self._under_way:
            now = self._clock.monotonic()
            assignment.look(ahead, waiting)
            due = self._lease.is_due(now) or self._quota.wants_account
            put_out = self._letting_go and not self._lease.holds(now)
            if put_out or not assignment.trackers or not (assignment.has_changed or due):
                return Committed.NOT_NEEDED
            return await self._commit(assignment, final=False)

    async def commit_last(self, assignment: Assignment) -> None:
        """Commits, says that nothing leaves any more, and gives up the lease."""
        async with self._under_way:
            held = self._lease.holds(self._clock.monotonic())
            self._lease.end()
            if not assignment.trackers:
                return
            if not held:
                log.warning("commit_withheld", workspace=self._workspace)
                return
            assignment.look_at_the_end()
            await self._commit(assignment, final=True)

    async def _commit(self, assignment: Assignment, *, final: bool) -> Committed:
        sent_at = self._clock.monotonic()
        try:
            ours = await self._commits.commit(assignment.to_commit(self._quota.account(final=final)))
        except KafkaUnavailable as error:
            log.warning("commit_failed", workspace=self._workspace, why=str(error))
            self._metrics.commit_failures.inc()
            return Committed.FAILED
        if not ours:
            self._lease.end()
            self._metrics.commit_failures.inc()
            return Committed.NOT_OURS
        assignment.committed()
        self._quota.acknowledged()
        if not final:
            self._lease.renewed(sent_at)
        return Committed.ACKNOWLEDGED
