"""What waits for a slot, as operators are shown it: nothing that waits for something else."""

from __future__ import annotations

import asyncio

import pytest

from connector.figures import figures, waiting
from connector.seen.limits import QuotaLimits
from connector.testing import SOURCE, EngineSettings, ScriptedDestination, Simulation
from connector.types import Reason, Suspend

pytestmark = pytest.mark.looptime(noop_cycles=1)


async def test_what_the_quota_has_no_room_for_waits() -> None:
    async with Simulation(settings=EngineSettings(limits=QuotaLimits(2, 1000, 10))) as engine:
        for name in "abcdef":
            engine.add(name)
        await asyncio.sleep(100)
        assert waiting(engine.dispatcher, engine.quota) == {"delivery": 4, "replay": 0, "video": 0}
        found = figures(engine.pump.assignment, engine.dispatcher, engine.quota, engine.clock.wall())
        assert (found["quota_used_slots"], found["quota_working_requests"]) == (2, 2)
        assert found["time_to_drain_seconds"] == 4 * 1000 / 2


async def test_what_waits_for_room_in_flight_does_not_wait_for_a_slot() -> None:
    async with Simulation(ScriptedDestination(seconds=20), EngineSettings(max_in_flight=1)) as engine:
        for name in "abcdef":
            engine.add(name)
        await asyncio.sleep(5)
        assert engine.quota.used == 1
        assert waiting(engine.dispatcher, engine.quota)["delivery"] == 0


async def test_what_waits_while_suspended_does_not_wait_for_a_slot() -> None:
    refused = Suspend(reason=Reason.UNAUTHENTICATED, status=401)
    async with Simulation(ScriptedDestination(lambda *_: refused)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        for name in "bcdef":
            engine.add(name)
        await asyncio.sleep(0.5)
        assert engine.suspension.state is not None
        assert waiting(engine.dispatcher, engine.quota)["delivery"] == 0


async def test_the_lag_is_known_as_soon_as_an_epoch_begins() -> None:
    async with Simulation(ScriptedDestination(seconds=1000)) as engine:
        for name in "abc":
            engine.add(name)
        await asyncio.sleep(6)
        assert engine.pump.assignment.lag == 3
        await engine.topics.revoke(engine.pump)
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(0.1)
        assert engine.pump.assignment.lag == 3


async def test_regression_the_time_to_drain_reckons_with_full_batches() -> None:
    destination = ScriptedDestination(max_items=100, wait_seconds=1, seconds=1000)
    async with Simulation(destination, EngineSettings(limits=QuotaLimits(2, 1000, 10))) as engine:
        for number in range(250):
            engine.add(f"e-{number}")
        await asyncio.sleep(6)
        found = figures(engine.pump.assignment, engine.dispatcher, engine.quota, engine.clock.wall())
        assert (found["lag_records"], found["time_to_drain_seconds"]) == (250, 3 * 1000 / 2)
