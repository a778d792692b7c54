"""Who may stay where there are not places for all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.inbound.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable

PROXY = None


def filled(*addresses: str | None, most: int = 3, most_of_one: int = 10) -> Places[int]:
    """Connections 0, 1, ..., each a second after the one before, that wait for their head."""
    places = Places[int](most, most_of_one, 10.0)
    for number, address in enumerate(addresses):
        assert places.enter(number, address, float(number)) is None
    return places


def test_while_there_are_places_nobody_has_to_go() -> None:
    places = filled("a", "a", "b")
    assert (len(places), set(places)) == (3, {0, 1, 2})


def test_the_oldest_goes_for_a_newcomer() -> None:
    places = filled("a", "b", "c")
    assert places.enter(3, "d", 3.0) == 0
    assert places.enter(4, "e", 4.0) == 1
    assert set(places) == {2, 3, 4}


def test_the_address_that_holds_most_gives_up_its_own() -> None:
    places = filled("seen", "a", "a")
    assert places.enter(3, "b", 3.0) == 1
    places = filled("seen", "a", "a")
    assert places.enter(3, "a", 3.0) == 1


def test_an_eighth_of_the_places_is_not_many() -> None:
    places = filled("a", "b", "c", "d", *["seen"] * 12, most=16, most_of_one=99)
    assert places.enter(16, "seen", 16.0) == 4
    places = filled(*"abcdefghijklmn", "seen", "seen", most=16)
    assert places.enter(16, "o", 16.0) == 0


def test_an_address_that_was_heard_of_lately_keeps_even_its_oldest_connection() -> None:
    places = filled("seen", *"abcdefghijklmno", most=16)
    places.asks(0)
    places.waits(0)
    assert places.enter(16, "p", 16.0) == 1
    assert places.enter(17, "seen", 17.0) == 2
    for number in range(18, 32):
        assert places.enter(number, f"x{number}", float(number)) not in {0, 17}


def test_of_an_address_what_waits_goes_before_what_asks() -> None:
    places = filled("a", "a", "a")
    places.asks(0)
    assert places.enter(3, "b", 4.0) == 1
    places.asks(2)
    assert places.enter(4, "c", 5.0) == 0


def test_a_call_that_is_made_durable_stays_until_it_is_answered() -> None:
    places = filled("a", "a", "a")
    for number in (0, 1, 2):
        places.asks(number)
        places.stays(number)
    assert places.enter(3, "a", 4.0) == 3
    assert set(places) == {0, 1, 2}
    places.waits(1)
    assert places.enter(4, "b", 6.0) == 1


def test_the_limit_of_an_address_counts_what_is_there_on_sufferance() -> None:
    places = filled("a", "a", most=10, most_of_one=2)
    assert places.enter(2, "a", 2.0) == 0
    places.stays(1)
    assert places.enter(3, "a", 3.0) is None
    assert places.enter(4, "b", 4.0) is None


def test_a_trusted_proxy_has_no_limit_of_its_own_and_is_never_the_one_that_holds_most() -> None:
    places = filled(PROXY, PROXY, PROXY, PROXY, "a", "a", most=6, most_of_one=2)
    assert places.enter(6, "b", 6.0) == 4
    assert places.enter(7, PROXY, 7.0) == 5
    assert places.enter(8, PROXY, 8.0) == 6
    assert places.enter(9, PROXY, 9.0) == 0


def test_a_head_is_overdue_by_when_it_began_and_not_by_its_last_byte() -> None:
    places = filled("a", "b")
    assert places.overdue(9.9) == []
    assert places.overdue(10.0) == [0]
    places.asks(0)
    assert places.overdue(11.0) == [1]
    places.waits(0)
    assert places.overdue(1000.0) == [1]  # between two requests nothing is due
    places.head_began(0, 1000.0)
    places.head_began(0, 1009.0)
    assert places.overdue(1009.9) == [1]
    assert places.overdue(1010.0) == [1, 0]


def test_what_is_told_of_one_that_has_left_does_nothing() -> None:
    places = filled("a")
    assert places.leave(0)
    assert not places.leave(0)
    places.asks(0)
    places.stays(0)
    places.waits(0)
    places.head_began(0, 1.0)
    assert (len(places), places.waiting(), places.overdue(99.0)) == (0, [], [])


class Model:
    """The same rule, in words that are slow and plain: who has to go is looked for among all."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most, self.most_of_one = most, most_of_one
        self.stage: dict[int, str] = {}
        self.address: dict[int, str | None] = {}
        self.since: dict[int, int] = {}
        self.heard: dict[str | None, int] = {}
        self.now = 0

    def on_sufferance(self) -> list[int]:
        return [each for each, stage in self.stage.items() if stage != "stays"]

    def enter(self, connection: int, address: str | None) -> int | None:
        leaver: int | None = None
        counts = Counter(self.address[each] for each in self.on_sufferance())
        if address is not None and counts[address] >= self.most_of_one:
            leaver = self.first_of(address)
        elif len(self.stage) >= self.most:
            if not counts:
                return connection
            weights = {
                each: 0 if each is None else max(0, count - self.most // 8) for each, count in counts.items()
            }
            leaver = self.first_of(max(weights, key=lambda each: (weights[each], -self.heard[each])))
        if leaver is not None:
            self.leave(leaver)
        self.address[connection] = address
        self.become(connection, "waits")
        return leaver

    def first_of(self, address: str | None) -> int:
        its = [each for each in self.on_sufferance() if self.address[each] == address]
        return min(its, key=lambda each: (self.stage[each] != "waits", self.since[each]))

    def become(self, connection: int, stage: str) -> None:
        self.now += 1
        self.stage[connection], self.since[connection] = stage, self.now
        self.heard[self.address[connection]] = self.now

    def leave(self, connection: int) -> None:
        self.now += 1
        del self.stage[connection]
        self.heard[self.address[connection]] = self.now


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "asks", "stays", "waits", "leave"]),
        st.sampled_from(["a", "b", "c", None]),
        st.integers(0, 30),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 20), st.integers(1, 9))
@settings(max_examples=400)
def test_whatever_happens_the_limits_hold_and_the_right_one_goes(
    steps: Iterable[tuple[str, str | None, int]], most: int, most_of_one: int
) -> None:
    places, model = Places[int](most, most_of_one, 10.0), Model(most, most_of_one)
    for number, (step, address, which) in enumerate(steps):
        if step == "enter":
            assert places.enter(number, address, float(number)) == model.enter(number, address)
        elif model.stage:
            connection = list(model.stage)[which % len(model.stage)]
            getattr(places, step)(connection)
            if step == "leave":
                model.leave(connection)
            else:
                model.become(connection, step)
        assert set(places) == set(model.stage)
        assert len(places) <= most
        assert set(places._holders) == {
            model.address[each] for each in model.stage
        }  # nobody else is remembered
        assert set(places.waiting()) == {each for each, stage in model.stage.items() if stage == "waits"}
