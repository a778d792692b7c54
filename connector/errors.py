"""Every error that the connector raises on purpose.

    ConnectorError
    ├── ConfigError           the configuration cannot be used; carries every problem found, each with file and line
    ├── KafkaUnavailable      Kafka did not answer, or did not acknowledge, within the limit; trying again may help
    ├── ConsumerStalled       a partition gives nothing, although there is something to read in it
    ├── PublishRefused        Kafka will never take this message (too large for its topic); trying again cannot help
    ├── SpoolUnavailable      the spool has no room, its disk failed, or another process uses its folder
    ├── TopicsMissing         topics that the configuration names do not exist, and it does not say to create them
    ├── TopicTooSmall         a topic does not take messages as large as what must be written to it
    └── SandboxError          the local Kafka, the emulator or the demo could not do what was asked

HTTP statuses are no errors: they are values, see `connector.types.Verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass


class ConnectorError(Exception):
    """The root: catch it to catch all that the connector raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration. `line` counts from 1; None where no line can be named (a missing file)."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class ConfigError(ConnectorError):
    """The configuration cannot be used; `problems` holds every mistake found, never only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class KafkaUnavailable(ConnectorError):  # noqa: N818 - it names a state of the world, as the field does
    """Kafka did not answer, or did not acknowledge, within the limit. Trying again may help."""


class ConsumerStalled(ConnectorError):  # noqa: N818 - as above
    """A partition has given nothing for a while, although there is something to read in it: a new consumer may help."""


class PublishRefused(ConnectorError):  # noqa: N818 - as above
    """Kafka will never take this message. Trying again cannot help."""


class SpoolUnavailable(ConnectorError):  # noqa: N818 - as above
    """The spool did not take a callback (full, or its disk failed), or its folder cannot be used at all."""


class TopicsMissing(ConnectorError):  # noqa: N818 - as above
    """Topics that the configuration names do not exist, and `kafka.create_topics` is off."""

    def __init__(self, topics: list[str]) -> None:
        super().__init__(
            f"topics are missing: {', '.join(topics)}; create them, or set kafka.create_topics: true"
        )
        self.topics = topics


class TopicTooSmall(ConnectorError):  # noqa: N818 - as above
    """A topic's max.message.bytes is below what an outcome, or a dead letter without its value, may take."""


class SandboxError(ConnectorError):
    """The local Kafka, the emulator or the demo could not do what was asked."""
