"""One event over all its tries: its state, and what each verdict leads to.

Rules:
 1. Accepted and Reject end the delivery. Everything else leads to another try.
 2. In doubt, the next try is a look-up, no sooner than the request's own time limit after the attempt ended: until then
    a request that is still under way may land. A look-up that finds nothing leads to a new request.
    Where nothing can be looked up it is sent again, and an answer that it already exists is as good as accepted; a 5xx is
    a doubt there, too.
 3. A Reject that follows a doubt may be the answer to our own repeat: it is looked up before it counts.
 4. The event's own failures back off with full jitter, and expire it in the end; what says that SEEN is down, or that
    the workspace is refused, is not the event's failure: it suspends the workspace and costs the event nothing.
 5. An event that fails or is refused, and again after another one was accepted, is judged alone that time: it is its
    own failure, and says nothing of the workspace. Without such an event since its last try it may be the workspace's.
 6. So is a 403 where fewer than three keys are refused: nothing else may be there that could be accepted. But a 401, an
    unknown workspace and a redirect say nothing of one event.
 7. Where a batch fails, one of its events may be at fault: half as many go together the next time, and none of them is given
    up but by a try of its own.
 8. Time in which the workspace was suspended counts for an event that was judged alone often: with two others like it, it
    may be what suspends the workspace.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connector.delivery.attempt import Again
from connector.types import Absent, Accepted, InDoubt, Outcome, OutcomeKind, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from connector.delivery.attempt import Attempt, DeliveryPolicy, Step
    from connector.delivery.offsets import OffsetTracker
    from connector.delivery.suspension import Suspension
    from connector.types import Event, Sighting, Unsendable, Verdict


_OFTEN = 3
_NO_FAILURE = frozenset({Reason.OVER_QUOTA, Reason.LEASE_LOST, Reason.OTHERS_REFUSED})
_MAY_BE_TAKEN = frozenset({Reason.SERVER_ERROR, Reason.UNAVAILABLE})


class Delivery:
    """One event on its way to an outcome."""

    __slots__ = (
        "_failed_at",
        "_failing_since",
        "_failures",
        "_forbidden_since",
        "_in_doubt",
        "_rejected",
        "_suspended_before",
        "_times_alone",
        "_was_in_doubt",
        "attempts",
        "event",
        "first_attempt_at",
        "last_attempt_at",
        "most_together",
        "not_before",
        "tracker",
    )

    def __init__(
        self, event: Event, tracker: OffsetTracker, *, in_doubt: bool = False, looks_up: bool = True
    ) -> None:
        """`tracker` is that of the epoch in which the event was read; `in_doubt`: a predecessor may have sent it.

        `looks_up`: then it is looked up first; else it is sent again, and SEEN says whether it has it.
        """
        self.event = event
        self.tracker = tracker
        self.attempts = 0
        self.first_attempt_at: float | None = None
        self.last_attempt_at: float | None = None
        self._failures = 0
        self._failing_since: float | None = None
        self._times_alone = 0
        self._suspended_before = 0.0
        self._failed_at: float | None = None
        self._forbidden_since: float | None = None
        self._was_in_doubt = in_doubt
        self._in_doubt = in_doubt and looks_up
        self.not_before = 0.0
        self.most_together: float = math.inf
        if in_doubt:
            tracker.sent(event.record.offset)
        self._rejected: Reject | None = None

    @property
    def order_key(self) -> bytes:
        """The lane that it stands in."""
        return self.event.order_key

    @property
    def in_doubt(self) -> bool:
        """Whether the next try is a look-up."""
        return self._in_doubt

    @property
    def needs_preparation(self) -> bool:
        """Whether its images must be looked at before the next try.

        Not before a look-up, unless the event may be sent without one of them: that would be compared with what SEEN has.
        """
        images = self.event.images
        return images is not None and (not self._in_doubt or images.drop)

    def refused(self, fault: Unsendable) -> Outcome:
        """The outcome of an event that turned out to be none that can be sent."""
        return self._outcome(OutcomeKind.REJECTED, Reject(reason=fault.reason, detail=fault.detail))

    def begin_attempt(self, wall: float) -> None:
        """Counts a try that leaves at `wall`, in Unix seconds."""
        self.tracker.sent(self.event.record.offset)
        self.attempts += 1
        self.last_attempt_at = wall
        if self.first_attempt_at is None:
            self.first_attempt_at = wall

    def too_old(self, wall: float, policy: DeliveryPolicy) -> Outcome | None:
        """The outcome of an event whose turn comes too late, by its record's timestamp; None if it is in time.

        One in doubt never is: SEEN may have it, and a look-up makes no video.
        """
        age = wall - self.event.record.timestamp_ms / 1000
        if policy.ttl_seconds is None or age <= policy.ttl_seconds or self._in_doubt:
            return None
        detail = f"the event is {age:.0f} s old, ttl_seconds is {policy.ttl_seconds:g}"
        return self._outcome(OutcomeKind.EXPIRED, Reject(reason=Reason.TOO_OLD, detail=detail))

    @property
    def may_leave(self) -> bool:
        """Whether a successor would know that it may have left."""
        return self.event.record.offset < self.tracker.promised

    def after(
        self, finding: Verdict | Sighting, attempt: Attempt, suspension: Suspension, policy: DeliveryPolicy
    ) -> Step:
        """What `finding` leads to. Tells `suspension` what it says of the workspace."""
        if not isinstance(finding, Suspend):
            self._forbidden_since = None
        if not policy.look_up_in_doubt:
            self._was_in_doubt = self._was_in_doubt or _may_be_taken(finding)
        step = self._after(finding, attempt, suspension, policy)
        is_in_doubt = self._in_doubt or (self._was_in_doubt and not policy.look_up_in_doubt)
        if isinstance(step, Again) and not is_in_doubt:
            self.tracker.answered(self.event.record.offset)
        return step

    def _after(
        self, finding: Verdict | Sighting, attempt: Attempt, suspension: Suspension, policy: DeliveryPolicy
    ) -> Step:
        match finding:
            case Accepted():
                suspension.accepted(attempt.sent_at, attempt.ended_at)
                return self._outcome(OutcomeKind.ACCEPTED, finding)
            case Reject():
                return self._reject(finding, attempt, suspension, policy)
            case Absent() if self._rejected is not None:
                return self._outcome(OutcomeKind.REJECTED, self._rejected)
            case Absent():
                self._in_doubt = False
                return Again(attempt.ended_at, first=True)
            case Suspend():
                return self._refused(finding, attempt, suspension, policy)
            case Retry(outage=True) if finding.unsent or not self._alone(suspension):
                self._failed_at = attempt.ended_at
                suspension.suspend(Reason.OUTAGE, finding.detail, attempt.ended_at)
                return Again(attempt.ended_at)
            case Retry(reason=Reason.BATCH_REFUSED):
                self._go_with_fewer(attempt)
                return Again(attempt.ended_at)
            case Retry(reason=reason) if reason in _NO_FAILURE:
                return Again(attempt.ended_at)
            case Retry() | InDoubt():
                return self._failed(finding, attempt, suspension, policy)

    def _reject(
        self, finding: Reject, attempt: Attempt, suspension: Suspension, policy: DeliveryPolicy
    ) -> Step:
        if self._was_in_doubt and policy.look_up_in_doubt:
            self._rejected = finding
            return self._look_up(attempt, policy)
        if self._was_in_doubt and finding.reason is Reason.ALREADY_EXISTS:
            suspension.accepted(attempt.sent_at, attempt.ended_at)
            return self._outcome(OutcomeKind.ACCEPTED, finding)
        return self._outcome(OutcomeKind.REJECTED, finding)

    def _alone(self, suspension: Suspension) -> bool:
        return self._failed_at is not None and suspension.accepted_since(self._failed_at)

    def _refused(
        self, finding: Suspend, attempt: Attempt, suspension: Suspension, policy: DeliveryPolicy
    ) -> Step:
        if not finding.unsent and self._alone(suspension):
            return self._failed(finding, attempt, suspension, policy)
        now = self._failed_at = attempt.ended_at
        suspension.refused(self.order_key, finding.reason, finding.detail, now)
        if finding.reason is not Reason.FORBIDDEN or not suspension.few_are_refused:
            self._forbidden_since = None
        elif self._forbidden_since is None:
            self._forbidden_since = attempt.sent_at
        elif (seconds := now - self._forbidden_since) >= policy.give_up_after_seconds:
            suspension.gave_up(self.order_key, now)
            return self._give_up(finding, seconds)
        return Again(now)

    def _failed(
        self,
        finding: Retry | InDoubt | Suspend,
        attempt: Attempt,
        suspension: Suspension,
        policy: DeliveryPolicy,
    ) -> Step:
        now = attempt.ended_at
        if self._failing_since is None:
            self._failing_since = attempt.sent_at
            self._suspended_before = suspension.suspended_seconds(now)
        self._failures += 1
        if self._alone(suspension):
            self._times_alone += 1
        elif attempt.tells:
            suspension.failed(self.order_key, finding.detail, now)
        self._failed_at = now
        if attempt.items > 1:
            self._go_with_fewer(attempt)
        elif (seconds := self._too_long(finding, suspension, policy, now)) is not None:
            return self._give_up(finding, seconds)
        if isinstance(finding, InDoubt) and policy.look_up_in_doubt and not self._in_doubt:
            return self._look_up(attempt, policy)
        return Again(now + policy.backoff.delay(self._failures, attempt.chance))

    def _too_long(
        self,
        finding: Retry | InDoubt | Suspend,
        suspension: Suspension,
        policy: DeliveryPolicy,
        now: float,
    ) -> float | None:
        """How long it has been failing, if that is long enough to give it up."""
        seconds = failing = now - (now if self._failing_since is None else self._failing_since)
        if self._times_alone < _OFTEN:
            failing -= suspension.suspended_seconds(now) - self._suspended_before
        if failing >= policy.give_up_after_seconds:
            return failing
        is_plain = finding.reason is Reason.SERVER_ERROR and seconds >= policy.give_up_after_seconds
        return seconds if is_plain and suspension.gives_one_up(now, policy.give_up_after_seconds) else None

    def _go_with_fewer(self, attempt: Attempt) -> None:
        """Any event of the batch may be the one at fault: halves find it, and the others arrive meanwhile."""
        self.most_together = attempt.items // 2

    def _give_up(self, finding: Retry | InDoubt | Suspend, seconds: float) -> Outcome:
        refused = isinstance(finding, Suspend)
        gave_up = Reject(
            reason=Reason.REFUSED_ALONE if refused else Reason.GAVE_UP,
            detail=f"gave up after {seconds:.0f} s and {self.attempts} attempts; the last one: {finding.detail}",
            status=finding.status,
            response=finding.response,
        )
        return self._outcome(OutcomeKind.REJECTED if refused else OutcomeKind.EXPIRED, gave_up)

    def _look_up(self, attempt: Attempt, policy: DeliveryPolicy) -> Again:
        self._in_doubt = self._was_in_doubt = True
        return Again(attempt.ended_at + policy.look_up_after_seconds)

    def _outcome(self, kind: OutcomeKind, finding: Accepted | Reject) -> Outcome:
        return Outcome(
            kind=kind,
            reason=finding.reason,
            detail=finding.detail,
            status=finding.status,
            response=finding.response,
            attempts=self.attempts,
            first_attempt_at=self.first_attempt_at,
            last_attempt_at=self.last_attempt_at,
        )


def _may_be_taken(finding: Verdict | Sighting) -> bool:
    """Whether SEEN may have carried out what it did not answer, or answered with a failure of its own."""
    failed = isinstance(finding, Retry) and finding.reason in _MAY_BE_TAKEN and not finding.unsent
    return failed or isinstance(finding, InDoubt)
