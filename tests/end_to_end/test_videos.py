"""Every video is accounted for: lost callbacks come by asking SEEN, what never comes is reported once."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import orjson

from connector.sandbox.emulator import Callback, Fault, Mishap, bearer
from connector.sandbox.emulator.links import links
from tests.end_to_end.deployment import CALLBACK_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from connector.types import Record
    from tests.end_to_end.deployment import Deployment

READY, OVERDUE = "seen.video.ready.v1", "seen.video.overdue.v1"


def call_back(seen: Emulator, deployment: Deployment) -> None:
    """Has SEEN call the connector; the port is another one after each start."""
    url = f"{deployment.listener_url}/callbacks/{{workspace_id}}"
    seen.set_callback("acme", Callback(url, bearer(CALLBACK_TOKEN)))


async def produce(deployment: Deployment, ids: list[str]) -> None:
    await deployment.produce(*({"value": orjson.dumps({"id": each}), "key": each.encode()} for each in ids))


async def videos(deployment: Deployment, kind: str = READY) -> list[Record]:
    return [each for each in await deployment.read("videos") if headers_of(each)["ce_type"] == kind]


def data_of(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(record.value or b"")
    return found


async def nothing_pending(deployment: Deployment) -> bool:
    status = await deployment.status()
    return bool(status["ledger"] == "current" and status["pending_videos"] == 0)


async def metric(deployment: Deployment, name: str) -> dict[str, float]:
    """The series of a metric, by their labels as the exposition writes them."""
    _, text = await deployment.get("/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith(f"seen_connector_{name}{{")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_lost_callbacks_come_by_asking_seen_and_a_late_one_is_a_recognisable_duplicate(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(videos={"overdue_after_seconds": 2, "give_up_after_seconds": 600})
    ids = [f"c-{number}" for number in range(40)]
    lost = ids[::4]
    for each in lost:
        seen.befall(Mishap(act="lose", id=each))
    seen.befall(Mishap(act="repeat", times=5))
    async with deployment:
        call_back(seen, deployment)
        await deployment.running()
        await produce(deployment, ids)
        await deployment.settled(40)

        async def all_are_ready() -> bool:
            return len({headers_of(each)["ce_id"] for each in await videos(deployment)}) == 40

        await eventually(all_are_ready, "every video is published")
        await eventually(lambda: nothing_pending(deployment), "nothing is pending")
        found = {data_of(each)["id"]: each for each in await videos(deployment)}
        by = {id_: data_of(each)["found_by"] for id_, each in found.items()}
        assert {id_ for id_, how in by.items() if how == "reconciliation"} == set(lost)
        assert not await videos(deployment, OVERDUE)

        late = links("acme", lost[0]).callback(lost[0])
        assert await deployment.call(orjson.dumps(late)) == 200
        same = [each for each in await videos(deployment) if data_of(each)["id"] == lost[0]]
        assert [data_of(each)["found_by"] for each in same] == ["reconciliation", "callback"]
        assert len({headers_of(each)["ce_id"] for each in same}) == 1
        urls = ("player_url", "thumbnail_url", "email_thumbnail_url")
        assert {name: data_of(same[0])[name] for name in urls} == {
            name: data_of(same[1])[name] for name in urls
        }
        assert data_of(same[0])["raw"]["players"][0]["link"] == late["player_url"]

        ready = await metric(deployment, "videos_ready_total")
        assert sorted(ready.values()) == [len(lost), 40 - len(lost) + 5 + 1]
    assert seen.worst_window("acme") <= 100
    look_ups = [each for each in seen.arrivals("acme") if each.method == "GET"]
    assert {each.id for each in look_ups} == set(lost)


async def test_a_video_that_never_comes_is_reported_once_also_after_a_restart(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(videos={"overdue_after_seconds": 1, "give_up_after_seconds": 4})
    seen.befall(Mishap(act="stick", id="never"))
    async with deployment:
        call_back(seen, deployment)
        await deployment.running()
        await produce(deployment, ["never", "soon"])

        async def reported() -> bool:
            return bool(await videos(deployment, OVERDUE))

        await eventually(reported, "it is reported")
        assert (await deployment.stop()) == 0
        asked = len(seen.arrivals("acme"))
        await deployment.start()
        await deployment.running()
        await eventually(lambda: nothing_pending(deployment), "the ledger is rebuilt, and nothing pending")
        await asyncio.sleep(2)
        (report,) = await videos(deployment, OVERDUE)
        assert len(seen.arrivals("acme")) == asked
    data = data_of(report)
    assert (report.key, data["id"]) == (b"never", "never")
    assert data["accepted_at"] < data["last_checked_at"]
    # The one who reported it had asked before; the last look-up was no earlier than the time of giving up.
    assert [each.method for each in seen.arrivals("acme") if each.id == "never"][0:2] == ["POST", "GET"]
    listed = await videos_command(deployment)
    assert [(each["id"], each["state"]) for each in listed["videos"]] == [("never", "reported")]


async def test_a_callback_before_its_own_201_leaves_nothing_pending_after_a_restart_either(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(
        videos={"overdue_after_seconds": 600, "give_up_after_seconds": 6000}, seen={"timeout_seconds": 10}
    )
    seen.fail(Fault(act="none", early=True, delay_seconds=1.5, times=None, method="POST"))
    async with deployment:
        call_back(seen, deployment)
        await deployment.running()
        await produce(deployment, ["early-1", "early-2", "early-3"])
        await deployment.settled(3)
        await eventually(lambda: nothing_pending(deployment), "nothing is pending")
        accepted = {data_of(each)["id"]: each.timestamp_ms for each in await deployment.read("outcomes")}
        ready = {data_of(each)["id"]: each.timestamp_ms for each in await videos(deployment)}
        assert all(ready[each] < accepted[each] for each in accepted)
        assert len(accepted) == 3
        deployment.kill()
        await deployment.start()
        await deployment.running()
        await eventually(lambda: nothing_pending(deployment), "the ledger is rebuilt, and nothing pending")
        await asyncio.sleep(2)
        assert await nothing_pending(deployment)
    assert (await videos_command(deployment))["videos"] == []


async def test_what_is_pending_is_listed_and_counted_and_found_when_the_lost_one_is_overdue(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(videos={"overdue_after_seconds": 20, "give_up_after_seconds": 600})
    seen.befall(Mishap(act="lose", id="lost"))
    async with deployment:
        await deployment.running()
        call_back(seen, deployment)
        await deployment.call(b'{"id": "nobody", "player_url": "https://player.seen.io/v/x"}')
        await produce(deployment, ["lost"])
        await deployment.settled(1)

        async def pending() -> bool:
            return bool((await deployment.status())["pending_videos"] == 1)

        await eventually(pending, "it is pending")
        listed = await videos_command(deployment)
        assert [(each["id"], each["state"]) for each in listed["videos"]] == [("lost", "pending")]
        await eventually(lambda: nothing_pending(deployment), "it is found")

        async def unmatched() -> bool:
            return sum((await metric(deployment, "videos_unmatched_total")).values()) == 1

        await eventually(unmatched, "the callback of an unknown id is counted")
    assert len(await videos(deployment)) == 2  # published all the same


async def videos_command(deployment: Deployment) -> dict[str, Any]:
    """What `seen-connector videos --json` says. SEEN goes on answering meanwhile: it lives in this process."""
    options = ["--config", str(deployment.directory), "--workspace", "acme", "--json"]
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector", "videos", *options, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, _ = await command.communicate()
    assert command.returncode == 0
    found: dict[str, Any] = orjson.loads(output)
    return found
