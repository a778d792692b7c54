"""The destination for create data: one event a request, and verdicts without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from connector.config.secrets import Redactor
from connector.outbound.data import DataDestination
from connector.sandbox.emulator import Fault
from connector.seen.auth import StaticToken
from connector.seen.client import SeenClient, SeenEndpoint
from connector.testing import FakeClock
from connector.types import Absent, Accepted, Event, Reason, Record, Reject
from tests.permits import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.sandbox.emulator import Emulator

TOKEN = "s3cr3t-" * 20


@pytest.fixture
async def destination(emulator: Emulator) -> AsyncIterator[DataDestination]:
    emulator.set_tokens("acme", TOKEN)
    redactor = Redactor()
    redactor.add(TOKEN)
    client = SeenClient(
        SeenEndpoint(emulator.url, "acme", 5, 2), StaticToken(lambda: TOKEN), FakeClock(), redactor.clean
    )
    await client.start()
    yield DataDestination(client, redactor.clean)
    await client.stop()


def event(event_id: str, **properties: object) -> Event:
    body = orjson.dumps({"id": event_id, **properties})
    return Event(Record("events", 0, 0, 0, None, body), event_id, event_id.encode(), body)


async def test_an_event_is_created_and_is_found_with_its_values_alone(
    destination: DataDestination, emulator: Emulator
) -> None:
    assert await destination.send([event("1", name="Kari")], Permit()) == [
        Accepted(reason=Reason.CREATED, status=201)
    ]
    assert isinstance(await destination.look_up(event("1", name="Kari"), Permit()), Accepted)
    assert isinstance(await destination.look_up(event("1", name="Ola"), Permit()), Absent)
    assert isinstance(await destination.look_up(event("2"), Permit()), Absent)
    assert emulator.arrivals()[0].body == b'{"id":"1","name":"Kari"}'


async def test_a_batch_is_one_event(destination: DataDestination, emulator: Emulator) -> None:
    assert destination.batch.items == 1
    with pytest.raises(ValueError, match="too many values"):
        await destination.send([event("1"), event("2")], Permit())
    assert emulator.arrivals() == []


@pytest.mark.parametrize("before", ["", "x" * 400, "x" * 495, "x" * 560, "€" * 595])
async def test_regression_no_part_of_a_secret_is_in_a_detail_wherever_it_lies(
    destination: DataDestination, emulator: Emulator, before: str
) -> None:
    refusal = orjson.dumps({"code": "ErrRequestBody", "message": f"{before}{TOKEN} is no good"})
    emulator.fail(Fault(status=400, body=refusal.decode(), content_type="application/json"))
    (verdict,) = await destination.send([event("1")], Permit())
    assert isinstance(verdict, Reject)
    assert "s3cr3t" not in verdict.detail
    assert verdict.detail.startswith(f"SEEN answered 400 ErrRequestBody ({before[:500]}")
    assert len(verdict.detail) <= 600


async def test_a_message_of_a_megabyte_is_cut(destination: DataDestination, emulator: Emulator) -> None:
    emulator.fail(Fault(status=400, body=orjson.dumps({"message": "x" * 1_000_000}).decode()))
    (verdict,) = await destination.send([event("1")], Permit())
    assert len(verdict.detail) == 600
