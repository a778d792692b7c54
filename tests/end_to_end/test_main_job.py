"""Events become videos: the main job on a real broker, over real HTTP, with the process that a user starts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import orjson

from connector.sandbox.emulator import Callback, bearer
from tests.end_to_end.deployment import CALLBACK_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

EVENTS = 1000
KEYS = 50


async def test_a_thousand_events_use_the_whole_quota_and_never_exceed_it(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(source={"properties": {"id": "customer.id", "turn": "turn"}})
    async with deployment:
        await deployment.running()
        await deployment.produce(
            *(
                {
                    "key": b"key-%d" % (turn % KEYS),
                    "value": b'{"customer": {"id": "c-%d"}, "turn": %d}' % (turn, turn),
                }
                for turn in range(EVENTS)
            )
        )
        await deployment.settled(EVENTS, seconds=150)
        assert await deployment.stop() == 0

    arrivals = seen.arrivals("acme")
    assert [arrival.status for arrival in arrivals] == [201] * EVENTS
    assert seen.worst_window("acme") <= 100

    # The quota lets a hundred leave at once, then a hundred in each window and round trip.
    took = arrivals[-1].monotonic - arrivals[0].monotonic
    round_trip = 0.05
    assert (EVENTS / 100 - 1) * (10 + round_trip) / took >= 0.95

    turns: dict[int, list[int]] = {}
    for arrival in arrivals:
        turn = orjson.loads(arrival.body)["turn"]
        turns.setdefault(turn % KEYS, []).append(turn)
    assert all(of_key == sorted(of_key) for of_key in turns.values())

    outcomes = await deployment.read("outcomes")
    assert {headers_of(each)["ce_type"] for each in outcomes} == {"seen.data.accepted.v1"}
    origins = [headers_of(each)["ce_id"] for each in outcomes]
    assert len(origins) == len(set(origins)) == EVENTS
    assert sum((await deployment.committed()).values()) == EVENTS


async def test_customer_events_come_back_as_video_ready_events(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(
        source={
            "where": "type == 'signed_up'",
            "properties": {"id": "customer.id", "first_name": "customer.name"},
        }
    )
    async with deployment:
        seen.set_callback(
            "acme", Callback(f"{deployment.listener_url}/callbacks/acme", bearer(CALLBACK_TOKEN))
        )
        await deployment.running()
        customers = [{"id": number, "name": "Kari"} for number in range(10)]
        await deployment.produce(
            *({"value": orjson.dumps({"type": "signed_up", "customer": each})} for each in customers),
            {"value": orjson.dumps({"type": "moved_house", "customer": {"id": 99}})},
        )
        await deployment.settled(11)
        await eventually(lambda: len(seen.callbacks()) >= 10, "ten callbacks were made")

        metrics = (await deployment.get("/metrics"))[1].decode()
        assert 'outcomes_total{outcome="skipped",reason="filtered",workspace="acme"} 1.0' in metrics
        assert 'callbacks_total{result="published",workspace="acme"} 10.0' in metrics
        assert [status for status, _ in [await deployment.get(path) for path in ("/healthz", "/readyz")]] == [
            200,
            200,
        ]

    videos = await deployment.read("videos")
    assert sorted(each.key or b"" for each in videos) == [b"%d" % number for number in range(10)]
    assert all(headers_of(each)["ce_type"] == "seen.video.ready.v1" for each in videos)
    assert all(orjson.loads(each.value or b"")["player_url"].startswith("https://") for each in videos)


async def test_a_restart_goes_on_where_the_last_run_stopped(deployment: Deployment, seen: Emulator) -> None:
    deployment.workspace()
    batches = (
        [{"value": b'{"id": "%s-%d"}' % (run, number)} for number in range(5)] for run in (b"one", b"two")
    )
    for count, batch in zip(itertools.count(5, 5), batches, strict=False):
        async with deployment:
            await deployment.running()
            await deployment.produce(*batch)
            await deployment.settled(5)
            assert await deployment.stop() == 0
        assert len(seen.arrivals("acme")) == count


async def test_a_start_at_the_latest_record_holds_for_what_comes_while_the_connector_is_away(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(source={"start": "latest"})
    await deployment.create(deployment.topic("events"))
    await deployment.produce({"value": b'{"id": "before"}'})
    async with deployment:
        await deployment.running()
        assert await deployment.stop() == 0
    await deployment.produce({"value": b'{"id": "meanwhile"}'})
    async with deployment:
        await deployment.settled(1)
    assert [arrival.id for arrival in seen.arrivals("acme")] == ["meanwhile"]
