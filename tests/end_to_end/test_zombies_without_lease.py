"""Courses of `test_zombies.py` with a connector whose lease never runs out: each of them must show it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.end_to_end.pair import QUOTA
from tests.end_to_end.zombies import COURSES, a_stage, played

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end_to_end.pair import Stage
    from tests.end_to_end.zombies import Course


COURSES_WITHOUT_LEASE = [
    each for each in COURSES if not each.hard
]  # one that stands still, one that is cut off


async def test_without_the_lease_each_of_them_exceeds_the_quota_and_posts_again_what_was_taken(
    tmp_path: Path, prefix: str
) -> None:
    async with a_stage(tmp_path, prefix, has_lease=False) as stage, asyncio.TaskGroup() as courses:
        for course in COURSES_WITHOUT_LEASE:
            courses.create_task(does_harm(course, stage), name=course.workspace)


async def does_harm(course: Course, stage: Stage) -> None:
    """Plays a course up to the harm."""
    async with played(course, stage) as zombie:
        assert zombie.pair.requests_of_zombies, course
        assert zombie.pair.worst_window > QUOTA.requests, course
        assert zombie.pair.posted_again, course
