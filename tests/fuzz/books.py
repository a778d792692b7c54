"""What was sent, what was answered, and what may be in Kafka: so also what may not be. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector.deadletter import PREFIX
from tests.fuzz.brazebooks import BrazeBooks
from tests.fuzz.calls import BRAZE, CALLBACK, DOCUMENT, TOKEN, VIEWER
from tests.fuzz.marks import marked
from tests.fuzz.wires import WIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.types import Record
    from tests.fuzz.calls import Call
    from tests.fuzz.doors import Proof
    from tests.fuzz.wires import Wire

_SHOWN = 10
_CALL = re.compile(rb"call=(\d+)")  # in the type of what Braze posts
_INVALID = b'"ErrInvalidRequest"'  # SEEN answers 500 to a wrong id
_ROLES: dict[str | None, tuple[str, ...]] = {
    CALLBACK: ("videos", "dead_letters"),
    VIEWER: ("viewers", "dead_letters"),
    **dict.fromkeys(BRAZE, ("braze", "dead_letters")),
    None: ("videos", "viewers", "dead_letters"),  # some odd paths lead to a workspace
}

ROWS = (
    "answered 500, or no answer of ours",
    "answers that are not as described",
    "complaints of schemathesis",
    "calls without an answer",
    "right secrets refused",
    "wrong secrets taken",
    "records without a right secret",
    "records of no call",
    "2xx that are not in Kafka",
    "Braze: sound refused, or faulty taken",
    "Braze: answers and Kafka that do not agree",
    "lines of the log that are none",
    "tracebacks in the log",
    "secrets in the log",
    "secrets in an answer",
    "customers' data in the log",
    "connections left over",
    "ended badly",
    "MB of memory beyond 256",
)
"""Each of them is allowed never."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is remembered of a call: in the topics of which roles a record may come of it, no `workspace`: of any."""

    workspace: str
    proof: Proof
    roles: tuple[str, ...]


@dataclass(slots=True)
class Books:
    """Counts, and the breaches of each row, of which the first are kept in words."""

    counts: Counter[str] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    _sent: dict[int, Sent] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)
    _found: Counter[int] = field(default_factory=Counter)
    _digests: dict[str, int] = field(default_factory=dict)
    _braze: BrazeBooks = field(default_factory=BrazeBooks)

    def breach(self, row: str, what: str) -> None:
        """Raises KeyError for what is not in `ROWS`."""
        if row not in ROWS:
            raise KeyError(row)
        self.breaches[row] += 1
        if self.breaches[row] <= _SHOWN:
            self.examples.setdefault(row, []).append(what[:2_000])

    def send(self, call: Call) -> None:
        """Before it is sent."""
        self.counts["requests"] += 1
        self.counts[f"showed {call.proof}"] += call.is_callback
        self.counts["what Braze might post"] += call.is_braze
        self._sent[call.number] = Sent(call.workspace, call.proof, _ROLES.get(call.path, ()))
        if call.digest:
            self._digests[call.digest] = call.number
        if call.is_braze:
            self._braze.send(call)

    def send_wire(self, wire: Wire) -> None:
        """Likewise."""
        self.counts["requests"] += len(wire.calls)
        self.counts["connections of raw bytes"] += 1
        for number, proof in wire.calls:
            self._sent[number] = Sent(wire.workspace, proof, _ROLES[wire.path])

    def remember(self, number: int, workspace: str, proof: Proof, path: str | None) -> None:
        """A call of schemathesis's, before it is sent."""
        self.counts["requests"] += 1
        self._sent[number] = Sent(workspace, proof, _ROLES.get(path, ()))

    def answered(self, call: Call, status: int, body: bytes = b"") -> None:
        """A whole answer of ours has come; whether it is as described is looked at elsewhere."""
        self.counts[f"answered {status}"] += 1
        said = f"{status} {body[:200]!r} to {call.head!r} {call.body[:300]!r}"
        is_taken = 200 <= status < 300
        if status >= 500 and status != 503 and not (call.is_braze and _INVALID in body):
            self.breach("answered 500, or no answer of ours", said)
        if call.plain and call.proof == "right" and not is_taken and status != 503:
            self.breach("right secrets refused", said)
        if call.proof == "wrong" and is_taken and call.path != DOCUMENT:
            self.breach("wrong secrets taken", said)
        if is_taken and call.is_callback:
            self._taken.add(call.number)
        if call.is_braze and (wrong := self._braze.answered(call, status, body)) is not None:
            self.breach("Braze: sound refused, or faulty taken", f"{wrong}: {said}")
        if is_taken and call.path == TOKEN:
            self.counts["tokens issued"] += 1

    def taken(self, number: int) -> None:
        """A call was answered 2xx."""
        self._taken.add(number)

    def record(self, workspace: str, role: str, record: Record) -> None:
        """One record of the workspace's topic for `role`."""
        self.counts["records"] += 1
        number = self._number(record)
        where = f"{record.origin}: {(record.value or b'')[:500]!r}"
        sent = None if number is None else self._sent.get(number)
        if number is None and workspace in WIRED and not (record.value or b"").strip():
            self.counts["records of a body that was cut before its mark"] += 1
        elif sent is None or number is None:
            self.breach("records of no call", where)
        elif sent.proof == "wrong" or role not in sent.roles or sent.workspace not in ("", workspace):
            self.breach("records without a right secret", f"{where}: {sent}")
        else:
            self._found[number] += 1
            if "braze" in sent.roles and (wrong := self._braze.record(number, role, record)):
                self.breach("Braze: answers and Kafka that do not agree", f"{wrong}: {where}")

    def close(self) -> None:
        """After the last record."""
        self.counts["answered 2xx, and in Kafka"] = len(self._taken & self._found.keys())
        self.counts["in Kafka, and their answer was never read"] = len(self._found.keys() - self._taken)
        self.counts["records beyond one for each call"] = self._found.total() - len(self._found)
        for number in sorted(self._taken - self._found.keys()):
            self.breach("2xx that are not in Kafka", f"call {number}: {self._sent.get(number)}")
        for wrong in self._braze.close():
            self.breach("Braze: answers and Kafka that do not agree", wrong)

    def lines(self) -> Iterator[str]:
        """The table: what the run consisted of, then each row."""
        for name, count in sorted(self.counts.items()):
            yield f"{name:52}{count:>12,}"
        yield f"\n{'':52}{'found':>12}{'allowed':>12}  verdict"
        for row in ROWS:
            verdict = "FAILED" if self.breaches[row] else "ok"
            yield f"{row:52}{self.breaches[row]:>12,}{0:>12}  {verdict}"
        for row, examples in self.examples.items():
            yield f"\n{row}:"
            yield from (f"  {each}" for each in examples)

    def _number(self, record: Record) -> int | None:
        number = marked(record.value or b"")
        if number is not None:
            return number
        headers = dict(record.headers)
        digest = headers.get(PREFIX + "value-sha256")
        if digest is not None and digest.decode() in self._digests:
            return self._digests[digest.decode()]
        named = _CALL.search(headers.get(PREFIX + "content-type") or b"")
        return None if named is None else int(named[1])
