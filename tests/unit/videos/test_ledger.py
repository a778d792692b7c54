"""The ledger: derived from facts, so it must not matter in which order, how often or from when on they are read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector.videos import ledger as module
from connector.videos.facts import Fact, WasAccepted, WasOverdue, WasReady
from connector.videos.ledger import Ledger, LedgerLimits, Pending

if TYPE_CHECKING:
    import random

    import pytest

LIMITS = LedgerLimits(overdue_after_seconds=900, give_up_after_seconds=86_400, max_pending=1000)
START = 1_800_000_000.0
IDS = ["a", "b", "c"]


def ledger_of(*facts: Fact, limits: LedgerLimits = LIMITS) -> Ledger:
    ledger = Ledger(limits)
    for fact in facts:
        ledger.heed(fact)
    return ledger


def pending(ledger: Ledger) -> set[str]:
    return {each.id for each in ledger.listed() if each.reported_at is None}


def ready(id_: str, at: float, event_id: str = "e1", *, reconciled: bool = False) -> WasReady:
    return WasReady(id_, at, event_id, reconciled)


def due(ledger: Ledger, now: float) -> list[str]:
    ledger.advance(now)
    found = []
    while (each := ledger.take_due()) is not None:
        found.append(each)
    return found


def pending_after(ledger: Ledger, *ids: str) -> set[str]:
    """What is pending when these are accepted, at a time that has ended where their end is remembered."""
    for each in ids:
        ledger.heed(WasAccepted(each, START))
    return pending(ledger)


times = st.floats(0, 3600).map(lambda seconds: START + round(seconds, 3))
facts = st.lists(
    st.one_of(
        st.builds(WasAccepted, st.sampled_from(IDS), times),
        st.builds(
            WasReady,
            st.sampled_from(IDS),
            times,
            event_id=st.sampled_from(["e1", "e2"]),
            reconciled=st.booleans(),
        ),
        st.builds(WasOverdue, st.sampled_from(IDS), times, accepted_at=times),
    ),
    max_size=12,
)


def by_the_book(found: list[Fact]) -> set[str]:
    """What is pending, said of all facts at once."""
    ids = set()
    for id_ in IDS:
        accepted = [fact.at for fact in found if isinstance(fact, WasAccepted) and fact.id == id_]
        reported = [fact.at for fact in found if isinstance(fact, WasOverdue) and fact.id == id_]
        is_ready = any(isinstance(fact, WasReady) and fact.id == id_ for fact in found)
        if accepted and not is_ready and max(accepted) > max(reported, default=-math.inf):
            ids.add(id_)
    return ids


@given(facts, st.randoms(use_true_random=False))
def test_what_is_pending_depends_on_what_was_said_not_on_the_order_or_on_repeats(
    found: list[Fact], chance: random.Random
) -> None:
    shuffled = [*found, *chance.sample(found, k=len(found) // 2)]
    chance.shuffle(shuffled)
    assert pending(ledger_of(*shuffled)) == by_the_book(found)


@given(st.lists(st.builds(WasAccepted, st.sampled_from(IDS), times), min_size=1))
def test_an_id_that_is_accepted_often_is_pending_once_since_the_first_time(found: list[WasAccepted]) -> None:
    listed = sorted(ledger_of(*found).listed())
    first: dict[str, float] = {}
    for fact in found:
        first[fact.id] = min(fact.at, first.get(fact.id, math.inf))
    assert listed == [Pending(id_, at) for id_, at in sorted(first.items())]


@given(st.lists(st.builds(WasAccepted, st.sampled_from(IDS), times), min_size=1))
def test_it_is_due_once_overdue_after_its_first_acceptance_whatever_the_order(
    found: list[WasAccepted],
) -> None:
    ledger = ledger_of(*found)
    for id_ in {fact.id for fact in found}:
        first = min(fact.at for fact in found if fact.id == id_)
        ledger.advance(first + 899.9)
        assert id_ not in due(ledger, first + 899.9)
        copy = ledger_of(*found)
        assert id_ in due(copy, first + 900)


def test_a_video_that_is_ready_before_its_acceptance_is_read_leaves_nothing_pending() -> None:
    for order in ([0, 1], [1, 0]):
        found: list[Fact] = [WasAccepted("a", START + 1), ready("a", START)]
        ledger = ledger_of(*(found[each] for each in order))
        ledger.advance(START + 86_400)
        assert (ledger.pending, ledger.overdue, ledger.unmatched, ledger.take_due()) == (0, 0, 0, None)


def test_an_id_is_due_once_it_is_overdue_and_given_out_once() -> None:
    ledger = ledger_of(WasAccepted("a", START), WasAccepted("b", START + 10))
    assert due(ledger, START + 899) == []
    assert due(ledger, START + 905) == ["a"]
    assert ledger.overdue == 1
    assert due(ledger, START + 950) == ["b"]
    assert due(ledger, START + 10_000) == []
    ledger.put_back("a")
    assert due(ledger, START + 10_000) == ["a"]


def test_an_id_whose_video_came_meanwhile_is_not_given_out() -> None:
    ledger = ledger_of(WasAccepted("a", START))
    ledger.advance(START + 900)
    ledger.heed(ready("a", START + 900))
    assert ledger.take_due() is None
    ledger.put_back("a")
    assert (ledger.take_due(), ledger.overdue, ledger.awaits("a")) == (None, 0, False)


def test_waits_between_look_ups_double_up_to_an_hour_and_end_when_it_is_given_up() -> None:
    give_up = 50_000  # not a sum of such waits
    ledger = ledger_of(WasAccepted("a", START), limits=LedgerLimits(900, give_up, max_pending=1000))
    now, waits = START, []
    ledger.advance(now := now + 900)
    while ledger.take_due() == "a":
        assert (ledger.given_up("a", now) is not None) == (now >= START + give_up)
        if ledger.given_up("a", now) is not None:
            break
        waits.append(ledger.asked("a", now))
        ledger.advance(now - 0.001 + waits[-1])
        assert ledger.take_due() is None
        ledger.advance(now := now + waits[-1])
    assert waits[:4] == [900, 1800, 3600, 3600]
    assert now == START + give_up
    assert ledger.given_up("a", now) == START


def test_an_earlier_acceptance_that_is_heard_of_late_moves_only_the_first_look_up() -> None:
    ledger = ledger_of(WasAccepted("a", START + 100), WasAccepted("a", START))
    assert due(ledger, START + 900) == ["a"]
    assert ledger.asked("a", START + 900) == 900
    assert due(ledger, START + 1799) == []
    ledger.heed(WasAccepted("a", START - 500))
    assert due(ledger, START + 1799) == []
    assert due(ledger, START + 1800) == ["a"]


def test_what_is_on_the_wire_is_not_given_out_again_when_the_times_of_others_are_cleared_up() -> None:
    ledger = ledger_of(WasAccepted("a", START))
    assert due(ledger, START + 900) == ["a"]
    for number in range(2000):
        ledger.heed(WasAccepted(str(number), START + 900))
        ledger.heed(ready(str(number), START + 900))
    assert due(ledger, START + 1000) == []
    assert ledger.asked("a", START + 1000) == 900
    assert due(ledger, START + 1900) == ["a"]


def test_what_is_given_up_without_an_answer_is_asked_again_later() -> None:
    ledger = ledger_of(WasAccepted("a", START))
    assert due(ledger, START + 90_000) == ["a"]
    assert ledger.asked("a", START + 90_000) == 900
    assert due(ledger, START + 90_899) == []
    assert due(ledger, START + 90_900) == ["a"]


def test_a_reported_video_is_not_asked_for_again_and_a_later_acceptance_is() -> None:
    ledger = ledger_of(WasAccepted("a", START), WasOverdue("a", START + 86_400, START))
    assert list(ledger.listed()) == [Pending("a", START, START + 86_400)]
    assert due(ledger, START + 200_000) == []
    ledger.heed(WasAccepted("a", START + 86_401))
    assert list(ledger.listed()) == [Pending("a", START + 86_401)]
    assert due(ledger, START + 86_401 + 900) == ["a"]


def test_what_was_accepted_after_the_report_s_look_up_and_read_before_it_is_pending_anew() -> None:
    again: list[Fact] = [
        WasAccepted("a", START),
        WasAccepted("a", START + 86_401),
        WasOverdue("a", START + 86_400, START),
    ]
    assert list(ledger_of(*again).listed()) == [Pending("a", START + 86_401)]


def test_a_video_that_comes_after_it_was_reported_is_ready() -> None:
    ledger = ledger_of(
        WasAccepted("a", START), WasOverdue("a", START + 86_400, START), ready("a", START + 86_500)
    )
    assert list(ledger.listed()) == []


def test_beyond_max_pending_the_one_heard_of_first_is_untracked_and_its_video_is_not_unmatched() -> None:
    limits = LedgerLimits(overdue_after_seconds=900, give_up_after_seconds=86_400, max_pending=2)
    ledger = ledger_of(*(WasAccepted(id_, START + at) for at, id_ in enumerate("abc")), limits=limits)
    assert (pending(ledger), ledger.untracked) == ({"b", "c"}, 1)
    assert list(ledger.listed()) == [Pending("b", START + 1), Pending("c", START + 2)]
    ledger.heed(WasAccepted("a", START))
    ledger.heed(ready("a", START + 60))
    ledger.advance(START + 5000)
    assert (pending(ledger), ledger.untracked, ledger.unmatched) == ({"b", "c"}, 1, 0)


def test_an_untracked_id_that_is_accepted_again_later_is_tracked_again() -> None:
    limits = LedgerLimits(overdue_after_seconds=900, give_up_after_seconds=86_400, max_pending=1)
    ledger = ledger_of(WasAccepted("a", START), WasAccepted("b", START + 1), limits=limits)
    ledger.heed(WasAccepted("a", START + 2))
    assert (pending(ledger), ledger.untracked) == ({"a"}, 2)


def test_a_video_of_an_id_that_was_never_sent_is_unmatched_once_after_a_grace() -> None:
    ledger = ledger_of(ready("a", START), ready("b", START), ready("a", START + 300, "e2"))
    ledger.heed(WasAccepted("b", START + 600))
    ledger.advance(START + 899)
    assert ledger.unmatched == 0
    ledger.advance(START + 900)
    assert ledger.unmatched == 1
    ledger.heed(ready("a", START + 901))
    ledger.advance(START + 5000)
    assert ledger.unmatched == 1


def test_regression_after_an_outage_of_kafka_a_video_is_matched_though_it_is_read_before_its_acceptance() -> (
    None
):
    ledger = ledger_of()
    ledger.advance(START + 2000)
    ledger.heed(ready("a", START))  # it was on the spool meanwhile
    ledger.advance(START + 2001)
    ledger.heed(WasAccepted("a", START - 60))
    ledger.heed(ready("nobody", START))
    ledger.advance(START + 2900)
    assert ledger.unmatched == 0
    ledger.advance(START + 2901)
    assert ledger.unmatched == 1


def test_regression_the_last_of_many_is_found_as_quickly_as_the_first() -> None:
    ledger = Ledger(LedgerLimits(900, 86_400, max_pending=200_000))
    for number in range(40_000):
        ledger.heed(WasAccepted(str(number), START))
    ledger.advance(START + 900)
    seconds = []
    for _ in range(10):
        begun = time.process_time()
        assert None not in [ledger.take_due() for _ in range(4000)]
        seconds.append(time.process_time() - begun)
    # Where each is searched for among those that are gone, it is ten times as much, and more.
    assert min(seconds[-3:]) < 5 * seconds[0]


def test_a_callback_whose_link_differs_from_the_one_a_look_up_found_is_counted() -> None:
    found = ready("a", START + 1000, "e1", reconciled=True)
    assert ledger_of(found, ready("a", START + 1001, "e1")).mismatched == 0
    assert ledger_of(found, ready("a", START + 1001, "e2")).mismatched == 1
    two = ready("a", START + 1000, "e2", reconciled=True)
    for each in ("e1", "e2"):
        assert ledger_of(found, two, ready("a", START + 1001, each)).mismatched == 0
    assert ledger_of(ready("a", START), ready("a", START + 1, "e2")).mismatched == 0


def test_what_ended_is_forgotten_after_the_horizon_and_beyond_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = ledger_of(ready("a", START))
    ledger.advance(START + LIMITS.horizon_seconds)
    ledger.heed(WasAccepted("a", START + LIMITS.horizon_seconds))
    assert pending(ledger) == set()
    ledger.advance(START + LIMITS.horizon_seconds + 1)
    ledger.heed(WasAccepted("a", START + LIMITS.horizon_seconds + 1))
    assert pending(ledger) == {"a"}
    ledger = ledger_of(ready("a", START), ready("b", START + 1), ready("a", START + 100))
    ledger.advance(START + 2 + LIMITS.horizon_seconds)
    assert pending_after(ledger, "a", "b") == {"b"}
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    ledger = ledger_of(*(ready(id_, START) for id_ in "abc"), *(WasAccepted(id_, START) for id_ in "abc"))
    assert pending(ledger) == {"a"}
    assert ledger_of(*(ready(id_, START) for id_ in "abc")).unmatched == 1


def test_the_horizon_reaches_beyond_the_time_of_giving_up_by_an_hour_at_least() -> None:
    assert LIMITS.horizon_seconds == 2 * 86_400
    assert LedgerLimits(1, 3, 1).horizon_seconds == 3603


def test_a_hundred_thousand_videos_that_come_at_once_leave_no_memory_of_their_times() -> None:
    ledger = Ledger(
        LedgerLimits(overdue_after_seconds=86_400, give_up_after_seconds=90_000, max_pending=200_000)
    )
    for number in range(20_000):
        ledger.heed(WasAccepted(str(number), START + number))
        ledger.heed(ready(str(number), START + number))
    assert len(ledger._schedule) < 5000
    ledger.heed(WasAccepted("last", START))
    assert due(ledger, START + 86_400) == ["last"]


class Course(RuleBasedStateMachine):
    """A ledger that lives through a course of facts and look-ups, beside one that is rebuilt from the topics."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.topics: list[Fact] = []
        self.live = Ledger(LIMITS)
        self.due: set[str] = set()

    def publish(self, fact: Fact) -> None:
        self.topics.append(fact)
        self.live.heed(fact)

    @rule(seconds=st.sampled_from([0.001, 1.0, 60.0, 900.0, 7200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.live.advance(self.now)

    @rule(id_=st.sampled_from(IDS), late=st.sampled_from([0.0, 5.0]))
    def seen_takes_an_event(self, id_: str, late: float) -> None:
        self.publish(WasAccepted(id_, self.now - late))

    @rule(id_=st.sampled_from(IDS))
    def a_callback_comes(self, id_: str) -> None:
        self.publish(ready(id_, self.now))

    @rule()
    def a_look_up_finds_nothing(self) -> None:
        if (id_ := self.live.take_due()) is None:
            return
        if (since := self.live.given_up(id_, self.now)) is not None:
            self.publish(WasOverdue(id_, self.now, since))
        else:
            self.live.asked(id_, self.now)

    @precondition(lambda self: self.live.overdue > 0)
    @rule()
    def seen_has_had_no_video_for_a_day(self) -> None:
        self.time_passes(86_400.0)
        self.a_look_up_finds_nothing()

    @rule(chance=st.randoms(use_true_random=False))
    def another_takes_over(self, chance: random.Random) -> None:
        outcomes = [fact for fact in self.topics if isinstance(fact, WasAccepted)]
        videos = [fact for fact in self.topics if not isinstance(fact, WasAccepted)]
        rebuilt = Ledger(LIMITS)
        while outcomes or videos:  # two topics, each in order, and in any order between them
            side = outcomes if outcomes and (not videos or chance.random() < 0.5) else videos
            fact = side.pop(0)
            if fact.at >= self.now - LIMITS.horizon_seconds:
                rebuilt.heed(fact)
        rebuilt.advance(self.now)
        assert pending(self.live) & self.heard_of() <= pending(rebuilt)
        # One whose end is older than the horizon is asked for again.
        assert pending(rebuilt) <= pending(self.live) | self.ended_long_ago()
        self.live = rebuilt

    def heard_of(self) -> set[str]:
        """The ids that were accepted within the horizon: a ledger that is rebuilt knows of no others."""
        edge = self.now - LIMITS.horizon_seconds
        return {fact.id for fact in self.topics if isinstance(fact, WasAccepted) and fact.at >= edge}

    def ended_long_ago(self) -> set[str]:
        edge = self.now - LIMITS.horizon_seconds
        return {fact.id for fact in self.topics if not isinstance(fact, WasAccepted) and fact.at < edge}

    @invariant()
    def nothing_is_asked_for_that_is_not_pending(self) -> None:
        assert self.live.overdue <= self.live.pending <= len(IDS)


TestCourse = Course.TestCase
