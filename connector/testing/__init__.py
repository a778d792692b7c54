"""Doubles for simulations and unit tests of the engine: a broker in memory, a scripted API, clocks, and all of it wired.

Nothing here opens a connection or sleeps by itself, so on a loop whose time is virtual (the package `looptime`) hours of
delivering pass in milliseconds:

    @pytest.mark.looptime
    async def test_an_event_arrives() -> None:
        async with Simulation() as engine:
            engine.add("customer-1")
            await asyncio.sleep(60)
        assert [request.ids for request in engine.destination.requests] == [("customer-1",)]

What is shown with these doubles is shown of the engine alone. That Kafka and SEEN behave as the doubles do is for tests
against a real broker and against `connector.sandbox.emulator`.
"""

from connector.testing.clocks import FakeClock, VirtualClock
from connector.testing.destination import ScriptedDestination, SentRequest
from connector.testing.simulation import (
    DEAD_LETTERS,
    OUTCOMES,
    POLICY,
    READER,
    SOURCE,
    EngineSettings,
    Simulation,
)
from connector.testing.topics import MemoryTopics

__all__ = [
    "DEAD_LETTERS",
    "OUTCOMES",
    "POLICY",
    "READER",
    "SOURCE",
    "EngineSettings",
    "FakeClock",
    "MemoryTopics",
    "ScriptedDestination",
    "SentRequest",
    "Simulation",
    "VirtualClock",
]
