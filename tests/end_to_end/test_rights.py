"""With an authorizer: the rights that docs/kafka.md names are enough, and what a missing one looks like."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.admin import CreateAclsRequest

from connector.sandbox.emulator import Callback, Mishap, bearer
from connector.sandbox.kafka import LocalKafka
from connector.sandbox.processes import free_ports
from tests.end_to_end.deployment import CALLBACK_TOKEN, Deployment, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from connector.sandbox.emulator import Emulator

# Kafka's protocol numbers them.
TOPIC, GROUP = 2, 3
READ, WRITE, DESCRIBE_CONFIGS = 3, 4, 10
_LITERAL = _ALLOW = 3

USER, PASSWORD = "seen-connector", "password-51c2"
_GUARDED = """\
sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class GuardedKafka(LocalKafka):
    """A broker with a second listener, where `USER` may do what was allowed and nothing else; at the first all is allowed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (self._guarded_port,) = free_ports(1)

    @property
    def guarded(self) -> str:
        """`host:port` of the second listener."""
        return f"127.0.0.1:{self._guarded_port}"

    def _configure(self) -> None:
        super()._configure()
        more = {
            "listeners": f",GUARDED://{self.guarded}",
            "advertised.listeners": f",GUARDED://{self.guarded}",
            "listener.security.protocol.map": ",GUARDED:SASL_PLAINTEXT",
        }
        lines = self._properties.read_text().splitlines()
        lines = [line + more.get(line.partition("=")[0], "") for line in lines]
        self._properties.write_text("\n".join(lines) + "\n" + _GUARDED.format(user=USER, password=PASSWORD))

    async def prepare(self, topics: Iterable[str], allowed: Iterable[tuple[int, str, int]]) -> None:
        """Makes `topics`; `allowed` are kind and name of a resource, and the operation."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
            for kind, name, operation in allowed:
                request = CreateAclsRequest(kind, name, _LITERAL, f"User:{USER}", "*", operation, _ALLOW)
                answer: Any = await admin._send_request(request)
                assert answer.creation_responses[0][0] == 0
        finally:
            await admin.close()


@pytest.fixture
async def guarded_kafka(tmp_path: Path) -> AsyncIterator[GuardedKafka]:
    """A running broker with an authorizer."""
    async with GuardedKafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def guarded(tmp_path: Path, guarded_kafka: GuardedKafka, seen: Emulator, prefix: str) -> Deployment:
    """A connector at the guarded listener, not started yet, that looks up overdue videos soon."""
    folder = tmp_path / "config"
    folder.mkdir()
    deployment = Deployment(folder, guarded_kafka.bootstrap_servers, seen.url, prefix)
    deployment.connector["kafka"] |= {
        "bootstrap_servers": guarded_kafka.guarded,
        "create_topics": False,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
    }
    deployment.workspace(videos={"overdue_after_seconds": 1, "give_up_after_seconds": 4})
    return deployment


ROLES = ("events", "outcomes", "videos", "dead_letters")


def rights(deployment: Deployment) -> list[tuple[int, str, int]]:
    """Those of docs/kafka.md that are not optional, and DescribeConfigs for one topic."""
    events, outcomes, videos, dead_letters = (deployment.topic(role) for role in ROLES)
    return [
        *((TOPIC, topic, READ) for topic in (events, outcomes, videos)),
        *((TOPIC, topic, WRITE) for topic in (outcomes, videos, dead_letters)),
        (TOPIC, dead_letters, DESCRIBE_CONFIGS),
        (GROUP, deployment.group(), READ),
    ]


async def deliver(deployment: Deployment, seen: Emulator) -> None:
    """A video by callback, one whose callback is lost, one that never comes, a record that is refused."""
    url = f"{deployment.listener_url}/callbacks/{{workspace_id}}"
    seen.set_callback("acme", Callback(url, bearer(CALLBACK_TOKEN)))
    seen.befall(Mishap(act="lose", id="lost"))
    seen.befall(Mishap(act="stick", id="never"))
    await deployment.running()
    events = ({"value": orjson.dumps({"id": each}), "key": each.encode()} for each in ("a", "lost", "never"))
    await deployment.produce(*events, {"value": b"no JSON", "key": b"x"})
    await deployment.settled(4)


async def published(deployment: Deployment) -> set[tuple[str, str]]:
    """Type and id of what is in the videos topic."""
    return {
        (headers["ce_type"], headers["ce_subject"])
        for headers in map(headers_of, await deployment.read("videos"))
    }


async def test_the_documented_rights_are_enough(
    guarded: Deployment, guarded_kafka: GuardedKafka, seen: Emulator
) -> None:
    await guarded_kafka.prepare(map(guarded.topic, ROLES), rights(guarded))
    async with guarded:
        await deliver(guarded, seen)

        async def all_are_accounted_for() -> bool:
            return len(await published(guarded)) == 3

        await eventually(all_are_accounted_for, "each video is published or reported")
        assert (await guarded.get("/readyz"))[0] == 200
    assert await published(guarded) == {
        ("seen.video.ready.v1", "a"),
        ("seen.video.ready.v1", "lost"),
        ("seen.video.overdue.v1", "never"),
    }
    assert len(await guarded.read("dead_letters")) == 1


async def test_without_read_on_the_videos_topic_all_goes_on_but_no_video_is_asked_for_and_that_is_said(
    guarded: Deployment, guarded_kafka: GuardedKafka, seen: Emulator
) -> None:
    missing = (TOPIC, guarded.topic("videos"), READ)
    await guarded_kafka.prepare(
        map(guarded.topic, ROLES), (each for each in rights(guarded) if each != missing)
    )
    async with guarded:
        await deliver(guarded, seen)

        async def is_said() -> bool:
            reason = str((await guarded.status())["reason"])
            return reason.startswith("videos are not watched") and "TopicAuthorizationFailedError" in reason

        async def is_there() -> bool:
            return bool(await published(guarded))

        await eventually(is_said, "that the topics cannot be read is said")
        await eventually(is_there, "the video of a callback is published")
        await asyncio.sleep(3)  # the others are overdue
        assert (await guarded.get("/readyz"))[0] == 503
        assert (await guarded.get("/readyz/listener"))[0] == 200
    assert await published(guarded) == {("seen.video.ready.v1", "a")}
    assert all(each.method == "POST" for each in seen.arrivals("acme"))
