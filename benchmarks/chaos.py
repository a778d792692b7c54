"""Kills, stops and cuts off a running deployment while events flow, and checks afterwards that nothing is lost or out of
order: `python benchmarks/chaos.py --seed 1 --events 2000 --minutes 5`. README.md beside this file says more.

Exit code 0: every promise is kept; 1: one is not, the run's folder is kept; 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from reliability.evidence import load, save
from reliability.plan import LEAST_MINUTES, draw
from reliability.report import breaches, proof_text, table
from reliability.run import Run, carry_out
from reliability.selfproof import prove
from reliability.verdict import counts, verdict

_WHOLE_RUN_EVENTS = 2_000


def main() -> None:
    """Proves the checker, carries the plan out or reads an old run, and prints the table."""
    options = _options()
    proof = prove(options.seed)
    print(proof_text(proof), flush=True)
    if not all(proof.values()):
        sys.exit("the checker does not find what it is for: no run")
    folder = options.check or _run(options)
    evidence = load(folder / "evidence.json")
    rows = verdict(evidence)
    print(f"\n{table(rows, counts(evidence))}")
    if not all(row.kept for row in rows):
        sys.exit(f"\n{breaches(rows)}\n\nEverything is in {folder}")
    if options.check is None and not options.keep:
        shutil.rmtree(folder)


def _run(options: argparse.Namespace) -> Path:
    plan = draw(options.seed, options.minutes)
    folder = Path(tempfile.mkdtemp(prefix=f"seen-connector-chaos-{options.seed}-"))
    print(f"\nSeed {options.seed}, {options.events} events, {options.minutes:g} minutes, in {folder}")
    print("\n".join(map(str, plan.actions())), flush=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is the point
    run = Run(options.seed, options.events, options.minutes * 60, plan)
    save(asyncio.run(carry_out(run, folder)), folder / "evidence.json")
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Break a running deployment, and check what became of its events."
    )
    parser.add_argument("--seed", type=int, default=1, help="what happens, and when")
    parser.add_argument("--events", type=int, default=_WHOLE_RUN_EVENTS)
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="how long things go wrong; the drain comes after"
    )
    parser.add_argument("--keep", action="store_true", help="keep the run's folder even if all is well")
    parser.add_argument(
        "--check", type=Path, metavar="FOLDER", help="run nothing: judge the run that is in FOLDER again"
    )
    options = parser.parse_args()
    if options.check and not (options.check / "evidence.json").is_file():
        parser.error(f"{options.check} holds no evidence.json of a run")
    if options.events >= _WHOLE_RUN_EVENTS and options.minutes < LEAST_MINUTES:
        parser.error(
            f"{_WHOLE_RUN_EVENTS} events and more are a whole run: at least {LEAST_MINUTES:g} minutes"
        )
    return options


if __name__ == "__main__":
    main()
