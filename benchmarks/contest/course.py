"""What is known of one contestant when the run is over: what Kafka took, and what arrived at the server."""

from __future__ import annotations

from dataclasses import dataclass

ACCEPTED = 201
REFUSED = 429


@dataclass(frozen=True, slots=True)
class Request:
    """One arrival at the server, with the `id` of its event. `at` is in Unix seconds.

    `monotonic`, when it arrived, and `answered` are in the seconds that the quota counts; without an answer `status` and
    `answered` are None.
    """

    id: str
    at: float
    monotonic: float
    status: int | None
    answered: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One contestant's run. `singles` and `bursts` are ids of events → when Kafka appended them, in Unix seconds.

    The backlog began at `began` and was over `seconds` later, in seconds of `Request.monotonic`; `shocked` is when the
    replica that sent was ended or killed.
    """

    key: str
    requests: tuple[Request, ...]
    singles: dict[str, float]
    bursts: dict[str, float]
    began: float
    seconds: float
    shocked: float | None = None

    @property
    def of_backlog(self) -> tuple[Request, ...]:
        """The requests of the backlog, in the order of their arrival."""
        return tuple(
            each for each in self.requests if self.began <= each.monotonic < self.began + self.seconds
        )
