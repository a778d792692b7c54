"""Topics: which are there, what they take, and making those that are missing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from connector.errors import KafkaUnavailable
from connector.kafka.connection import connected, stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from connector.kafka.connection import KafkaConnection

_STOP_SECONDS = 5.0
DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's own default of max.message.bytes: assumed where a broker does not let us read it."""


@dataclass(frozen=True, slots=True)
class NewTopics:
    """How missing topics are made."""

    partitions: int
    replication_factor: int


async def prepare_topics(
    connection: KafkaConnection, topics: Collection[str], create: NewTopics | None
) -> dict[str, int]:
    """The largest message that each of `topics` takes, in bytes. Those that do not exist are made as `create` says.

    Without `create`, they are missing in what is returned. Raises KafkaUnavailable if Kafka does not answer.
    """
    try:
        async with administration(connection, "looking at the topics") as admin:
            there = set(topics) & set(await admin.list_topics())
            missing = sorted(set(topics) - there)
            if missing and create is not None:
                await _create(admin, missing, create)
                there.update(missing)
            return await _limits(admin, there)
    except KafkaError as error:
        raise KafkaUnavailable(f"looking at the topics: {error}") from error


@asynccontextmanager
async def administration(connection: KafkaConnection, what: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for as long as the context lasts; `what` is for the error. Raises KafkaUnavailable."""
    admin = await connected(
        lambda: AIOKafkaAdminClient(**connection.arguments()), AIOKafkaAdminClient.close, what
    )
    try:
        yield admin
    finally:
        await stopped(admin.close(), _STOP_SECONDS)


async def _create(admin: AIOKafkaAdminClient, names: list[str], how: NewTopics) -> None:
    new = [NewTopic(name, how.partitions, 1) for name in names]
    for topic in new:
        # -1 is the broker's default; the constructor refuses it.
        topic.replication_factor = how.replication_factor
    response: Any = await admin.create_topics(new)
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        # Another replica may have been quicker.
        if code and error is not TopicAlreadyExistsError:
            raise KafkaUnavailable(f"the topic {name} cannot be made: {error.__name__}")


async def _limits(admin: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, int]:
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": None})
        for topic in sorted(topics)
    ]
    limits = dict.fromkeys(topics, DEFAULT_MAX_MESSAGE_BYTES)
    responses: list[Any] = await admin.describe_configs(wanted)
    for response in responses:
        for _, _, _, topic, entries in response.resources:
            for name, value, *_ in entries:
                if name == "max.message.bytes" and value is not None:
                    limits[topic] = int(value)
    return limits
