"""Faults on order: what goes wrong with which requests. Pure: time and chance come in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, with_config

if TYPE_CHECKING:
    from collections.abc import Callable


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to the requests that it matches, in place of SEEN's own answer. They count for the quota all the same.

    Which requests: the next `times` (None: all, until it is cleared) that arrive within `for_seconds` of its being set
    (None: at any time) and agree with every one of `workspace`, `method`, `id` and `path` that is given. A request for an
    access token is one of them, and has neither workspace nor id: `path="/oauth2/token"` means those alone. Of these,
    each is struck by `chance`; one that is not uses up none of `times`.

    What is done, after `delay_seconds`, or after a time drawn evenly from there to `delay_up_to_seconds`:

    - `answer`: `status`, `body`, `content_type` and `headers` are sent; a redirect is a 307 with a Location.
    - `reset`: the connection is reset (TCP RST) once the request was read, or before a byte of its body was read if
      `unread` is set.
    - `hang`: nothing is ever sent; the connection stays open until the client or the emulator ends it.
    - `none`: SEEN's own answer, late; with `early` the request is carried out before the delay, so that its callback may
      come before its answer.

    `close` has the server close the connection behind an answer, as it says in a header: the next request needs another.
    `processed` has the request carried out as if all were well, the answer excepted: what a client that got no usable
    answer must reckon with. Raises ValueError where the parts contradict each other.
    """

    act: Literal["answer", "reset", "hang", "none"] = "answer"
    status: int = 503
    body: str = ""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    delay_up_to_seconds: float | None = None
    close: bool = False
    unread: bool = False
    processed: bool = False
    early: bool = False
    chance: float = 1.0
    times: int | None = 1
    for_seconds: float | None = None
    workspace: str | None = None
    method: str | None = None
    id: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if self.unread and (self.act != "reset" or self.processed or self.id is not None):
            raise ValueError("unread is for a reset that neither is processed nor asks for an id")
        if self.early and self.act != "none":
            raise ValueError("early is for SEEN's own answer: act none")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or null for all")
        if not 0 < self.chance <= 1:
            raise ValueError("chance must be above 0 and at most 1")
        if self.delay_up_to_seconds is not None and self.delay_up_to_seconds < self.delay_seconds:
            raise ValueError("delay_up_to_seconds must not be below delay_seconds")


@dataclass(slots=True)
class _Order:
    fault: Fault
    left: int | None
    ends_at: float | None


class Faults:
    """The faults that are ordered, first come first served: a request gets the first that matches it, or none."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives uniform numbers in [0, 1)."""
        self._chance = chance
        self._orders: list[_Order] = []

    def add(self, fault: Fault, now: float) -> None:
        """Orders a fault. `now` is in seconds, by the clock that `take` is given."""
        ends_at = None if fault.for_seconds is None else now + fault.for_seconds
        self._orders.append(_Order(fault, fault.times, ends_at))

    def clear(self) -> None:
        """Forgets all of them."""
        self._orders.clear()

    def waiting(self, now: float) -> list[Fault]:
        """Those that can still strike."""
        self._drop_spent(now)
        return [order.fault for order in self._orders]

    def take(
        self, *, now: float, workspace: str, method: str, item: str | None, path: str, unread: bool = False
    ) -> Fault | None:
        """The fault that strikes this request, its delay drawn and one of its times used up; None if none does.

        It is asked twice for a request: before its body is read (`unread`, for faults that strike then), and after.
        """
        self._drop_spent(now)
        for order in self._orders:
            wanted = order.fault
            if (
                wanted.unread == unread
                and wanted.workspace in {None, workspace}
                and wanted.method in {None, method}
                and wanted.id in {None, item}
                and wanted.path in {None, path}
                and (wanted.chance == 1 or self._chance() < wanted.chance)
            ):
                if order.left is not None:
                    order.left -= 1
                return self._drawn(wanted)
        return None

    def _drawn(self, fault: Fault) -> Fault:
        if fault.delay_up_to_seconds is None:
            return fault
        spread = fault.delay_up_to_seconds - fault.delay_seconds
        return replace(
            fault, delay_seconds=fault.delay_seconds + self._chance() * spread, delay_up_to_seconds=None
        )

    def _drop_spent(self, now: float) -> None:
        self._orders = [
            order
            for order in self._orders
            if order.left != 0 and (order.ends_at is None or now < order.ends_at)
        ]
