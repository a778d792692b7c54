"""Events that are looked at before they are sent, on virtual time: order, isolation, doubts, drains."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest
from structlog.testing import capture_logs

from connector.seen.limits import QuotaLimits
from connector.testing import OUTCOMES, READER, SOURCE, EngineSettings, ScriptedDestination, Simulation
from connector.types import Absent, Accepted, InDoubt, OutcomeKind, Reason, Retry, Unsendable

if TYPE_CHECKING:
    from connector.testing.destination import Finding
    from connector.types import Event

pytestmark = pytest.mark.looptime(noop_cycles=1)

IMAGES = replace(READER, images=("photo",), fetch_images=True)
DROPPING = replace(IMAGES, on_bad_image="drop")
LINK = "https://a.example/p.png"
BROKEN = Retry(reason=Reason.SERVER_ERROR, status=500)
TIMED_OUT = InDoubt(reason=Reason.TIMED_OUT)
ABSENT = Absent(reason=Reason.NOT_FOUND, status=404)


class Preparation:
    """Takes `seconds` for each event, by its id; what it is told to refuse or to change it refuses or changes."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.refused: set[str] = set()
        self.changed: set[str] = set()
        self.begun: list[str] = []
        self.under_way: set[str] = set()

    async def prepare(self, event: Event) -> Event | Unsendable:
        self.begun.append(event.id)
        self.under_way.add(event.id)
        try:
            await asyncio.sleep(self.seconds.get(event.id, 0.01))
        finally:
            self.under_way.discard(event.id)
        if event.id in self.refused:
            return Unsendable(Reason.BAD_IMAGE, "the image 'photo' cannot be used: it is empty", event.id)
        body = b"{}" if event.id in self.changed else event.body
        return replace(event, body=body, images=None)


def engine_with(
    preparation: Preparation, destination: ScriptedDestination | None = None, **settings: object
) -> Simulation:
    return Simulation(destination, EngineSettings(reader=IMAGES, preparation=preparation, **settings))  # type: ignore[arg-type]


def sent_ids(engine: Simulation) -> list[str]:
    return [event_id for request in engine.destination.requests for event_id in request.ids]


async def test_a_slow_image_holds_back_its_own_key_and_no_other_and_takes_no_slot() -> None:
    preparation = Preparation(**{f"a{key}-1": 500 for key in range(200)})
    async with engine_with(preparation) as engine:
        for key in range(200):
            engine.add(f"a{key}-1", key=f"a{key}", photo=LINK)
            engine.add(f"a{key}-2", key=f"a{key}", photo=LINK)
        for key in range(50):
            engine.add(f"b{key}", photo=LINK)
        engine.add("c")  # has no image
        await asyncio.sleep(15)
        assert sorted(sent_ids(engine)) == sorted([*(f"b{key}" for key in range(50)), "c"])
        assert engine.dispatcher.preparing == 200
        assert engine.dispatcher.in_flight == 0
        assert preparation.begun.count("a0-2") == 0
        await asyncio.sleep(600)
        for key in range(200):
            assert [each for each in sent_ids(engine) if each.startswith(f"a{key}-")] == [
                f"a{key}-1",
                f"a{key}-2",
            ]
        assert engine.dispatcher.preparing == 0


async def test_an_event_without_images_is_not_prepared() -> None:
    preparation = Preparation()
    async with engine_with(preparation) as engine:
        engine.add("a")
        await asyncio.sleep(5)
        assert sent_ids(engine) == ["a"]
        assert preparation.begun == []


async def test_what_cannot_be_sent_is_rejected_without_a_request_and_its_key_goes_on() -> None:
    preparation = Preparation()
    preparation.refused = {"a-1"}
    async with engine_with(preparation) as engine:
        engine.add("a-1", key="a", photo=LINK)
        engine.add("a-2", key="a", photo=LINK)
        await asyncio.sleep(5)
        assert sent_ids(engine) == ["a-2"]
        assert engine.committed == 2
        outcome = engine.outcomes[0]
        assert (outcome["type"], outcome["reason"], outcome["attempts"]) == (
            "seen.data.rejected.v1",
            "bad_image",
            0,
        )
        assert outcome["detail"] == "the image 'photo' cannot be used: it is empty"
        assert engine.value("outcomes_total", outcome="rejected", reason="bad_image") == 1


async def test_what_is_sent_is_what_came_of_preparing() -> None:
    preparation, bodies = Preparation(), []
    preparation.changed = {"a"}

    def answer(event: Event, _kind: str) -> Accepted:
        bodies.append(event.body)
        return Accepted(reason=Reason.CREATED, status=201)

    async with engine_with(preparation, ScriptedDestination(answer)) as engine:
        engine.add("a", photo=LINK)
        engine.add("b", photo=LINK)
        await asyncio.sleep(5)
    assert sorted(bodies) == sorted([b"{}", orjson.dumps({"id": "b", "photo": LINK})])


async def test_a_retry_is_not_prepared_again() -> None:
    preparation = Preparation()
    async with engine_with(preparation) as engine:
        engine.destination.script("a", BROKEN, TIMED_OUT, ABSENT)
        engine.add("a", photo=LINK)
        await asyncio.sleep(300)
        assert engine.counts[OutcomeKind.ACCEPTED] == 1
        assert len(sent_ids(engine)) == 4
        assert preparation.begun == ["a"]


async def test_a_retry_does_not_wait_behind_a_backlog_of_prepared_events() -> None:
    limits = QuotaLimits(requests=10, per_seconds=100, grace_seconds=10)
    async with engine_with(Preparation(), limits=limits) as engine:
        engine.destination.script("a", BROKEN, BROKEN, BROKEN)
        engine.add("a", photo=LINK)
        for number in range(500):
            engine.add(str(number), photo=LINK)
        await asyncio.sleep(300)
        assert sent_ids(engine).count("a") == 4
        assert len(sent_ids(engine)) > 20


async def in_doubt(preparation: Preparation, reader: object, *findings: object) -> Simulation:
    """An engine whose predecessor was killed with `a` on the wire."""
    settings = EngineSettings(reader=reader, preparation=preparation)  # type: ignore[arg-type]
    first = Simulation(ScriptedDestination(seconds=50), settings)
    async with first:
        first.add("a", photo=LINK)
        await asyncio.sleep(5)
        assert sent_ids(first) == ["a"]
        await first.crash()
    preparation.begun.clear()
    second = Simulation(ScriptedDestination(), settings, first.topics, owner="replica-2")
    second.destination.script("a", *findings)  # type: ignore[arg-type]
    return second


async def test_an_event_in_doubt_is_looked_up_first_and_prepared_only_if_it_must_be_sent() -> None:
    preparation = Preparation()
    preparation.refused = set()
    async with await in_doubt(preparation, IMAGES) as engine:
        await asyncio.sleep(120)
        assert [each.kind for each in engine.destination.requests] == ["look_up"]
        assert preparation.begun == []
    preparation = Preparation()
    async with await in_doubt(preparation, IMAGES, ABSENT) as engine:
        await asyncio.sleep(120)
        assert [each.kind for each in engine.destination.requests] == ["look_up", "create"]
        assert preparation.begun == ["a"]


async def test_a_look_up_that_finds_nothing_is_followed_by_its_request_before_a_backlog() -> None:
    async with await in_doubt(Preparation(), IMAGES, ABSENT) as engine:
        for number in range(2000):
            engine.add(f"b-{number}", photo=LINK)
        await asyncio.sleep(120)
        requests = engine.destination.requests
        kinds = [each.kind for each in requests]
        then = [each.ids[0] for each in requests[kinds.index("look_up") + 1 :]]
        assert "a" in then[:50]  # what left during the look-up, and not the backlog


async def test_an_event_that_may_lose_an_image_is_prepared_before_it_is_looked_up() -> None:
    preparation = Preparation()
    async with await in_doubt(preparation, DROPPING) as engine:
        await asyncio.sleep(20)
        assert preparation.begun == ["a"]
        assert engine.destination.requests == []
        await asyncio.sleep(100)
        assert [each.kind for each in engine.destination.requests] == ["look_up"]


async def test_an_event_that_turns_out_bad_after_a_look_up_says_how_often_it_was_tried() -> None:
    preparation = Preparation()
    engine = await in_doubt(preparation, IMAGES, ABSENT)
    preparation.refused = {"a"}
    async with engine:
        await asyncio.sleep(120)
        assert [each.kind for each in engine.destination.requests] == ["look_up"]
        (outcome,) = engine.outcomes
        assert (outcome["reason"], outcome["attempts"]) == ("bad_image", 1)


async def test_a_stop_drops_what_is_prepared_at_once_and_it_comes_again() -> None:
    preparation = Preparation(a=3600, b=0.01)
    loop = asyncio.get_running_loop()
    engine = engine_with(preparation)
    async with engine:
        engine.add("a", photo=LINK)
        engine.add("b", photo=LINK)
        await asyncio.sleep(5)
        stopped_at = loop.time()
    assert loop.time() - stopped_at < 1
    assert preparation.under_way == set()
    assert sent_ids(engine) == ["b"]
    preparation.seconds = {}
    async with Simulation(ScriptedDestination(), engine.settings, engine.topics) as successor:
        await asyncio.sleep(60)
        assert sent_ids(successor) == ["a"]


async def test_a_rebalance_drops_what_is_prepared_and_the_next_epoch_prepares_it_anew() -> None:
    preparation = Preparation(a=30)
    async with engine_with(preparation) as engine:
        engine.add("a", photo=LINK)
        await asyncio.sleep(5)
        await engine.pump.revoked()
        assert preparation.under_way == set()
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(60)
        assert preparation.begun == ["a", "a"]
        assert sent_ids(engine) == ["a"]


async def test_partitions_that_are_lost_end_what_is_prepared() -> None:
    preparation = Preparation(a=30)
    preparation.refused = {"a"}
    async with engine_with(preparation) as engine:
        engine.add("a", photo=LINK)
        await asyncio.sleep(5)
        engine.topics.is_fenced = True
        with capture_logs() as lines:
            await asyncio.sleep(10)
        events = [each["event"] for each in lines]
        assert "partitions_lost" in events
        assert "deliveries_cut_off" not in events  # nothing of it was on the wire
        assert preparation.under_way == set()
        assert engine.dispatcher.preparing == 0
        await asyncio.sleep(60)
        assert engine.topics.messages(OUTCOMES) == []
        engine.topics.is_fenced = False


async def test_a_suspended_workspace_ends_its_suspension_with_an_event_that_was_prepared() -> None:
    preparation = Preparation(a=2)
    async with engine_with(preparation) as engine:
        engine.destination.script("a", Retry(reason=Reason.UNAVAILABLE, status=503, outage=True))
        engine.add("a", photo=LINK)
        engine.add("b", photo=LINK)
        await asyncio.sleep(120)
        assert engine.counts[OutcomeKind.ACCEPTED] == 2


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_leaves_unprepared_or_out_of_order_whatever_takes_how_long(seed: int) -> None:
    rng = random.Random(seed)
    sent: list[str] = []

    def answer(event: Event, _kind: str) -> Finding:
        assert event.images is None
        sent.append(event.id)
        found: list[Finding] = [Accepted(reason=Reason.CREATED), BROKEN, TIMED_OUT]
        return rng.choices(found, [8, 2, 1])[0]

    preparation = Preparation()
    async with engine_with(preparation, ScriptedDestination(answer), max_in_flight=2) as engine:
        engine.topics.commit_seconds = 2.0
        for number in range(150):
            event_id = f"{rng.randrange(40):02}-{number:03}"
            preparation.seconds[event_id] = rng.choice([0.0, 0.5, 5.0, 60.0])
            if rng.random() < 0.1:
                preparation.refused.add(event_id)
            if rng.random() < 0.5:
                engine.add(event_id, key=event_id[:2])
            else:
                engine.add(event_id, key=event_id[:2], photo=LINK)
        for _ in range(3600):
            engine.destination.seconds = rng.uniform(0.01, 3)
            await asyncio.sleep(1)
        assert sum(engine.counts.values()) == 150
        for key in range(40):
            ids = [each for each in sent if each.startswith(f"{key:02}-")]
            assert ids == sorted(ids)
