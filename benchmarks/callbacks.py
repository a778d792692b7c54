"""How many callbacks a second the connector takes, through to the broker's acknowledgement: `python benchmarks/callbacks.py`.

Beside it, in the same run and by turns, run the least that could do it at all, and what people use in its place.
README.md beside this file says how to read it. Linux only: CPU time is read from /proc.

Exit code 0: the connector keeps what it promises; 1: it does not; 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import uvloop

from bench import started
from inbound.candidates import CANDIDATES, CONNECTOR, MOST_CONNECTIONS, listening, records
from inbound.figures import Results, Round, broken, table

if TYPE_CHECKING:
    from inbound.candidates import Candidate, Listening

PACE = 100.0
"""Callbacks a second, of the paced part."""

_WARM_UP_SECONDS = 3.0
_PAUSE_SECONDS = 1.0
_BESIDES_SECONDS = 300.0


async def turn(candidate: Listening, seconds: float) -> Round:
    """One candidate's turn. What it still does after its last answer counts as its CPU time."""
    began, cpu = time.perf_counter(), candidate.cpu_seconds()
    flat_out = await candidate.flat_out(seconds)
    took = time.perf_counter() - began
    await asyncio.sleep(_PAUSE_SECONDS)
    cpu = candidate.cpu_seconds() - cpu
    paced = await candidate.at_a_pace(PACE, seconds)
    await asyncio.sleep(_PAUSE_SECONDS)
    return Round(flat_out, took, cpu, paced)


async def measure(rounds: int, seconds: float, connections: int) -> dict[Candidate, Results]:
    """Starts everything and has the candidates take turns. TimeoutError five minutes after the time that this takes."""
    turns = len(CANDIDATES) * rounds
    async with (
        asyncio.timeout(turns * 2 * (seconds + _PAUSE_SECONDS) + _BESIDES_SECONDS),
        started([CONNECTOR.key]) as bench,
        AsyncExitStack() as ending,
    ):
        listeners = {
            candidate: await ending.enter_async_context(listening(bench, candidate, connections))
            for candidate in CANDIDATES
        }
        for listener in listeners.values():
            await listener.flat_out(_WARM_UP_SECONDS)
            await asyncio.sleep(_PAUSE_SECONDS)
            listener.calls.clear()
        before = {candidate: await records(bench, candidate.topic) for candidate in CANDIDATES}
        taken: dict[Candidate, list[Round]] = {candidate: [] for candidate in CANDIDATES}
        for number in range(rounds):
            for candidate, listener in listeners.items():
                taken[candidate].append(await turn(listener, seconds))
            rates = ", ".join(f"{each[-1].rate:,.0f}" for each in taken.values())
            print(f"round {number + 1}: {rates} callbacks a second", file=sys.stderr, flush=True)
        return {
            candidate: Results(
                taken[candidate], listener.calls, await records(bench, candidate.topic) - before[candidate]
            )
            for candidate, listener in listeners.items()
        }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Compare listeners for callbacks, in under five minutes.")
    parser.add_argument("--rounds", type=int, default=7, help="how many turns each has")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each half of a turn lasts")
    parser.add_argument(
        "--connections", type=int, default=MOST_CONNECTIONS, help=f"callers at once, 1 to {MOST_CONNECTIONS}"
    )
    options = parser.parse_args()
    if not 1 <= options.connections <= MOST_CONNECTIONS:
        parser.error(f"--connections must be from 1 to {MOST_CONNECTIONS}")
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    results = uvloop.run(measure(options.rounds, options.seconds, options.connections))
    print(table(results, PACE))
    sys.exit("\n".join(broken(results)) or None)


if __name__ == "__main__":
    main()
