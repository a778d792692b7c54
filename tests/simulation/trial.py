"""One seed's trial: its course, what broke in it, what occurred; and many, in processes of their own."""

from __future__ import annotations

import gc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.simulation.check import violations
from tests.simulation.loop import StandsStillError
from tests.simulation.plan import draw
from tests.simulation.report import kinds
from tests.simulation.world import be_silent, run

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from tests.simulation.history import Entry
    from tests.simulation.settings import Api

_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one seed. `found` counts what occurred, `hours` are virtual."""

    seed: int
    broken: list[str]
    found: Counter[str]
    hours: float


def try_seed(seed: int, api: Api = "data") -> Result:
    """Lives through the course of `seed` with that API."""
    plan = draw(seed, api)
    history: list[Entry] = []
    try:
        run(plan, history)
        stuck = []
    except StandsStillError as error:
        stuck = [f"{history[-1].at:.3f}: it stands still: {error}"]
    return Result(seed, violations(plan, history) + stuck, kinds(plan, history), history[-1].at / 3600)


def try_many(seeds: Iterable[int], api: Api, jobs: int) -> Iterator[Result]:
    """Lives through many, `jobs` at a time; gives the results in order."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
        yield from pool.map(partial(try_seed, api=api), seeds, chunksize=_CHUNK)


def _begin() -> None:
    be_silent()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # a course makes little garbage in circles
