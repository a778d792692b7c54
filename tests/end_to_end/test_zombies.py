"""An owner that stands still, or is cut off from Kafka, sends nothing once another has taken over; then all goes on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.pair import QUOTA
from tests.end_to_end.zombies import COURSES, a_stage, played

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end_to_end.pair import Stage
    from tests.end_to_end.zombies import Course

LEASE_SECONDS = 5.0  # half of the session
SLACK_SECONDS = 2.0  # for a machine that is busy; the other replica is given the partitions later still


@pytest.mark.timeout(300)  # it takes 95 s, and on a busy machine far longer
async def test_owners_that_stand_still_or_are_cut_off_exceed_nothing_and_lose_nothing(
    tmp_path: Path, prefix: str
) -> None:
    async with a_stage(tmp_path, prefix, has_lease=True) as stage, asyncio.TaskGroup() as courses:
        for course in COURSES:
            courses.create_task(is_harmless(course, stage), name=course.workspace)


async def is_harmless(course: Course, stage: Stage) -> None:
    """Plays a course to its end, in which the zombie is given the partitions again."""
    async with played(course, stage) as zombie:
        pair, replica = zombie.pair, zombie.replica
        assert max(replica.to_seen.passed) <= zombie.since + LEASE_SECONDS + SLACK_SECONDS, course
        restored = time.time()
        await replica.to_kafka.restore()
        await pair.given_to(replica, restored)
        await pair.all_committed()
        assert max(replica.to_seen.passed) > restored, course  # where it stood still, over new connections
        assert pair.requests_of_zombies == [], course
        assert pair.worst_window <= QUOTA.requests, course
        assert {each.status for each in pair.arrivals} <= {200, 201, 404}, course
        assert pair.posted_again == [], course
        assert pair.out_of_order == [], course
        assert await pair.lost() == set(), course
