"""How to reach the brokers: what every client of this package is made with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import stamina
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context

from connector.errors import KafkaUnavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

START_SECONDS = 60.0
"""How long a client tries to reach a broker at its start."""

_CLOSE_SECONDS = 1.0
_CANCEL_SECONDS = 0.2
_REFUSALS = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)


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

    `close` ends those that did not; `what` is for the error. Raises KafkaUnavailable: at once where Kafka refuses us,
    for asking again would not help soon.
    """
    last: BaseException | None = None
    try:
        async with asyncio.timeout(START_SECONDS):
            async for attempt in stamina.retry_context(on=_may_pass, attempts=None, timeout=START_SECONDS):
                with attempt:
                    client = make()
                    try:
                        await client.start()
                    except BaseException as error:
                        last = error
                        await stopped(close(client), _CLOSE_SECONDS)
                        raise
                    return client
    except (KafkaError, OSError) as error:  # a TimeoutError is an OSError
        raise KafkaUnavailable(f"{what}: {_told(last)}") from error
    raise KafkaUnavailable(f"{what}: no attempt was made")


def _may_pass(error: Exception) -> bool:
    return isinstance(error, KafkaError | OSError) and not isinstance(error, _REFUSALS)


def _told(last: BaseException | None) -> str:
    """What the last attempt failed of; one that was cut off by our own limit failed of nothing that says more."""
    if not isinstance(last, KafkaError | OSError):
        return f"no answer from Kafka within {START_SECONDS:g} s"
    # aiokafka's errors name themselves.
    words = str(last) if isinstance(last, KafkaError) else f"{type(last).__name__}: {last}"
    return f"Kafka refuses: {words}" if isinstance(last, _REFUSALS) else words


async def stopped(stop: Awaitable[None], seconds: float) -> bool:
    """Whether `stop` ended within `seconds`. It runs in a task of its own, since aiokafka's may raise CancelledError."""
    task = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_SECONDS)
        return False
    return not task.cancelled() and task.exception() is None
