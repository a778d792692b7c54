"""How well this connector uses SEEN's quota, and what people use in its place: `python benchmarks/quota.py`.

All take part at the same time, against one server that counts arrivals and refuses what is too many. It prints the table
and writes the picture of the README. README.md beside this file says how to read them.

Exit code 0: every promise of the connector is kept; 1: one is not; 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from contest.contestants import CONTESTANTS, QUOTA
from contest.figures import figures
from contest.picture import picture
from contest.run import hold
from contest.table import broken, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contest.contestants import Contestant
    from contest.course import Course

_PICTURE = Path(__file__).parent.parent / "docs" / "quota.svg"


def main() -> None:
    """Holds the contest, and shows what came of it."""
    options = _options()
    chosen = [each for each in CONTESTANTS if not options.only or each.key in options.only]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    courses = asyncio.run(hold(chosen, options.minutes * 60, say))
    if options.raw:
        options.raw.write_bytes(orjson.dumps([asdict(course) for course in courses]))
    svg = options.svg or (None if options.only else _PICTURE)
    sys.exit(_show(chosen, courses, options.minutes * 60, svg))


def _show(
    contestants: Sequence[Contestant], courses: Sequence[Course], seconds: float, svg: Path | None
) -> str | None:
    """Prints the table, writes the picture if it has a place; what is not kept, None if all is."""
    runs = list(zip(contestants, courses, strict=True))
    rows = [(contestant, figures(course, QUOTA)) for contestant, course in runs]
    print(table(rows))
    if svg is not None:
        svg.write_text(picture(runs, QUOTA))
    return "\n".join(broken(rows, QUOTA, seconds)) or None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare how the quota is used, in the backlog's minutes and two more."
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the backlog lasts, at least 0.5")
    keys = [each.key for each in CONTESTANTS]
    parser.add_argument("--only", nargs="+", choices=keys, metavar="NAME", help=f"of {', '.join(keys)}")
    parser.add_argument("--svg", type=Path, help="where the picture goes; with all rows to docs/quota.svg")
    parser.add_argument("--raw", type=Path, metavar="PATH", help="keep every arrival, as JSON")
    options = parser.parse_args()
    if options.minutes < 0.5:
        parser.error("--minutes must be at least 0.5")
    return options


if __name__ == "__main__":
    main()
