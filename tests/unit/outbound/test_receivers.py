"""The destination for create receivers, over HTTP: many events a call, a verdict for each, and none with a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from connector.config.secrets import Redactor
from connector.delivery.batch import BatchLimits
from connector.outbound.receivers import ReceiversDestination
from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, WorkspaceSettings
from connector.seen.auth import StaticToken
from connector.seen.client import CampaignEndpoint, SeenClient
from connector.testing import FakeClock
from connector.types import Accepted, Event, InDoubt, Reason, Record, Reject, Retry, Suspend
from tests.permits import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "s3cr3t-" * 20
LIMITS = BatchLimits(100, 262_144, 1)


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """A campaign that `TOKEN` opens."""
    film = WorkspaceSettings(id="film", api="receivers", tokens=(TOKEN,))
    async with Emulator(EmulatorSettings(workspaces=(film,))) as emulator:
        yield emulator


@pytest.fixture
async def client(seen: Emulator) -> AsyncIterator[SeenClient]:
    redactor = Redactor()
    redactor.add(TOKEN)
    client = SeenClient(
        CampaignEndpoint(seen.url, "film", 5, 2),
        StaticToken(lambda: TOKEN, "Token"),
        FakeClock(),
        redactor.clean,
    )
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
def destination(client: SeenClient) -> ReceiversDestination:
    redactor = Redactor()
    redactor.add(TOKEN)
    return ReceiversDestination(client, LIMITS, redactor.clean, takes_existing=True)


def event(customer_id: str, **fields: object) -> Event:
    body = orjson.dumps({"first_name": "Ada", "customer_id": customer_id, **fields})
    return Event(Record("events", 0, 0, 0, None, body), customer_id, customer_id.encode(), body)


async def test_one_call_creates_many_and_each_has_its_verdict(
    destination: ReceiversDestination, seen: Emulator
) -> None:
    verdicts = await destination.send([event("1"), event("2")], Permit())
    assert verdicts == [Accepted(reason=Reason.CREATED, status=201)] * 2
    (call,) = seen.arrivals("film")
    assert call.body == b'[{"first_name":"Ada","customer_id":"1"},{"first_name":"Ada","customer_id":"2"}]'
    too_long = event("3", last_name="x" * 101)
    refused, exists, beside = await destination.send([too_long, event("1"), event("4")], Permit())
    assert (type(refused), refused.reason) == (Reject, Reason.BAD_REQUEST)
    assert refused.response == '{"last_name":["Ensure this field has no more than 100 characters."]}'
    assert (type(exists), exists.reason) == (Accepted, Reason.ALREADY_EXISTS)
    assert (type(beside), beside.reason) == (Retry, Reason.OTHERS_REFUSED)
    assert destination.batch is LIMITS


async def test_one_that_exists_already_is_refused_where_the_file_says_so(
    client: SeenClient, destination: ReceiversDestination
) -> None:
    strict = ReceiversDestination(client, LIMITS, str, takes_existing=False)
    await strict.send([event("1")], Permit())
    (verdict,) = await strict.send([event("1")], Permit())
    assert (type(verdict), verdict.reason) == (Reject, Reason.ALREADY_EXISTS)


@pytest.mark.parametrize("before", ["", "x" * 560, "x" * 1920, "x" * 2040, "€" * 680])
async def test_regression_no_part_of_a_secret_is_shown_wherever_it_lies_in_a_message(
    destination: ReceiversDestination, seen: Emulator, before: str
) -> None:
    errors = [{"first_name": [f"{before}{TOKEN} is no name"]}]
    seen.fail(Fault(status=400, body=orjson.dumps(errors).decode(), content_type="application/json"))
    (verdict,) = await destination.send([event("1")], Permit())
    assert isinstance(verdict, Reject)
    assert "s3cr3t" not in verdict.response + verdict.detail
    assert verdict.response.startswith('{"first_name":["' + before[:1000])
    assert len(verdict.detail) <= 600
    assert len(verdict.response) <= 2048


@pytest.mark.parametrize(
    ("body", "items", "kind"),
    [
        ('[{"first_name":' + "[" * 300 + "]" * 300 + "}]", 1, Reject),
        ('[{"first_name":["' + "x" * 5_000_000 + '"]}]', 1, Reject),
        ('[{"first_name":["\\ud800"]}, {}]', 2, Retry),
        ('[{"first_name":[1e999]}, {}]', 2, Retry),
        ('{"detail":"no"}', 2, Retry),
        ("\ufeff[{}, {}]", 2, Retry),
    ],
)
async def test_an_answer_of_any_shape_is_a_verdict_for_each(
    destination: ReceiversDestination, seen: Emulator, body: str, items: int, kind: type
) -> None:
    seen.fail(Fault(status=400, body=body, content_type="application/json"))
    verdicts = await destination.send([event(str(number)) for number in range(items)], Permit())
    assert [type(each) for each in verdicts] == [kind] * items


async def test_a_wrong_token_is_the_campaigns_matter_and_a_lost_answer_nobodys(
    destination: ReceiversDestination, seen: Emulator
) -> None:
    seen.set_tokens("film", "another")
    (verdict,) = await destination.send([event("1")], Permit())
    assert isinstance(verdict, Suspend)
    seen.set_tokens("film", TOKEN)
    seen.fail(Fault(act="reset", processed=True))
    verdicts = await destination.send([event("1"), event("2")], Permit())
    assert [type(each) for each in verdicts] == [InDoubt, InDoubt]


async def test_it_cannot_be_asked(destination: ReceiversDestination, seen: Emulator) -> None:
    with pytest.raises(ValueError, match="nothing to look up"):
        await destination.look_up(event("1"), Permit())
    assert seen.arrivals("film") == []
