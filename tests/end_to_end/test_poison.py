"""One event that SEEN never takes, whatever it answers, ends in the dead letters and holds back its own key alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from connector.sandbox.emulator import Fault, Quota
from tests.end_to_end.deployment import eventually, headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

REASONS = {500: "gave_up", 403: "refused_alone"}
OTHERS = 1000
POISON = {"key": b"poisoned", "value": b'{"id": "poison"}'}
NEXT = [{"key": b"poisoned", "value": b'{"id": "next-%d"}' % number} for number in range(2)]

poisoned = pytest.mark.parametrize("status", REASONS)


@pytest.fixture(autouse=True)
def impatient(deployment: Deployment, seen: Emulator, status: int) -> None:
    """A workspace with room for a thousand requests, which gives up in seconds; SEEN never takes the event `poison`."""
    seen.set_quota("acme", Quota(1000, 2.0))
    seen.fail(Fault(status=status, times=None, id="poison"))
    deployment.workspace(
        seen={"quota": {"requests": 1000, "per_seconds": 2, "grace_seconds": 0.5}},
        delivery={"give_up_after_seconds": 2, "backoff": {"initial_seconds": 0.2, "max_seconds": 0.5}},
    )


@poisoned
async def test_alone_on_an_idle_workspace_it_is_dead_lettered_and_nothing_is_suspended(
    deployment: Deployment, seen: Emulator, status: int
) -> None:
    async with deployment:
        await deployment.running()
        await deployment.produce(POISON)
        await deployment.settled(1, seconds=30)
        await well(deployment)
        await is_the_only_dead_letter(deployment, status)
        await deployment.produce(*NEXT)
        await deployment.settled(3)
        await well(deployment)
    assert seen.item("acme", "poison") is None
    assert posted_after_poison(seen) == ["next-0", "next-1"]


@poisoned
async def test_among_a_thousand_others_it_is_dead_lettered_and_they_are_accepted(
    deployment: Deployment, seen: Emulator, status: int
) -> None:
    others = [{"key": b"%d" % number, "value": b'{"id": "%d"}' % number} for number in range(OTHERS)]
    half = OTHERS // 2
    async with deployment:
        await deployment.running()
        await deployment.produce(*others[:half], POISON, *NEXT, *others[half:])
        await deployment.settled(OTHERS + 3)
        await well(deployment)
        await is_the_only_dead_letter(deployment, status)
    taken = {each.id for each in seen.arrivals("acme") if each.status == 201}
    assert taken == {str(number) for number in range(OTHERS)} | {"next-0", "next-1"}
    assert [each for each in posted_after_poison(seen) if each.startswith("next")] == ["next-0", "next-1"]


async def well(deployment: Deployment) -> None:
    """Waits until the workspace runs, and readiness says so."""

    async def is_ready() -> bool:
        return (await deployment.get("/readyz"))[0] == 200

    await eventually(is_ready, "the workspace is well", 10)
    assert (await deployment.status())["state"] == "running"


async def is_the_only_dead_letter(deployment: Deployment, status: int) -> None:
    """The poison, whole, with what SEEN answered."""
    (letter,) = await deployment.read("dead_letters")
    story = headers_of(letter)
    assert (letter.key, letter.value) == (POISON["key"], POISON["value"])
    assert story["seen-dead-letter-status"] == str(status)
    assert story["seen-dead-letter-reason"] == REASONS[status]
    assert int(story["seen-dead-letter-attempts"]) > 1
    outcomes = [orjson.loads(each.value or b"") for each in await deployment.read("outcomes")]
    assert [each["reason"] for each in outcomes if each["reason"] != "created"] == [REASONS[status]]


def posted_after_poison(seen: Emulator) -> list[str]:
    """The ids that were posted after the last request for the poison, oldest first."""
    posted = [each.id or "" for each in seen.arrivals("acme") if each.method == "POST"]
    return posted[len(posted) - posted[::-1].index("poison") :]
