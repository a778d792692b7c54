"""Runs many courses, each on virtual time, and says which broke a promise: `python -m tests.simulation --seeds 2000`.

One alone, with all that happened in it: `python -m tests.simulation --seed 1234 --verbose`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.check import violations
from tests.simulation.history import digest, line
from tests.simulation.plan import draw
from tests.simulation.report import expected, table
from tests.simulation.trial import try_many
from tests.simulation.world import be_silent, run

if TYPE_CHECKING:
    from tests.simulation.history import Entry
    from tests.simulation.trial import Result

_SHOWN = 5


def say(text: str) -> None:
    """Prints, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """The exit code: 0 if every promise was kept, and every kind of thing occurred."""
    arguments = _arguments()
    if arguments.seed is not None:
        return _replay(arguments.seed, verbose=arguments.verbose)
    begun = time.monotonic()
    found, broken, hours, wanted = Counter[str](), 0, 0.0, expected()
    for result in try_many(range(arguments.first, arguments.first + arguments.seeds), arguments.jobs):
        found.update(result.found)
        hours += result.hours
        if result.broken:
            broken += 1
            say(_complaint(result))
    missing = [kind for kind in wanted if not found[kind]]
    say(table(found, wanted))
    minutes = (time.monotonic() - begun) / 60
    say(
        f"\n{arguments.seeds} seeds, {hours:.0f} hours of virtual time, in {minutes:.1f} minutes; {broken} broke a promise"
    )
    if missing:
        say(f"FAILED, since it takes more seeds: never occurred: {', '.join(missing)}")
    return 1 if broken or missing else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--seed", type=int, help="this one alone, again")
    parser.add_argument("--verbose", action="store_true", help="with --seed: print all that happens")
    return parser.parse_args()


def _replay(seed: int, *, verbose: bool) -> int:
    be_silent()
    plan = draw(seed)
    history: list[Entry] = []
    run(plan, history)
    if verbose:
        for workspace in plan.workspaces:
            say(
                f"{workspace.name}: {workspace.limits}\n{workspace.turns}\n{workspace.kafka}\n{workspace.weather}"
            )
            say(f"{workspace.outage}\n{workspace.chance:g} of {workspace.background}\n")
        for entry in history:
            say(line(entry))
    broken = violations(plan, history)
    say("\n".join(broken) or "every promise was kept")
    say(f"seed {seed}: {len(history)} entries, digest {digest(history)}")
    return 1 if broken else 0


def _complaint(result: Result) -> str:
    more = len(result.broken) - _SHOWN
    shown = [f"  {each}" for each in result.broken[:_SHOWN]] + [f"  and {more} more"] * (more > 0)
    again = f"  again: python -m tests.simulation --seed {result.seed} --verbose"
    return "\n".join([f"seed {result.seed} broke a promise:", *shown, again])


if __name__ == "__main__":
    sys.exit(main())
