"""Whose turn it is: by priority, then first come, first served, and nobody is passed over for ever."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.line import Line
from connector.types import Priority

DELIVERY, REPLAY, VIDEO = Priority


def line(**waiting: int) -> Line[tuple[str, int]]:
    made: Line[tuple[str, int]] = Line()
    for name, count in waiting.items():
        for number in range(count):
            made.join((name, number), Priority(name))
    return made


def test_a_higher_priority_goes_first_and_within_one_whoever_came_first() -> None:
    queue = line(video=1, replay=2, delivery=2)
    served = [queue.serve() for _ in range(5)]
    assert served == [("delivery", 0), ("delivery", 1), ("replay", 0), ("replay", 1), ("video", 0)]


def test_whoever_leaves_is_not_served_and_may_leave_twice() -> None:
    queue = line(delivery=3)
    for _ in range(2):
        queue.leave(("delivery", 0))
    assert (len(queue), queue.waiting(DELIVERY), queue.first()) == (2, 2, ("delivery", 1))
    assert queue.serve() == ("delivery", 1)


def test_where_nobody_waits_nobody_is_served() -> None:
    for ask in (Line[int]().serve, Line[int]().first):
        with pytest.raises(IndexError):
            ask()


def test_behind_a_backlog_each_lower_priority_gets_two_percent_and_no_more() -> None:
    queue = line(delivery=1000, replay=1000, video=1000)
    served = Counter(queue.serve()[0] for _ in range(1000))
    assert 20 <= served["replay"] <= 21
    assert 20 <= served["video"] <= 21


def test_what_nothing_more_urgent_wants_is_the_lower_ones() -> None:
    queue = line(video=100)
    for number in range(50):
        queue.join(("delivery", number), DELIVERY)
    served = [queue.serve()[0] for _ in range(150)]
    assert served.count("video") == 100
    assert served[:48] == ["delivery"] * 48


def test_one_that_comes_seldom_has_not_saved_up_turns() -> None:
    queue = line(delivery=500)
    for _ in range(200):
        queue.serve()
    queue.join(("video", 0), VIDEO)
    queue.join(("video", 1), VIDEO)
    served = [queue.serve()[0] for _ in range(60)]
    assert served.count("video") == 1


COURSES = st.lists(st.sampled_from([*Priority, None, None]), max_size=400)


@given(backlog=st.integers(0, 200), course=COURSES)
def test_of_fifty_slots_in_a_row_one_is_for_each_priority_that_waits(
    backlog: int, course: list[Priority | None]
) -> None:
    queue = line(delivery=backlog)
    joined: dict[Priority, list[tuple[str, int]]] = {each: [] for each in Priority}
    joined[DELIVERY] = [("delivery", number) for number in range(backlog)]
    without = dict.fromkeys(Priority, 0)
    for number, step in enumerate(course):
        if step is not None:
            place = (step.value, 1000 + number)
            queue.join(place, step)
            joined[step].append(place)
            continue
        waiting = [each for each in Priority if joined[each]]
        if not waiting:
            continue
        chosen = Priority(queue.serve()[0])
        joined[chosen].pop(0)
        for each in Priority:
            without[each] = 0 if each is chosen or each not in waiting else without[each] + 1
            assert without[each] < 50
        assert len(queue) == sum(map(len, joined.values()))


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=60), st.data())
def test_within_a_priority_the_order_is_that_of_coming_whoever_leaves(
    came: list[Priority], data: st.DataObject
) -> None:
    queue: Line[int] = Line()
    for number, priority in enumerate(came):
        queue.join(number, priority)
    gone = data.draw(st.sets(st.sampled_from(range(len(came)))))
    for number in gone:
        queue.leave(number)
    served = [queue.serve() for _ in range(len(queue))]
    assert set(served) == set(range(len(came))) - gone
    for priority in Priority:
        of_one = [number for number in served if came[number] is priority]
        assert of_one == sorted(of_one)
