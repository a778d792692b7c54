"""What looks at the images of a course's events, for one replica: it takes a while, and finds some of them bad."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from connector.types import Event, Reason, Unsendable
from tests.simulation.history import Prepared
from tests.simulation.values import BAD_IMAGE, IMAGE

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan


class SimulatedPreparation:
    """A `connector.delivery.preparing.Preparation`."""

    def __init__(self, plan: WorkspacePlan, replica: int, random: Random, history: list[Entry]) -> None:
        self._plan = plan
        self._replica = replica
        self._random = random
        self._history = history
        self._bad = {each.number for each in plan.records if each.what == BAD_IMAGE}

    async def prepare(self, event: Event) -> Event | Unsendable:
        """The event as it may be sent, or that it cannot be."""
        await asyncio.sleep(self._random.choice((0.01, 0.01, 0.5, 4.0, 15.0)))
        fields = orjson.loads(event.body)
        number, is_bad = fields["n"], fields["n"] in self._bad
        now = asyncio.get_running_loop().time()
        self._history.append(Prepared(now, self._plan.name, self._replica, number, is_bad))
        if not is_bad:
            return replace(event, images=None)
        if self._plan.limits.images == "reject":
            return Unsendable(Reason.BAD_IMAGE, "the image cannot be used", event.id)
        del fields[IMAGE]
        return replace(event, body=orjson.dumps(fields), images=None)
