"""The emulator's token endpoint: who gets a token, what the token opens, and what the control routes do to both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, OAuthClient, WorkspaceSettings
from connector.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FORM = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "our-secret"}
TOKEN = "/oauth2/token"


class Clock(FakeClock):
    def after(self, seconds: float) -> None:
        self._monotonic += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def seen(clock: Clock) -> AsyncIterator[Emulator]:
    """`us` opens acme and bravo for 60 s, `them` opens bravo; nothing opens charlie."""
    us = OAuthClient(client_id="us", client_secret="our-secret", token_seconds=60)
    them = OAuthClient(client_id="them", client_secret="their-secret")
    workspaces = (
        WorkspaceSettings(id="acme", clients=(us,)),
        WorkspaceSettings(id="bravo", clients=(us, them)),
        WorkspaceSettings(id="charlie"),
    )
    async with Emulator(EmulatorSettings(workspaces=workspaces), clock) as running:
        yield running


@pytest.fixture
async def http(seen: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(seen.url) as session:
        yield session


async def ask(http: aiohttp.ClientSession, form: Any = FORM) -> tuple[int, dict[str, Any]]:
    async with http.post(TOKEN, data=form) as response:
        return response.status, await response.json()


async def token(http: aiohttp.ClientSession, **fields: str) -> str:
    status, answer = await ask(http, FORM | fields)
    assert status == 200
    return str(answer["access_token"])


async def opens(http: aiohttp.ClientSession, token: str, workspace: str = "acme") -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.get(f"/v1/workspaces/{workspace}/data", headers=headers) as response:
        assert response.status in (200, 401)
        return response.status == 200


async def test_a_client_gets_a_token_that_opens_the_workspaces_that_know_it(
    http: aiohttp.ClientSession,
) -> None:
    status, answer = await ask(http, FORM | {"scope": "data:write"})
    issued = answer.pop("access_token")
    assert (status, answer) == (200, {"token_type": "Bearer", "expires_in": 60, "scope": "data:write"})
    assert [await opens(http, issued, name) for name in ("acme", "bravo", "charlie")] == [True, True, False]
    theirs = await token(http, client_id="them", client_secret="their-secret")
    assert [await opens(http, theirs, name) for name in ("acme", "bravo")] == [False, True]
    assert theirs != issued


async def test_a_token_expires(http: aiohttp.ClientSession, seen: Emulator, clock: Clock) -> None:
    first = await token(http)
    clock.after(59)
    second = await token(http)
    assert await opens(http, first)
    clock.after(1)
    assert not await opens(http, first)
    assert await opens(http, second)
    assert seen.issued_tokens("acme") == [first, second]
    third = await token(http)
    assert seen.issued_tokens("acme") == [second, third]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (FORM | {"client_secret": "another"}, 401, "invalid_client"),
        (FORM | {"client_secret": "their-secret"}, 401, "invalid_client"),
        (FORM | {"client_id": "nobody"}, 401, "invalid_client"),
        (FORM | {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
        ([*FORM.items(), ("client_id", "them")], 400, "invalid_request"),
        (b"no form", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
    ],
)
async def test_a_bad_request_for_a_token_is_refused_as_the_standard_says(
    http: aiohttp.ClientSession, form: Any, status: int, error: str
) -> None:
    given, answer = await ask(http, form)
    assert (given, answer["error"]) == (status, error)


async def test_only_a_form_that_is_posted_is_answered_with_a_token(http: aiohttp.ClientSession) -> None:
    async with http.post(TOKEN, data=urlencode(FORM), headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 400
    async with http.get(TOKEN, params=FORM) as response:
        assert response.status == 405


async def test_tokens_are_revoked_and_secrets_rotated_over_http(http: aiohttp.ClientSession) -> None:
    first = await token(http)
    rotated = [{"client_id": "us", "client_secret": "the-next", "token_seconds": 5}]
    async with http.put("/_control/workspaces/acme/clients", json=rotated) as response:
        assert response.status == 204
    assert await opens(http, first)
    async with http.delete("/_control/workspaces/acme/issued") as response:
        assert response.status == 204
    assert not await opens(http, first)
    assert await opens(http, first, "bravo")
    assert not await opens(http, await token(http))  # bravo still knows the old secret, acme does not
    assert await opens(http, await token(http, client_secret="the-next"))
    async with http.post("/_control/reset"):
        pass
    assert await opens(http, await token(http))


async def test_requests_for_tokens_are_counted_apart_and_their_secrets_are_not_kept(
    http: aiohttp.ClientSession, seen: Emulator
) -> None:
    await token(http)
    await ask(http, FORM | {"client_id": "nobody"})
    async with http.get("/_control/summary") as response:
        summary = await response.json()
    assert summary["token_requests"] == {"requests": 2, "answered": {"200": 1, "401": 1}}
    assert summary["workspaces"]["acme"]["requests"] == 0
    assert seen.worst_window("acme") == 0
    assert [each.status for each in seen.token_requests()] == [200, 401]
    async with http.get("/_control/arrivals") as response:
        text = await response.text()
    assert TOKEN in text
    assert "our-secret" not in text


async def test_a_fault_by_path_strikes_the_token_endpoint_alone(
    http: aiohttp.ClientSession, seen: Emulator
) -> None:
    issued = await token(http)
    seen.fail(Fault(status=400, body="{}", content_type="application/json", path=TOKEN, times=None))
    assert await opens(http, issued)
    assert (await ask(http))[0] == 400
    seen.clear_faults()
    seen.fail(Fault(status=401, path="/v1/workspaces/acme/data"))
    assert (await ask(http))[0] == 200
    async with http.get("/v1/workspaces/acme/data?limit=1") as response:
        assert response.status == 401
    assert seen.faults() == []


async def test_a_fault_on_everything_strikes_the_token_endpoint_too(
    http: aiohttp.ClientSession, seen: Emulator
) -> None:
    seen.fail(Fault(status=503))
    async with http.post(TOKEN, data=FORM) as response:
        assert response.status == 503
