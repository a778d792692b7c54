"""Two replicas: when a workspace changes hands with requests on the wire, nothing is sent twice, and one quota counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from connector.sandbox.emulator import Fault, Quota
from tests.end_to_end.deployment import Deployment, eventually, headers_of

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator

# `acme` has more events than its quota takes; `bravo` has requests on the wire all the time, one of each of its few keys.
QUOTAS = {"acme": Quota(60, 4.0), "bravo": Quota(100, 10.0)}
KEYS = {"acme": 40, "bravo": 5}
COUNTS = {"acme": 200, "bravo": 100}
SEEN_TAKES_SECONDS = 0.7


async def test_workspaces_change_hands_with_requests_on_the_wire(
    tmp_path: Path, kafka: str, seen: Emulator, prefix: str
) -> None:
    seen.fail(Fault(act="none", delay_seconds=SEEN_TAKES_SECONDS, times=None))
    first, second = (replica(tmp_path / name, kafka, seen, prefix) for name in ("first", "second"))
    async with first:
        for name, count in COUNTS.items():
            seen.set_quota(name, QUOTAS[name])
            await first.running(name)
            events = [{"key": b"%d" % (n % KEYS[name]), "value": b'{"id": "%d"}' % n} for n in range(count)]
            await first.produce(*events, topic=first.topic("events", name))
        await until_arrived(seen, 20)
        async with second:
            await each_owns_one(first, second)
            await until_arrived(seen, 90)  # half of a window: what the next owner must know of
            assert await first.stop() == 0
            await until_arrived(seen, 130)
            await first.start()
            await until_arrived(seen, 160)
            assert await second.stop() == 0
        for name, count in COUNTS.items():
            await first.everything_committed(count, name)
    for name, count in COUNTS.items():
        arrivals = seen.arrivals(name)
        assert {each.method for each in arrivals} == {
            "POST"
        }  # nothing was in doubt, so nothing was looked up
        assert Counter(each.id for each in arrivals) == {str(n): 1 for n in range(count)}
        assert seen.worst_window(name) <= QUOTAS[name].requests
        for key in range(KEYS[name]):
            numbers = [int(each.id or "") for each in arrivals if int(each.id or "") % KEYS[name] == key]
            assert numbers == sorted(numbers)
        outcomes = [headers_of(each)["ce_subject"] for each in await first.read("outcomes", name)]
        assert sorted(outcomes, key=int) == [str(n) for n in range(count)]


def replica(directory: Path, kafka: str, seen: Emulator, prefix: str) -> Deployment:
    """One of several with the same configuration."""
    deployment = Deployment(directory, kafka, seen.url, prefix)
    for name, quota in QUOTAS.items():
        limit = {"requests": quota.requests, "per_seconds": quota.per_seconds, "grace_seconds": 0.5}
        deployment.workspace(name, seen={"quota": limit, "timeout_seconds": 10})
    return deployment


async def each_owns_one(*replicas: Deployment) -> None:
    """Waits until each replica owns one of the two workspaces, and stands by for the other."""

    async def spread() -> bool:
        states = [[(await each.status(name))["state"] for name in COUNTS] for each in replicas]
        return sorted(states) == [["running", "standby"], ["standby", "running"]]

    await eventually(spread, "each replica owns one workspace")


async def until_arrived(seen: Emulator, count: int) -> None:
    """Waits until so many requests of `acme` have arrived."""
    await eventually(lambda: len(seen.arrivals("acme")) >= count, f"{count} requests have arrived")
