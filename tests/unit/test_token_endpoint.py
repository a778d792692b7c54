"""The token endpoint, and who may call with what it issued, over real HTTP; what answers a wrong secret, and when."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import structlog
from joserfc import jws

from connector.inbound import slowing, tokenendpoint
from connector.inbound.answer import UNAUTHENTICATED
from connector.inbound.attempts import FREE
from connector.inbound.auth import NoAuth, Proof, TokenAuth
from connector.inbound.grants import Client
from connector.inbound.limits import Limits
from connector.inbound.listener import Listener
from connector.inbound.peers import Peers
from connector.inbound.tokenendpoint import MAX_FORM_BYTES, MAX_FORMS, TokenEndpoint
from connector.labels import TOKEN_ANSWERS
from connector.metrics import Metrics
from connector.testing import FakeClock
from connector.wiring import OwnTokens
from tests.doors import door
from tests.unit.test_listener import JSON, RIGHT, TOKEN, VIDEO, Recorder, Wire, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

KEYS = ("a-signing-key-of-32-characters-00",)
SECRETS = {"acme": "a-secret-of-acme", "bolt": "a-secret/of bolt"}
FORM = {"grant_type": "client_credentials", "client_id": "acme-seen", "client_secret": SECRETS["acme"]}
URLENCODED = "Content-Type: application/x-www-form-urlencoded"


class Says:
    """An authenticator that finds what a test wants."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof

    async def check(self, _headers: Mapping[str, str]) -> Proof:
        return self.proof


class Place:
    """A listener with two workspaces that take its own tokens, `acme` and `bolt`, and one, `cove`, with a static token."""

    def __init__(self, *proxies: str, keys: tuple[str, ...] = KEYS) -> None:
        self.clock, self.metrics, self.keys = FakeClock(), Metrics("0"), keys
        self.seen = Recorder()
        self.doors = {
            name: door(
                name,
                TokenAuth((TOKEN,))
                if name == "cove"
                else OwnTokens(name, f"{name}-seen", lambda: self.keys, self.clock),
                self.seen,
                self.metrics,
            )
            for name in ("acme", "bolt", "cove")
        }
        clients = [Client(name, f"{name}-seen", (secret,)) for name, secret in SECRETS.items()]
        self.listener = Listener(
            self.doors,
            host="127.0.0.1",
            port=0,
            limits=Limits(),
            metrics=self.metrics,
            clock=self.clock,
            peers=Peers(proxies),
            tokens=TokenEndpoint(lambda: clients, lambda: self.keys, 300, self.metrics, self.clock),
        )

    async def send(
        self, path: str, method: str = "POST", **options: Any
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, **options) as answer:
            return answer.status, orjson.loads(await answer.read()), dict(answer.headers)

    async def ask(
        self, form: Mapping[str, str] | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        return await self.send("/oauth2/token", data=FORM if form is None else form, headers=headers)

    async def token(self, name: str = "acme") -> str:
        status, body, _ = await self.ask(FORM | {"client_id": f"{name}-seen", "client_secret": SECRETS[name]})
        assert status == 200
        return str(body["access_token"])

    async def call(self, token: str, name: str = "acme", **headers: str) -> int:
        headers |= {"Authorization": f"Bearer {token}"}
        return (await self.send(f"/callbacks/{name}", json=VIDEO, headers=headers))[0]

    async def fail(self, times: int, **headers: str) -> None:
        for _ in range(times):
            assert await self.call("wrong", **headers) == 401

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"seen_connector_{name}_total", labels)

    def counted(self) -> dict[str, float]:
        found = {answer: self.sample("token_requests", answer=answer) for answer in TOKEN_ANSWERS}
        return {answer: count for answer, count in found.items() if count}


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Place]:
    await place.listener.start()
    try:
        yield place
    finally:
        await place.listener.stop(2)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running(Place()) as place:
        yield place


@asynccontextmanager
async def wire(place: Place) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.listener.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


# --- tokens


async def test_a_token_is_issued_for_a_form_and_opens_its_own_workspace_alone(place: Place) -> None:
    status, body, headers = await place.ask()
    assert status == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")
    assert await place.call(body["access_token"]) == 200
    assert await place.call(body["access_token"], "bolt") == 401
    assert await place.call(await place.token("bolt"), "bolt") == 200
    assert place.counted() == {"issued": 2}
    assert len(place.seen.published) == 2


async def test_a_token_is_issued_for_a_basic_header(place: Place) -> None:
    grant = {"grant_type": "client_credentials"}
    for secret in (SECRETS["bolt"], "a-secret%2Fof+bolt"):
        status, body, _ = await place.ask(grant, Authorization=basic("bolt-seen", secret))
        assert status == 200
        assert await place.call(body["access_token"], "bolt") == 200


@pytest.mark.parametrize("name", ["acme", "nobody"])
async def test_a_wrong_secret_and_an_unknown_client_are_answered_alike(place: Place, name: str) -> None:
    status, body, headers = await place.ask(FORM | {"client_id": f"{name}-seen", "client_secret": "wrong"})
    assert (status, body) == (401, {"error": "invalid_client"})
    assert headers["WWW-Authenticate"].startswith("Basic ")
    status, body, _ = await place.ask(Authorization=basic(f"{name}-seen", "wrong"))
    assert (status, body) == (401, {"error": "invalid_client"})
    assert place.counted() == {"invalid_client": 2}


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "acme-seen"}, "invalid_request"),
        (b"{}", "invalid_request"),
    ],
)
async def test_a_request_that_is_none_is_answered_as_the_standard_says(
    place: Place, form: Mapping[str, str] | bytes, error: str
) -> None:
    status, body, _ = await place.ask(form, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, body) == (400, {"error": error})


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}])
async def test_what_is_no_form_is_not_read(place: Place, headers: dict[str, str]) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    async with wire(place) as line:
        await line.send("/oauth2/token", *(f"{k}: {v}" for k, v in sent.items()), "Content-Length: 100")
        assert await line.status() == 400
        assert orjson.loads(await line.rest()) == {"error": "invalid_request"}


async def test_other_methods_are_refused(place: Place) -> None:
    status, _, headers = await place.send("/oauth2/token", "GET")
    assert (status, headers["Allow"]) == (405, "POST")


async def test_a_form_is_capped_before_it_is_sent_and_while_it_is_read(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/oauth2/token", URLENCODED, f"Content-Length: {MAX_FORM_BYTES + 1}")
        assert await line.status() == 413
    async with wire(place) as line:
        await line.send("/oauth2/token", URLENCODED, "Transfer-Encoding: chunked")
        line.writer.write(b"%X\r\n" % (MAX_FORM_BYTES + 1) + b"x" * (MAX_FORM_BYTES + 1))
        assert await line.status() == 413
    assert place.counted() == {"too_large": 2}
    assert (await place.ask(FORM | {"x": "y" * (MAX_FORM_BYTES - 200)}))[0] == 200


async def test_a_form_of_exactly_the_cap_is_taken_and_a_refused_one_leaves_the_connection_open(
    place: Place,
) -> None:
    form = b"grant_type=client_credentials&client_id=acme-seen&client_secret="
    wrong = form + b"x" * (MAX_FORM_BYTES - len(form))
    async with wire(place) as line:
        for _ in range(2):
            await line.send("/oauth2/token", URLENCODED, f"Content-Length: {MAX_FORM_BYTES}", body=wrong)
            assert await line.status() == 401
            await line.reader.readuntil(b"}")


async def test_a_form_that_comes_too_slowly_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenendpoint, "FORM_SECONDS", 0.1)
    async with wire(place) as line:
        await line.send("/oauth2/token", URLENCODED, "Content-Length: 10", body=b"grant")
        assert await line.status() == 408
    assert place.counted() == {"timed_out": 1}


async def test_who_sends_many_forms_slowly_keeps_nobody_else_from_fetching_a_token() -> None:
    async with running(Place("127.0.0.0/8")) as place, AsyncExitStack() as open_:
        slow = [await open_.enter_async_context(wire(place)) for _ in range(MAX_FORMS + 1)]
        attacker = "X-Forwarded-For: 203.0.113.9"
        for line in slow[:-1]:
            await line.send("/oauth2/token", URLENCODED, attacker, "Content-Length: 100", body=b"g")
        await asyncio.sleep(0.2)
        await slow[-1].send("/oauth2/token", URLENCODED, attacker, "Content-Length: 100", body=b"g")
        assert await slow[-1].status() == 503
        assert place.counted() == {"busy": 1}
        assert (await place.ask(None, **{"X-Forwarded-For": "198.51.100.1"}))[0] == 200
        proved = basic("acme-seen", SECRETS["acme"])  # even from the same address
        grant = {"grant_type": "client_credentials"}
        headers = {"X-Forwarded-For": "203.0.113.9", "Authorization": proved}
        assert (await place.ask(grant, **headers))[0] == 200
        for line in slow[:-1]:
            line.writer.close()
        await until(lambda: place.counted()["busy"] == 1 and place.counted().get("cut_off") == MAX_FORMS)
        assert (await place.ask(None, **{"X-Forwarded-For": "203.0.113.9"}))[0] == 200


async def test_a_stop_waits_for_a_form_that_is_being_read(place: Place) -> None:
    form = b"grant_type=client_credentials&client_id=acme-seen&client_secret=a-secret-of-acme"
    async with wire(place) as line:
        await line.send("/oauth2/token", URLENCODED, f"Content-Length: {len(form)}", body=form[:10])
        await until(lambda: len(place.listener._under_way) == 1)
        stop = asyncio.create_task(place.listener.stop(20), name="stop")
        await asyncio.sleep(0.1)
        line.writer.write(form[10:])
        assert await line.status() == 200
        await stop


async def test_a_wrong_secret_in_the_header_is_refused_before_the_form_is_read(place: Place) -> None:
    async with wire(place) as line:
        wrong = f"Authorization: {basic('acme-seen', 'wrong')}"
        await line.send("/oauth2/token", URLENCODED, wrong, "Content-Length: 100", "Expect: 100-continue")
        assert await line.status() == 401


async def test_tokens_survive_a_restart_and_are_good_at_every_replica(place: Place) -> None:
    token = await place.token()
    async with running(Place()) as other:
        assert await other.call(token) == 200
    async with running(Place(keys=("another-signing-key-of-32-chars-00",))) as stranger:
        assert await stranger.call(token) == 401


async def test_signing_keys_are_rotated_while_the_listener_runs_and_no_token_is_lost(place: Place) -> None:
    old, new = KEYS[0], "another-signing-key-of-32-chars-00"
    token = await place.token()
    place.keys = (old, new)  # all replicas know the new one, none signs with it
    assert await place.call(token) == 200
    place.keys = (new, old)
    assert await place.call(token) == 200
    token = await place.token()
    place.keys = (new,)
    assert await place.call(token) == 200


async def test_one_token_after_another_goes_over_one_connection(place: Place) -> None:
    form = b"grant_type=client_credentials&client_id=acme-seen&client_secret=a-secret-of-acme"
    async with wire(place) as line:
        for _ in range(3):
            await line.send("/oauth2/token", URLENCODED, f"Content-Length: {len(form)}", body=form)
            assert await line.status() == 200
            await line.reader.readuntil(b"}")


async def test_each_request_for_a_token_is_one_line_in_the_log_without_a_secret(place: Place) -> None:
    with structlog.testing.capture_logs() as lines:
        token = await place.token()
        await place.ask(FORM | {"client_secret": "wr0ng"})
        await place.ask(Authorization=basic("acme-seen", "wr0ng"))
    assert [(line["event"], line["workspace"], line["status"], line["result"]) for line in lines] == [
        ("token_request_answered", "acme", 200, "issued"),
        ("token_request_answered", None, 401, "invalid_client"),
        ("token_request_answered", None, 401, "invalid_client"),
    ]
    for secret in (token, SECRETS["acme"], "wr0ng", basic("acme-seen", "wr0ng"), KEYS[0]):
        assert secret not in repr(lines)


async def test_an_expired_token_is_answered_like_a_wrong_one_but_slows_nobody(place: Place) -> None:
    token = await place.token()
    place.clock._wall += 305
    with structlog.testing.capture_logs() as lines:
        for _ in range(FREE + 3):
            assert await place.call(token) == 401
    assert {line["detail"] for line in lines} == {"the access token has expired"}
    assert place.sample("late_refusals") == 0


# --- what cannot be verified


async def test_a_token_that_cannot_be_verified_is_to_be_sent_again_and_slows_nobody(place: Place) -> None:
    place.doors["acme"] = replace(place.doors["acme"], authenticator=Says(Proof.UNVERIFIABLE))
    for _ in range(FREE + 3):
        status, body, headers = await place.send("/callbacks/acme", json=VIDEO)
        assert (status, body["code"], headers["Retry-After"]) == (503, "unverifiable", "60")
    assert place.sample("late_refusals") == 0
    assert place.sample("callbacks", workspace="acme", result="unverifiable") == FREE + 3
    assert place.seen.attempts == 0


# --- answers that come late


async def test_after_some_wrong_secrets_the_next_is_answered_late_and_a_right_one_at_once(
    place: Place,
) -> None:
    await place.fail(FREE)
    assert place.sample("late_refusals") == 0
    await place.fail(1)
    assert place.sample("late_refusals") == 1
    for _ in range(5):
        place.listener._slowing._attempts.failed("127.0.0.1", 0.0)
    late = asyncio.create_task(place.call("wrong"), name="late")
    await until(lambda: place.sample("late_refusals") == 2)
    assert await place.call(await place.token()) == 200  # from the same address, in the meantime
    assert (await place.send("/callbacks/cove", json=VIDEO, headers=RIGHT))[0] == 200
    assert not late.done()
    await place.listener.stop(2)  # nothing is held back by a stop
    assert await late == 401


@pytest.mark.parametrize("name", ["acme", "cove", "nobody"])
async def test_an_unknown_workspace_is_slowed_as_a_wrong_secret_is(place: Place, name: str) -> None:
    for _ in range(FREE + 1):
        status, body, _ = await place.send(
            f"/callbacks/{name}", json=VIDEO, headers={"Authorization": "Bearer wrong"}
        )
        assert (status, orjson.dumps(body)) == (401, UNAUTHENTICATED.body)
    assert place.sample("late_refusals") == 1


async def test_who_asks_without_a_secret_first_is_never_slowed(place: Place) -> None:
    for _ in range(2 * FREE):
        assert (await place.send("/callbacks/cove", json=VIDEO))[0] == 401
        assert (await place.send("/callbacks/cove", json=VIDEO, headers=RIGHT))[0] == 200
    for _ in range(2 * FREE):
        assert (await place.ask({"grant_type": "client_credentials"}))[0] == 401
        assert (await place.ask())[0] == 200
    assert place.sample("late_refusals") == 0


async def test_regression_calls_to_a_workspace_that_asks_for_nothing_make_no_failure_good(
    place: Place,
) -> None:
    """Whoever guessed at one workspace made up for it by a call to the open one, and was never slowed."""
    place.doors["open"] = replace(place.doors["cove"], authenticator=NoAuth())
    for _ in range(FREE + 1):
        assert (await place.send("/callbacks/open", json=VIDEO))[0] == 200
        await place.fail(1)
    assert place.sample("late_refusals") == 1


class Asked(Says):
    """Counts how often it is asked."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(proof)
        self.times = 0

    async def check(self, headers: Mapping[str, str]) -> Proof:
        self.times += 1
        return await super().check(headers)


async def test_regression_an_unknown_workspace_is_checked_as_long_as_one_that_there_is(place: Place) -> None:
    """An access token took a hundred times as long to be refused where the workspace was there."""
    asked = {name: Asked(Proof.WRONG) for name in place.doors}
    for name, authenticator in asked.items():
        place.doors[name] = replace(place.doors[name], authenticator=authenticator)
    place.listener._slowing.stop()
    stand_ins: set[tuple[str, str]] = set()
    for name in ("nobody", "nowhere"):
        for path in (f"/callbacks/{name}", f"/callbacks/{name}/viewer"):  # the same for both
            before = {each: found.times for each, found in asked.items()}
            for _ in range(4):
                assert (await place.send(path, json=VIDEO))[0] == 401
            stand_ins |= {(name, each) for each, found in asked.items() if found.times - before[each] == 4}
    assert len(stand_ins) == 2
    for number in range(60):
        await place.send(f"/callbacks/nobody-{number}", json=VIDEO)
    assert all(found.times for found in asked.values())


@pytest.mark.parametrize("proof", list(Proof))
async def test_whatever_a_caller_proves_an_unknown_workspace_does_not_open(
    place: Place, proof: Proof
) -> None:
    for name in place.doors:
        place.doors[name] = replace(place.doors[name], authenticator=Says(proof))
    for _ in range(FREE + 1):
        status, body, _ = await place.send("/callbacks/nobody", json=VIDEO)
        assert (status, orjson.dumps(body)) == (401, UNAUTHENTICATED.body)
    assert place.sample("late_refusals") == 1
    assert place.seen.attempts == 0


async def test_without_any_workspace_nobody_is_let_in(place: Place) -> None:
    place.doors.clear()
    assert (await place.send("/callbacks/acme", json=VIDEO, headers=RIGHT))[0] == 401


async def test_a_wrong_client_secret_is_slowed_too(place: Place) -> None:
    for _ in range(FREE + 1):
        await place.ask(FORM | {"client_secret": "wrong"})
    assert place.sample("late_refusals") == 1


async def test_more_late_answers_than_there_is_room_for_are_given_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slowing, "MAX_WAITING_OF_AN_ADDRESS", 2)
    for _ in range(20):
        place.listener._slowing._attempts.failed("127.0.0.1", 0.0)
    late = [asyncio.create_task(place.call("wrong"), name=f"late {n}") for n in range(2)]
    await until(lambda: place.sample("late_refusals") == 2)
    for _ in range(3):
        assert await place.call("wrong") == 401
    assert not any(task.done() for task in late)
    await place.listener.stop(2)
    assert await asyncio.gather(*late) == [401, 401]


async def test_behind_a_trusted_proxy_each_client_has_failures_of_its_own() -> None:
    async with running(Place("127.0.0.0/8")) as place:
        await place.fail(FREE, **{"X-Forwarded-For": "203.0.113.9"})
        await place.fail(FREE, **{"X-Forwarded-For": "203.0.113.9, 203.0.113.10"})
        assert place.sample("late_refusals") == 0
        with structlog.testing.capture_logs() as lines:
            await place.fail(1, **{"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        assert place.sample("late_refusals") == 1
        assert lines[0]["remote"] == "203.0.113.9"


async def test_without_trusted_proxies_a_caller_cannot_hide_behind_a_header(place: Place) -> None:
    for number in range(FREE + 1):
        await place.fail(1, **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert place.sample("late_refusals") == 1


async def test_a_token_says_no_more_than_it_must(place: Place) -> None:
    token = await place.token()
    content = jws.extract_compact(token.encode())
    assert content.headers() == {"alg": "HS256", "typ": "at+jwt"}
    now = int(place.clock.wall())
    assert orjson.loads(content.payload or b"") == {
        "iss": "seen-connector",
        "aud": "acme",
        "sub": "acme-seen",
        "iat": now,
        "exp": now + 300,
    }


async def test_json_is_still_asked_for_of_a_callback_with_a_token(place: Place) -> None:
    async with wire(place) as line:
        bearer = f"Authorization: Bearer {await place.token()}"
        await line.send("/callbacks/acme", bearer, JSON, "Content-Length: 10", body=b'{"id":"1"}')
        assert await line.status() == 200
