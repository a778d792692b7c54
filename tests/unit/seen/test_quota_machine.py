"""The quota's window against a server: requests arrive whenever they may, and no window holds more than the quota."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.seen.window import Window

# Times are whole seconds, so that sums are exact; a request takes at least one to arrive, and so does its answer.


@dataclass(slots=True)
class Request:
    """When it was sent, arrived and ended, as far as it has; its slot is free at `free_at`."""

    sent_at: int
    arrived_at: int | None = None
    given_up_at: int | None = None
    free_at: int | None = None


class WindowAgainstServer(RuleBasedStateMachine):
    """The server knows arrivals alone; the model knows when each slot must come free."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.arrivals: list[int] = []
        self.requests: list[Request] = []
        self.inherited: list[int] = []
        self.begin(1, 10, 10, [])

    @initialize(
        requests=st.integers(1, 5),
        per=st.integers(1, 12),
        grace=st.integers(0, 12),
        spent=st.lists(st.integers(-20, 0), max_size=5),
    )
    def begin(self, requests: int, per: int, grace: int, spent: list[int]) -> None:
        """`spent` are arrivals of a predecessor, before our time; each holds a slot of ours for the rest of its window."""
        self.most, self.per, self.grace = requests, per, grace
        self.window = Window(requests, per, grace)
        self.arrivals = sorted(spent)[:requests]
        self.inherited = [arrival + per for arrival in self.arrivals]
        self.window.inherit(self.inherited)

    @rule(seconds=st.integers(1, 15))
    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.let_the_latest_arrive()

    @rule()
    def pass_time_until_a_slot_comes_free(self) -> None:
        following = self.window.next_free()
        while following is not None and self.now < following:
            self.pass_time(1)

    @rule()
    def send(self) -> None:
        is_free = self.held() < self.most
        assert self.window.take(self.now) is is_free
        if is_free:
            self.requests.append(Request(self.now))

    @rule()
    def send_as_many_as_may_leave(self) -> None:
        for _ in range(self.most - self.held()):
            self.send()
        assert not self.window.take(self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Anywhere between the sending and the answer; after the client gave up, within the grace."""
        self.arrives(data.draw(st.sampled_from(self.under_way)))

    @precondition(lambda self: self.on_wire)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.on_wire))
        if request.arrived_at is None:
            self.pass_time(1)
            self.arrives(request)
        self.pass_time(1)
        self.window.answered(self.now)
        request.free_at = self.now + self.per

    @precondition(lambda self: self.on_wire)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.on_wire))
        self.window.unanswered(self.now)
        request.given_up_at = self.now
        request.free_at = self.now + self.grace + self.per

    @precondition(lambda self: any(each.arrived_at is None for each in self.on_wire))
    @rule(data=st.data())
    def write_nothing(self, data: st.DataObject) -> None:
        unwritten = [each for each in self.on_wire if each.arrived_at is None]
        self.requests.remove(data.draw(st.sampled_from(unwritten)))
        self.window.unused()

    @property
    def on_wire(self) -> list[Request]:
        return [each for each in self.requests if each.free_at is None]

    @property
    def under_way(self) -> list[Request]:
        """What has left and may arrive now: not in the second in which it left."""
        return [
            each
            for each in self.requests
            if each.arrived_at is None and each.sent_at < self.now and not self.is_lost(each)
        ]

    def is_lost(self, request: Request) -> bool:
        return request.given_up_at is not None and self.now > request.given_up_at + self.grace

    def arrives(self, request: Request) -> None:
        request.arrived_at = self.now
        self.arrivals.append(self.now)

    def let_the_latest_arrive(self) -> None:
        """The worst of what was given up: it arrives at the end of its grace."""
        for each in self.under_way:
            if each.given_up_at is not None and self.now == each.given_up_at + self.grace:
                self.arrives(each)

    def held(self) -> int:
        ours = sum(each.free_at is None or each.free_at > self.now for each in self.requests)
        return ours + sum(time > self.now for time in self.inherited)

    @invariant()
    def no_window_holds_more_than_the_quota(self) -> None:
        for start in self.arrivals:
            assert sum(start <= each <= start + self.per for each in self.arrivals) <= self.most

    @invariant()
    def a_slot_is_neither_leaked_nor_free_too_early(self) -> None:
        assert self.window.used(self.now) == self.held()

    @invariant()
    def the_next_free_slot_is_known(self) -> None:
        self.window.used(self.now)
        times = [each.free_at for each in self.requests if each.free_at is not None] + self.inherited
        assert self.window.next_free() == min((time for time in times if time > self.now), default=None)


TestWindowAgainstServer = WindowAgainstServer.TestCase
