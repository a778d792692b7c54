"""What the demo says became of its events: right where all went well, and never well where something is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connector import wiring
from connector.config.load import load
from connector.deadletter import dead_letter
from connector.published import VideoReady, outcome_message, video_ready_message
from connector.sandbox.demo.books import Books, Topics, keep_books
from connector.sandbox.demo.checks import checks
from connector.sandbox.demo.progress import snapshot
from connector.sandbox.demo.samples import OF_OTHER_TYPES, SOUND, TOTAL, Kind, Sample, faults, sample_events
from connector.types import Event, Outcome, OutcomeKind, Reason, Record, Skipped

if TYPE_CHECKING:
    from connector.outbound.mapping import Mapping
    from connector.types import Message

ENVIRON = {
    "SEEN_ACME_TOKEN": "token-of-seen",
    "ACME_CALLBACK_TOKEN": "token-of-callbacks",
}
DEAD = set(Kind) - SOUND - OF_OTHER_TYPES
SAMPLES = sample_events()


@pytest.fixture(scope="module")
def example() -> Mapping:
    """What the example's configuration makes of a record."""
    config = load(Path(__file__).parents[2] / "config", ENVIRON)
    (mapping,) = wiring.mappings(config.workspaces[0]).values()
    return mapping


def record(topic: str, offset: int, message: Message) -> Record:
    return Record(topic, 0, offset, 0, message.key, message.value, message.headers)


@dataclass
class Kafka:
    """What the connector leaves in Kafka where it does all that it should; a test takes something away."""

    sent: list[tuple[str, Sample]] = field(default_factory=list)
    outcomes: dict[str, Record] = field(default_factory=dict)
    letters: dict[str, Record] = field(default_factory=dict)
    videos: dict[str, Record] = field(default_factory=dict)
    skipped: int = 0

    def books(self) -> Books:
        topics = Topics(
            [*self.outcomes.values()], [*self.letters.values()], [*self.videos.values()], self.skipped
        )
        return keep_books(self.sent, topics)

    def first(self, *kinds: Kind) -> tuple[str, Sample]:
        return next((origin, sample) for origin, sample in self.sent if sample.kind in kinds)


@pytest.fixture
def kafka(example: Mapping) -> Kafka:
    kafka = Kafka()
    for number, sample in enumerate(SAMPLES):
        source = record("events", number, sample.message)
        kafka.sent.append((source.origin, sample))
        found = example.read(source)
        if isinstance(found, Skipped):
            kafka.skipped += 1
            continue
        event_id = found.id
        if isinstance(found, Event) and sample.kind is not Kind.REFUSED:
            outcome = Outcome(
                kind=OutcomeKind.ACCEPTED, reason=Reason.CREATED, attempts=1, last_attempt_at=9.0
            )
            video = VideoReady(
                id=found.id, found_by="callback", received_at=9, raw=b"{}", player_url="https://p"
            )
            kafka.videos[found.id] = record("videos", number, video_ready_message("acme", video))
        else:
            reason = Reason.BAD_REQUEST if isinstance(found, Event) else found.reason
            outcome = Outcome(kind=OutcomeKind.REJECTED, reason=reason)
            letter = dead_letter(source, outcome, workspace="acme", version="0")
            kafka.letters[source.origin] = record("dead-letters", number, letter)
        message = outcome_message("acme", source, event_id, outcome, now=9.0)
        kafka.outcomes[source.origin] = record("outcomes", number, message)
    return kafka


def seen(books: Books, **settings: Any) -> dict[str, Any]:
    """The emulator's summary after such a run."""
    workspace = {
        "items": books.videos,
        "requests": 170,
        "worst_window": 100,
        "answered": {"201": 168, "400": 2},
        "quota": {"requests": 100, "per_seconds": 10.0},
        **settings,
    }
    return {"workspaces": {"acme": workspace}, "journeys": {"delivered": books.videos}}


# Samples


def test_there_are_two_hundred_samples_of_every_kind_and_the_same_ones_each_time() -> None:
    assert len(SAMPLES) == TOTAL == 200
    assert {sample.kind for sample in SAMPLES} == set(Kind)
    assert any("Kyōto".encode() in (sample.message.value or b"") for sample in SAMPLES)
    assert sample_events() == SAMPLES


def test_the_repeats_come_last_and_repeat_an_earlier_customer() -> None:
    repeats = [sample for sample in SAMPLES if sample.kind is Kind.AGAIN]
    assert SAMPLES[-len(repeats) :] == repeats
    customers = {sample.id for sample in SAMPLES if sample.kind is Kind.SIGNED_UP}
    assert {sample.id for sample in repeats} <= customers


def test_each_customer_but_those_who_repeat_is_another() -> None:
    ids = Counter(sample.id for sample in SAMPLES if sample.kind is not Kind.AGAIN)
    assert set(ids.values()) == {1}


@pytest.mark.parametrize("kind", sorted(Kind))
def test_the_example_configuration_makes_of_each_kind_what_its_name_says(
    example: Mapping, kind: Kind
) -> None:
    found = {
        type(read).__name__ if isinstance(read, Event | Skipped) else read.reason
        for sample in SAMPLES
        if sample.kind is kind
        for read in [example.read(record("events", 0, sample.message))]
    }
    expected: dict[Kind, str] = {
        **dict.fromkeys([*SOUND, Kind.REFUSED], "Event"),
        **dict.fromkeys(OF_OTHER_TYPES, "Skipped"),
        Kind.TOMBSTONE: Reason.TOMBSTONE,
        Kind.EMPTY: Reason.EMPTY_RECORD,
        Kind.TRUNCATED: Reason.NOT_JSON,
        Kind.CSV: Reason.NOT_JSON,
        Kind.NOT_A_NUMBER: Reason.NOT_JSON,
        Kind.ARRAY: Reason.NOT_AN_OBJECT,
        Kind.NESTED: Reason.TOO_DEEP,
        Kind.SURROGATE: Reason.NOT_JSON,
        Kind.LARGE: Reason.RECORD_TOO_LARGE,
        Kind.NO_ID: Reason.ID_MISSING,
        Kind.OBJECT_ID: Reason.ID_NOT_A_STRING,
        Kind.UPPER_CASE: Reason.BAD_IMAGE,
        Kind.CREDENTIALS: Reason.BAD_IMAGE,
    }
    assert found == {expected[kind]}


def test_seen_is_told_to_be_difficult_with_those_customers_only() -> None:
    told = {(fault["id"], fault["status"]) for fault in faults(SAMPLES)}
    assert told == {
        (sample.id, 503 if sample.kind is Kind.SEEN_DOWN else 400)
        for sample in SAMPLES
        if sample.kind in (Kind.SEEN_DOWN, Kind.REFUSED)
    }


# Books


def test_where_all_went_well_everything_is_accounted_for(kafka: Kafka) -> None:
    books = kafka.books()
    assert books.accounted_for == TOTAL
    assert [entry.fault for entry in books.entries if entry.fault] == []
    assert len(books.dead) == sum(sample.kind in DEAD for sample in SAMPLES)
    assert books.videos == len({sample.id for sample in SAMPLES if sample.kind in SOUND})
    assert books.strays == 0


def test_the_rows_stand_in_the_order_of_the_kinds_and_add_up(kafka: Kafka) -> None:
    rows = kafka.books().rows()
    assert [row.kind for row in rows] == list(Kind)
    assert sum(row.count for row in rows) == TOTAL
    assert next(row.videos for row in rows if row.kind is Kind.AGAIN) == 0
    assert {row.kind for row in rows if row.outcome is OutcomeKind.SKIPPED} == OF_OTHER_TYPES
    assert {row.kind for row in rows if row.outcome is OutcomeKind.REJECTED} == DEAD


def fault_of(books: Books, origin: str) -> str | None:
    return next(entry.fault for entry in books.entries if entry.origin == origin)


def test_an_outcome_that_is_missing_is_a_fault(kafka: Kafka) -> None:
    origin, _ = kafka.first(Kind.SIGNED_UP)
    del kafka.outcomes[origin]
    assert fault_of(kafka.books(), origin) == "no outcomes in Kafka"
    assert kafka.books().accounted_for < TOTAL


def test_an_event_that_was_left_out_and_not_counted_is_a_fault(kafka: Kafka) -> None:
    kafka.skipped -= 1
    origin, _ = kafka.first(Kind.ORDER)
    assert fault_of(kafka.books(), origin) == "no outcomes in Kafka"


def test_a_sound_event_that_was_skipped_is_a_fault(kafka: Kafka) -> None:
    origin, _ = kafka.first(Kind.SIGNED_UP)
    del kafka.outcomes[origin]
    kafka.skipped += 1
    assert fault_of(kafka.books(), origin) == "no outcomes in Kafka"


def test_regression_where_nothing_was_sent_the_books_do_not_balance(kafka: Kafka) -> None:
    kafka.outcomes, kafka.letters, kafka.videos = {}, {}, {}
    kafka.skipped = TOTAL
    assert kafka.books().accounted_for == sum(sample.kind in OF_OTHER_TYPES for sample in SAMPLES)


def test_a_sound_event_that_was_rejected_is_a_fault(kafka: Kafka) -> None:
    origin, sample = kafka.first(Kind.SIGNED_UP)
    outcome = Outcome(kind=OutcomeKind.REJECTED, reason=Reason.NOT_JSON)
    source = record("events", int(origin.split("/")[-1]), sample.message)
    kafka.outcomes[origin] = record("outcomes", 0, outcome_message("acme", source, None, outcome, now=9.0))
    assert fault_of(kafka.books(), origin) == "rejected, and not accepted"


def test_two_outcomes_of_one_event_are_a_fault(kafka: Kafka) -> None:
    origin, _ = kafka.first(Kind.SIGNED_UP)
    kafka.outcomes["once more"] = kafka.outcomes[origin]
    assert fault_of(kafka.books(), origin) == "2 outcomes in Kafka"
    assert kafka.books().accounted_for == TOTAL - 1


def test_an_accepted_event_without_its_video_is_a_fault(kafka: Kafka) -> None:
    origin, sample = kafka.first(Kind.SEEN_DOWN)
    del kafka.videos[sample.id]
    assert fault_of(kafka.books(), origin) == "accepted, and no video-ready event"


def test_a_video_that_was_published_twice_is_one(kafka: Kafka) -> None:
    before = kafka.books().videos
    _, sample = kafka.first(Kind.SIGNED_UP)
    kafka.videos["once more"] = replace(kafka.videos[sample.id], offset=1000)
    assert kafka.books().videos == before
    assert kafka.books().strays == 0


def test_a_video_that_belongs_to_no_event_is_a_stray(kafka: Kafka) -> None:
    video = VideoReady(id="a stranger", found_by="callback", received_at=9, raw=b"{}")
    kafka.videos["a stranger"] = record("videos", 1000, video_ready_message("acme", video))
    assert kafka.books().strays == 1


@pytest.mark.parametrize("kind", sorted(DEAD))
def test_a_dead_letter_that_is_missing_or_has_other_bytes_is_a_fault(kafka: Kafka, kind: Kind) -> None:
    origin, _ = kafka.first(kind)
    letter = kafka.letters[origin]
    for spoilt in ({"value": b"other"}, {"key": b"other"}):
        kafka.letters[origin] = replace(letter, **spoilt)  # type: ignore[arg-type]
        assert fault_of(kafka.books(), origin) == "the dead letter has other bytes"
    del kafka.letters[origin]
    assert fault_of(kafka.books(), origin) == "no dead letter"


def test_outcomes_of_other_records_are_left_aside(kafka: Kafka) -> None:
    other = Record("elsewhere", 0, 0, 0, None, b"{}")
    outcome = Outcome(kind=OutcomeKind.ACCEPTED, reason=Reason.CREATED)
    message = outcome_message("acme", other, "x", outcome, now=1.0)
    kafka.outcomes["elsewhere/0/0"] = record("outcomes", 1000, message)
    assert kafka.books().accounted_for == TOTAL


# Checks


def test_all_checks_pass_where_all_went_well_and_say_so_in_figures(kafka: Kafka) -> None:
    books = kafka.books()
    passed = checks(books, seen(books), 0)
    assert all(check.passed for check in passed)
    words = [check.words for check in passed]
    assert words[0] == "200 of 200 events accounted for, one outcome each"
    assert words[3] == "No 429 in 170 requests: at most 100 in any 10 s, SEEN allows 100"


def test_each_thing_that_went_wrong_fails_its_check(kafka: Kafka) -> None:
    well = kafka.books()
    assert failed(well, seen(well), 1) == [4]
    assert failed(well, seen(well), None) == [4]
    assert failed(well, seen(well, answered={"201": 1, "429": 3}), 0) == [3]
    assert failed(well, seen(well, items=well.videos + 1), 0) == [1]
    assert failed(replace(well, strays=1), seen(well), 0) == [1]
    origin, _ = kafka.first(Kind.CSV)
    del kafka.letters[origin]
    assert failed(kafka.books(), seen(well), 0) == [0, 2]
    assert "3 429 in" in checks(well, seen(well, answered={"429": 3}), 0)[3].words


def failed(books: Books, summary: dict[str, Any], exit_code: int | None) -> list[int]:
    return [number for number, check in enumerate(checks(books, summary, exit_code)) if not check.passed]


# Progress


def test_a_snapshot_is_done_when_all_has_settled_and_every_video_is_ready() -> None:
    workspace = {
        "state": "running",
        "reason": None,
        "lag_records": 0,
        "quota_requests": 100,
        "quota_used_slots": 42,
        "outcomes": {"accepted": 150, "rejected": 20, "expired": 6, "skipped": 24},
    }
    at_seen = {"workspaces": {"acme": {"requests": 170, "items": 144}}, "journeys": {"delivered": 144}}
    now = snapshot(200, 12.5, workspace, at_seen)
    assert (now.settled, now.accepted, now.rejected, now.skipped) == (200, 150, 26, 24)
    assert (now.requests, now.customers, now.videos, now.quota_used, now.quota) == (170, 144, 144, 42, 100)
    assert (now.state, now.trouble, now.seconds) == ("running", None, 12.5)
    assert now.done
    assert not replace(now, settled=199).done
    assert not replace(now, lag=1).done
    assert not replace(now, videos=143).done


def test_a_snapshot_before_the_first_callback_has_no_videos() -> None:
    workspace = orjson.loads(
        b'{"state": "standby", "reason": "starting", "lag_records": 0, "quota_requests": 100, "quota_used_slots": 0,'
        b'"outcomes": {"accepted": 0, "rejected": 0, "expired": 0, "skipped": 0}}'
    )
    now = snapshot(200, 0.0, workspace, {"workspaces": {"a": {"requests": 0, "items": 0}}, "journeys": {}})
    assert (now.videos, now.trouble, now.done) == (0, "starting", False)
