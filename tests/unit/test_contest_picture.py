"""The picture of the contest of `benchmarks/quota.py`."""

from __future__ import annotations

import random
from dataclasses import replace
from xml.etree import ElementTree as ET

from connector.sandbox.emulator import Quota
from contest.contestants import CONTESTANTS
from contest.course import Course, Request
from contest.picture import picture

QUOTA = Quota(100, 10.0)
SVG = "{http://www.w3.org/2000/svg}"


def course(key: str, times: list[float], *, refused: frozenset[int] = frozenset()) -> Course:
    requests = tuple(
        Request(str(number), at, at, 429 if number in refused else 201, at)
        for number, at in enumerate(sorted(times))
    )
    return Course(key=key, requests=requests, singles={}, bursts={}, began=0.0, seconds=300.0)


def drawn(*courses: Course) -> ET.Element:
    return ET.fromstring(picture(list(zip(CONTESTANTS, courses, strict=False)), QUOTA))


def strokes(root: ET.Element, width: str) -> list[str]:
    return [
        each.attrib["d"]
        for each in root.iter(f"{SVG}path")
        if each.get("stroke-width") == width and each.get("transform")
    ]


def test_it_says_in_words_what_it_shows() -> None:
    root = drawn(course("one", [each * 0.1001 for each in range(2_900)]))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    assert f"{CONTESTANTS[0].name}: 99.9% of the limit accepted, 0 refused, worst window 100" in str(
        description.text
    )


def test_a_line_steps_to_the_requests_in_the_window_and_back() -> None:
    root = drawn(course("one", [100.0] * 100))
    line = next(each.attrib["d"] for each in root.iter(f"{SVG}path") if each.get("fill-opacity"))
    # 400 columns of 0.75 s: the window is full from 100 s, in the 134th column, to 110 s, in the 147th.
    assert line == "M44 136V136h266V88.7h28V136h506V136"


def test_refused_requests_are_marked_where_they_arrived_and_only_there() -> None:
    clean = course("one", [each / 10 for each in range(2_900)])
    struck = replace(course("late", [0.0, 30.0, 30.1, 60.0], refused=frozenset({1, 2})))
    assert strokes(drawn(clean), "5") == []
    assert strokes(drawn(clean, struck), "5") == ["M124 0h2"]


def test_the_moment_of_a_handover_is_marked() -> None:
    root = drawn(replace(course("one", [1.0]), shocked=150.0))
    _legend, mark = [
        each.attrib["d"] for each in root.iter(f"{SVG}path") if each.get("stroke-dasharray") == "2 2"
    ]
    assert mark.startswith("M444 ")  # the middle of 800 behind a margin of 44


def test_ten_busy_contestants_fit_into_60_kb() -> None:
    chance = random.Random(1)
    courses = [
        course(
            each.key,
            [chance.uniform(0, 300) for _ in range(3_500)],
            refused=frozenset(chance.sample(range(3_500), 500)),
        )
        for each in CONTESTANTS
    ]
    assert len(picture(list(zip(CONTESTANTS, courses, strict=True)), QUOTA).encode()) < 60_000
