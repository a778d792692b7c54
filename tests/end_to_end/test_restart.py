"""Restarts: what SEEN has taken is not sent again, after a stop in order and after kill -9."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from connector.sandbox.emulator import Fault
from tests.end_to_end.deployment import eventually, headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment


def posts(seen: Emulator) -> Counter[str | None]:
    """How often each event was posted."""
    return Counter(arrival.id for arrival in seen.arrivals("acme") if arrival.method == "POST")


async def test_after_a_stop_no_event_is_posted_again_although_one_blocks_the_commit(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace()
    await deployment.create(deployment.topic("events"), partitions=1)
    seen.fail(Fault(status=500, times=10_000, id="stuck"))
    async with deployment:
        await deployment.running()
        ids = ["stuck", *(str(number) for number in range(20))]
        await deployment.produce(*({"value": b'{"id": "%s"}' % each.encode()} for each in ids))
        await deployment.settled(20)
        assert await deployment.stop() == 0
    assert (await deployment.committed()) == {0: 0}
    seen.clear_faults()
    async with deployment:
        await deployment.settled(1)
        await eventually(lambda: seen.item("acme", "stuck") is not None, "the last one is taken")
        assert await deployment.stop() == 0
    assert (await deployment.committed()) == {0: 21}
    assert {each: count for each, count in posts(seen).items() if each != "stuck"} == dict.fromkeys(
        ids[1:], 1
    )


async def test_after_kill_9_what_seen_had_taken_is_found_and_not_posted_again(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(seen={"timeout_seconds": 3})
    await deployment.create(deployment.topic("events"), partitions=1)
    async with deployment:
        await deployment.running()
        await deployment.produce({"value": b'{"id": "before"}'})
        await deployment.settled(1)
        seen.fail(Fault(act="none", delay_seconds=2, times=10_000))
        await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(20)))
        await eventually(lambda: len(posts(seen)) == 21, "all are on the wire")
        deployment.kill()
    seen.clear_faults()

    async def committed() -> bool:
        return (await deployment.committed()) == {0: 21}

    async with deployment:
        await eventually(committed, "all are settled")
    assert posts(seen) == dict.fromkeys(["before", *(str(number) for number in range(20))], 1)
    # An outcome may be there twice, where the first was published since the last commit: its id is the same both times.
    outcomes = {headers_of(each)["ce_id"] for each in await deployment.read("outcomes")}
    assert outcomes == {f"{deployment.topic('events')}/0/{offset}" for offset in range(21)}
