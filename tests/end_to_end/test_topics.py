"""Topics that do not fit: the workspace says so and waits, the others deliver, and it starts once they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from tests.end_to_end.deployment import Deployment


async def test_a_workspace_whose_outcomes_do_not_fit_waits_while_another_delivers_and_starts_once_they_do(
    deployment: Deployment,
) -> None:
    for name in ("acme", "bravo"):
        deployment.workspace(name)
        topic = deployment.topic("events", name)
        await deployment.create(topic)
        await deployment.produce({"value": b'{"id": "one"}'}, topic=topic)
    outcomes = deployment.topic("outcomes", "acme")
    await deployment.create(outcomes, {"max.message.bytes": "1000"})
    async with deployment:
        await deployment.settled(1, "bravo")

        async def restarted() -> bool:
            series = b'workspace_restarts_total{workspace="acme"} 2.0'
            return series in (await deployment.get("/metrics"))[1]

        await eventually(restarted, "it was tried again, and stopped again")
        status, body = await deployment.get("/readyz")
        why = "takes messages of 1000 bytes; its max.message.bytes must be at least 65536"
        assert (status, orjson.loads(body)["workspaces"]) == (503, {"acme": f"{outcomes} {why}"})
        assert (await deployment.get("/readyz/listener"))[0] == 200
        assert await deployment.call(b'{"id": "1", "player_url": "https://p.example/1"}') == 200
        assert b'workspace_restarts_total{workspace="bravo"} 0.0' in (await deployment.get("/metrics"))[1]

        await deployment.configure(outcomes, {"max.message.bytes": "65536"})
        await deployment.settled(1, "acme")
        assert (await deployment.get("/readyz"))[0] == 200


async def test_dead_letters_that_take_less_than_a_source_gives_are_said_at_the_start(
    deployment: Deployment,
) -> None:
    deployment.workspace()
    await deployment.create(deployment.topic("dead_letters"), {"max.message.bytes": "100000"})
    async with deployment:
        await deployment.running()
        (warning,) = [
            line for line in deployment.log() if line["event"] == "dead_letters_smaller_than_source"
        ]
    assert warning["source"] == deployment.topic("events")
    assert warning["limits"][deployment.topic("dead_letters")] == 100_000
