"""One request to an API: asks, judges, logs, and says what each event of the batch does next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from connector.delivery.attempt import Again, Attempt, DeliveryPolicy, Step
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from types import TracebackType

    from connector.clock import Clock
    from connector.delivery.batch import BatchLimits
    from connector.delivery.delivery import Delivery
    from connector.delivery.lease import Lease
    from connector.delivery.preparing import Preparation
    from connector.delivery.suspension import Suspended, Suspension
    from connector.metrics import WorkspaceMetrics
    from connector.types import Event, Remaining, Sighting, Verdict

log = structlog.get_logger()

VERDICTS: dict[type[Verdict | Sighting], str] = {
    Accepted: "accepted",
    Reject: "reject",
    Retry: "retry",
    Suspend: "suspend",
    InDoubt: "in_doubt",
    Absent: "absent",
}
"""The names of the verdicts, in log lines and metrics."""


class Permit(Protocol):
    """A slot of the quota, left as a context; the destination says on it what became of its request.

    The first word about it counts: those that follow, and leaving it, change nothing.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def may_leave(self) -> bool:
        """Whether the request may still be written; asked right before. Who may not write says `unused`."""
        ...

    def answered(self, remaining: Remaining | None = None) -> None:
        """The response has ended, and said that so much is left of the quota."""
        ...

    def unused(self) -> None:
        """Nothing was written."""
        ...


class Held(Protocol):
    """The part of a quota that SEEN's answers change."""

    def hold(self, seconds: float) -> None:
        """Gives no slot for so many seconds."""
        ...

    def refused(self, sent_at: float, seconds: float | None) -> bool:
        """What left at `sent_at` (monotonic seconds) was one too many: gives no slot for so many seconds, for a window if
        None, and fewer afterwards, since someone else sends. Whether that is news.
        """
        ...

    @property
    def working(self) -> int:
        """How many requests a window may have now."""
        ...


class Slots(Held, Protocol):
    """The quota, as its user sees it."""

    async def slot(self, may_leave: Callable[[], bool]) -> Permit:
        """Waits for the right to send one request, which lasts as long as `may_leave` says so."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether that is all of the quota."""
        ...

    @property
    def spent(self) -> float:
        """The share of a window's requests that is used: 1 is all of them."""
        ...

    @property
    def interval(self) -> float:
        """The seconds from one request to the next, if they are spread evenly over a window."""
        ...

    @property
    def wants_account(self) -> bool:
        """Whether slots will soon be given out no more before an account was acknowledged."""
        ...

    def account(self, *, final: bool) -> bytes:
        """What the next owner of the quota must know, as of now; `final`: nothing leaves any more."""
        ...

    def acknowledged(self) -> None:
        """The last account is where the next owner finds it."""
        ...

    def take_over(self, accounts: Collection[bytes]) -> bool:
        """Goes on from a predecessor's accounts; False if they say nothing clear, so that all is taken for spent."""
        ...


class Destination(Protocol):
    """An API that takes events: the engine's one port."""

    @property
    def batch(self) -> BatchLimits:
        """How much one request may carry."""
        ...

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """Sends `batch` in one request; a verdict for each event, in order. Never raises for what a server does."""
        ...

    async def look_up(self, event: Event, permit: Permit) -> Sighting:
        """Asks in one request whether `event` is there with the same values. Never raises for what a server does."""
        ...

    async def renew_credentials(self) -> None:
        """Reads the secret anew: called before each probe of a suspended workspace."""
        ...


def heed(finding: Retry, sent_at: float, quota: Held, workspace: str, metrics: WorkspaceMetrics) -> None:
    """Does with the quota what an answer asks for that is to be tried again. `sent_at` is in monotonic seconds."""
    if finding.reason is not Reason.OVER_QUOTA:
        quota.hold(finding.hold_seconds or 0.0)
    elif quota.refused(sent_at, finding.hold_seconds):
        metrics.outside_uses.inc()
        log.warning(
            "quota_used_by_others",
            workspace=workspace,
            working_requests=quota.working,
            retry_after_seconds=finding.hold_seconds,
        )


@dataclass(frozen=True, slots=True)
class Path:
    """What requests go over: the API, its quota, the right to send, and what decides.

    `preparation` is None where an event can be sent as it is; `request` is what sending is called in the log.
    """

    destination: Destination
    quota: Slots
    lease: Lease
    suspension: Suspension
    policy: DeliveryPolicy
    max_in_flight: int
    preparation: Preparation | None = None
    request: str = "create"


class Requests:
    """Makes the requests of one workspace."""

    def __init__(
        self, workspace: str, path: Path, clock: Clock, metrics: WorkspaceMetrics, chance: Callable[[], float]
    ) -> None:
        """`chance` gives uniform numbers in [0, 1), for the jitter."""
        self._workspace = workspace
        self._path = path
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._is_shared = False

    async def make(self, batch: Sequence[Delivery], slot: Permit, *, probe: bool) -> list[Step]:
        """Sends `batch` in one request, a look-up if its first is in doubt; what each does next, in order."""
        sent_at = self._clock.monotonic()
        for delivery in batch:
            delivery.begin_attempt(self._clock.wall())
        findings = await self._ask(batch, slot, probe=probe)
        ended_at = self._clock.monotonic()
        # Who stood still, or is cut off from Kafka, has lost the lease: what timed out meanwhile is not SEEN's fault.
        tells = self._path.lease.holds(ended_at)
        first = Attempt(sent_at, ended_at, self._chance(), tells, len(batch))
        others = replace(first, tells=False)
        self._metrics.attempt_seconds.observe(ended_at - sent_at)
        asked_for = next((finding for finding in findings if isinstance(finding, Retry)), None)
        if asked_for is not None:
            heed(asked_for, sent_at, self._path.quota, self._workspace, self._metrics)
        steps: list[Step] = []
        for delivery, finding in zip(batch, findings, strict=True):
            steps.append(self._step(delivery, finding, others if steps else first))
        if probe:
            self._probed(findings, ended_at)
        return steps

    async def _ask(
        self, batch: Sequence[Delivery], slot: Permit, *, probe: bool
    ) -> Sequence[Verdict | Sighting]:
        destination = self._path.destination
        with slot:
            if probe:
                await destination.renew_credentials()
            if batch[0].in_doubt:
                return [await destination.look_up(batch[0].event, slot)]
            return await destination.send([delivery.event for delivery in batch], slot)

    def _step(self, delivery: Delivery, finding: Verdict | Sighting, attempt: Attempt) -> Step:
        before, look_up = self._path.suspension.state, delivery.in_doubt
        step = delivery.after(finding, attempt, self._path.suspension, self._path.policy)
        self._note_sharing()
        verdict = VERDICTS[type(finding)]
        self._metrics.attempt(verdict, finding.reason)
        log.info(
            "attempt",
            workspace=self._workspace,
            id=delivery.event.id,
            origin=delivery.event.record.origin,
            attempt=delivery.attempts,
            request="look_up" if look_up else self._path.request,
            verdict=verdict,
            reason=finding.reason,
            status=finding.status,
            seconds=round(attempt.ended_at - attempt.sent_at, 4),
            decision=self._decision(step, attempt),
        )
        self._note_suspension(before)
        return step

    def _decision(self, step: Step, attempt: Attempt) -> str:
        if not isinstance(step, Again):
            return step.kind
        if self._path.suspension.state is not None:
            return "waits for the workspace"
        return f"again in {max(0.0, step.at - attempt.ended_at):.1f} s"

    def _note_sharing(self) -> None:
        is_shared = not self._path.quota.is_whole
        if self._is_shared and not is_shared:
            log.info("quota_whole_again", workspace=self._workspace)
        self._is_shared = is_shared

    def _note_suspension(self, before: Suspended | None) -> None:
        state = self._path.suspension.state
        if state is not None and (before is None or before.reason is not state.reason):
            log.error(
                "workspace_suspended", workspace=self._workspace, reason=state.reason, detail=state.detail
            )
        elif state is None and before is not None:
            log.info("workspace_resumed", workspace=self._workspace)

    def _probed(self, findings: Sequence[Verdict | Sighting], now: float) -> None:
        if all(isinstance(finding, Absent | Reject) for finding in findings):
            self._path.suspension.probe_answered(now)
        else:
            self._path.suspension.probe_failed(now)
