"""A record is settled when its outcome is in Kafka, and never before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.deployment import Deployment, eventually

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator


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
