"""Bugs to be planted in what is limited: the quota, the lease, suspensions, what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.delivery.commit import Committer
from connector.delivery.delivery import Delivery
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Pump
from connector.delivery.suspension import Suspension
from connector.seen.quota import Quota
from connector.seen.slot import Slot
from connector.seen.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from connector.delivery.assignment import Assignment


def returns_slots_early(patch: pytest.MonkeyPatch) -> None:
    def bug(self: Window, now: float) -> None:
        self.on_wire -= 1
        self._answered.add(now + self._per - 0.2)

    patch.setattr(Window, "answered", bug)


def forgets_the_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "unanswered", Window.answered)


def returns_unanswered_slots_unused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slot, "__exit__", lambda self, *_: self.unused())


def starts_with_a_fresh_quota(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quota, "take_over", lambda self, accounts: True)


def inherits_only_what_was_written(patch: pytest.MonkeyPatch) -> None:
    """What left after the last account is forgotten."""
    account = Quota.account
    patch.setattr(Quota, "account", lambda self, final: account(self, final=True))


def holds_the_lease_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "holds", lambda self, now: self._renewed_at > 0)


def asks_for_the_lease_too_early(patch: pytest.MonkeyPatch) -> None:
    """A process that stands still between a slot and the writing has lost the lease in between."""

    async def bug(self: Quota, may_leave: Callable[[], bool]) -> Slot:
        return await slot(self, lambda: True)

    slot = Quota.slot
    patch.setattr(Quota, "slot", bug)


def renews_the_lease_when_the_answer_comes(patch: pytest.MonkeyPatch) -> None:
    """The lease counts from the acknowledgement, not from the sending."""
    patch.setattr(Lease, "renewed", lambda self, sent_at: setattr(self, "_renewed_at", sent_at + 12))


def commits_what_is_refused(patch: pytest.MonkeyPatch) -> None:
    """A commit that is refused counts as made."""
    commit = Committer._commit

    async def bug(self: Committer, assignment: Assignment, *, final: bool) -> Any:
        committed = await commit(self, assignment, final=final)
        if committed.name == "NOT_OURS":
            self._lease.renewed(self._clock.monotonic())
            return type(committed).ACKNOWLEDGED
        return committed

    patch.setattr(Committer, "_commit", bug)


def never_ends_a_suspension(patch: pytest.MonkeyPatch) -> None:
    accepted = Suspension.accepted

    def bug(self: Suspension, sent_at: float, now: float) -> None:
        if self._state is None:
            accepted(self, sent_at, now)

    patch.setattr(Suspension, "accepted", bug)


def counts_an_outage_as_the_event_s_fault(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Suspension, "suspended_seconds", lambda self, now: 0.0)
    patch.setattr(Delivery, "_alone", lambda self, suspension: True)


def probes_every_ten_seconds(patch: pytest.MonkeyPatch) -> None:
    def bug(self: Suspension, now: float) -> None:
        self._next_probe = now + 10

    patch.setattr(Suspension, "_schedule", bug)


def reads_without_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pump, "_room_for_records", lambda self: 100)


def sends_without_bound(patch: pytest.MonkeyPatch) -> None:
    begun = Dispatcher._send

    def bug(self: Dispatcher, batch: Any, slot: Any, *, probe: bool) -> None:
        begun(self, batch, slot, probe=probe)
        self.in_flight = 0

    patch.setattr(Dispatcher, "_send", bug)


BUGS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    returns_slots_early,
    forgets_the_grace,
    returns_unanswered_slots_unused,
    starts_with_a_fresh_quota,
    inherits_only_what_was_written,
    holds_the_lease_for_ever,
    asks_for_the_lease_too_early,
    renews_the_lease_when_the_answer_comes,
    commits_what_is_refused,
    never_ends_a_suspension,
    counts_an_outage_as_the_event_s_fault,
    probes_every_ten_seconds,
    reads_without_bound,
    sends_without_bound,
)

NEEDS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    inherits_only_what_was_written: "long window",
    asks_for_the_lease_too_early: "zombie",
    counts_an_outage_as_the_event_s_fault: "outage",
    probes_every_ten_seconds: "outage",
}
"""What a course must have for a bug to show: most courses have not."""
