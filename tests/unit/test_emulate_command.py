from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys

import aiohttp
import pytest

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
