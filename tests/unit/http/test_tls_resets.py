"""A server, or what stands before it, that resets connections while TLS is being agreed on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from yarl import URL

from connector.clock import SystemClock
from connector.http.client import HttpClient, Request
from connector.http.exchange import Fault, NoResponse

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


from tests.permits import Permit
from tests.tls import resetting


async def test_each_request_ends_as_one_that_was_not_sent_or_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: Counter[Fault] = Counter()
    with resetting(tmp_path, monkeypatch, "localhost") as port:
        client = HttpClient(5.0, 16, SystemClock(), str)
        await client.start()
        request = Request("POST", URL(f"https://localhost:{port}/"), "Bearer x", b"{}", "application/json")
        for _ in range(20):
            for reply in await asyncio.gather(*(client.make(request, Permit()) for _ in range(16))):
                assert isinstance(reply, NoResponse)
                faults[reply.fault] += 1
        await client.stop()
    assert faults.keys() <= {Fault.NOT_SENT, Fault.LOST}
    assert faults.total() == 320


def test_regression_the_connector_runs_on_asyncios_own_loop() -> None:
    """uvloop 0.23 closes the sockets that aiohttp hands to it twice where TLS is reset, so those of other connections, and
    in the end the process aborted.
    """
    program = "import connector.cli.run, sys; sys.exit('uvloop' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
