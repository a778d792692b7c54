"""The checker proves itself: on an invented run without a fault it finds nothing, and each planted fault it finds. Pure."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from reliability.invented import STEP_SECONDS, invented
from reliability.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from reliability.evidence import Arrived, Evidence, Sent
    from reliability.verdict import Row


# The faults: each takes evidence and a source of chance, and gives back evidence with one fault in it.


def a_loss_at_seen(run: Evidence, chance: random.Random) -> Evidence:
    """An event that is said to be accepted and never arrived."""
    victim = chance.choice(_taken(run))
    return replace(run, arrived=[each for each in run.arrived if each is not victim])


def a_loss_in_kafka(run: Evidence, chance: random.Random) -> Evidence:
    """A record without an outcome."""
    victim = chance.choice(run.outcomes)
    return replace(run, outcomes=[each for each in run.outcomes if each is not victim])


def a_loss_of_a_dead_letter(run: Evidence, chance: random.Random) -> Evidence:
    """A rejected record that is no dead letter."""
    victim = chance.choice(run.dead_letters)
    return replace(run, dead_letters=[each for each in run.dead_letters if each is not victim])


def a_swap(run: Evidence, chance: random.Random) -> Evidence:
    """Two records of one lane, posted the wrong way round."""
    lanes: dict[object, list[Sent]] = defaultdict(list)
    for sent in run.sent:
        lanes[sent.lane].append(sent)
    lane = chance.choice([each for each in lanes.values() if len(each) > 1])
    place = chance.randrange(len(lane) - 1)
    first, second = lane[place].values, lane[place + 1].values
    swapped = {first["number"]: second, second["number"]: first}
    is_taken = {values["number"]: values["id"] not in run.poison for values in (first, second)}
    arrived = []
    for each in run.arrived:
        values = swapped.get(each.values["number"]) if each.values else None
        taken = each.processed if values is None else is_taken[values["number"]]
        arrived.append(replace(each, values=values or each.values, processed=taken))
    return replace(run, arrived=arrived)


def a_repeat(run: Evidence, chance: random.Random) -> Evidence:
    """An event that is posted again while SEEN shows it."""
    victim = chance.choice(_taken(run))
    again = replace(victim, at=victim.at + 0.01, monotonic=victim.monotonic + 0.01)
    return replace(run, arrived=sorted([*run.arrived, again], key=lambda each: each.at))


def an_old_repeat(run: Evidence, _chance: random.Random) -> Evidence:
    """Events of one id that are posted again after newer ones of it, more often than a crash explains."""
    by_id: dict[object, list[Arrived]] = defaultdict(list)
    for each in _taken(run):
        by_id[each.workspace, each.values["id"] if each.values else None].append(each)
    old, new = max(by_id.values(), key=len)[:2]
    bound = run.measured.unclean_ends * sum(limit.unsettled for limit in run.limits.values())
    late = [
        replace(each, at=new.at + step / 1000, monotonic=new.monotonic + step / 1000)
        for step in range(1, bound + 2)
        for each in (old, new)
    ]
    return replace(run, arrived=sorted([*run.arrived, *late], key=lambda each: each.at))


def an_early_commit(run: Evidence, chance: random.Random) -> Evidence:
    """A commit before the outcome of its last record was durable."""
    place = chance.randrange(len(run.commits))
    early = replace(run.commits[place], at=run.commits[place].at - STEP_SECONDS / 2)
    return replace(run, commits=[*run.commits[:place], early, *run.commits[place + 1 :]])


def a_request_too_many(run: Evidence, chance: random.Random) -> Evidence:
    """One request more than the quota in one window: look-ups, which count as well."""
    first = chance.choice(run.arrived)
    limit = run.limits[first.workspace]
    look_up = replace(first, method="GET", values=None, status=200, processed=False)
    step = limit.per_seconds / limit.requests / 1.01
    more = [
        replace(look_up, at=first.at + number * step, monotonic=first.monotonic + number * step)
        for number in range(1, limit.requests + 1)
    ]
    return replace(run, arrived=sorted([*run.arrived, *more], key=lambda each: each.at))


def an_answer_429(run: Evidence, chance: random.Random) -> Evidence:
    """A look-up that was answered 429."""
    refused = replace(chance.choice(run.arrived), method="GET", values=None, status=429, processed=False)
    return replace(run, arrived=sorted([*run.arrived, refused], key=lambda each: each.at))


def a_wrong_dead_letter(run: Evidence, chance: random.Random) -> Evidence:
    """A dead letter of what SEEN would have taken."""
    victim = chance.choice([each for each in run.outcomes if each.kind == "accepted"])
    return replace(run, dead_letters=[*run.dead_letters, replace(victim, kind="dead letter")])


def a_contradiction(run: Evidence, chance: random.Random) -> Evidence:
    """A second outcome of a record under another event id."""
    victim = chance.choice(run.outcomes)
    return replace(run, outcomes=[*run.outcomes, replace(victim, event_id="another")])


def an_outdated_item(run: Evidence, chance: random.Random) -> Evidence:
    """An item that shows older values than the last that were sent."""
    workspace = chance.choice(sorted(run.items))
    event_id = chance.choice(sorted(run.items[workspace]))
    items = run.items[workspace] | {event_id: run.items[workspace][event_id] | {"number": -1}}
    return replace(run, items=run.items | {workspace: items})


def a_commit_that_goes_back(run: Evidence, chance: random.Random) -> Evidence:
    """A commit of a partition at an offset that it was beyond already."""
    victim = chance.choice(run.commits)
    return replace(run, commits=[*run.commits, replace(victim, offset=0), victim])


def a_missing_commit(run: Evidence, chance: random.Random) -> Evidence:
    """A partition whose last commit is not there."""
    victim = chance.choice(run.commits)
    kept = [
        each
        for each in run.commits
        if (each.workspace, each.partition) != (victim.workspace, victim.partition)
    ]
    return replace(run, commits=kept)


def a_late_return(run: Evidence, _chance: random.Random) -> Evidence:
    """An outage after whose end nothing was taken for half a minute, though something waited."""
    first = min(_taken(run), key=lambda each: each.at)
    back = first.at - 30.0
    sent = [replace(each, at=back - 1.0) if each.values == first.values else each for each in run.sent]
    return replace(run, sent=sent, measured=replace(run.measured, returned_at=back))


def a_bad_exit(run: Evidence, _chance: random.Random) -> Evidence:
    """A connector that had to be killed."""
    return replace(run, measured=replace(run.measured, exits={"c1": -9}))


def a_leak(run: Evidence, _chance: random.Random) -> Evidence:
    """A connector that took a gigabyte."""
    return replace(run, measured=replace(run.measured, peak_mb={"c1": 1024.0}))


def a_backlog_that_stays(run: Evidence, _chance: random.Random) -> Evidence:
    """A run that was not drained."""
    return replace(run, measured=replace(run.measured, drain_seconds=None))


PLANTED: dict[str, tuple[Callable[[Evidence, random.Random], Evidence], ...]] = {
    "lost": (a_loss_at_seen, a_loss_in_kafka, a_loss_of_a_dead_letter),
    "dead letters that should not be": (a_wrong_dead_letter,),
    "contradicting outcomes": (a_contradiction,),
    "repeated, though SEEN showed it": (a_repeat,),
    "repeated, after newer values of its id": (an_old_repeat,),
    "out of order": (a_swap,),
    "outdated at SEEN in the end": (an_outdated_item,),
    "answered 429": (an_answer_429,),
    "fullest": (a_request_too_many,),
    "taken again": (a_late_return,),
    "committed before the outcome": (an_early_commit,),
    "commits that went back": (a_commit_that_goes_back,),
    "uncommitted in the end": (a_missing_commit,),
    "connectors that ended badly": (a_bad_exit,),
    "memory of a connector, MB": (a_leak,),
    "time to drain, s": (a_backlog_that_stays,),
}
"""The row of the table that must tell, or how it begins, and the faults that it must tell of."""


def failures(rows: list[Row]) -> set[str]:
    """The keys of `PLANTED` whose rows are not kept."""
    return {key for key in PLANTED for row in rows if row.name.startswith(key) and not row.kept}


def prove(seed: int, count: int = 400) -> dict[str, bool]:
    """Fault → whether the checker found it, and first whether it found nothing where there is nothing."""
    chance = random.Random(f"proof {seed}")
    run = invented(seed, count)
    proof = {"no fault": not failures(verdict(run))}
    for row, faults in PLANTED.items():
        for fault in faults:
            proof[fault.__name__.replace("_", " ")] = row in failures(verdict(fault(run, chance)))
    return proof


def _taken(run: Evidence) -> list[Arrived]:
    return [each for each in run.arrived if each.processed]
