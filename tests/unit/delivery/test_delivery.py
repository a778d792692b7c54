"""What each finding leads to: the rows of the delivery rules, one after the other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from connector.delivery.attempt import Again, Attempt, DeliveryPolicy, Step
from connector.delivery.backoff import Backoff
from connector.delivery.delivery import Delivery
from connector.delivery.offsets import OffsetTracker
from connector.delivery.suspension import Suspension
from connector.types import (
    Absent,
    Accepted,
    Event,
    ImageLinks,
    InDoubt,
    Outcome,
    OutcomeKind,
    Reason,
    Record,
    Reject,
    Retry,
    Sighting,
    Suspend,
    Verdict,
)

POLICY = DeliveryPolicy(
    backoff=Backoff(1, 60),
    give_up_after_seconds=600,
    ttl_seconds=None,
    look_up_in_doubt=True,
    look_up_after_seconds=30,
)
CREATED = Accepted(reason=Reason.CREATED, status=201)
FOUND = Accepted(reason=Reason.FOUND, status=200)
BAD = Reject(reason=Reason.BAD_REQUEST, detail="SEEN answered 400", status=400, response="{}")
ABSENT = Absent(reason=Reason.NOT_FOUND, status=404)
BROKEN = Retry(reason=Reason.SERVER_ERROR, detail="SEEN answered 500", status=500)
DOWN = Retry(reason=Reason.UNAVAILABLE, detail="SEEN answered 503", status=503, outage=True)
OVER = Retry(reason=Reason.OVER_QUOTA, status=429)
NOT_SENT = Retry(reason=Reason.LEASE_LOST, unsent=True)
BESIDE = Retry(reason=Reason.OTHERS_REFUSED, status=400)
WHOLE = Retry(reason=Reason.BATCH_REFUSED, status=400)
EXISTS = Reject(reason=Reason.ALREADY_EXISTS, status=400)
REFUSED = Suspend(reason=Reason.FORBIDDEN, detail="SEEN answered 403", status=403)
UNAUTHENTICATED = Suspend(reason=Reason.UNAUTHENTICATED, detail="SEEN answered 401", status=401)
UNKNOWN = Suspend(reason=Reason.UNKNOWN_WORKSPACE, detail="SEEN answered 404", status=404)
REDIRECTED = Suspend(reason=Reason.REDIRECTED, detail="SEEN answered 307", status=307)
TIMED_OUT = InDoubt(reason=Reason.TIMED_OUT, detail="no answer")
ASKS_NOTHING = replace(POLICY, look_up_in_doubt=False)


class Story:
    """One delivery and what happens to it; each attempt takes 0.1 s."""

    def __init__(
        self, policy: DeliveryPolicy = POLICY, suspension: Suspension | None = None, key: bytes = b"key"
    ) -> None:
        self.policy = policy
        self.suspension = suspension or Suspension(Backoff(1, 60))
        record = Record("events", 0, 0, 1_000_000, key, b"{}")
        self.delivery = Delivery(Event(record, "id", key, b"{}"), OffsetTracker(0))

    def gets(
        self, finding: Verdict | Sighting, at: float = 0.0, chance: float = 0.5, *, items: int = 1
    ) -> Step:
        """An attempt sent at `at`, with `items` events, ends with `finding`."""
        self.delivery.begin_attempt(wall=5_000 + at)
        attempt = Attempt(at, at + 0.1, chance, items=items)
        return self.delivery.after(finding, attempt, self.suspension, self.policy)

    @property
    def may_be_taken(self) -> bool:
        """Whether a successor would know that SEEN may have it."""
        return 0 in self.delivery.tracker.at_the_end().in_doubt


def again(step: Step) -> float:
    assert isinstance(step, Again)
    return step.at


def outcome(step: Step) -> tuple[OutcomeKind, Reason]:
    assert isinstance(step, Outcome)
    return step.kind, step.reason


# Accepted and Reject end it


def test_accepted_ends_it_and_says_how_it_went() -> None:
    story = Story()
    story.gets(BROKEN, at=0)
    assert story.gets(CREATED, at=10) == Outcome(
        kind=OutcomeKind.ACCEPTED,
        reason=Reason.CREATED,
        status=201,
        attempts=2,
        first_attempt_at=5_000,
        last_attempt_at=5_010,
    )


def test_a_reject_ends_it_with_what_seen_said() -> None:
    assert Story().gets(BAD) == Outcome(
        kind=OutcomeKind.REJECTED,
        reason=Reason.BAD_REQUEST,
        detail="SEEN answered 400",
        status=400,
        response="{}",
        attempts=1,
        first_attempt_at=5_000,
        last_attempt_at=5_000,
    )


# Retry


def test_failures_of_its_own_back_off_with_full_jitter() -> None:
    story = Story()
    waits = [again(story.gets(BROKEN, at=10.0 * turn, chance=0.5)) - (10.0 * turn + 0.1) for turn in range(4)]
    assert waits == pytest.approx([0.5, 1, 2, 4])
    assert again(story.gets(BROKEN, at=50, chance=0)) == pytest.approx(50.1)


@pytest.mark.parametrize("finding", [OVER, NOT_SENT, BESIDE], ids=lambda each: each.reason)
def test_what_was_not_judged_costs_no_failure_and_waits_for_its_turn_alone(finding: Verdict) -> None:
    story = Story()
    for turn in range(50):
        assert again(story.gets(finding, at=100.0 * turn)) == pytest.approx(100.0 * turn + 0.1)
    assert story.suspension.state is None
    assert again(story.gets(BROKEN, at=9_000)) == pytest.approx(9_000.6)


def test_an_event_that_keeps_failing_expires() -> None:
    story = Story()
    assert isinstance(story.gets(BROKEN, at=0), Again)
    assert isinstance(story.gets(BROKEN, at=599), Again)
    step = story.gets(BROKEN, at=600)
    assert outcome(step) == (OutcomeKind.EXPIRED, Reason.GAVE_UP)
    assert isinstance(step, Outcome)
    assert "3 attempts" in step.detail
    assert "SEEN answered 500" in step.detail
    assert step.status == 500


def test_the_time_suspended_does_not_count_towards_giving_up() -> None:
    story = Story()
    story.gets(BROKEN, at=0)
    story.suspension.suspend(Reason.OUTAGE, "", now=10)
    story.suspension.accepted(sent_at=10_000, now=10_010)
    assert isinstance(story.gets(BROKEN, at=10_599), Again)
    step = story.gets(BROKEN, at=10_600)
    assert outcome(step) == (OutcomeKind.EXPIRED, Reason.GAVE_UP)
    assert isinstance(step, Outcome)
    assert "after 600 s" in step.detail


def test_an_event_does_not_give_up_for_waiting_before_its_first_failure() -> None:
    story = Story()
    story.gets(OVER, at=0)
    story.gets(DOWN, at=1)
    story.suspension.accepted(sent_at=5_000, now=5_001)
    assert isinstance(story.gets(BROKEN, at=6_000), Again)


# Too old


@pytest.mark.parametrize(("age", "expires"), [(59.9, False), (60.0, False), (60.1, True)])
def test_an_event_older_than_its_time_to_live_expires_when_its_turn_comes(age: float, expires: bool) -> None:
    story = Story()
    result = story.delivery.too_old(1_000 + age, replace(POLICY, ttl_seconds=60))
    assert (result is not None) == expires
    if result is not None:
        assert (result.kind, result.reason) == (OutcomeKind.EXPIRED, Reason.TOO_OLD)
        assert result.attempts == 0


def test_without_a_time_to_live_nothing_is_too_old() -> None:
    assert Story().delivery.too_old(1e12, POLICY) is None


# Suspend


@pytest.mark.parametrize("finding", [UNAUTHENTICATED, UNKNOWN, REDIRECTED], ids=lambda each: each.reason)
def test_a_refusal_suspends_the_workspace_and_costs_the_event_nothing(finding: Suspend) -> None:
    story = Story()
    assert again(story.gets(finding, at=7)) == pytest.approx(7.1)
    assert story.suspension.state is not None
    assert story.suspension.state.reason is finding.reason
    for turn in range(50):
        assert isinstance(story.gets(finding, at=1_000.0 * turn), Again)


@pytest.mark.parametrize("finding", [REFUSED, UNAUTHENTICATED, UNKNOWN], ids=lambda each: each.reason)
def test_an_event_that_is_refused_while_others_are_accepted_backs_off_alone_and_is_rejected_in_the_end(
    finding: Suspend,
) -> None:
    story = Story()
    story.gets(finding, at=0)
    story.suspension.accepted(sent_at=1, now=1.1)
    assert again(story.gets(finding, at=2)) == pytest.approx(2.1 + 0.5)
    story.suspension.accepted(sent_at=499, now=499.1)
    assert again(story.gets(finding, at=500)) == pytest.approx(500.1 + 1)
    assert story.suspension.state is None
    story.suspension.accepted(sent_at=601, now=601.1)
    step = story.gets(finding, at=602)
    assert outcome(step) == (OutcomeKind.REJECTED, Reason.REFUSED_ALONE)
    assert isinstance(step, Outcome)
    assert step.detail == f"gave up after 600 s and 4 attempts; the last one: {finding.detail}"
    assert step.status == finding.status


def test_regression_an_event_that_meets_two_spells_of_refusals_is_not_lost_to_them() -> None:
    story = Story()
    story.gets(UNAUTHENTICATED, at=0)
    story.suspension.accepted(sent_at=1, now=1.1)
    story.gets(UNAUTHENTICATED, at=2)
    assert outcome(story.gets(CREATED, at=60)) == (OutcomeKind.ACCEPTED, Reason.CREATED)


def test_a_403_where_nothing_else_can_be_accepted_is_the_event_s_own_in_the_end() -> None:
    story = Story()
    for at in (0, 300, 599):
        assert again(story.gets(REFUSED, at=at)) == pytest.approx(at + 0.1)
        assert story.suspension.state is not None
    assert outcome(story.gets(REFUSED, at=600)) == (OutcomeKind.REJECTED, Reason.REFUSED_ALONE)
    assert story.suspension.state is None


def test_a_403_of_three_keys_is_the_workspace_s_and_no_event_is_given_up() -> None:
    story = Story()
    story.suspension.refused(b"another", Reason.FORBIDDEN, "", now=0)
    story.suspension.refused(b"a third", Reason.FORBIDDEN, "", now=0)
    for at in range(0, 10_000, 100):
        assert isinstance(story.gets(REFUSED, at=at), Again)
    assert story.suspension.state is not None


def test_the_workspace_stays_suspended_while_another_refused_event_waits() -> None:
    story = Story()
    story.suspension.refused(b"another", Reason.FORBIDDEN, "", now=0)
    story.gets(REFUSED, at=0)
    assert isinstance(story.gets(REFUSED, at=700), Outcome)
    assert story.suspension.state is not None
    story.suspension.gave_up(b"another", now=701)
    assert story.suspension.state is None


def test_regression_events_that_are_judged_alone_are_no_outage_however_many_they_are() -> None:
    suspension = Suspension(Backoff(1, 60))
    findings: list[Verdict] = [BROKEN, UNAUTHENTICATED, DOWN, REFUSED, BROKEN]
    stories = [
        (Story(suspension=suspension, key=b"%d" % number), each) for number, each in enumerate(findings)
    ]
    for story, finding in stories:
        story.gets(finding, at=0)
    for at in range(100, 600, 100):
        suspension.accepted(sent_at=at - 1, now=at - 0.5)
        for story, finding in stories:
            assert isinstance(story.gets(finding, at=at), Again)
            assert suspension.state is None
    suspension.accepted(sent_at=799, now=799.5)
    for story, finding in stories:
        assert isinstance(story.gets(finding, at=800), Outcome)


@pytest.mark.parametrize("finding", [UNAUTHENTICATED, UNKNOWN, DOWN], ids=lambda each: each.reason)
def test_regression_one_accepted_event_is_no_proof_for_all_that_comes_after(finding: Verdict) -> None:
    story = Story()
    story.gets(DOWN, at=0)
    story.suspension.accepted(sent_at=1, now=1.1)
    assert isinstance(story.gets(finding, at=2), Again)
    assert story.suspension.state is None
    for at in range(3, 10_000, 100):
        assert isinstance(story.gets(finding, at=at), Again)
        assert story.suspension.state is not None


def test_an_event_that_was_judged_alone_often_is_given_up_although_the_workspace_was_suspended_by_it() -> (
    None
):
    story = Story()
    for turn in range(3):
        at = 200.0 * turn
        assert isinstance(story.gets(UNAUTHENTICATED, at=at), Again)
        story.suspension.suspend(Reason.UNAUTHENTICATED, "", now=at + 1)
        story.suspension.accepted(sent_at=at + 190, now=at + 190)
    assert outcome(story.gets(UNAUTHENTICATED, at=900)) == (OutcomeKind.REJECTED, Reason.REFUSED_ALONE)


def test_an_event_that_was_judged_alone_twice_is_not_given_up_for_the_time_that_the_workspace_was_suspended() -> (
    None
):
    story = Story()
    for turn in range(2):
        at = 200.0 * turn
        assert isinstance(story.gets(UNAUTHENTICATED, at=at), Again)
        story.suspension.suspend(Reason.UNAUTHENTICATED, "", now=at + 1)
        story.suspension.accepted(sent_at=at + 190, now=at + 190)
    assert isinstance(story.gets(UNAUTHENTICATED, at=900), Again)


def test_what_was_refused_before_an_event_was_accepted_counts_no_more() -> None:
    story = Story()
    story.suspension.refused(b"another", Reason.FORBIDDEN, "", now=0)
    story.suspension.refused(b"a third", Reason.FORBIDDEN, "", now=0)
    story.suspension.accepted(sent_at=1, now=1.1)
    story.gets(REFUSED, at=2)
    assert isinstance(story.gets(REFUSED, at=700), Outcome)


@pytest.mark.parametrize("between", [DOWN, BROKEN, TIMED_OUT], ids=lambda each: each.reason)
def test_the_time_of_a_403_alone_begins_anew_after_another_answer(between: Verdict) -> None:
    story = Story()
    story.gets(REFUSED, at=0)
    story.gets(between, at=400)
    assert isinstance(story.gets(REFUSED, at=800), Again)
    assert isinstance(story.gets(REFUSED, at=1_399), Again)
    assert isinstance(story.gets(REFUSED, at=1_400), Outcome)


@pytest.mark.parametrize("kind", [Suspend, Retry])
def test_an_event_that_was_not_sent_is_never_judged_alone(kind: type[Suspend | Retry]) -> None:
    story = Story()
    unsent: Suspend | Retry = Suspend(reason=Reason.UNAUTHENTICATED, unsent=True)
    if kind is Retry:
        unsent = Retry(reason=Reason.UNAVAILABLE, outage=True, unsent=True)
    for turn in range(3):
        assert again(story.gets(unsent, at=1_000.0 * turn)) == pytest.approx(1_000.0 * turn + 0.1)
        assert story.suspension.state is not None
        story.suspension.accepted(sent_at=1_000.0 * turn + 1, now=1_000.0 * turn + 1.1)


def test_an_event_accepted_that_was_on_the_wire_at_the_refusal_proves_nothing() -> None:
    story = Story()
    story.gets(REFUSED, at=10)
    story.suspension.accepted(sent_at=10.05, now=12)  # sent before the refusal came at 10.1
    assert isinstance(story.gets(REFUSED, at=13), Again)


# Outages


def test_an_answer_that_says_that_seen_is_down_suspends_and_costs_nothing() -> None:
    story = Story()
    for turn in range(100):
        assert again(story.gets(DOWN, at=1_000.0 * turn)) == pytest.approx(1_000.0 * turn + 0.1)
    assert story.suspension.state is not None
    assert story.suspension.state.reason is Reason.OUTAGE


def test_an_event_that_looks_like_an_outage_while_others_are_accepted_is_its_own_failure() -> None:
    story = Story()
    story.gets(DOWN, at=0)
    story.suspension.accepted(sent_at=1, now=1.1)
    assert again(story.gets(DOWN, at=2, chance=0.5)) == pytest.approx(2.6)
    assert story.suspension.state is None
    story.suspension.accepted(sent_at=601, now=601.1)
    assert outcome(story.gets(DOWN, at=602)) == (OutcomeKind.EXPIRED, Reason.GAVE_UP)


def test_regression_an_outage_of_plain_500s_gives_one_event_up_in_each_while_for_it_may_be_the_events() -> (
    None
):
    suspension = Suspension(Backoff(1, 60))
    stories = [Story(suspension=suspension, key=b"%d" % number) for number in range(4)]
    ended = []
    for at in range(0, 3_000, 50):
        for story in list(stories):
            if isinstance(story.gets(BROKEN, at=at), Outcome):
                stories.remove(story)
                ended.append(at)
    assert ended == [600, 1_250, 1_850, 2_450]


@pytest.mark.parametrize("finding", [DOWN, UNAUTHENTICATED, UNKNOWN, TIMED_OUT], ids=lambda each: each.reason)
def test_no_other_outage_gives_an_event_up_however_long_it_lasts(finding: Verdict) -> None:
    suspension = Suspension(Backoff(1, 60))
    stories = [Story(suspension=suspension, key=b"%d" % number) for number in range(4)]
    for at in range(0, 30_000, 100):
        for story in stories:
            assert isinstance(story.gets(finding, at=at), Again)
    assert suspension.state is not None


def test_what_timed_out_while_we_stood_still_ourselves_is_no_outage() -> None:
    suspension = Suspension(Backoff(1, 60))
    for key in (b"a", b"b", b"c"):
        story = Story(suspension=suspension, key=key)
        story.delivery.begin_attempt(wall=5_000)
        step = story.delivery.after(TIMED_OUT, Attempt(0, 60, 0.5, tells=False), suspension, POLICY)
        assert isinstance(step, Again)
        assert story.delivery.in_doubt
    assert suspension.state is None


def test_three_events_of_different_keys_that_fail_are_an_outage() -> None:
    suspension = Suspension(Backoff(1, 60))
    for key in (b"a", b"b", b"c"):
        assert suspension.state is None
        story = Story(suspension=suspension)
        story.delivery = Delivery(replace(story.delivery.event, order_key=key), OffsetTracker(0))
        story.gets(BROKEN)
    assert suspension.state is not None


# In company


def test_a_batch_that_fails_goes_in_halves_and_nobody_is_given_up_but_by_a_try_of_its_own() -> None:
    story = Story()
    assert story.delivery.most_together == math.inf
    assert isinstance(story.gets(BROKEN, at=0, items=7), Again)
    assert story.delivery.most_together == 3
    assert isinstance(story.gets(BROKEN, at=700, items=3), Again)
    assert story.delivery.most_together == 1
    assert isinstance(story.gets(BROKEN, at=1400, items=2), Again)
    assert outcome(story.gets(BROKEN, at=2100)) == (OutcomeKind.EXPIRED, Reason.GAVE_UP)


def test_a_batch_that_is_refused_as_a_whole_goes_in_halves_at_once_and_nobody_has_failed() -> None:
    story = Story()
    assert again(story.gets(WHOLE, items=9)) == pytest.approx(0.1)
    assert story.delivery.most_together == 4
    assert again(story.gets(BROKEN, at=1, chance=0.5)) == pytest.approx(1.6)


# What must come before a request


@pytest.mark.parametrize(
    ("in_doubt", "drop", "expected"),
    [(False, False, True), (False, True, True), (True, False, False), (True, True, True)],
)
def test_images_are_looked_at_before_a_request_and_before_a_look_up_that_depends_on_them(
    in_doubt: bool, drop: bool, expected: bool
) -> None:
    event, tracker = Story().delivery.event, OffsetTracker(0)
    assert not Delivery(event, tracker, in_doubt=in_doubt).needs_preparation
    event = replace(event, images=ImageLinks((("photo", "https://a.example/p.png"),), drop))
    assert Delivery(event, tracker, in_doubt=in_doubt).needs_preparation is expected


@pytest.mark.parametrize(("promised", "expected"), [(0, False), (1, True)])
def test_an_event_may_leave_below_what_is_promised(promised: int, expected: bool) -> None:
    assert Delivery(Story().delivery.event, OffsetTracker(promised)).may_leave is expected


# In doubt


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_successor_knows_of_a_doubt_that_was_handed_over_and_of_no_other(in_doubt: bool) -> None:
    story = Story()
    story.delivery = Delivery(story.delivery.event, OffsetTracker(0), in_doubt=in_doubt)
    assert story.may_be_taken is in_doubt
    assert story.delivery.in_doubt is in_doubt


@pytest.mark.parametrize(
    ("policy", "finding", "expected"),
    [
        (POLICY, OVER, False),
        (POLICY, BROKEN, False),
        (POLICY, TIMED_OUT, True),
        (ASKS_NOTHING, OVER, False),
        (ASKS_NOTHING, BROKEN, True),
        (ASKS_NOTHING, DOWN, True),
        (ASKS_NOTHING, TIMED_OUT, True),
    ],
)
def test_a_successor_knows_what_may_be_taken(
    policy: DeliveryPolicy, finding: Verdict, expected: bool
) -> None:
    story = Story(policy)
    assert isinstance(story.gets(finding), Again)
    assert story.may_be_taken is expected
    story.gets(OVER, at=100)
    assert story.may_be_taken is expected, "the doubt stays until it is answered"


@pytest.mark.parametrize("unclear", [TIMED_OUT, BROKEN, DOWN], ids=lambda each: each.reason)
def test_without_look_ups_what_may_be_taken_is_accepted_when_it_already_exists(unclear: Verdict) -> None:
    story = Story(ASKS_NOTHING)
    story.gets(unclear)
    story.gets(OVER, at=5)
    story.suspension.suspend(Reason.OUTAGE, "", now=6)
    assert outcome(story.gets(EXISTS, at=7)) == (OutcomeKind.ACCEPTED, Reason.ALREADY_EXISTS)
    assert story.suspension.state is None, "SEEN is there"


@pytest.mark.parametrize(
    "clear",
    [OVER, REFUSED, BESIDE, Retry(reason=Reason.UNAVAILABLE, outage=True, unsent=True)],
    ids=lambda each: each.reason,
)
def test_without_look_ups_what_is_not_taken_is_rejected_when_it_already_exists(clear: Verdict) -> None:
    story = Story(ASKS_NOTHING)
    story.gets(clear)
    assert outcome(story.gets(EXISTS, at=5)) == (OutcomeKind.REJECTED, Reason.ALREADY_EXISTS)


@pytest.mark.parametrize(("in_doubt", "kind"), [(True, OutcomeKind.ACCEPTED), (False, OutcomeKind.REJECTED)])
def test_without_look_ups_a_predecessor_s_doubt_is_sent_again(in_doubt: bool, kind: OutcomeKind) -> None:
    story = Story(ASKS_NOTHING)
    story.delivery = Delivery(story.delivery.event, OffsetTracker(0), in_doubt=in_doubt, looks_up=False)
    assert not story.delivery.in_doubt
    assert outcome(story.gets(EXISTS)) == (kind, Reason.ALREADY_EXISTS)


def test_in_doubt_it_is_looked_up_no_sooner_than_a_request_may_still_land() -> None:
    story = Story()
    assert again(story.gets(TIMED_OUT, at=10)) == pytest.approx(40.1)
    assert story.delivery.in_doubt
    assert outcome(story.gets(FOUND, at=41)) == (OutcomeKind.ACCEPTED, Reason.FOUND)


def test_what_a_look_up_does_not_find_is_sent_again_at_once() -> None:
    story = Story()
    story.gets(TIMED_OUT)
    assert again(story.gets(ABSENT, at=31)) == pytest.approx(31.1)
    assert not story.delivery.in_doubt
    assert not story.may_be_taken
    assert outcome(story.gets(CREATED, at=32)) == (OutcomeKind.ACCEPTED, Reason.CREATED)


@pytest.mark.parametrize("unclear", [BROKEN, TIMED_OUT, OVER, DOWN, REFUSED])
def test_a_look_up_that_is_not_answered_is_asked_again(unclear: Verdict) -> None:
    story = Story()
    story.gets(TIMED_OUT)
    again(story.gets(unclear, at=31))
    assert story.delivery.in_doubt


def test_a_look_up_that_stays_in_doubt_backs_off_and_waits_for_no_new_landing() -> None:
    story = Story()
    story.gets(TIMED_OUT, at=0)
    assert again(story.gets(TIMED_OUT, at=31, chance=0.5)) == pytest.approx(32.1)


def test_a_reject_after_a_failure_is_no_doubt_where_doubts_are_looked_up() -> None:
    story = Story()
    story.gets(BROKEN)
    assert outcome(story.gets(BAD, at=5)) == (OutcomeKind.REJECTED, Reason.BAD_REQUEST)


def test_a_reject_after_a_doubt_is_looked_up_and_found() -> None:
    story = Story()
    story.gets(TIMED_OUT)
    story.gets(ABSENT, at=31)
    assert again(story.gets(BAD, at=32)) == pytest.approx(62.1)
    assert story.delivery.in_doubt
    assert outcome(story.gets(FOUND, at=63)) == (OutcomeKind.ACCEPTED, Reason.FOUND)


def test_a_reject_after_a_doubt_that_is_not_found_stays_that_reject() -> None:
    story = Story()
    story.gets(TIMED_OUT)
    story.gets(ABSENT, at=31)
    story.gets(BAD, at=32)
    step = story.gets(ABSENT, at=63)
    assert outcome(step) == (OutcomeKind.REJECTED, Reason.BAD_REQUEST)
    assert isinstance(step, Outcome)
    assert (step.status, step.detail) == (400, "SEEN answered 400")


def test_doubts_count_towards_giving_up() -> None:
    story = Story()
    story.gets(TIMED_OUT, at=0)
    assert outcome(story.gets(TIMED_OUT, at=600)) == (OutcomeKind.EXPIRED, Reason.GAVE_UP)


def test_without_look_ups_a_doubt_is_a_failure_like_others() -> None:
    story = Story(replace(POLICY, look_up_in_doubt=False))
    assert again(story.gets(TIMED_OUT, at=10, chance=0.5)) == pytest.approx(10.6)
    assert not story.delivery.in_doubt
    assert outcome(story.gets(BAD, at=20)) == (OutcomeKind.REJECTED, Reason.BAD_REQUEST)
