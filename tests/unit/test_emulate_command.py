from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from click.testing import CliRunner

from connector.cli.emulate import emulate
from tests.unit.test_emulator_callback_tokens import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMAND = (sys.executable, "-c", "from connector.cli.emulate import emulate; emulate()")


@dataclass(frozen=True, slots=True)
class Emulating:
    """A running emulator: its process, its standard output, what it said first, and its base URL."""

    process: asyncio.subprocess.Process
    output: asyncio.StreamReader
    line: str
    url: str

    @property
    def data_url(self) -> str:
        return f"{self.url}/v1/workspaces/acme/data"


@asynccontextmanager
async def emulating(*options: str, **environ: str) -> AsyncIterator[Emulating]:
    """The command with a workspace `acme`, for half a minute at most; what still runs then is killed."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--port", "0", "--workspace", "acme", *options),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
            (url,) = re.findall(r"(http://\S+)/v1/workspaces/acme/data", line)
            yield Emulating(process, process.stdout, line, url)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_ends_in_order_when_it_is_told_to(told: signal.Signals) -> None:
    async with emulating("--token", "secret-token") as emulator:
        headers = {"Authorization": "Bearer secret-token"}
        async with aiohttp.ClientSession() as http, http.get(emulator.data_url, headers=headers) as response:
            assert response.status == 200
        emulator.process.send_signal(told)
        rest = (await emulator.output.read()).decode()
        assert await emulator.process.wait() == 0
        assert "secret-token" not in emulator.line + rest
        assert "/_control/" in rest


async def test_a_client_that_it_is_given_gets_access_tokens() -> None:
    options = ("--client-id", "us", "--token-seconds", "60")
    async with (
        emulating(*options, SEEN_EMULATOR_CLIENT_SECRET="client-secret") as emulator,
        aiohttp.ClientSession() as http,
    ):
        form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "client-secret"}
        async with http.post(f"{emulator.url}/oauth2/token", data=form) as response:
            answer = await response.json()
        assert answer["expires_in"] == 60
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        async with http.get(emulator.data_url, headers=headers) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "missing", ["--callback-token-url", "--callback-client-id", "--callback-client-secret"]
)
def test_a_callback_s_client_is_given_whole_or_not_at_all(missing: str) -> None:
    options = {
        "--callback-token-url": "http://127.0.0.1:9/token",
        "--callback-client-id": "us",
        "--callback-client-secret": "client-secret",
    }
    del options[missing]
    given = [text for option in options.items() for text in option]
    result = CliRunner().invoke(emulate, ["--token", "x", "--callback-url", "http://127.0.0.1:9", *given])
    assert result.exit_code == 2
    assert "go together" in result.output
    assert "client-secret" not in result.output.replace("--callback-client-secret", "")


async def test_callbacks_and_what_tells_of_viewers_show_a_token_that_is_fetched_where_it_is_told_to() -> None:
    async with Receiver().running() as receiver:
        options = (
            *("--token", "token", "--render-seconds", "0", "--callback-client-id", "us"),
            *("--callback-url", f"{receiver.url}/callback", "--callback-token-url", f"{receiver.url}/token"),
            *("--viewer-url", f"{receiver.url}/callback"),
        )
        async with (
            emulating(*options, SEEN_EMULATOR_CALLBACK_CLIENT_SECRET="client-secret") as emulator,
            aiohttp.ClientSession(headers={"Authorization": "Bearer token"}) as http,
        ):
            async with http.post(emulator.data_url, json={"id": "1"}) as response:
                assert response.status == 201
            while not receiver.shown:  # noqa: ASYNC110 - the emulator tells nobody
                await asyncio.sleep(0.01)
            act = {"id": "1", "event": "video-played"}
            async with http.post(f"{emulator.url}/_control/workspaces/acme/acts", json=act) as response:
                assert response.status == 202
            while len(receiver.shown) < 2:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
    assert receiver.shown == ["Bearer token-1"] * 2
    assert receiver.forms[0]["client_secret"] == "client-secret"


async def test_it_remembers_as_many_requests_as_it_is_told_to() -> None:
    async with (
        emulating("--token", "token", "--remembered", "2") as emulator,
        aiohttp.ClientSession() as http,
    ):
        for number in range(3):
            async with http.get(f"{emulator.data_url}/{number}"):
                pass
        async with http.get(f"{emulator.url}/_control/arrivals") as response:
            assert [arrival["id"] for arrival in await response.json()] == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "nothing would open the workspaces"),
        (("--client-id", "us"), "--client-id and --client-secret go together"),
        (("--token", "token", "--client-secret", "secret"), "--client-id and --client-secret go together"),
    ],
)
def test_workspaces_that_nothing_opens_are_a_mistake(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(emulate, arguments)
    assert result.exit_code == 2
    assert complaint in result.output


async def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        emulator = await asyncio.create_subprocess_exec(
            *COMMAND, "--port", str(port), "--token", "x", stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            _, complaint = await emulator.communicate()
    assert emulator.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in complaint.decode()


async def test_a_campaign_is_emulated_beside_a_workspace() -> None:
    options = ("--token", "demo-token", "--campaign", "welcome-film", "--requests", "7")
    async with emulating(*options) as emulator, aiohttp.ClientSession() as http:
        await emulator.output.readline()
        said = (await emulator.output.readline()).decode()
        assert said.strip() == f"SEEN is emulated at {emulator.url}/v1/campaigns/welcome-film/receivers/"
        headers = {"Authorization": "Token demo-token", "Content-Type": "application/json; charset=utf-8"}
        body = '[{"first_name": "John", "customer_id": "100"}, {"first_name": "", "customer_id": "101"}]'
        url = f"{emulator.url}/v1/campaigns/welcome-film/receivers/"
        async with http.post(url, data=body, headers=headers) as response:
            assert await response.text() == '[{},{"first_name":["This field is required."]}]'


async def test_braze_is_emulated_where_a_key_is_given() -> None:
    options = ("--token", "demo-token", "--braze-key", "demo-rest-key", "--braze-user", "john")
    async with emulating(*options) as emulator, aiohttp.ClientSession() as http:
        await emulator.output.readline()
        assert (
            await emulator.output.readline()
        ).decode().strip() == f"Braze is emulated at {emulator.url}/users/track"
        objects = [{"braze_id": user, "_update_existing_only": True, "n": 1} for user in ("john", "jane")]
        headers = {"Authorization": "Bearer demo-rest-key"}
        async with http.post(
            f"{emulator.url}/users/track", json={"attributes": objects}, headers=headers
        ) as response:
            assert (response.status, (await response.json())["attributes_processed"]) == (201, 2)
        async with http.get(f"{emulator.url}/_control/braze") as response:
            assert (await response.json())["users"] == {"john": {"n": 1}}
