"""The demo, as a user runs it, on a Kafka of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("seen-connector")
ROOT = Path(__file__).parents[2]


async def test_the_demo_accounts_for_every_event() -> None:
    environ = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": "a-broker-of-mine.example:9092",
    }  # which is left alone
    demo = await asyncio.create_subprocess_exec(
        PROGRAM,
        "demo",
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(150):
            output, _ = await demo.communicate()
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()
    said = output.decode()
    assert "200 of 200 events accounted for" in said, said
    assert "seen.video.ready.v1" in said
    assert demo.returncode == 0, said
