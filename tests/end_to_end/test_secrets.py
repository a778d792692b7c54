"""Secrets are planted everywhere a stranger could make us repeat them, and looked for everywhere that we write."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import Fault
from tests.end_to_end.deployment import CALLBACK_TOKEN, SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

PASSWORD = "pass word/åß&5521"
SECRETS = (SEEN_TOKEN, CALLBACK_TOKEN, PASSWORD, base64.b64encode(f"seen:{PASSWORD}".encode()).decode())
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
    deployment.workspace("acme", seen={"timeout_seconds": 0.5})
    deployment.workspace("bravo", callback={"auth": {"basic": {"username": "seen", "password": PASSWORD}}})
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
        await call_with_basic(deployment, PASSWORD, 200)
        await call_with_basic(deployment, PASSWORD + "x", 401)
        seen.set_tokens("acme", "another")
        await deployment.produce({"value": b'{"id": "after"}'})

        async def suspended() -> object:
            return (await deployment.status())["state"] == "suspended"

        await eventually(suspended, "acme is suspended")
        paths = ("/healthz", "/readyz", "/readyz/listener", "/metrics", "/status")
        pages = [(await deployment.get(path))[1] for path in paths]
        assert await deployment.stop() == 0

    written = [deployment.log_path.read_bytes(), *pages]
    for workspace in ("acme", "bravo"):
        for role in ("outcomes", "dead_letters", "videos"):
            written += [repr(record).encode() for record in await deployment.read(role, workspace)]
    assert len(written) > 10
    for secret in SECRETS:
        assert not [text[:2000] for text in written if secret.encode() in text]


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
