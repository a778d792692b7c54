"""Runs many courses, each on virtual time, and says which broke a promise: `python -m tests.simulation --seeds 2000`.

One alone, with all that happened in it: `python -m tests.simulation --api receivers --seed 1234 --verbose`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.check import violations
from tests.simulation.history import digest, line
from tests.simulation.loop import StandsStillError
from tests.simulation.plan import draw
from tests.simulation.report import expected, table
from tests.simulation.settings import APIS
from tests.simulation.trial import try_many
from tests.simulation.world import be_silent, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.history import Entry
    from tests.simulation.settings import Api
    from tests.simulation.trial import Result

_SHOWN = 5


def say(text: str) -> None:
    """Prints, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """The exit code: 0 if every promise was kept, and every kind of thing occurred."""
    arguments = _arguments()
    apis: Sequence[Api] = APIS if arguments.api is None else [arguments.api]
    if arguments.seed is not None:
        return _replay(arguments.seed, apis[0], verbose=arguments.verbose)
    return max([_try(api, arguments) for api in apis])


def _try(api: Api, arguments: argparse.Namespace) -> int:
    begun = time.monotonic()
    found, broken, hours, wanted = Counter[str](), 0, 0.0, expected(api)
    for result in try_many(range(arguments.first, arguments.first + arguments.seeds), api, arguments.jobs):
        found.update(result.found)
        hours += result.hours
        if result.broken:
            broken += 1
            say(_complaint(result, api))
    missing = [kind for kind in wanted if not found[kind]]
    say(table(found, wanted))
    minutes = (time.monotonic() - begun) / 60
    say(
        f"\napi {api}: {arguments.seeds} seeds, {hours:.0f} hours of virtual time, in {minutes:.1f} minutes; "
        f"{broken} broke a promise\n"
    )
    if missing:
        say(f"FAILED, since it takes more seeds: never occurred: {', '.join(missing)}\n")
    return 1 if broken or missing else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many, of each API")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--api", choices=APIS, help="this one alone; with --seed, data is the default")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--seed", type=int, help="this one alone, again")
    parser.add_argument("--verbose", action="store_true", help="with --seed: print all that happens")
    return parser.parse_args()


def _replay(seed: int, api: Api, *, verbose: bool) -> int:
    be_silent()
    plan = draw(seed, api)
    history: list[Entry] = []
    stuck = []
    try:
        run(plan, history)
    except StandsStillError as error:
        stuck = [f"it stands still: {error}"]
    if verbose:
        for workspace in plan.workspaces:
            say(
                f"{workspace.name}: {workspace.limits}\n{workspace.turns}\n{workspace.kafka}\n{workspace.weather}"
            )
            say(f"{workspace.outage}\n{workspace.chance:g} of {workspace.background}\n")
        for entry in history:
            say(line(entry))
    broken = violations(plan, history) + stuck
    say("\n".join(broken) or "every promise was kept")
    say(f"seed {seed}: {len(history)} entries, digest {digest(history)}")
    return 1 if broken else 0


def _complaint(result: Result, api: Api) -> str:
    more = len(result.broken) - _SHOWN
    shown = [f"  {each}" for each in result.broken[:_SHOWN]] + [f"  and {more} more"] * (more > 0)
    again = f"  again: python -m tests.simulation --api {api} --seed {result.seed} --verbose"
    return "\n".join([f"seed {result.seed} broke a promise:", *shown, again])


if __name__ == "__main__":
    sys.exit(main())
