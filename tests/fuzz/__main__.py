"""Calls a connector with whatever callers may send, and says which promise was broken:
`python -m tests.fuzz --requests 100000 --seed 1`.

Read `doors` (the workspaces, and what opens each of them) with `forged` (access tokens), `bodies` with `nasty`, `calls` with
`odd` (well-formed HTTP), and `wires` with `broken` (the rest). `sender` brings them to the connector of `place`, `generated` has
schemathesis do its part, `described` holds answers against the OpenAPI document. Each call has a number, which `marks` writes
into its body; so `books` knows what may be in Kafka in the end, and what must be. What Braze posts is in `brazebodies`,
`brazecalls` and `brazebooks`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from connector.sandbox.kafka import LocalKafka
from tests.fuzz.books import Books
from tests.fuzz.place import place
from tests.fuzz.run import fuzz


def main() -> int:
    """The exit code: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many, at least")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    arguments = parser.parse_args()
    with asyncio.Runner() as runner:
        books = runner.run(_run(arguments.requests, arguments.seed))
    sys.stdout.write("\n".join(books.lines()) + "\n")
    return 1 if books.breaches else 0


async def _run(requests: int, seed: int) -> Books:
    books = Books()
    with tempfile.TemporaryDirectory(prefix=f"seen-connector-fuzz-{seed}-") as directory:
        folder = Path(directory)
        async with (
            LocalKafka(folder / "kafka") as kafka,
            place(folder, kafka.bootstrap_servers, "fuzz-") as built,
        ):
            await fuzz(built, requests, seed, books)
            await built.close(books)
    return books


if __name__ == "__main__":
    sys.exit(main())
