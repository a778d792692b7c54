"""A record is settled when its outcome is in Kafka, and never before; a stop ends in time, whatever is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Fault
from tests.end_to_end.deployment import Deployment, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from connector.sandbox.kafka import LocalKafka


@pytest.mark.parametrize("stopped", ["outcomes", "dead_letters"])
async def test_an_offset_stays_while_its_outcome_cannot_be_written(
    deployment: Deployment, seen: Emulator, stopped: str
) -> None:
    deployment.workspace()
    await deployment.create(deployment.topic("events"), partitions=1)
    async with deployment:
        await deployment.running()
        await deployment.delete(deployment.topic(stopped))
        await deployment.produce({"value": b'{"id": "good"}'}, {"key": b"bad", "value": b"no JSON"})
        await eventually(lambda: len(seen.arrivals("acme")) == 1, "the good event has arrived")
        await asyncio.sleep(4)  # a few commits later
        held = 0 if stopped == "outcomes" else 1
        assert (await deployment.committed()) == {0: held}
        assert sum((await deployment.status())["outcomes"].values()) == held

        await deployment.create(deployment.topic(stopped))
        await deployment.settled(2)

        async def committed() -> bool:
            return (await deployment.committed()) == {0: 2}

        await eventually(committed, "both are committed")
    assert len(await deployment.read("outcomes")) == 2
    assert len(seen.arrivals("acme")) == 1


@pytest.fixture
def own_deployment(tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str) -> Deployment:
    """A connector on a broker that the test may stop."""
    return Deployment(tmp_path, own_kafka.bootstrap_servers, seen.url, prefix)


async def test_without_a_broker_no_callback_is_answered_2xx_and_a_stop_ends_in_time(
    own_deployment: Deployment, own_kafka: LocalKafka
) -> None:
    own_deployment.connector["shutdown_deadline_seconds"] = 15
    own_deployment.workspace()
    async with own_deployment:
        await own_deployment.running()
        assert await own_deployment.call(b'{"id": "1", "player_url": "https://p.example/1"}') == 200
        await own_kafka.stop()
        for _ in range(3):
            assert await own_deployment.call(b'{"id": "2", "player_url": "https://p.example/2"}') == 503

        async def listener_is_unready() -> bool:
            return (await own_deployment.get("/readyz/listener"))[0] == 503

        await eventually(listener_is_unready, "load balancers are told to look elsewhere")
        async with asyncio.timeout(15):
            assert await own_deployment.stop() == 0


async def test_a_broker_that_comes_back_finds_everything_delivered(
    own_deployment: Deployment, own_kafka: LocalKafka, seen: Emulator
) -> None:
    own_deployment.workspace()
    async with own_deployment:
        await own_deployment.running()
        await own_deployment.produce(*({"value": b'{"id": "a%d"}' % number} for number in range(20)))
        await eventually(lambda: len(seen.arrivals("acme")) >= 5, "some have arrived")
        await own_kafka.restart()
        await own_deployment.produce(*({"value": b'{"id": "b%d"}' % number} for number in range(20)))
        await own_deployment.settled(40)
        assert await own_deployment.call(b'{"id": "1", "player_url": "https://p.example/1"}') == 200
        assert await own_deployment.stop() == 0
    assert {arrival.id for arrival in seen.arrivals("acme")} == {
        f"{run}{number}" for run in "ab" for number in range(20)
    }
    assert sum((await own_deployment.committed()).values()) == 40


async def test_a_stop_while_seen_hangs_ends_in_time_and_the_event_comes_again(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.connector["shutdown_deadline_seconds"] = 10
    deployment.workspace(seen={"timeout_seconds": 15})  # that long, too, before the next start looks it up
    seen.fail(Fault(act="hang"))
    async with deployment:
        await deployment.running()
        await deployment.produce({"value": b'{"id": "one"}'})
        await eventually(lambda: len(seen.arrivals("acme")) == 1, "the event is on the wire")
        async with asyncio.timeout(12):
            assert await deployment.stop() == 0
    seen.clear_faults()
    async with deployment:
        await deployment.settled(1)
    assert len(await deployment.read("outcomes")) == 1
