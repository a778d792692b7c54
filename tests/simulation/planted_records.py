"""Bugs to be planted in what becomes of records: order, outcomes, commits, look-ups."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from connector.delivery.assignment import Assignment
from connector.delivery.commitdata import CommitData
from connector.delivery.delivery import Delivery
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lanes import Lanes
from connector.delivery.offsets import OffsetTracker
from connector.delivery.settle import Settler
from connector.published import outcome_message
from connector.testing import OUTCOMES
from connector.types import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from connector.types import Commit, Outcome, Partition, Record


def commits_the_highest(patch: pytest.MonkeyPatch) -> None:
    """The watermark is left out of account: what was settled last is committed."""
    to_commit = Assignment.to_commit

    def bug(self: Assignment, account: bytes) -> dict[Partition, Commit]:
        self._saying = {
            each: (tracker._next, CommitData(frozenset(), frozenset(), tracker._next, quota=account))
            for each, tracker in self.trackers.items()
        }
        return to_commit(self, account)

    patch.setattr(Assignment, "to_commit", bug)


def drops_the_lane_on_retry(patch: pytest.MonkeyPatch) -> None:
    """What is tried again goes to the end of its lane."""
    put_back = Lanes.put_back

    def bug(self: Lanes[Any], item: Any, until: float) -> None:
        if item.attempts and until and len(self._lanes[item.order_key]) > 1:
            self.finish(item)
            self.submit(item)
        else:
            put_back(self, item, until)

    patch.setattr(Lanes, "put_back", bug)


def counts_completions_of_an_old_epoch(patch: pytest.MonkeyPatch) -> None:
    """What ends late is settled in the successor's tracker; and what is on the wire is not waited for."""
    newest: dict[Any, OffsetTracker] = {}
    settle, init = OffsetTracker.settle, Assignment.__init__

    def begin(self: Assignment, commits: Any) -> None:
        init(self, commits)
        newest.update(self.trackers)

    def bug(self: OffsetTracker, offset: int) -> None:
        settle(self, offset)
        if self._ended:
            for tracker in newest.values():
                if offset in tracker._unsettled:
                    settle(tracker, offset)

    patch.setattr(Assignment, "__init__", begin)
    patch.setattr(OffsetTracker, "settle", bug)
    patch.setattr(Dispatcher, "drain", _drain_without_waiting)
    patch.setattr(Lanes, "finish", _finish_what_is_left)


async def _drain_without_waiting(self: Dispatcher, seconds: float) -> int:
    self._halted = True
    self._turns.renew()
    return 0


def _finish_what_is_left(self: Lanes[Any], item: Any) -> None:
    lane = self._lanes.get(item.order_key)
    if lane and lane[0] is item:
        _finish(self, item)


_finish = Lanes.finish


def settles_before_the_dead_letter(patch: pytest.MonkeyPatch) -> None:
    dead_letter = Settler._dead_letter

    async def bug(self: Settler, record: Record, outcome: Outcome) -> None:
        asyncio.get_running_loop().create_task(dead_letter(self, record, outcome))

    patch.setattr(Settler, "_dead_letter", bug)


def settles_before_the_outcome(patch: pytest.MonkeyPatch) -> None:
    async def bug(
        self: Settler, record: Record, event_id: str | None, outcome: Outcome, tracker: OffsetTracker
    ) -> None:
        if outcome.kind is not OutcomeKind.ACCEPTED:
            await self._dead_letter(record, outcome)
        message = outcome_message(self._origin.workspace, record, event_id, outcome, now=self._clock.wall())
        self._count(record, outcome, tracker)
        await self._publish(OUTCOMES, message)

    patch.setattr(Settler, "settle", bug)


def gives_up_on_an_outcome(patch: pytest.MonkeyPatch) -> None:
    """A publication that fails is taken for done."""

    async def bug(self: Settler, topic: str, message: Any) -> None:
        try:
            await self._sink.publish(topic, message)
        except Exception:  # noqa: BLE001 - swallowing whatever goes wrong is the bug that is planted
            return

    patch.setattr(Settler, "_publish", bug)


def posts_again_without_a_look_up(patch: pytest.MonkeyPatch) -> None:
    begin = Delivery.begin_attempt

    def bug(self: Delivery, wall: float) -> None:
        begin(self, wall)
        self._in_doubt = False

    patch.setattr(Delivery, "begin_attempt", bug)


def looks_up_at_once(patch: pytest.MonkeyPatch) -> None:
    """A request that is under way may land after the look-up."""
    look_up = Delivery._look_up

    def bug(self: Delivery, attempt: Any, policy: Any) -> Any:
        again = look_up(self, attempt, policy)
        return type(again)(attempt.ended_at)

    patch.setattr(Delivery, "_look_up", bug)


def forgets_what_may_have_been_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OffsetTracker, "is_in_doubt", lambda self, offset: False)


def sends_beyond_the_promise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "may_leave", property(lambda self: True))


def forgets_what_is_settled_beyond(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OffsetTracker, "pass_over", lambda self, offset: False)


BUGS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    commits_the_highest,
    drops_the_lane_on_retry,
    counts_completions_of_an_old_epoch,
    settles_before_the_dead_letter,
    settles_before_the_outcome,
    gives_up_on_an_outcome,
    posts_again_without_a_look_up,
    looks_up_at_once,
    forgets_what_may_have_been_sent,
    sends_beyond_the_promise,
    forgets_what_is_settled_beyond,
)
