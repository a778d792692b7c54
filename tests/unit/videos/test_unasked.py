"""Videos of a campaign: SEEN cannot be asked for them, so what does not come is reported when its time is over."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import KafkaUnavailable
from tests.unit.videos.test_reconciler import OVERDUE, World

pytestmark = pytest.mark.looptime


async def test_what_never_comes_is_reported_once_without_being_asked_for() -> None:
    async with World(can_ask=False) as world:
        world.accepted("never", "soon", "late")
        world.callback("soon")
        await asyncio.sleep(1150)
        assert world.published(OVERDUE) == []
        assert world.watch.figures() == {"pending_videos": 2, "overdue_videos": 2}
        world.callback("late")
        await asyncio.sleep(150)
        ((_, data),) = world.published(OVERDUE)
        assert data.keys() == {"id", "accepted_at"}
        assert data["id"] == "never"
        await asyncio.sleep(10_000)
        assert len(world.published(OVERDUE)) == 1
        assert world.watch.figures() == {"pending_videos": 0, "overdue_videos": 0}
        assert world.value("videos_reported_overdue_total") == 1
        assert world.seen.asked == []


async def test_a_report_that_kafka_does_not_take_is_made_later() -> None:
    async with World(can_ask=False) as world:
        world.accepted("never")
        world.publish_error = KafkaUnavailable("away")
        await asyncio.sleep(1300)
        assert world.value("publish_failures_total") == 1
        world.publish_error = None
        await asyncio.sleep(3700)
        assert len(world.published(OVERDUE)) == 1


async def test_who_does_not_own_the_workspace_reports_nothing() -> None:
    async with World(can_ask=False) as world:
        world.accepted("never")
        await asyncio.sleep(100)
        world.lose()
        await asyncio.sleep(5000)
        assert world.published(OVERDUE) == []


async def test_who_owns_the_workspace_and_cannot_commit_reports_nothing_until_it_can() -> None:
    async with World(can_ask=False) as world:
        world.accepted("never")
        world.renews_lease = False
        await asyncio.sleep(5000)
        assert world.published(OVERDUE) == []
        world.renews_lease = True
        await asyncio.sleep(10)
        assert len(world.published(OVERDUE)) == 1


async def test_who_has_the_workspace_again_reports_nothing_before_the_topics_are_read_again() -> None:
    async with World(can_ask=False) as world:
        world.accepted("never")
        await asyncio.sleep(1190)
        world.read_until = len(world.log)
        world.callback("never")
        world.ownership = object()  # it was another's, and is ours again
        await asyncio.sleep(30)
        assert world.published(OVERDUE) == []
        world.read_until = None
        await asyncio.sleep(30)
        assert (world.watch.state, world.published(OVERDUE)) == ("current", [])
