"""What happened in one course, in order: what the checks read. Times are virtual seconds, `ws` names the workspace."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Produced(NamedTuple):
    """Record `number` of the plan was written to its topic."""

    at: float
    ws: str
    number: int


class Prepared(NamedTuple):
    """A replica knows what there is to know of the record's image: the event may be sent, or `is_bad`."""

    at: float
    ws: str
    replica: int
    number: int
    is_bad: bool


class Sent(NamedTuple):
    """A replica has written a request. `numbers` are the records' for a POST, none for a look-up; `size` is its body's."""

    at: float
    ws: str
    replica: int
    request: int
    numbers: tuple[int, ...]
    size: int


class Arrived(NamedTuple):
    """SEEN has counted a request. `shown`: of its records those that it had already, with the values that it carries."""

    at: float
    ws: str
    replica: int
    request: int
    numbers: tuple[int, ...]
    shown: tuple[int, ...]


class Taken(NamedTuple):
    """SEEN has carried out a POST, or this much of it: it has the record's item."""

    at: float
    ws: str
    request: int
    number: int


class Said(NamedTuple):
    """SEEN says of one item of a batch what is wrong with it."""

    at: float
    ws: str
    request: int
    number: int
    words: str


class Ended(NamedTuple):
    """For the replica a request is over; `how` is a status, or what went wrong."""

    at: float
    ws: str
    request: int
    how: str


class Published(NamedTuple):
    """A message is durable in Kafka. `kind` is that of the outcome, or `dead letter`, whose `words` say why."""

    at: float
    ws: str
    replica: int
    number: int
    kind: str
    event_id: str
    words: str


class Heard(NamedTuple):
    """A replica was told that its message is durable."""

    at: float
    ws: str
    replica: int
    number: int
    kind: str


class CommitSent(NamedTuple):
    """A replica has written a commit: the offsets, by partition."""

    at: float
    ws: str
    replica: int
    commit: int
    offsets: tuple[tuple[int, int], ...]


class Committed(NamedTuple):
    """Kafka has taken the commit."""

    at: float
    ws: str
    replica: int
    commit: int


class Refused(NamedTuple):
    """Kafka has refused the commit: the group has moved on."""

    at: float
    ws: str
    replica: int
    commit: int


class Assigned(NamedTuple):
    """A replica was told its partitions. `commit` is the last that Kafka had taken then, 0 if none."""

    at: float
    ws: str
    replica: int
    generation: int
    commit: int


class Revoked(NamedTuple):
    """A replica has given its partitions back; or they were taken from it, if it was not asked."""

    at: float
    ws: str
    replica: int
    was_asked: bool


class Turn(NamedTuple):
    """What was done to a replica: its start, its end, a rebalance, a pause."""

    at: float
    ws: str
    replica: int
    what: str


class Fault(NamedTuple):
    """A fault has hit something: a request to SEEN, a call to Kafka."""

    at: float
    ws: str
    what: str


class Sample(NamedTuple):
    """How much a replica holds."""

    at: float
    ws: str
    replica: int
    buffered: int
    span: int
    in_flight: int
    tasks: int


class Died(NamedTuple):
    """A replica ended by an error of its own."""

    at: float
    ws: str
    replica: int
    why: str


class Drained(NamedTuple):
    """All is done, or the time for it is over. `left` are the records that are not committed past."""

    at: float
    ws: str
    left: int
    skipped: int


Entry = (
    Produced
    | Prepared
    | Sent
    | Arrived
    | Taken
    | Said
    | Ended
    | Published
    | Heard
    | CommitSent
    | Committed
    | Refused
    | Assigned
    | Revoked
    | Turn
    | Fault
    | Sample
    | Died
    | Drained
)


def digest(history: Iterable[Entry]) -> str:
    """The same for the same history, and in practice for no other."""
    text = hashlib.sha256()
    for entry in history:
        text.update(f"{type(entry).__name__}{tuple(entry)!r}\n".encode())
    return text.hexdigest()[:16]


def line(entry: Entry) -> str:
    """One entry, for people."""
    what = " ".join(f"{name}={value}" for name, value in entry._asdict().items() if name not in ("at", "ws"))
    return f"{entry.at:11.4f} {entry.ws:5} {type(entry).__name__.lower():10} {what}"
