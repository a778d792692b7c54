"""Access tokens by OAuth 2.0 client credentials, over real HTTP: when they are asked for, and what becomes of refusals."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connector.config.secrets import Redactor, Secret
from connector.http.exchange import NoResponse, Response
from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, OAuthClient, WorkspaceSettings
from connector.seen.client import SeenClient, SeenEndpoint
from connector.seen.oauth2 import DEFAULT_LIFETIME_SECONDS, OAuth2, OAuth2Client, granted
from connector.seen.verdict import NoToken, judge, sight, without_token
from connector.testing import FakeClock
from connector.types import Accepted, Reason, Retry, Suspend
from tests.unit.seen.test_client import STRANGE, RawServer
from tests.unit.seen.values import JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.seen.verdict import Exchange
    from connector.types import Remaining, Verdict

TOKEN_ENDPOINT = "/oauth2/token"
SECRET = "client-secret/åß&1"
BODY = orjson.dumps({"id": "1"})


class Permit:
    """What the client says of its request."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def may_leave(self) -> bool:
        return True

    def answered(self, remaining: Remaining | None = None) -> None:
        self.words.append("answered")

    def unused(self) -> None:
        self.words.append("unused")


class Clock(FakeClock):
    """A clock that goes on when it is told to."""

    def after(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds


@dataclass
class Stage:
    """One workspace at SEEN that tokens of 1,000 s open, a client of ours for it, and the clock of both."""

    seen: Emulator
    credentials: OAuth2
    client: SeenClient
    clock: Clock
    redactor: Redactor

    @property
    def token_requests(self) -> int:
        return len(self.seen.token_requests())

    async def verdict(self, item: str = "1") -> Verdict:
        return judge(await self.client.create(orjson.dumps({"id": item}), Permit()), item)

    async def token(self) -> str:
        """The token that would be sent. Fails if there is none."""
        found = await self.credentials.authorization()
        assert isinstance(found, str)
        return found.removeprefix("Bearer ")


def client_at_seen(secret: str = SECRET, token_seconds: float = 1000.0) -> OAuthClient:
    return OAuthClient(client_id="us", client_secret=secret, token_seconds=token_seconds)


@asynccontextmanager
async def credentials_for(
    url: str, clock: FakeClock, secret: Secret | None = None, *, timeout_seconds: float = 5.0, scope: str = ""
) -> AsyncIterator[tuple[OAuth2, SeenClient, Redactor]]:
    secret, redactor = secret or Secret(SECRET), Redactor()
    redactor.watch(secret)
    endpoint = SeenEndpoint(url, "acme", timeout_seconds, 4)
    client = OAuth2Client("acme", "us", secret.reveal, scope)
    one = OAuth2(endpoint, client, clock, redactor.clean, redactor.add)
    seen = SeenClient(endpoint, one, clock, redactor.clean)
    await seen.start()
    try:
        yield one, seen, redactor
    finally:
        await seen.stop()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    (tmp_path / "secret").write_text(SECRET)
    settings = EmulatorSettings(
        workspaces=(WorkspaceSettings(id="acme", clients=(client_at_seen(),)),), render_seconds=0.01
    )
    secret = Secret.from_file(tmp_path / "secret")
    async with (
        Emulator(settings, clock) as seen,
        credentials_for(seen.url, clock, secret) as (one, client, redactor),
    ):
        yield Stage(seen, one, client, clock, redactor)


# One request for many


async def test_the_token_is_asked_for_once_and_opens_the_workspace(stage: Stage) -> None:
    for number in range(3):
        assert await stage.verdict(str(number)) == Accepted(reason=Reason.CREATED, status=201)
    assert stage.token_requests == 1


async def test_fifty_callers_at_once_wait_for_one_request(stage: Stage) -> None:
    stage.seen.fail(Fault(act="none", delay_seconds=0.2, path=TOKEN_ENDPOINT))
    tokens = await asyncio.gather(*(stage.token() for _ in range(50)))
    assert len(set(tokens)) == 1
    assert stage.token_requests == 1


async def test_fifty_callers_at_once_hear_of_one_refusal(stage: Stage) -> None:
    stage.seen.fail(Fault(status=503, delay_seconds=0.2, path=TOKEN_ENDPOINT))
    found = await asyncio.gather(*(stage.credentials.authorization() for _ in range(50)))
    assert all(isinstance(each, NoToken) for each in found)
    assert stage.token_requests == 1


async def test_callers_that_ask_again_at_once_do_not_disturb_those_that_still_wait(stage: Stage) -> None:
    stage.seen.fail(Fault(status=503, delay_seconds=0.2, path=TOKEN_ENDPOINT, times=2))

    async def until_there_is_one() -> str:
        while isinstance(found := await stage.credentials.authorization(), NoToken):
            continue
        return found

    async with asyncio.timeout(10):
        tokens = await asyncio.gather(*(until_there_is_one() for _ in range(50)))
    assert len(set(tokens)) == 1
    assert stage.token_requests == 3


async def test_a_caller_that_is_cancelled_stops_nobody_else(stage: Stage) -> None:
    stage.seen.fail(Fault(act="none", delay_seconds=0.3, path=TOKEN_ENDPOINT))
    first = asyncio.create_task(stage.token())
    others = [asyncio.create_task(stage.token()) for _ in range(5)]
    async with asyncio.timeout(10):
        while not stage.token_requests:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert len(set(await asyncio.gather(*others))) == 1
    assert stage.token_requests == 1


async def test_what_is_asked_is_the_documented_form_and_a_scope_only_where_there_is_one() -> None:
    for scope in ("", "data:write data:read"):
        raw = RecordingServer()
        async with raw.running() as server, credentials_for(server.url, Clock(), scope=scope) as (one, _, _):
            await one.authorization()
        head, _, body = raw.received.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /oauth2/token HTTP/1.1\r\n")
        assert b"Content-Type: application/x-www-form-urlencoded" in head
        assert b"Authorization" not in head
        expected = {"grant_type": ["client_credentials"], "client_id": ["us"], "client_secret": [SECRET]}
        assert parse_qs(body.decode(), keep_blank_values=True) == expected | (
            {"scope": [scope]} if scope else {}
        )


class RecordingServer(RawServer):
    """Keeps one request, and says no."""

    received = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.received = head + await reader.readexactly(length)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


# While it is good, and after


async def test_a_token_is_replaced_before_it_expires_and_nobody_waits_for_that(stage: Stage) -> None:
    first = await stage.token()
    stage.clock.after(939)  # of 1,000 s; the margin is 60 s
    assert await stage.token() == first
    await until_it_would_have_been_asked(stage)
    assert stage.token_requests == 1
    stage.clock.after(2)
    stage.seen.fail(Fault(act="none", delay_seconds=0.2, path=TOKEN_ENDPOINT))
    assert await stage.token() == first
    await until_asked(stage, 2)
    async with asyncio.timeout(10):
        while (second := await stage.token()) == first:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert stage.token_requests == 2
    stage.clock.after(100)  # the first one has expired
    assert await stage.token() == second
    assert await stage.verdict() == Accepted(reason=Reason.CREATED, status=201)
    assert stage.token_requests == 2


async def test_the_margin_of_a_short_lived_token_is_a_tenth_of_its_life(stage: Stage) -> None:
    stage.seen.set_clients("acme", client_at_seen(token_seconds=10))
    await stage.token()
    stage.clock.after(8.9)
    await stage.token()
    await until_it_would_have_been_asked(stage)
    assert stage.token_requests == 1
    stage.clock.after(0.2)
    await stage.token()
    await until_asked(stage, 2)


async def test_the_life_of_a_token_begins_when_it_is_asked_for(stage: Stage) -> None:
    stage.seen.fail(Fault(act="none", delay_seconds=0.3, path=TOKEN_ENDPOINT))
    waiting = asyncio.create_task(stage.token())
    await until_asked(stage, 1)
    stage.clock.after(100)
    first = await waiting
    stage.clock.after(845)
    assert await stage.token() == first
    await until_asked(stage, 2)


async def test_a_token_that_has_expired_is_not_sent(stage: Stage) -> None:
    first = await stage.token()
    stage.clock.after(1000)
    assert await stage.token() != first
    assert await stage.verdict() == Accepted(reason=Reason.CREATED, status=201)


@pytest.mark.parametrize("fault", [Fault(status=503, times=None), Fault(status=401, times=None)])
async def test_while_the_old_token_is_good_a_failed_request_for_the_next_costs_nothing(
    stage: Stage, fault: Fault
) -> None:
    first = await stage.token()
    stage.clock.after(950)
    stage.seen.fail(replace(fault, path=TOKEN_ENDPOINT))
    with capture_logs() as lines:
        for number in range(20):
            assert isinstance(await stage.verdict(str(number)), Accepted)
        await until_asked(stage, 2)
        await until_said(lines)
        assert await stage.token() == first
        await until_it_would_have_been_asked(stage)
        assert stage.token_requests == 2  # the next one is asked for after a pause
        stage.clock.after(5)
        assert await stage.token() == first
        await until_asked(stage, 3)
    assert lines[0]["event"] == "access_token_not_issued"
    assert lines[0]["old_one_is_good_for_seconds"] == 50
    await settled(stage)
    stage.clock.after(45)
    assert isinstance(await stage.credentials.authorization(), NoToken)
    stage.seen.clear_faults()
    assert await stage.token() != first


async def until_it_would_have_been_asked(stage: Stage) -> None:
    """Two requests to the workspace, one after the other: one for a token that had begun before them would have arrived."""
    for _ in range(2):
        assert isinstance(await stage.verdict(), Accepted)


async def until_asked(stage: Stage, count: int) -> None:
    async with asyncio.timeout(10):
        while stage.token_requests < count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    assert stage.token_requests == count


async def until_said(lines: list[Any]) -> None:
    async with asyncio.timeout(10):
        while not lines:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)


async def settled(stage: Stage) -> None:
    """Waits for the request that is under way, whoever began it."""
    async with asyncio.timeout(10):
        while stage.seen.token_requests()[-1].status is None:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)


# Refusals and outages


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"error": "invalid_client"}'),
        (400, b'{"error": "invalid_grant"}'),
        (403, b"<html>"),
        (404, b""),
    ],
)
async def test_a_refusal_suspends_the_workspace_and_nothing_is_sent_to_it(
    stage: Stage, status: int, body: bytes
) -> None:
    stage.seen.fail(Fault(status=status, body=body.decode(), path=TOKEN_ENDPOINT, times=None))
    permit = Permit()
    exchange = await stage.client.create(BODY, permit)
    code = orjson.loads(body)["error"] if body.startswith(b"{") else ""
    detail = f"no access token: the token endpoint answered {status} {code}".strip()
    expected = Suspend(reason=Reason.UNAUTHENTICATED, detail=detail, status=status, unsent=True)
    assert judge(exchange, "1") == expected
    assert sight(await stage.client.get("1", permit), {"id": "1"}) == expected
    assert permit.words == ["unused", "unused"]
    assert stage.seen.arrivals("acme") == []


async def test_the_emulator_s_own_refusal_of_a_wrong_secret_suspends(stage: Stage) -> None:
    stage.seen.set_clients("acme", client_at_seen("another-secret"))
    verdict = await stage.verdict()
    assert isinstance(verdict, Suspend)
    assert verdict.detail == "no access token: the token endpoint answered 401 invalid_client"


async def test_a_redirect_of_the_token_endpoint_is_not_followed(stage: Stage) -> None:
    location = {"Location": f"{stage.seen.url}/elsewhere"}
    stage.seen.fail(Fault(status=307, headers=location, path=TOKEN_ENDPOINT))
    verdict = await stage.verdict()
    assert (type(verdict), verdict.reason) == (Suspend, Reason.REDIRECTED)
    assert stage.token_requests == 1


OUTAGES = {
    "500": Fault(status=500),
    "503": Fault(status=503),
    "429": Fault(status=429, body="<html>"),
    "408": Fault(status=408),
    "no JSON": Fault(status=200, body="token"),
    "no token": Fault(status=200, body="{}"),
    "a token of another kind": Fault(status=200, body='{"access_token": "abcdef", "token_type": "mac"}'),
    "a token that no header carries": Fault(status=200, body='{"access_token": "abc\\r\\nX: y"}'),
    "a token too short to be redacted": Fault(status=200, body='{"access_token": "abc"}'),
    "204": Fault(status=204),
    "reset": Fault(act="reset"),
    "hang": Fault(act="hang"),
}


@pytest.mark.parametrize("name", OUTAGES)
async def test_anything_else_is_an_outage_that_ends_by_itself(stage: Stage, name: str) -> None:
    stage.seen.fail(replace(OUTAGES[name], path=TOKEN_ENDPOINT))
    async with credentials_for(stage.seen.url, stage.clock, timeout_seconds=0.5) as (_, client, _):
        permit = Permit()
        verdict = judge(await client.create(BODY, permit), "1")
        assert isinstance(verdict, Retry)
        assert (verdict.reason, verdict.outage) == (Reason.UNAVAILABLE, True)
        assert verdict.detail.startswith("no access token: ")
        assert permit.words == ["unused"]
        assert stage.seen.arrivals("acme") == []
        assert isinstance(judge(await client.create(BODY, Permit()), "1"), Accepted)


async def test_a_token_endpoint_that_cannot_be_connected_to_is_an_outage(stage: Stage) -> None:
    await stage.seen.port.go_down()
    permit = Permit()
    verdict = judge(await stage.client.create(BODY, permit), "1")
    assert isinstance(verdict, Retry)
    assert (verdict.reason, verdict.outage, permit.words) == (Reason.CANNOT_CONNECT, True, ["unused"])
    await stage.seen.port.come_up()
    assert isinstance(await stage.verdict(), Accepted)


@pytest.mark.parametrize("name", STRANGE)
async def test_whatever_the_token_endpoint_says_is_a_value(name: str) -> None:
    async with (
        RawServer(STRANGE[name]).running() as server,
        credentials_for(server.url, Clock(), timeout_seconds=2) as (one, _, _),
    ):
        assert isinstance(await one.authorization(), NoToken)


async def test_an_endless_answer_is_not_read_whole() -> None:
    raw = RawServer(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 1000)
    async with raw.running() as server, credentials_for(server.url, Clock()) as (one, _, _):
        assert isinstance(await one.authorization(), NoToken)
    assert raw.written < 16 * 1024 * 1024


async def test_a_retry_after_of_the_token_endpoint_is_kept(stage: Stage) -> None:
    stage.seen.fail(Fault(status=429, headers={"Retry-After": "30"}, path=TOKEN_ENDPOINT))
    assert held(await stage.verdict()) == 30
    stage.clock.after(20)
    await stage.credentials.renew()
    assert held(await stage.verdict()) == 10
    assert stage.token_requests == 1
    stage.clock.after(10)
    assert isinstance(await stage.verdict(), Accepted)


async def test_a_retry_after_of_a_year_is_kept_for_an_hour(stage: Stage) -> None:
    stage.seen.fail(Fault(status=503, headers={"Retry-After": "31536000"}, path=TOKEN_ENDPOINT))
    await stage.verdict()
    stage.clock.after(3600)
    assert isinstance(await stage.verdict(), Accepted)


async def test_a_retry_after_of_a_refusal_does_not_keep_a_new_secret_waiting(stage: Stage) -> None:
    stage.seen.fail(Fault(status=401, headers={"Retry-After": "600"}, path=TOKEN_ENDPOINT))
    assert isinstance(await stage.verdict(), Suspend)
    await stage.credentials.renew()
    assert isinstance(await stage.verdict(), Accepted)


def held(verdict: Verdict) -> float | None:
    assert isinstance(verdict, Retry)
    return verdict.hold_seconds


# Renewal


async def test_a_revoked_token_is_refused_by_the_workspace_and_replaced_by_the_probe(stage: Stage) -> None:
    await stage.token()
    stage.seen.revoke_tokens("acme")
    verdict = await stage.verdict()
    assert (type(verdict), verdict.reason) == (Suspend, Reason.UNAUTHENTICATED)
    await stage.client.renew_credentials()
    assert isinstance(await stage.verdict(), Accepted)
    assert stage.token_requests == 2


async def test_a_rotated_secret_in_its_file_is_used_by_the_next_probe(stage: Stage, tmp_path: Path) -> None:
    stage.seen.set_clients("acme", client_at_seen("the-next-secret"))
    assert isinstance(await stage.verdict(), Suspend)
    await stage.client.renew_credentials()
    assert isinstance(await stage.verdict(), Suspend)
    (tmp_path / "secret").write_text("the-next-secret")
    await stage.client.renew_credentials()
    assert isinstance(await stage.verdict(), Accepted)


async def test_what_was_asked_for_before_a_renewal_is_not_used_after_it(stage: Stage) -> None:
    stage.seen.fail(Fault(act="none", delay_seconds=0.3, path=TOKEN_ENDPOINT))
    early = asyncio.create_task(stage.token())
    await until_asked(stage, 1)
    await stage.credentials.renew()
    assert await stage.token() != await early
    assert stage.token_requests == 2


async def test_a_renewal_that_is_cancelled_stops_no_caller(stage: Stage) -> None:
    stage.seen.fail(Fault(act="none", delay_seconds=0.3, path=TOKEN_ENDPOINT))
    early = asyncio.create_task(stage.token())
    await until_asked(stage, 1)
    renewal = asyncio.create_task(stage.credentials.renew())
    await asyncio.sleep(0)
    renewal.cancel()
    assert await early
    assert stage.token_requests == 1


async def test_stopping_ends_a_request_that_is_under_way(stage: Stage) -> None:
    stage.seen.fail(Fault(act="hang", path=TOKEN_ENDPOINT))
    waiting = asyncio.create_task(stage.token())
    await until_asked(stage, 1)
    async with asyncio.timeout(3):
        await stage.client.stop()
        await asyncio.wait([waiting])
    assert waiting.cancelled()


# Secrets


async def test_a_token_is_known_to_the_redactor_before_it_can_be_sent(stage: Stage) -> None:
    token = await stage.token()
    assert stage.redactor.clean(f"<{token}>") == "<***>"


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_nothing_that_the_token_endpoint_says_is_in_what_is_told_of_it(
    stage: Stage, status: int
) -> None:
    token = await stage.token()
    stage.clock.after(1500)
    basic = base64.b64encode(f"us:{SECRET}".encode()).decode()
    echo = {"error": f"{SECRET} {token}", "access_token": [token], "error_description": f"{SECRET} {basic}"}
    stage.seen.fail(Fault(status=status, body=orjson.dumps(echo).decode(), path=TOKEN_ENDPOINT))
    with capture_logs() as lines:
        verdict = await stage.verdict()
    assert [line["old_one_is_good_for_seconds"] for line in lines] == [0]
    for text in (repr(verdict), repr(lines), repr(stage.credentials), repr(client_at_seen())):
        assert SECRET not in text
        assert token not in text
        assert basic not in text


async def test_no_secret_is_in_the_detail_of_a_request_that_got_no_answer() -> None:
    secret = Secret("client-secret")
    for answer in (b"HTTP/1.1 client-secret\r\n\r\n", b"client-secret\r\n\r\n"):
        async with (
            RawServer(answer).running() as server,
            credentials_for(server.url, Clock(), secret) as (one, _, _),
        ):
            found = await one.authorization()
        assert isinstance(found, NoToken)
        assert isinstance(found.answer, NoResponse)
        assert found.answer.detail.startswith("the connection to the token endpoint was lost (")
        assert "client-secret" not in found.answer.detail


async def test_a_log_line_says_that_a_token_was_issued_and_not_which(stage: Stage) -> None:
    with capture_logs() as lines:
        token = await stage.token()
    assert lines == [
        {"event": "access_token_issued", "workspace": "acme", "lifetime_seconds": 1000.0, "log_level": "info"}
    ]
    assert token not in repr(lines)


# What an answer gives


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        (0.5, 0.5),
        ("3600", 3600),
        (0, DEFAULT_LIFETIME_SECONDS),
        (-1, DEFAULT_LIFETIME_SECONDS),
        (None, DEFAULT_LIFETIME_SECONDS),
        (True, DEFAULT_LIFETIME_SECONDS),
        ("soon", DEFAULT_LIFETIME_SECONDS),
        ("inf", DEFAULT_LIFETIME_SECONDS),
        ("nan", DEFAULT_LIFETIME_SECONDS),
        ([60], DEFAULT_LIFETIME_SECONDS),
    ],
)
def test_a_lifetime_is_a_number_above_zero_or_the_default(expires_in: object, seconds: float) -> None:
    body = orjson.dumps({"access_token": "canary", "token_type": "bearer", "expires_in": expires_in})
    token = granted(Response(200, body))
    assert token is not None
    assert (token.value, token.lifetime_seconds) == ("canary", seconds)
    assert "canary" not in repr(token)


@pytest.mark.parametrize("status", [200, 201, 202, 400, 500])
def test_a_token_comes_with_200_or_201(status: int) -> None:
    answer = Response(status, b'{"access_token": "token", "token_type": "Bearer"}')
    assert (granted(answer) is not None) is (status in (200, 201))


@given(
    status=st.integers(100, 999),
    body=st.binary()
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("access_token", "token_type", "expires_in", "error"), JSON_VALUES)
    ).map(orjson.dumps),
)
def test_every_answer_gives_a_token_or_means_a_refusal_or_an_outage(status: int, body: bytes) -> None:
    answer = Response(status, body)
    token = granted(answer)
    assert token is None or (status in (200, 201) and token.lifetime_seconds > 0)
    exchange: Exchange = NoToken(answer)
    verdict = judge(exchange, "1")
    assert verdict == sight(exchange, {"id": "1"}) == without_token(answer)
    assert isinstance(verdict, Suspend) or verdict.outage
