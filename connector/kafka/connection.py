"""How to reach the brokers: what every client of this package is made with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import stamina
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from connector.errors import KafkaUnavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

START_SECONDS = 60.0
"""How long a client tries to reach a broker at its start."""

_CANCEL_SECONDS = 0.2


class _Startable(Protocol):
    async def start(self) -> None: ...


Client = TypeVar("Client", bound=_Startable)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Addresses and credentials. `sasl_password` and `ssl_password` are plain text: never log this value."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = None
    client_id: str = "seen-connector"

    def __repr__(self) -> str:
        return f"KafkaConnection({self.bootstrap_servers!r})"

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of any aiokafka client."""
        sasl = {}
        if self.sasl_mechanism is not None:
            sasl = {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
            **sasl,
        }

    def _ssl_context(self) -> ssl.SSLContext | None:
        if "SSL" not in self.security_protocol:
            return None
        context: ssl.SSLContext = create_ssl_context(
            cafile=self.ssl_cafile,
            certfile=self.ssl_certfile,
            keyfile=self.ssl_keyfile,
            password=self.ssl_password,
        )
        return context


async def connected(
    make: Callable[[], Client], close: Callable[[Client], Awaitable[None]], what: str
) -> Client:
    """A client that has started: new ones are made until one does, for at most `START_SECONDS`.

    `close` ends those that did not; `what` is for the error. Raises KafkaUnavailable.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            async for attempt in stamina.retry_context(
                on=(KafkaError, OSError), attempts=None, timeout=START_SECONDS
            ):
                with attempt:
                    return await _start(make(), close)
    except (KafkaError, OSError) as error:  # a TimeoutError is an OSError
        raise KafkaUnavailable(f"{what}: no answer from Kafka within {START_SECONDS:g} s") from error
    raise KafkaUnavailable(f"{what}: no attempt was made")


async def _start(client: Client, close: Callable[[Client], Awaitable[None]]) -> Client:
    try:
        await client.start()
    except BaseException:
        await stopped(close(client), 1.0)
        raise
    return client


async def stopped(stop: Awaitable[None], seconds: float) -> bool:
    """Whether `stop` ended within `seconds`. It runs in a task of its own, since aiokafka's may raise CancelledError."""
    task = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_SECONDS)
        return False
    return not task.cancelled() and task.exception() is None
