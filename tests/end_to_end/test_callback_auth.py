"""Each way in which SEEN can authenticate its callbacks: the emulator does it, as documented, and the video is published."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from connector.sandbox.emulator import Callback, TokenClient, basic, bearer
from tests.end_to_end.deployment import CALLBACK_TOKEN, Deployment, eventually
from tests.issuer import AUDIENCE, ISSUER, KeyServer, certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.sandbox.emulator import Emulator

CLIENT = {"client_id": "seen", "client_secret": "secret-of-today"}
SIGNING_KEY = "a-signing-key-of-32-characters-00"
PAIR = {"username": "seen", "password": "a password/å"}


async def video(deployment: Deployment, seen: Emulator, number: int, **callback: Any) -> list[int | None]:
    """Has SEEN make a video, with callbacks that are made so; what each of its calls was answered."""
    seen.set_callback("acme", Callback(f"{deployment.listener_url}/callbacks/acme", **callback))
    await deployment.produce({"value": b'{"id": "%d"}' % number})

    def made() -> list[int | None]:
        return [each.status for each in seen.callbacks() if each.id == str(number)]

    await eventually(lambda: 200 in made() or len(made()) == 3, "SEEN has called back")
    return made()


async def videos(deployment: Deployment) -> list[bytes]:
    """The ids of the videos that were published."""
    return sorted(record.key or b"" for record in await deployment.read("videos"))


def own_client(deployment: Deployment, **changes: str) -> TokenClient:
    return TokenClient(token_url=f"{deployment.listener_url}/oauth2/token", **(CLIENT | changes))


@pytest.mark.parametrize(
    ("auth", "right", "wrong"),
    [
        ({"none": True}, {}, None),
        ({"token": CALLBACK_TOKEN}, bearer(CALLBACK_TOKEN), bearer("wrong")),
        ({"token": CALLBACK_TOKEN}, {"Authorization": f"Token {CALLBACK_TOKEN}"}, {}),
        (
            {"token": CALLBACK_TOKEN, "header": "X-Api-Key"},
            {"X-Api-Key": CALLBACK_TOKEN},
            bearer(CALLBACK_TOKEN),
        ),
        ({"basic": PAIR}, basic(**PAIR), basic("seen", "wrong")),
    ],
    ids=["none", "bearer", "token", "header", "basic"],
)
async def test_a_callback_with_a_static_secret_or_none_is_published(
    deployment: Deployment,
    seen: Emulator,
    auth: dict[str, Any],
    right: dict[str, str],
    wrong: dict[str, str] | None,
) -> None:
    deployment.workspace(callback={"auth": auth})
    async with deployment:
        await deployment.running()
        assert await video(deployment, seen, 1, headers=right) == [200]
        if wrong is not None:
            assert await video(deployment, seen, 2, headers=wrong) == [401, 401, 401]
    assert await videos(deployment) == [b"1"]


async def test_callbacks_with_our_own_access_tokens_are_published_through_rotations_and_a_restart(
    deployment: Deployment, seen: Emulator
) -> None:
    key, secret = deployment.directory / "key", deployment.directory / "secret"
    key.write_text(SIGNING_KEY)
    secret.write_text(CLIENT["client_secret"])
    deployment.connector["listener"]["oauth2"] = {"signing_key_file": str(key)}
    oauth2 = {"client_id": "seen", "client_secret_file": str(secret)}
    deployment.workspace(callback={"auth": {"oauth2": oauth2}})
    async with deployment:
        await deployment.running()
        assert await video(deployment, seen, 1, oauth2=own_client(deployment)) == [200]
        assert await video(deployment, seen, 2, oauth2=own_client(deployment)) == [200]
        assert await issued(deployment) == 1  # one token, for as long as it is good
        token = await fetched(deployment)
        key.write_text(SIGNING_KEY[::-1])
        assert await video(deployment, seen, 3, oauth2=own_client(deployment)) == [401, 200]
        assert await deployment.call(b'{"id": "4"}', token=token) == 401
        token = await fetched(deployment)
        secret.write_text("secret-of-tomorrow")
        wrong = own_client(deployment, client_secret="wrong")
        assert await video(deployment, seen, 5, oauth2=wrong) == [None, None, None]
        right = own_client(deployment, client_secret="secret-of-tomorrow")
        assert await video(deployment, seen, 6, oauth2=right) == [200]
        assert await deployment.stop() == 0
    async with deployment:
        await deployment.running()
        assert await deployment.call(b'{"id": "7"}', token=token) == 200  # it was issued before
    assert await videos(deployment) == [b"1", b"2", b"3", b"6", b"7"]


async def test_our_own_access_token_of_one_workspace_opens_no_other(deployment: Deployment) -> None:
    deployment.connector["listener"]["oauth2"] = {"signing_key": SIGNING_KEY}
    deployment.workspace("acme", callback={"auth": {"oauth2": CLIENT}})
    deployment.workspace("bravo", callback={"auth": {"oauth2": CLIENT | {"client_id": "seen-bravo"}}})
    async with deployment:
        await deployment.running("acme")
        await deployment.running("bravo")
        token = await fetched(deployment)
        assert await deployment.call(b'{"id": "1"}', token=token, workspace="bravo") == 401
        assert await deployment.call(b'{"id": "1"}', token=token, workspace="acme") == 200
        assert await deployment.call(b'{"id": "1"}', token=token, workspace="nobody") == 401
    assert await deployment.read("videos", "bravo") == []


async def test_behind_a_trusted_proxy_the_log_names_who_called_and_no_proxy(deployment: Deployment) -> None:
    deployment.connector["listener"]["trusted_proxies"] = ["127.0.0.0/8"]
    deployment.workspace()
    async with deployment:
        url = f"{deployment.listener_url}/callbacks/acme"
        headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={}) as answer:
            assert answer.status == 401
        (line,) = (each for each in deployment.log() if each["event"] == "callback_answered")
    assert line["remote"] == "203.0.113.9"


@pytest.fixture
async def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KeyServer]:
    """Somebody else's server, on https; the connector trusts its certificate."""
    files = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    async with KeyServer().running(tls) as server:
        yield server


async def test_callbacks_with_access_tokens_of_an_outside_issuer_are_published(
    deployment: Deployment, seen: Emulator, issuer: KeyServer
) -> None:
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": f"{issuer.url}/keys"}
    deployment.workspace("acme", callback={"auth": {"jwt": jwt | {"subject": "seen"}}})
    deployment.workspace("bravo", callback={"auth": {"jwt": jwt | {"audience": "bravo-callbacks"}}})
    async with deployment, KeyServer().running() as tokens:
        await deployment.running("acme")
        await deployment.running("bravo")
        client = TokenClient(token_url=f"{tokens.url}/token", **CLIENT)
        assert await video(deployment, seen, 1, oauth2=client) == [200]
        issuer.status = 503  # the keys that are known go on
        assert await video(deployment, seen, 2, oauth2=client) == [200]
        token = await fetched(deployment, tokens.url + "/token")
        assert await deployment.call(b'{"id": "3"}', token=token, workspace="bravo") == 401
        assert await deployment.call(b'{"id": "3"}', token=token[:-9] + "AAAAAAAAA") == 401
        assert await deployment.call(b'{"id": "3"}', token="x.y.z") == 401
    assert issuer.asked == 1
    assert await videos(deployment) == [b"1", b"2"]


async def test_while_the_keys_of_an_outside_issuer_cannot_be_had_seen_is_told_to_call_again(
    deployment: Deployment, issuer: KeyServer
) -> None:
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": f"{issuer.url}/keys"}
    deployment.workspace(callback={"auth": {"jwt": jwt}})
    issuer.status = 503
    async with deployment, KeyServer().running() as tokens:
        await deployment.running()
        token = await fetched(deployment, tokens.url + "/token")
        assert await deployment.call(b'{"id": "1"}', token=token) == 503
        assert await deployment.call(b'{"id": "1"}', token="x.y.z") == 401
    assert await videos(deployment) == []


async def fetched(deployment: Deployment, url: str | None = None) -> str:
    """An access token for SEEN's client."""
    form = {"grant_type": "client_credentials", **CLIENT}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url or f"{deployment.listener_url}/oauth2/token", data=form) as answer,
    ):
        assert answer.status == 200
        return str((await answer.json())["access_token"])


async def issued(deployment: Deployment) -> int:
    """How many access tokens the connector has issued."""
    _, page = await deployment.get("/metrics")
    (line,) = (each for each in page.splitlines() if b'token_requests_total{answer="issued"}' in each)
    return int(float(line.split()[-1]))
