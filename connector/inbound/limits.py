"""What callers may take of the listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What calls and connections may take.

    `max_in_flight` counts the calls of one kind and workspace that are made durable; `max_bodies_bytes` is shared by kinds
    and workspaces, in equal parts. `max_connections_per_address` counts those on which no call is made durable.
    """

    max_body_bytes: int = 1_048_576
    max_bodies_bytes: int = 67_108_864
    body_timeout_seconds: float = 10.0
    publish_timeout_seconds: float = 10.0
    max_in_flight: int = 32
    max_connections: int = 512
    max_connections_per_address: int = 256
    head_timeout_seconds: float = 10.0
    keepalive_seconds: float = 75.0

    def share_of_bodies(self, kinds: int) -> int:
        """How many bytes the bodies of one kind and workspace may take, of so many: at least one body fits."""
        return max(self.max_body_bytes, self.max_bodies_bytes // max(1, kinds))
