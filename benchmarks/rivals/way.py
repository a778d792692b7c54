"""What a listener of somebody else's is told: the way from SEEN to Kafka."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Self

BATCH_BYTES = 128 * 1024
"""The connector's producer takes batches of so many, with acks=all and idempotence: so do all."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where callbacks come in, and where they go."""

    port: int
    bootstrap: str
    topic: str
    token: str = field(repr=False)

    @classmethod
    def given(cls) -> Self:
        """As the command line says: port, broker, topic. The token is in CALLBACK_TOKEN."""
        port, bootstrap, topic = sys.argv[1:]
        return cls(int(port), bootstrap, topic, os.environ["CALLBACK_TOKEN"])
