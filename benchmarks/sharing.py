"""What becomes of the quota while someone else uses it with the same token, and after that: real windows of 10 s.

Another program posts five times a second, which is half of what SEEN allows, whatever it is answered, for some minutes;
then it stops. The connector has a backlog all the time. Everything is on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from typing import TYPE_CHECKING

from bench import TOKEN, started
from connector.kafka.writer import write_records
from connector.sandbox.emulator import Quota
from connector.types import Message

if TYPE_CHECKING:
    from bench import Bench

LIMIT = Quota(100, 10.0)
OTHERS_A_SECOND = 5.0
RECOVERY_SECONDS = 400.0
_LONGEST_SECONDS = 1800.0


async def use_half(bench: Bench) -> None:
    """Posts at a steady rate, whatever is answered."""
    url, headers = f"{bench.seen_url}/v1/workspaces/shared/data", {"Authorization": f"Bearer {TOKEN}"}
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        async with bench.http.post(url, json={"id": f"other-{due}"}, headers=headers) as answer:
            await answer.read()
        due += 1 / OTHERS_A_SECOND
        await asyncio.sleep(max(0.0, due - loop.time()))


async def measure(bench: Bench, minutes: float) -> None:
    """Prints what the connector sent, and what was refused of it, minute by minute."""
    events = int((60 * minutes + RECOVERY_SECONDS) * LIMIT.requests / LIMIT.per_seconds)
    topic = await bench.make_topic("shared")
    backlog = [Message(key=b"%d" % number, value=b'{"id": "ours-%d"}' % number) for number in range(events)]
    await write_records(bench.connection, topic, backlog, seconds=120)
    other = asyncio.create_task(use_half(bench), name="the other user")
    print(f"{'minute':>6}{'others':>9}{'refused':>9}{'ours':>9}{'refused':>9}{'share':>9}")
    try:
        async with bench.connector("shared", LIMIT) as connector:
            await connector.until_accepted(1)
            total = minutes + RECOVERY_SECONDS / 60
            for minute in range(1, int(total) + 1):
                await asyncio.sleep(60)
                if minute == minutes:
                    other.cancel()
                _show(minute, await bench.seen("arrivals?workspace=shared"))
    finally:
        other.cancel()


def _show(minute: int, arrivals: list[dict[str, object]]) -> None:
    times = [float(str(each["monotonic"])) for each in arrivals]
    last = [each for each, at in zip(arrivals, times, strict=True) if at > times[-1] - 60]
    ours = [each for each in last if not str(each["id"]).startswith("other")]
    refused = [each for each in last if each["status"] == 429]
    of_ours = sum(each in ours for each in refused)
    print(
        f"{minute:>6}{len(last) - len(ours):>9}{len(refused) - of_ours:>9}"
        f"{len(ours):>9}{of_ours:>9}{of_ours / max(1, len(ours)):>9.2%}",
        flush=True,
    )


async def run(minutes: int) -> None:
    """Starts the broker and SEEN, measures, and ends them. TimeoutError in half an hour."""
    async with asyncio.timeout(_LONGEST_SECONDS), started(["shared"]) as bench:
        await bench.allow("shared", LIMIT)
        await measure(bench, minutes)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Measure how the quota is shared with another user of it.")
    parser.add_argument("--minutes", type=int, default=5, help="how long the other user sends, 1 to 15")
    minutes = parser.parse_args().minutes
    if not 1 <= minutes <= 15:
        parser.error("--minutes must be from 1 to 15")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    asyncio.run(run(minutes))


if __name__ == "__main__":
    main()
