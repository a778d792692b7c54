from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys

import aiohttp
import pytest
from click.testing import CliRunner

from connector.cli.emulate import emulate
from tests.unit.test_emulator_callback_tokens import Receiver

COMMAND = (sys.executable, "-c", "from connector.cli.emulate import emulate; emulate()")


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_ends_in_order_when_it_is_told_to(told: signal.Signals) -> None:
    emulator = await asyncio.create_subprocess_exec(
        *COMMAND,
        "--port",
        "0",
        "--token",
        "secret-token",
        "--workspace",
        "acme",
        stdout=asyncio.subprocess.PIPE,
    )
    assert emulator.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await emulator.stdout.readline()).decode()
            (url,) = re.findall(r"http://\S+/v1/workspaces/acme/data", line)
            headers = {"Authorization": "Bearer secret-token"}
            async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
                assert response.status == 200
            emulator.send_signal(told)
            rest = (await emulator.stdout.read()).decode()
            assert await emulator.wait() == 0
        assert "secret-token" not in line + rest
        assert "/_control/" in rest
    finally:
        if emulator.returncode is None:
            emulator.kill()
            await emulator.wait()


async def test_a_client_that_it_is_given_gets_access_tokens() -> None:
    emulator = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--port", "0", "--workspace", "acme", "--client-id", "us", "--token-seconds", "60"),
        env={**os.environ, "SEEN_EMULATOR_CLIENT_SECRET": "client-secret"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert emulator.stdout is not None
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            line = (await emulator.stdout.readline()).decode()
            (url,) = re.findall(r"(http://\S+)/v1/workspaces/acme/data", line)
            form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "client-secret"}
            async with http.post(f"{url}/oauth2/token", data=form) as response:
                answer = await response.json()
            assert answer["expires_in"] == 60
            headers = {"Authorization": f"Bearer {answer['access_token']}"}
            async with http.get(f"{url}/v1/workspaces/acme/data", headers=headers) as response:
                assert response.status == 200
    finally:
        emulator.kill()
        await emulator.wait()


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


async def test_a_callback_shows_a_token_that_is_fetched_where_it_is_told_to() -> None:
    async with Receiver().running() as receiver:
        emulator = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("--port", "0", "--workspace", "acme", "--token", "token", "--render-seconds", "0"),
            *("--callback-url", f"{receiver.url}/callback", "--callback-token-url", f"{receiver.url}/token"),
            *("--callback-client-id", "us"),
            env={**os.environ, "SEEN_EMULATOR_CALLBACK_CLIENT_SECRET": "client-secret"},
            stdout=asyncio.subprocess.PIPE,
        )
        assert emulator.stdout is not None
        try:
            async with asyncio.timeout(30), aiohttp.ClientSession() as http:
                line = (await emulator.stdout.readline()).decode()
                (url,) = re.findall(r"http://\S+/v1/workspaces/acme/data", line)
                headers = {"Authorization": "Bearer token"}
                async with http.post(url, json={"id": "1"}, headers=headers) as response:
                    assert response.status == 201
                while not receiver.shown:  # noqa: ASYNC110 - the emulator tells nobody
                    await asyncio.sleep(0.01)
        finally:
            emulator.kill()
            await emulator.wait()
    assert receiver.shown == ["Bearer token-1"]
    assert receiver.forms[0]["client_secret"] == "client-secret"


async def test_it_remembers_as_many_requests_as_it_is_told_to() -> None:
    emulator = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--port", "0", "--workspace", "acme", "--token", "token", "--remembered", "2"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert emulator.stdout is not None
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            line = (await emulator.stdout.readline()).decode()
            (url,) = re.findall(r"(http://\S+)/v1/workspaces/acme/data", line)
            for number in range(3):
                async with http.get(f"{url}/v1/workspaces/acme/data/{number}"):
                    pass
            async with http.get(f"{url}/_control/arrivals") as response:
                assert [arrival["id"] for arrival in await response.json()] == ["1", "2"]
    finally:
        emulator.kill()
        await emulator.wait()


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
