"""What a run broke of what is promised. Pure: it knows the evidence and nothing else.

Each check returns one sentence for each breach, none where all is well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from reliability.known import NEVER, clock, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reliability.evidence import Arrived, Sent
    from reliability.known import Known, Origin

_LONG_AGO = float("-inf")


def lost(run: Known) -> Iterator[str]:
    """Records without an outcome, accepted ones that SEEN has not taken as they were, dead ones without a dead letter."""
    for sent in run.evidence.sent:
        kinds = {each.kind for each in run.outcomes.get(sent.origin, ())}
        if not kinds:
            yield f"{name_of(sent)} has no outcome"
        elif "accepted" in kinds and sent.origin not in run.taken_at:
            yield f"{name_of(sent)} is said to be accepted, and SEEN never took it"
        elif "accepted" not in kinds and sent.origin not in run.dead_letters:
            yield f"{name_of(sent)} is said to be {', '.join(kinds)}, and is no dead letter"
    missing = run.evidence.written - len(run.evidence.sent)
    if missing:
        yield f"{missing} records were written and are not in their topics"


def wrongly_dead(run: Known) -> Iterator[str]:
    """Dead letters that SEEN would have taken, and poison that is said to be accepted."""
    for sent in run.evidence.sent:
        kinds = {each.kind for each in run.outcomes.get(sent.origin, ())}
        if run.is_poison(sent):
            if "accepted" in kinds:
                yield f"{name_of(sent)} is poison and said to be accepted"
        elif sent.origin in run.dead_letters or kinds - {"accepted"}:
            yield f"{name_of(sent)} is a dead letter, and SEEN would have taken it"


def contradicting(run: Known) -> Iterator[str]:
    """Outcomes of nothing that was written, under changing event ids, or that say different things of one record."""
    written = {sent.origin for sent in run.evidence.sent}
    for origin, published in run.outcomes.items():
        if origin not in written:
            yield f"an outcome of {origin}, which was never written"
        if len({each.event_id for each in published}) > 1:
            yield f"outcomes of {origin} have different event ids"
        if len({each.kind for each in published}) > 1:
            yield f"outcomes of {origin} say {', '.join(sorted({each.kind for each in published}))}"


def repeated(run: Known) -> tuple[list[str], list[str]]:
    """POSTs of a record that SEEN had taken: those while SEEN still showed it, and those after newer values of its id.

    With look-ups none of the first kind is allowed; of the second, only what a crash leaves unsettled.
    """
    shown: dict[tuple[str, str], dict[str, str | int]] = defaultdict(dict)
    still_shown: list[str] = []
    replaced: list[str] = []
    taken: set[Origin] = set()
    for arrived, sent in run.posts:
        item = shown[sent.workspace, sent.id]
        if sent.origin in taken:
            sentence = f"{name_of(sent)} was posted again at {clock(arrived.at)}"
            (still_shown if item == sent.values else replaced).append(sentence)
        if arrived.processed and arrived.values is not None:
            item.update(arrived.values)
            taken.add(sent.origin)
    return still_shown, replaced


def out_of_order(run: Known) -> Iterator[str]:
    """POSTs that arrived before all earlier records of the same lane were taken, or were dead letters."""
    lanes: dict[object, list[Sent]] = defaultdict(list)
    for sent in sorted(run.evidence.sent, key=lambda sent: sent.origin):
        lanes[sent.lane].append(sent)
    place = {sent.origin: number for lane in lanes.values() for number, sent in enumerate(lane)}
    reached: dict[object, int] = defaultdict(int)
    for arrived, sent in run.posts:
        lane = lanes[sent.lane]
        while reached[sent.lane] < len(lane) and _ended(run, lane[reached[sent.lane]], arrived.at):
            reached[sent.lane] += 1
        if place[sent.origin] > reached[sent.lane]:
            yield f"{name_of(sent)} arrived at {clock(arrived.at)}, before {name_of(lane[reached[sent.lane]])} had ended"


def _ended(run: Known, sent: Sent, at: float) -> bool:
    ended_at = min(run.taken_at.get(sent.origin, NEVER), run.refused_at.get(sent.origin, NEVER))
    return ended_at <= at


def outdated(run: Known) -> Iterator[str]:
    """Items that do not show the last record of their id that SEEN should have."""
    last: dict[tuple[str, str], Sent] = {}
    for sent in sorted(run.evidence.sent, key=lambda sent: sent.offset):
        if not run.is_poison(sent):
            last[sent.workspace, sent.id] = sent
    for (workspace, event_id), sent in last.items():
        if run.evidence.items.get(workspace, {}).get(event_id) != sent.values:
            yield f"SEEN does not show the values of {name_of(sent)} in the end"


def refused_over_quota(run: Known) -> Iterator[str]:
    """Requests that were answered 429."""
    return (
        f"429 in {each.workspace} at {clock(each.at)}" for each in run.evidence.arrived if each.status == 429
    )


def fullest_windows(run: Known) -> dict[str, tuple[int, str]]:
    """The most requests that arrived in any window of each workspace's quota, and when that was.

    Counted from the times of arrival: half-open windows, as SEEN's.
    """
    return {
        workspace: _fullest(
            [each for each in run.evidence.arrived if each.workspace == workspace], limit.per_seconds
        )
        for workspace, limit in run.evidence.limits.items()
    }


def _fullest(arrived: list[Arrived], per_seconds: float) -> tuple[int, str]:
    in_order = sorted(arrived, key=lambda each: each.monotonic)
    oldest, most, when = 0, 0, "never"
    for number, each in enumerate(in_order):
        while each.monotonic - in_order[oldest].monotonic >= per_seconds:
            oldest += 1
        if number - oldest + 1 > most:
            most, when = number - oldest + 1, clock(each.at)
    return most, when


def returns(run: Known) -> dict[str, tuple[float, int]]:
    """The seconds from the end of the long outage to the next event that SEEN took, and how much poison waited then.

    For each workspace that had anything else waiting.
    """
    back = run.evidence.measured.returned_at
    if back is None:
        return {}
    waiting = [sent for sent in run.evidence.sent if sent.at <= back and not _ended(run, sent, back)]
    poison = Counter(sent.workspace for sent in waiting if run.is_poison(sent))
    first = {sent.workspace: NEVER for sent in waiting if not run.is_poison(sent)}
    for arrived, sent in run.posts:
        if arrived.processed and arrived.at > back and sent.workspace in first:
            first[sent.workspace] = min(first[sent.workspace], arrived.at - back)
    return {workspace: (seconds, poison[workspace]) for workspace, seconds in first.items()}


def committed_early(run: Known) -> Iterator[str]:
    """Commits beyond a record that had no durable outcome yet, whatever became of it afterwards."""
    done: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for sent in sorted(run.evidence.sent, key=lambda sent: sent.origin):
        partition = done[sent.workspace, sent.partition]
        latest = max(partition[-1][1] if partition else _LONG_AGO, _durable_at(run, sent))
        partition.append((sent.offset, latest))
    for commit in run.evidence.commits:
        before = [at for offset, at in done[commit.workspace, commit.partition] if offset < commit.offset]
        if before and before[-1] > commit.at:
            yield f"{commit.workspace}/{commit.partition} was committed up to {commit.offset} at {clock(commit.at)}, too early"


def _durable_at(run: Known, sent: Sent) -> float:
    first = min((each.at for each in run.outcomes.get(sent.origin, ())), default=NEVER)
    if sent.origin not in run.refused_at:
        return first
    return max(first, min((each.at for each in run.dead_letters.get(sent.origin, ())), default=NEVER))


def uncommitted(run: Known) -> Iterator[str]:
    """Partitions whose last commit is not their end."""
    ends: dict[tuple[str, int], int] = {}
    for sent in run.evidence.sent:
        where = sent.workspace, sent.partition
        ends[where] = max(ends.get(where, 0), sent.offset + 1)
    last = {(each.workspace, each.partition): each.offset for each in run.evidence.commits}
    for (workspace, partition), end in ends.items():
        if last.get((workspace, partition)) != end:
            at = last.get((workspace, partition), "nothing")
            yield f"{workspace}/{partition} ends at {end}, committed is {at}"


def went_back(run: Known) -> Iterator[str]:
    """Commits below the one before of the same partition."""
    last: dict[tuple[str, int], int] = {}
    for commit in run.evidence.commits:
        where = commit.workspace, commit.partition
        if commit.offset < last.get(where, 0):
            yield f"{where[0]}/{where[1]} went back from {last[where]} to {commit.offset} at {clock(commit.at)}"
        last[where] = commit.offset


def ended_badly(run: Known) -> Iterator[str]:
    """Connectors that ended otherwise than with 0 when they were asked to."""
    return (f"{name} ended with {code}" for name, code in run.evidence.measured.exits.items() if code != 0)
