"""The export of one workspace: its video-ready events, to Braze. A life of its own, beside that of the workspace.

It reads the videos topic in a consumer group of its own, so it can lag, stop and be replayed without touching what the
workspace does. What Braze refuses goes to the workspace's dead letters.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from connector import wiring
from connector.clock import done_before
from connector.errors import TopicsMissing
from connector.kafka.sink import KafkaSink
from connector.kafka.topics import prepare_topics
from connector.workspace.deliveries import Deliveries
from connector.workspace.route import to_braze
from connector.workspace.surroundings import RESULTS_WAIT_SECONDS, STOP_SECONDS
from connector.workspace.topics import ensure_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.config.model import BrazeOut, WorkspaceConfig
    from connector.workspace.surroundings import Surroundings


class Export:
    """A workspace's videos on their way to Braze. `run` lives until it is stopped or dies."""

    def __init__(self, config: WorkspaceConfig, out: BrazeOut, around: Surroundings) -> None:
        route = to_braze(config, out, around)
        self.name = route.name
        self._config = config
        self._out = out
        self._around = around
        self._connection = wiring.connection(around.config.kafka)
        self._deliveries = Deliveries(route, around)
        self.died_of: str | None = None

    async def run(self, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        """Delivers until `stop`, then settles what is on the wire within `drain_seconds()` and leaves the group.

        Raises KafkaUnavailable, TopicsMissing or TopicTooSmall if it cannot start, and whatever kills it afterwards.
        """
        async with AsyncExitStack() as ending:
            starting = asyncio.create_task(self._start(ending), name=f"{self.name}: start")
            if not await done_before(stop, starting):
                return
            starting.result()
            self.died_of = None
            await self._deliveries.run(stop, drain_seconds)

    async def _start(self, ending: AsyncExitStack) -> None:
        """Connects everything; `ending` undoes it."""
        around, connection = self._around, self._connection
        limits = await self._prepare_topics()
        letters = KafkaSink(
            connection, limits, wait_seconds=RESULTS_WAIT_SECONDS, name=f"{self.name}: dead letters"
        )
        ending.push_async_callback(letters.stop, STOP_SECONDS)
        await letters.start()
        client = wiring.braze_client(self._config, self._out, around.clock, around.redactor)
        ending.push_async_callback(client.stop)
        await client.start()
        destination = wiring.braze_destination(self._out, client, around.redactor)
        await self._deliveries.start(connection, destination, letters, ending)

    async def _prepare_topics(self) -> dict[str, int]:
        """The topics' limits in bytes. Raises TopicsMissing or TopicTooSmall."""
        topics = self._config.topics
        wanted = {topics.videos, topics.dead_letters}
        limits = await prepare_topics(self._connection, wanted, wiring.new_topics(self._around.config.kafka))
        if missing := wanted - limits.keys():
            raise TopicsMissing(sorted(missing))
        ensure_room(limits, {topics.dead_letters})
        return limits

    # What others see

    def unready(self) -> str | None:
        """Why it is not well, None if it is."""
        return self.died_of or self._deliveries.unready()

    def status(self) -> dict[str, object]:
        """Its figures, as values that JSON knows; the gauges are set to the same."""
        return self._deliveries.status(self.unready(), {})
