"""What is known of a run afterwards: what Kafka holds, what SEEN logged, and what was measured. Nothing of the connectors' own.

All times are Unix seconds of this machine's clock, `monotonic` excepted, by which SEEN counts its quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from pathlib import Path

Values = dict[str, str | int]
"""The properties of one event."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of a source topic, written at `at`."""

    workspace: str
    partition: int
    offset: int
    key: str | None
    values: Values
    at: float

    @property
    def origin(self) -> tuple[str, int, int]:
        """Workspace, partition, offset: every workspace has one source topic."""
        return self.workspace, self.partition, self.offset

    @property
    def id(self) -> str:
        """The id as SEEN knows it."""
        return str(self.values["id"])

    @property
    def lane(self) -> tuple[str, int, str]:
        """Whose order is promised: the key's, without one the id's, within its partition."""
        return self.workspace, self.partition, f"key {self.key}" if self.key is not None else f"id {self.id}"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as SEEN saw it. `values` is what a POST carried, None for a GET and for a body that was not read.

    `processed`: SEEN took the values, whether or not it answered.
    """

    at: float
    monotonic: float
    workspace: str
    method: str
    values: Values | None
    status: int | None
    processed: bool


@dataclass(frozen=True, slots=True)
class Published:
    """An outcome (`kind` accepted, rejected, expired) or a dead letter (`kind` dead letter), by the record that it is of.

    `at` is when the broker appended it.
    """

    workspace: str
    partition: int
    offset: int
    kind: str
    event_id: str
    at: float

    @property
    def origin(self) -> tuple[str, int, int]:
        """As `Sent.origin`."""
        return self.workspace, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit of one partition, as the broker wrote it down."""

    workspace: str
    partition: int
    offset: int
    at: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What is promised of a workspace, by its configuration.

    At most `requests` arrivals in every `per_seconds`; events of which a crash may leave the fate unsettled; the longest
    interval between two probes of a suspended workspace.
    """

    requests: int
    per_seconds: float
    unsettled: int
    probe_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was done and measured.

    `unclean_ends` bounds repeats. `returned_at` is when SEEN came back from the long outage, around whose end nothing
    else was done; None if there was none. `drain_seconds` is None if not all was committed within the bound. `exits` has
    the exit codes of the connectors that were asked to end, and of those that ended by themselves.
    """

    unclean_ends: int
    returned_at: float | None
    peak_mb: dict[str, float]
    drain_seconds: float | None
    exits: dict[str, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A whole run. `written` is how many records were written; `poison` are the ids that SEEN never takes.

    `arrived` is in order of arrival, `commits` in the order of each partition, `items` is what SEEN shows at the end, by workspace and id.
    """

    limits: dict[str, Limit]
    written: int
    poison: frozenset[str]
    sent: list[Sent]
    arrived: list[Arrived]
    outcomes: list[Published]
    dead_letters: list[Published]
    commits: list[Committed]
    items: dict[str, dict[str, Values]]
    measured: Measured


_EVIDENCE = TypeAdapter(Evidence)


def save(evidence: Evidence, path: Path) -> None:
    """Writes it as JSON."""
    path.write_bytes(_EVIDENCE.dump_json(evidence))


def load(path: Path) -> Evidence:
    """Reads what `save` wrote. Raises OSError and pydantic's ValidationError."""
    return _EVIDENCE.validate_json(path.read_bytes())
