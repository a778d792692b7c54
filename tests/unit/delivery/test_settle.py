"""Nothing is settled before its outcome is durable."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from connector.delivery.offsets import OffsetTracker
from connector.delivery.settle import Origin, Settler
from connector.errors import KafkaUnavailable, PublishRefused
from connector.metrics import Metrics
from connector.testing import DEAD_LETTERS, OUTCOMES, MemoryTopics, VirtualClock
from connector.types import Outcome, OutcomeKind, Reason, Record

pytestmark = pytest.mark.looptime(noop_cycles=1)

RECORD = Record("events", 0, 7, 1_800_000_000_000, b"key", b'{"id": "a"}', (("trace", b"1"),))
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason=Reason.CREATED, status=201, attempts=1)
REJECTED = Outcome(kind=OutcomeKind.REJECTED, reason=Reason.BAD_REQUEST, detail="no", status=400, attempts=1)
EXPIRED = Outcome(kind=OutcomeKind.EXPIRED, reason=Reason.GAVE_UP, attempts=9)
AWAY = KafkaUnavailable("not acknowledged within 30 s")


class Place:
    """A settler, and everything that it touches."""

    def __init__(self, outcomes: str | None = OUTCOMES) -> None:
        self.topics = MemoryTopics()
        self.clock = VirtualClock()
        self.metrics = Metrics("0.0.0")
        self.counts: Counter[OutcomeKind] = Counter()
        self.tracker = OffsetTracker(7)
        self.tracker.start(7, RECORD.timestamp_ms)
        origin = Origin("acme", "0.0.0", outcomes, DEAD_LETTERS)
        self.settler = Settler(self.topics, origin, self.clock, self.metrics.workspace("acme"), self.counts)

    async def settle(self, outcome: Outcome) -> None:
        await self.settler.settle(RECORD, "a", outcome, self.tracker)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            f"seen_connector_{name}", {"workspace": "acme", **labels}
        )


async def test_what_was_accepted_is_published_and_settled_and_leaves_no_dead_letter() -> None:
    place = Place()
    await place.settle(ACCEPTED)
    assert [topic for topic, _ in place.topics.published] == [OUTCOMES]
    assert place.tracker.watermark == 8


@pytest.mark.parametrize("outcome", [REJECTED, EXPIRED])
async def test_the_dead_letter_is_durable_before_the_outcome(outcome: Outcome) -> None:
    place = Place()
    await place.settle(outcome)
    assert [topic for topic, _ in place.topics.published] == [DEAD_LETTERS, OUTCOMES]
    letter = place.topics.messages(DEAD_LETTERS)[0]
    assert (letter.key, letter.value) == (RECORD.key, RECORD.value)
    assert letter.headers[0] == ("trace", b"1")


@pytest.mark.parametrize("topic", [OUTCOMES, DEAD_LETTERS])
async def test_nothing_is_settled_while_a_topic_refuses_and_all_is_once_it_takes_again(topic: str) -> None:
    place = Place()
    place.topics.fail(topic, AWAY, seconds=3600)
    settling = asyncio.create_task(place.settle(REJECTED))
    await asyncio.sleep(3599)
    assert place.tracker.watermark == 7
    assert place.counts == {}
    await asyncio.sleep(17)
    assert settling.done()
    assert place.tracker.watermark == 8
    assert len(place.topics.messages(DEAD_LETTERS)) == len(place.topics.messages(OUTCOMES)) == 1


async def test_tries_at_a_topic_that_is_away_become_rare_and_each_is_counted() -> None:
    place = Place()
    place.topics.fail(OUTCOMES, AWAY, seconds=60)
    settling = asyncio.create_task(place.settle(ACCEPTED))
    await asyncio.sleep(59)
    # after 0, 0.5, 1.5, 3.5, 7.5, 15.5, 30.5, 45.5 s
    assert place.value("publish_failures_total") == 8
    await asyncio.sleep(16)
    assert settling.done()


async def test_a_dead_letter_that_does_not_fit_is_written_without_its_value() -> None:
    place = Place()
    refused_once = PublishRefused("3000000 bytes; dead-letters takes 1000000")
    place.topics.fail(DEAD_LETTERS, refused_once)
    publish = place.topics.publish

    async def publish_then_heal(topic: str, message: object) -> None:
        try:
            await publish(topic, message)  # type: ignore[arg-type]
        finally:
            place.topics.heal(DEAD_LETTERS)

    place.topics.publish = publish_then_heal  # type: ignore[method-assign]
    await place.settle(REJECTED)
    letter = place.topics.messages(DEAD_LETTERS)[0]
    assert letter.value == b""
    assert dict(letter.headers)["seen-dead-letter-value"] == b"omitted"
    assert place.tracker.watermark == 8


async def test_what_is_skipped_is_settled_and_counted_and_publishes_nothing() -> None:
    place = Place()
    place.settler.skip(RECORD, Reason.FILTERED, place.tracker)
    assert place.topics.published == []
    assert place.tracker.watermark == 8
    assert place.counts == {OutcomeKind.SKIPPED: 1}
    assert place.value("outcomes_total", outcome="skipped", reason="filtered") == 1


async def test_an_outcome_is_counted_once_and_timed_from_its_record() -> None:
    place = Place()
    await asyncio.sleep(12)
    await place.settle(ACCEPTED)
    assert place.counts == {OutcomeKind.ACCEPTED: 1}
    assert place.value("outcomes_total", outcome="accepted", reason="created") == 1
    assert place.value("delivery_seconds_sum") == pytest.approx(12, abs=0.01)


async def test_an_outcome_of_an_epoch_that_is_over_is_published_and_settles_nothing() -> None:
    place = Place()
    place.tracker.end()
    await place.settle(ACCEPTED)
    assert len(place.topics.messages(OUTCOMES)) == 1
    assert place.tracker.watermark == 7


@pytest.mark.parametrize(("outcome", "topics"), [(ACCEPTED, []), (REJECTED, [DEAD_LETTERS])])
async def test_without_a_topic_for_outcomes_only_a_dead_letter_tells_of_one(
    outcome: Outcome, topics: list[str]
) -> None:
    place = Place(outcomes=None)
    await place.settle(outcome)
    assert [topic for topic, _ in place.topics.published] == topics
    assert place.tracker.watermark == 8
    assert place.counts == {outcome.kind: 1}
