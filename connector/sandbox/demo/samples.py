"""What the demo sends: 200 records as a topic of customer events may hold them, good ones and bad ones. Pure.

They are the same at every run, and suit the example in config/.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from connector.types import Message, OutcomeKind

TOTAL = 200

_BEGINNING = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
_FIRST_NUMBER = 10_482
_LARGE_BYTES = 1_000_000
_LEVELS = 5_000
_FIRST_NAMES = (
    "Ada Björn Chloé Dawit Elif Fatou Goran Hanna Ines Jomo Kaveh Linnéa "
    "Mateo Ngozi Olga Priya Quentin Ravi Saoirse Tomáš Uma Vera Wei Zofia"
).split()
_LAST_NAMES = "Almeida Berg Costa Dahl Eriksen Ferrari García Haugen Ito Jensen Kaya".split()
_CITIES = "Oslo Bergen Stockholm København Lisboa İzmir Kraków Nairobi Kyōto".split()


class Kind(StrEnum):
    """What a sample is an example of, in words for the table; in the order of the table."""

    SIGNED_UP = "a customer signed up"
    AGAIN = "the same one again: no new video"
    SEEN_DOWN = "retried: SEEN said 503 once"
    ORDER = "an order was placed"
    NEWSLETTER = "a newsletter was opened"
    TOMBSTONE = "tombstone: a key without a value"
    EMPTY = "neither key nor value"
    TRUNCATED = "JSON that breaks off"
    CSV = "a line of CSV"
    NOT_A_NUMBER = "NaN in the JSON"
    ARRAY = "a JSON array"
    NESTED = "nested 5,000 levels deep"
    SURROGATE = "half an emoji (a lone surrogate)"
    LARGE = "a record of 1 MB"
    NO_ID = "a customer without an id"
    OBJECT_ID = "an id that is an object"
    UPPER_CASE = "a photo named .PNG"
    CREDENTIALS = "a password in the photo's link"
    REFUSED = "refused by SEEN (400)"


SOUND = frozenset({Kind.SIGNED_UP, Kind.AGAIN, Kind.SEEN_DOWN})
OF_OTHER_TYPES = frozenset({Kind.ORDER, Kind.NEWSLETTER})

_COUNTS = {
    Kind.AGAIN: 6,
    Kind.SEEN_DOWN: 1,
    Kind.ORDER: 14,
    Kind.NEWSLETTER: 10,
    Kind.TOMBSTONE: 2,
    Kind.NO_ID: 2,
    Kind.REFUSED: 2,
}
"""How many there are of a kind: one of each that is not named, and signed-up customers for the rest."""

_TYPES = {Kind.ORDER: "order.placed", Kind.NEWSLETTER: "newsletter.opened"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One record to be sent. `id` is the customer that it is about, whether or not the record says so."""

    kind: Kind
    id: str
    message: Message


def sample_events() -> list[Sample]:
    """All `TOTAL` samples, mixed. Those that come again come last, after the ones that they repeat."""
    others = [kind for kind in Kind if kind not in (Kind.SIGNED_UP, Kind.AGAIN) for _ in range(_of(kind))]
    repeats = _of(Kind.AGAIN)
    kinds = [*others, *([Kind.SIGNED_UP] * (TOTAL - repeats - len(others)))]
    random.Random(7).shuffle(kinds)
    samples = [_sample(kind, number, sent=number) for number, kind in enumerate(kinds)]
    known = [number for number, kind in enumerate(kinds) if kind is Kind.SIGNED_UP]
    again = enumerate(known[:repeats], start=len(samples))
    return [*samples, *(_sample(Kind.AGAIN, number, sent=sent) for sent, number in again)]


def outcome_of(kind: Kind) -> OutcomeKind:
    """How a sample of this kind must end with the example's configuration."""
    if kind in SOUND:
        return OutcomeKind.ACCEPTED
    return OutcomeKind.SKIPPED if kind in OF_OTHER_TYPES else OutcomeKind.REJECTED


def faults(samples: list[Sample]) -> list[dict[str, object]]:
    """What the emulator is told to do with single customers, as its control route takes it (docs/emulator.md)."""
    down = [{"status": 503, "times": 1, "id": each.id} for each in samples if each.kind is Kind.SEEN_DOWN]
    answer = json.dumps({"code": "ErrRequestBody", "message": "the property email cannot be used"})
    refusal = {"status": 400, "body": answer, "content_type": "application/json"}
    return [*down, *({**refusal, "id": each.id} for each in samples if each.kind is Kind.REFUSED)]


def _of(kind: Kind) -> int:
    return _COUNTS.get(kind, 1)


def _sample(kind: Kind, number: int, *, sent: int) -> Sample:
    """The `sent`-th sample, about the `number`-th customer."""
    key = f"cust-{_FIRST_NUMBER + number}"
    customer = _customer(kind, key, number)
    occurred_at = _BEGINNING + timedelta(seconds=41 * sent)
    value = _value(kind, customer, occurred_at.isoformat())
    return Sample(kind, key, Message(None if kind is Kind.EMPTY else key.encode(), value))


def _customer(kind: Kind, key: str, number: int) -> dict[str, object]:
    customer: dict[str, object] = {
        "id": key,
        "first_name": _FIRST_NAMES[number % len(_FIRST_NAMES)],
        "last_name": _LAST_NAMES[number % len(_LAST_NAMES)],
        "email": f"{key}@example.com",
        "city": _CITIES[number % len(_CITIES)],
        "photo_url": f"https://photos.example.com/{key}.jpg",
    }
    match kind:
        case Kind.NO_ID:
            del customer["id"]
        case Kind.OBJECT_ID:
            customer["id"] = {"crm": key}
        case Kind.UPPER_CASE:
            customer["photo_url"] = f"https://photos.example.com/{key}.PNG"
        case Kind.CREDENTIALS:
            customer["photo_url"] = f"https://ada:lovelace@photos.example.com/{key}.jpg"
        case Kind.NOT_A_NUMBER:
            customer["score"] = float("nan")
        case Kind.SURROGATE:
            customer["city"] = "\ud83d"
        case Kind.LARGE:
            customer["notes"] = "x" * _LARGE_BYTES
    return customer


def _value(kind: Kind, customer: dict[str, object], occurred_at: str) -> bytes | None:
    event = {
        "type": _TYPES.get(kind, "customer.signed_up"),
        "occurred_at": occurred_at,
        "customer": customer,
    }
    # A lone surrogate has no UTF-8: it can be written as an escape only.
    text = json.dumps(event, ensure_ascii=kind is Kind.SURROGATE)
    match kind:
        case Kind.TOMBSTONE | Kind.EMPTY:
            return None
        case Kind.TRUNCATED:
            text = text[: len(text) // 2]
        case Kind.CSV:
            text = ";".join(map(str, customer.values()))
        case Kind.ARRAY:
            text = f"[{text}]"
        case Kind.NESTED:
            text = f'{text[:-1]}, "reply_to": ' + '{"reply_to":' * _LEVELS + "null" + "}" * _LEVELS + "}"
    return text.encode()
