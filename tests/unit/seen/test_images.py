"""Looking at images on virtual time: once for all who wait, few at once, remembered, tried again. The client is a double."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from connector.metrics import Metrics
from connector.seen.imageanswer import ImageFinding
from connector.seen.images import Images, LookLimits
from connector.testing import VirtualClock
from connector.types import ImageResult

pytestmark = pytest.mark.looptime(noop_cycles=1)

GOOD = ImageFinding(ImageResult.GOOD)
BAD = ImageFinding(ImageResult.MISSING, "it is not there (404)")
DOWN = ImageFinding(ImageResult.UNREACHABLE, "its host cannot be reached")
LINK = "https://a.example/p.png"


class Client:
    """Finds what is scripted for a link, the last for ever, each time within `seconds`."""

    def __init__(self, *findings: ImageFinding, seconds: float = 0.1) -> None:
        self.findings = list(findings)
        self.seconds = seconds
        self.looks: list[tuple[float, str]] = []
        self.under_way: Counter[str] = Counter()
        self.most_at_once = 0
        self.ended_early = 0

    async def look(self, link: str) -> ImageFinding:
        self.looks.append((asyncio.get_running_loop().time(), link))
        self.under_way[link] += 1
        self.most_at_once = max(self.most_at_once, self.under_way.total())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.ended_early += 1
            raise
        finally:
            self.under_way[link] -= 1
        return self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]


def images(
    client: Client,
    *,
    give_up_after: float = 60.0,
    cache_seconds: float = 600.0,
    max_cached: int = 100,
    max_at_once: int = 16,
    chance: float = 0.5,
) -> tuple[Images, Metrics]:
    metrics = Metrics("0.0.0")
    limits = LookLimits(give_up_after, cache_seconds, max_cached, max_at_once)
    return Images(client, limits, VirtualClock(), metrics.workspace("acme"), lambda: chance), metrics


def counted(metrics: Metrics, result: ImageResult) -> float | None:
    labels = {"workspace": "acme", "found": result.value}
    return metrics.registry.get_sample_value("seen_connector_image_checks_total", labels)


async def test_a_link_that_many_wait_for_is_looked_at_once() -> None:
    client = Client(GOOD)
    found, metrics = images(client)
    assert await asyncio.gather(*(found.find(LINK) for _ in range(50))) == [GOOD] * 50
    assert len(client.looks) == 1
    assert counted(metrics, ImageResult.GOOD) == 1


async def test_what_was_found_is_remembered_and_a_bad_image_for_a_minute_only() -> None:
    for finding, seconds in ((GOOD, 600), (BAD, 60)):
        client = Client(finding)
        found, _ = images(client)
        await found.find(LINK)
        await asyncio.sleep(seconds - 5)
        assert await found.find(LINK) == finding
        assert len(client.looks) == 1
        await asyncio.sleep(10)
        await found.find(LINK)
        assert len(client.looks) == 2


async def test_with_no_time_to_remember_each_is_looked_at() -> None:
    client = Client(GOOD)
    found, _ = images(client, cache_seconds=0)
    for _ in range(3):
        await found.find(LINK)
    assert len(client.looks) == 3


async def test_so_many_are_remembered_and_no_more() -> None:
    client = Client(GOOD)
    found, _ = images(client, max_cached=10)
    for number in range(30):
        await found.find(f"{LINK}?{number}")
    assert len(found._known) == 10
    for number in range(20, 30):
        await found.find(f"{LINK}?{number}")
    assert len(client.looks) == 30


async def test_what_says_nothing_of_the_image_is_tried_again_until_it_does() -> None:
    client = Client(DOWN, DOWN, GOOD)
    found, metrics = images(client)
    assert await found.find(LINK) == GOOD
    assert len(client.looks) == 3
    assert counted(metrics, ImageResult.GOOD) == 1
    assert counted(metrics, ImageResult.UNREACHABLE) == 0


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
async def test_it_is_given_up_within_the_limit_and_not_remembered(chance: float) -> None:
    client = Client(DOWN, seconds=5)
    found, metrics = images(client, give_up_after=60, chance=chance)
    began = asyncio.get_running_loop().time()
    finding = await found.find(LINK)
    assert asyncio.get_running_loop().time() - began <= 60 + 5
    assert finding.result is ImageResult.UNREACHABLE
    assert "its host cannot be reached" in finding.detail
    assert "tries" in finding.detail
    tries = len(client.looks)
    assert 4 <= tries <= 12
    assert counted(metrics, ImageResult.UNREACHABLE) == 1
    await found.find(LINK)
    assert len(client.looks) > tries


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75)])
async def test_the_time_between_two_tries_doubles_from_a_second_to_half_a_minute(
    chance: float, share: float
) -> None:
    client = Client(DOWN, seconds=0)
    found, _ = images(client, give_up_after=120, chance=chance)
    await asyncio.sleep(1000)
    began = asyncio.get_running_loop().time()
    finding = await found.find(LINK)
    times = [at for at, _ in client.looks]
    waits = [after - before for before, after in pairwise(times)]
    assert waits[:7] == pytest.approx([share * each for each in (1, 2, 4, 8, 16, 30, 30)], abs=0.01)
    assert f"(tries: {len(times)}, in {times[-1] - began:.0f} s)" in finding.detail


async def test_the_host_says_when_it_is_asked_again_and_is_given_up_if_that_is_too_late() -> None:
    client = Client(ImageFinding(ImageResult.UNAVAILABLE, "its host answers 503", 20.0), GOOD)
    found, _ = images(client)
    assert await found.find(LINK) == GOOD
    (first, _), (second, _) = client.looks
    assert second - first >= 20
    late = Client(ImageFinding(ImageResult.UNAVAILABLE, "its host answers 429", 3600.0), GOOD)
    found, _ = images(late)
    assert (await found.find(LINK)).result is ImageResult.UNAVAILABLE
    assert len(late.looks) == 1


async def test_at_most_so_many_at_once_and_a_quarter_of_them_at_one_host() -> None:
    client = Client(GOOD, seconds=1)
    found, _ = images(client, max_at_once=8)
    one = [found.find(f"https://slow.example/{number}.png") for number in range(20)]
    others = [found.find(f"https://h{number}.example/p.png") for number in range(20)]
    looking = asyncio.ensure_future(asyncio.gather(*one, *others))
    await asyncio.sleep(0.5)
    assert sum(count for link, count in client.under_way.items() if "slow" in link) == 2
    assert client.under_way.total() == 8
    await looking
    assert client.most_at_once == 8


async def test_a_link_that_waits_to_be_tried_again_leaves_room_for_others() -> None:
    client = Client(DOWN)
    found, _ = images(client, max_at_once=1)
    waiting = asyncio.ensure_future(found.find(LINK))
    await asyncio.sleep(0.5)
    client.findings = [GOOD]
    async with asyncio.timeout(0.2):
        assert await found.find("https://a.example/other.png") == GOOD
    assert await waiting == GOOD


async def test_a_look_that_nobody_waits_for_any_more_is_ended_and_one_that_somebody_does_is_not() -> None:
    client = Client(GOOD, seconds=10)
    found, _ = images(client)
    one, other = (asyncio.ensure_future(found.find(LINK)) for _ in range(2))
    await asyncio.sleep(1)
    one.cancel()
    await asyncio.sleep(1)
    assert client.ended_early == 0
    other.cancel()
    await asyncio.sleep(1)
    assert client.ended_early == 1
    assert found._searches == {}
    assert await found.find(LINK) == GOOD
    assert len(client.looks) == 2


async def test_a_look_that_begins_while_another_of_its_link_is_being_ended_is_one_of_its_own() -> None:
    client = Client(GOOD, seconds=10)
    found, _ = images(client)
    one = asyncio.ensure_future(found.find(LINK))
    await asyncio.sleep(1)
    one.cancel()
    assert await found.find(LINK) == GOOD


# A host that is away


async def test_a_host_that_is_away_holds_up_those_who_wait_for_it_once_and_not_each_anew() -> None:
    client = Client(DOWN, seconds=5)
    found, _ = images(client, give_up_after=300)
    loop = asyncio.get_running_loop()
    links = [f"https://a.example/{number}.png" for number in range(1000)]
    findings = await asyncio.gather(*map(found.find, links))
    assert loop.time() < 300 + 60  # one after the other it would be hours
    assert {each.result for each in findings} == {ImageResult.UNREACHABLE}
    looks = len(client.looks)
    began = loop.time()
    for number in range(300):  # those that come later
        late = await found.find(f"https://a.example/late-{number}.png")
        assert "its host cannot be reached" in late.detail
        await asyncio.sleep(0.1)
    assert loop.time() - began < 60  # not 1,500
    assert 1 <= len(client.looks) - looks <= 4


async def test_a_host_that_is_given_up_is_used_again_soon_after_it_is_back() -> None:
    client = Client(DOWN)
    found, _ = images(client, give_up_after=60)
    await found.find(LINK)
    client.findings = [GOOD]
    loop = asyncio.get_running_loop()
    back = loop.time()
    while (await found.find(LINK)) != GOOD:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0.1)
    assert loop.time() - back < 11
    assert await found.find("https://a.example/other.png") == GOOD


async def test_a_host_that_finds_some_is_not_given_up_for_those_that_it_does_not() -> None:
    client = Client(DOWN)
    look = client.look

    async def by_link(link: str) -> ImageFinding:
        return await look(link) if "bad" in link else GOOD

    client.look = by_link  # type: ignore[method-assign]
    found, _ = images(client, give_up_after=60, cache_seconds=0)
    waiting = asyncio.ensure_future(found.find("https://a.example/bad.png"))
    for _ in range(200):
        assert await found.find(LINK) == GOOD
        await asyncio.sleep(1)
    assert (await waiting).result is ImageResult.UNREACHABLE
    tries = len(client.looks)
    await found.find("https://a.example/bad-2.png")
    assert len(client.looks) > tries + 3  # it had its own time


async def test_regression_a_link_that_never_works_gives_up_its_host_for_itself_alone() -> None:
    client = Client(DOWN)
    look = client.look

    async def by_link(link: str) -> ImageFinding:
        return await look(link) if "broken" in link else GOOD

    client.look = by_link  # type: ignore[method-assign]
    found, _ = images(client, give_up_after=300)
    for number in range(10):
        assert (await found.find("https://a.example/broken.png")).result is ImageResult.UNREACHABLE
        began = asyncio.get_running_loop().time()
        again = await found.find("https://a.example/broken.png")
        assert "has not answered" in again.detail
        assert asyncio.get_running_loop().time() - began < 60
        assert await found.find(f"https://a.example/{number}.png") == GOOD


async def test_a_host_at_which_three_links_have_failed_is_given_up_for_all() -> None:
    client = Client(DOWN)
    found, _ = images(client, give_up_after=60)
    await asyncio.gather(*(found.find(f"https://a.example/{number}.png") for number in range(2)))
    looks = len(client.looks)
    await found.find("https://a.example/2.png")
    assert len(client.looks) > looks + 3  # it had its own time
    looks = len(client.looks)
    assert "has not answered" in (await found.find("https://a.example/3.png")).detail
    assert len(client.looks) == looks


async def test_a_failure_of_long_ago_does_not_count_for_today() -> None:
    client = Client(DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, GOOD)
    found, _ = images(client, give_up_after=20)
    assert (await found.find(LINK)).result is ImageResult.UNREACHABLE
    client.findings = [DOWN, GOOD]
    await asyncio.sleep(7200)
    assert await found.find(LINK) == GOOD


async def test_other_hosts_do_not_wait_for_one_that_is_away() -> None:
    client = Client(DOWN, seconds=5)
    look = client.look

    async def by_link(link: str) -> ImageFinding:
        return await look(link) if "away" in link else GOOD

    client.look = by_link  # type: ignore[method-assign]
    found, _ = images(client)
    away = [asyncio.ensure_future(found.find(f"https://away.example/{number}.png")) for number in range(500)]
    await asyncio.sleep(1)
    async with asyncio.timeout(0.1):
        for number in range(100):
            assert await found.find(f"https://b.example/{number}.png") == GOOD
    await asyncio.gather(*away)


async def test_regression_many_hosts_that_are_away_leave_room_for_those_that_are_not() -> None:
    client = Client(DOWN, seconds=5)
    look = client.look

    async def by_link(link: str) -> ImageFinding:
        return await look(link) if "away" in link else GOOD

    client.look = by_link  # type: ignore[method-assign]
    found, _ = images(client, give_up_after=300)
    away = [
        asyncio.ensure_future(found.find(f"https://{number}.away.example/p.png")) for number in range(200)
    ]
    await asyncio.sleep(200 / 8 * 5 + 5)  # each was looked at once
    async with asyncio.timeout(1):
        for number in range(100):
            assert await found.find(f"https://b.example/{number}.png") == GOOD
    await asyncio.gather(*away)


async def test_of_hosts_that_nobody_waits_for_a_thousand_are_remembered() -> None:
    client = Client(GOOD, seconds=0)
    found, _ = images(client)
    for number in range(3000):
        await found.find(f"https://h{number}.example/p.png")
    assert len(found._hosts) == 1000


async def test_regression_hosts_that_come_and_go_while_one_is_slow_are_forgotten() -> None:
    client = Client(GOOD, seconds=0)
    look = client.look

    async def by_link(link: str) -> ImageFinding:
        await asyncio.sleep(1000 if "slow" in link else 0)
        return await look(link)

    client.look = by_link  # type: ignore[method-assign]
    found, _ = images(client)
    slow = asyncio.ensure_future(found.find("https://slow.example/p.png"))
    await asyncio.sleep(1)
    for number in range(2500):
        await found.find(f"https://h{number}.example/p.png")
    assert len(found._hosts) == 1001
    assert await slow == GOOD
