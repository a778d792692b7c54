"""Secrets are planted everywhere a stranger could make us repeat them, and looked for everywhere that we write."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import Fault, OAuthClient
from tests.end_to_end.deployment import CALLBACK_TOKEN, SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

TOKENS = "/oauth2/token"
PASSWORD = "pass word/åß&5521"
CLIENT_SECRET = "client secret/åß&7731"
IN_FILES = {"seen": "seen-token-in-a-file-1", "callback": "key-in-a-file-1", "rotated": "key-in-a-file-2"}
SIGNING_KEY = "a signing key of 32 characters/å"
OWN_SECRETS = ("own client secret/å&1", "own client secret/å&2")
SECRETS = (
    SEEN_TOKEN,
    CALLBACK_TOKEN,
    CLIENT_SECRET,
    PASSWORD,
    base64.b64encode(f"seen:{PASSWORD}".encode()).decode(),
    *IN_FILES.values(),
    SIGNING_KEY,
    *OWN_SECRETS,
    *(base64.b64encode(f"seen-delta:{secret}".encode()).decode() for secret in OWN_SECRETS),
    *map(quote_plus, OWN_SECRETS),
)
CUSTOMER = "kari.nordmann@example.com"
START = (
    "POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {CALLBACK_TOKEN}"
)
MALFORMED = (
    (f'{START}\r\nContent-Length: 10\r\n\r\n{{"id":"1"}}', f'{{"email": "{CUSTOMER}"}}\r\n\r\n'),
    (f"{START}\x00\r\n\r\n",),
    (f"{CUSTOMER}\r\n\r\n",),
)
"""What no HTTP client sends, packet by packet."""

ECHOES = (
    Fault(
        act="answer",
        status=400,
        body=orjson.dumps({"code": "E", "message": f"bad key {SEEN_TOKEN}"}).decode(),
    ),
    Fault(act="answer", status=422, body=f"<h1>{SEEN_TOKEN}</h1>" + "x" * 2030 + SEEN_TOKEN),
    Fault(act="answer", status=500, body=f'{{"code": "{SEEN_TOKEN}"}}'),
    Fault(act="answer", status=302, headers={"Location": f"http://127.0.0.1:9/{SEEN_TOKEN}"}),
    Fault(act="answer", status=409, body=SEEN_TOKEN),
)


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_no_secret_is_in_any_log_line_metric_page_outcome_or_dead_letter(
    deployment: Deployment, seen: Emulator, level: str
) -> None:
    deployment.connector["logging"] = {"level": level}
    deployment.workspace("acme", seen={"timeout_seconds": 0.5}, viewers={})
    deployment.workspace(
        "bravo",
        seen={"auth": {"oauth2": {"client_id": "us", "client_secret": CLIENT_SECRET}}},
        callback={"auth": {"basic": {"username": "seen", "password": PASSWORD}}},
    )
    seen.set_clients("bravo", OAuthClient(client_id="us", client_secret=CLIENT_SECRET))
    key = in_files(deployment)
    deployment.connector["listener"]["oauth2"] = {"signing_key": SIGNING_KEY}
    own = {"client_id": "seen-delta", "client_secret": list(OWN_SECRETS)}
    deployment.workspace("delta", callback={"auth": {"oauth2": own}})
    for number, echo in enumerate(ECHOES):
        seen.fail(echo_for(echo, str(number)))
    pages = []
    async with deployment:
        await deployment.running("acme")
        await deployment.running("bravo")
        await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(len(ECHOES))))
        await deployment.settled(len(ECHOES))
        for body in (b'{"id": "1", "player_url": "p.example"}', b"no JSON", b'{"id": [1]}'):
            assert await deployment.call(body) == 200
            assert await deployment.call(body, token=CALLBACK_TOKEN + "x") == 401
            assert await deployment.call(body, path="/viewer") == 200
            assert await deployment.call(body, path="/viewer", token=CALLBACK_TOKEN + "x") == 401
        await call_with_basic(deployment, PASSWORD, 200)
        await call_with_basic(deployment, PASSWORD + "x", 401)
        await call_with_key(deployment, IN_FILES["callback"], 200)
        key.write_text(IN_FILES["rotated"])
        await call_with_key(deployment, IN_FILES["rotated"], 200)
        await call_with_key(deployment, IN_FILES["callback"], 401)
        own_token = await use_our_own_tokens(deployment)
        for packets in (*MALFORMED, *malformed_with(own_token)):
            await call_in_packets(deployment, packets)
        await deployment.produce({"value": b'{"id": "1"}'}, topic=deployment.topic("events", "charlie"))
        access_token = await repeat_an_access_token(deployment, seen)
        seen.set_tokens("acme", "another")
        await deployment.produce({"value": b'{"id": "after"}'})

        async def suspended() -> object:
            return (await deployment.status())["state"] == "suspended"

        await eventually(suspended, "acme is suspended")
        paths = ("/healthz", "/readyz", "/readyz/listener", "/metrics", "/status")
        pages = [(await deployment.get(path))[1] for path in paths]
        assert await deployment.stop() == 0

    written = [deployment.log_path.read_bytes(), *pages]
    for workspace in ("acme", "bravo", "charlie", "delta"):
        for role in ("outcomes", "dead_letters", "videos"):
            written += [repr(record).encode() for record in await deployment.read(role, workspace)]
    written += [repr(record).encode() for record in await deployment.read("viewers")]
    assert len(written) > 10
    # Of a token, each part: the last one is its signature.
    for secret in (*SECRETS, access_token, own_token, *own_token.split(".")[1:], CUSTOMER):
        assert not [text[:2000] for text in written if secret.encode() in text]


async def test_kafka_s_password_is_in_no_log_line_or_page_of_a_connector_that_it_does_not_let_in(
    deployment: Deployment,
) -> None:
    deployment.connector["kafka"] |= {
        "security_protocol": "SASL_PLAINTEXT",  # the broker does not speak that
        "sasl_username": "seen",
        "sasl_password": PASSWORD,
    }
    deployment.connector["logging"] = {"level": "debug"}
    deployment.workspace()
    async with deployment:
        await eventually(lambda: len(deployment.log()) >= 5, "connecting fails")
        pages = [(await deployment.get(path))[1] for path in ("/readyz", "/metrics", "/status")]
    for text in (deployment.log_path.read_bytes(), *pages):
        assert PASSWORD.encode() not in text
        assert orjson.dumps(PASSWORD)[1:-1] not in text


def in_files(deployment: Deployment) -> Path:
    """A third workspace, whose secrets are in files; returns the file of its callbacks' key. SEEN does not know it."""
    for name in ("seen", "callback"):
        (deployment.directory / name).write_text(IN_FILES[name])
    deployment.workspace(
        "charlie",
        seen={"auth": {"bearer_token_file": str(deployment.directory / "seen")}},
        callback={"auth": {"token_file": str(deployment.directory / "callback"), "header": "X-Api-Key"}},
    )
    return deployment.directory / "callback"


async def repeat_an_access_token(deployment: Deployment, seen: Emulator) -> str:
    """Has SEEN repeat bravo's access token and client secret wherever it can, and leaves bravo suspended for it."""
    topic = deployment.topic("events", "bravo")
    await deployment.produce({"value": b'{"id": "1"}'}, topic=topic)
    await deployment.settled(1, "bravo")
    (token,) = seen.issued_tokens("bravo")
    body = orjson.dumps({"error": token, "code": token, "message": f"{CLIENT_SECRET} {token}"}).decode()
    seen.fail(Fault(status=422, body=body, workspace="bravo", id="2"))
    await deployment.produce({"value": b'{"id": "2"}'}, topic=topic)
    await deployment.settled(2, "bravo")
    seen.revoke_tokens("bravo")
    for status in (200, 302, 401, 503, 400):
        times = None if status == 400 else 1
        seen.fail(
            Fault(status=status, body=body, headers={"Location": f"/{token}"}, path=TOKENS, times=times)
        )
    await deployment.produce({"value": b'{"id": "3"}'}, topic=topic)

    async def refused() -> object:
        return b"token endpoint answered 400" in (await deployment.get("/readyz"))[1]

    await eventually(refused, "bravo is suspended")
    return token


async def use_our_own_tokens(deployment: Deployment) -> str:
    """Fetches tokens in each way, right and wrong, calls back with one, and has it repeated in what is not understood."""
    url = f"{deployment.listener_url}/oauth2/token"
    grant = {"grant_type": "client_credentials"}
    token = ""
    async with aiohttp.ClientSession() as session:
        for secret, expected in ((OWN_SECRETS[0], 200), (OWN_SECRETS[1], 200), (OWN_SECRETS[0] + "x", 401)):
            form = grant | {"client_id": "seen-delta", "client_secret": secret}
            async with session.post(url, data=form) as answer:
                assert answer.status == expected
                token = (await answer.json()).get("access_token", token)
            pair = base64.b64encode(f"seen-delta:{secret}".encode()).decode()
            headers = {"Authorization": f"Basic {pair}"}
            async with session.post(url, data=grant, headers=headers) as answer:
                assert answer.status == expected
        async with session.post(f"{url}?client_secret={OWN_SECRETS[0]}", data=b"{}") as answer:
            assert answer.status == 400
    body = b'{"id": "4", "player_url": "p.example/4"}'
    assert await deployment.call(body, workspace="delta", token=token) == 200
    assert await deployment.call(b"no JSON", workspace="delta", token=token) == 200
    assert await deployment.call(body, workspace="delta", token=token + "x") == 401
    assert await deployment.call(body, workspace="acme", token=token) == 401
    assert await deployment.call(body, workspace="delta", path="/viewer", token=token) == 404
    return token


def malformed_with(token: str) -> tuple[tuple[str, ...], ...]:
    """Requests that end in the middle, or are no HTTP, with a token or a secret in them."""
    return (
        (f"POST /callbacks/delta HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\x00\r\n\r\n",),
        (f"POST /oauth2/token HTTP/1.1\r\nHost: x\r\n{OWN_SECRETS[0]}\r\n\r\n",),
    )


async def call_with_key(deployment: Deployment, key: str, expected: int) -> None:
    url = f"{deployment.listener_url}/callbacks/charlie"
    body = {"id": "3", "player_url": "p.example/3"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers={"X-Api-Key": key}) as answer,
    ):
        assert answer.status == expected


async def call_in_packets(deployment: Deployment, packets: tuple[str, ...]) -> None:
    """Sends them, and reads what is answered until the listener closes the connection."""
    host, port = deployment.listener_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for packet in packets:
        writer.write(packet.encode())
        await writer.drain()
        await asyncio.sleep(0.3)
    async with asyncio.timeout(10):
        while await reader.read(65_536):
            pass
    writer.close()


def echo_for(fault: Fault, item: str) -> Fault:
    """The fault, for the event with this id alone."""
    return Fault(act=fault.act, status=fault.status, body=fault.body, headers=fault.headers, id=item)


async def call_with_basic(deployment: Deployment, password: str, expected: int) -> None:
    credentials = base64.b64encode(f"seen:{password}".encode()).decode()
    url = f"{deployment.listener_url}/callbacks/bravo"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url,
            json={"id": "2", "player_url": "p.example/2"},
            headers={"Authorization": f"Basic {credentials}"},
        ) as answer,
    ):
        assert answer.status == expected
