"""What all workspaces of a process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.config.model import ConnectorConfig
    from connector.config.secrets import Redactor
    from connector.inbound.spool import Spool
    from connector.kafka.assignor import Member
    from connector.metrics import Metrics

STOP_SECONDS = 1.2
"""So long a connection to Kafka may take to end: three of them, and the last commit, fit into what the shutdown deadline
reserves.
"""

RESULTS_WAIT_SECONDS = 30.0
"""So long an outcome or a dead letter waits for Kafka until it is published anew."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workspaces of a process share. `spool` is None where none is configured."""

    config: ConnectorConfig
    clock: Clock
    metrics: Metrics
    redactor: Redactor
    version: str
    member: Member
    spool: Spool | None = None
