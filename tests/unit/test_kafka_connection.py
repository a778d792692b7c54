"""Connecting at the start: what may pass is tried again, what Kafka refuses is said at once, and every client is closed."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError

from connector.errors import KafkaUnavailable
from connector.kafka import connection


class Broker:
    """Gives out clients that fail with each of `errors` in turn, and then start."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = self.closed = 0

    def client(self) -> Broker:
        self.made += 1
        return self

    async def start(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def close(self) -> None:
        self.closed += 1


async def connect(broker: Broker) -> Broker:
    return await connection.connected(broker.client, Broker.close, "joining the group acme")


async def test_a_broker_that_is_away_for_a_moment_is_tried_again_with_a_new_client() -> None:
    broker = Broker(KafkaConnectionError("refused"), ConnectionResetError("reset"))
    assert await connect(broker) is broker
    assert (broker.made, broker.closed) == (3, 2)


async def test_a_refusal_is_named_at_once() -> None:
    broker = Broker(GroupAuthorizationFailedError("acme"))
    with pytest.raises(
        KafkaUnavailable,
        match=r"joining the group acme: Kafka refuses: .*GroupAuthorizationFailedError: acme$",
    ):
        await connect(broker)
    assert (broker.made, broker.closed) == (1, 1)


async def test_what_failed_last_is_named_when_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "START_SECONDS", 0.3)
    broker = Broker(*[KafkaConnectionError("nobody listens") for _ in range(100)])
    with pytest.raises(
        KafkaUnavailable, match=r"joining the group acme: KafkaConnectionError: .*nobody listens"
    ):
        await connect(broker)
    assert broker.made == broker.closed


async def test_a_broker_that_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "START_SECONDS", 0.1)

    class Silent(Broker):
        async def start(self) -> None:
            await asyncio.Event().wait()

    broker = Silent()
    with pytest.raises(KafkaUnavailable, match=r"no answer from Kafka within 0\.1 s"):
        await connect(broker)
    assert (broker.made, broker.closed) == (1, 1)
