"""Who takes part, under which circumstances, and what is promised of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import Any

from connector.sandbox.emulator import Quota

QUOTA = Quota(100, 10.0)
IN_FLIGHT = 32
"""The most requests in flight, for all: the connector's own default."""


SHARE_SECONDS = 300.0
"""How long a backlog must last for its share to be judged: in less, a handover weighs too much."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a row of the connector must show, besides no 429 and no window over the quota. None: nothing."""

    least_share: float | None = None
    most_idle_seconds: float | None = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row. `key` names its workspace, topic and group; `module`, with its `words`, is what runs it, None: the connector.

    `faults` are ordered of its workspace, as SEEN's emulator takes them. In the middle of the backlog the replica that sends
    gets `shock`, a signal.
    """

    key: str
    name: str
    module: str | None = None
    words: tuple[str, ...] = ()
    replicas: int = 1
    shock: signal.Signals | None = None
    faults: tuple[dict[str, Any], ...] = ()
    promise: Promise | None = None


_ONE = Contestant(key="one", name="seen-connector, one replica", promise=Promise(least_share=0.99))
_THREE = replace(_ONE, replicas=3)

CONTESTANTS = (
    _ONE,
    replace(
        _ONE,
        key="late",
        name="seen-connector, 1 % of the answers 0.5 to 3 s late",
        faults=(
            {"act": "none", "times": None, "chance": 0.01, "delay_seconds": 0.5, "delay_up_to_seconds": 3},
        ),
        promise=Promise(),
    ),
    replace(
        _ONE,
        key="anew",
        name="seen-connector, a new connection for each request",
        faults=({"act": "none", "times": None, "close": True},),
        promise=Promise(),
    ),
    replace(
        _THREE,
        key="handover",
        name="seen-connector, three replicas, the owner ends halfway",
        shock=signal.SIGTERM,
        promise=Promise(least_share=0.95),
    ),
    replace(
        _THREE,
        key="crash",
        name="seen-connector, three replicas, the owner is killed halfway",
        shock=signal.SIGKILL,
        promise=Promise(),
    ),
    Contestant(
        key="bucket-100-10",
        name="aiokafka, AsyncLimiter(100, 10)",
        module="rivals.leaky_bucket",
        words=("100", "10"),
    ),
    Contestant(
        key="bucket-1-01",
        name="aiokafka, AsyncLimiter(1, 0.1)",
        module="rivals.leaky_bucket",
        words=("1", "0.1"),
    ),
    Contestant(key="sliding", name="aiokafka, pyrate-limiter, 100 per 10 s", module="rivals.sliding_window"),
    Contestant(key="fixed", name="aiokafka, a fixed window of 100 per 10 s", module="rivals.fixed_window"),
    Contestant(key="faststream", name="FastStream, AsyncLimiter(10, 1)", module="rivals.faststream_app"),
)
