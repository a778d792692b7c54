"""What becomes of an event whose images are looked at before it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from structlog.testing import capture_logs

from connector.outbound.images import ImagePreparation
from connector.seen.imageanswer import ImageFinding
from connector.types import Event, ImageLinks, ImageResult, Reason, Record, Unsendable

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD = ImageFinding(ImageResult.GOOD)
LARGE = ImageFinding(ImageResult.TOO_LARGE, "it has more than 2 MB")
PHOTO = "https://a.example/ada-lovelace.png?X-Signature=secret"
LOGO = "https://b.example/logo.png"


class Finder:
    def __init__(self, findings: Mapping[str, ImageFinding]) -> None:
        self.findings = findings
        self.asked: list[str] = []

    async def find(self, link: str) -> ImageFinding:
        self.asked.append(link)
        return self.findings.get(link, GOOD)


def event(*, drop: bool = False, **properties: object) -> Event:
    record = Record("events", 0, 7, 0, b"k", b"{}")
    links = ImageLinks((("photo", PHOTO), ("logo", LOGO)), drop)
    body = orjson.dumps({"id": "1", "photo": PHOTO, "logo": LOGO, **properties})
    return Event(record, "1", b"k", body, links)


async def test_an_event_with_good_images_goes_as_it_is() -> None:
    finder = Finder({})
    prepared = await ImagePreparation("acme", finder).prepare(event())
    assert isinstance(prepared, Event)
    assert prepared.images is None
    assert prepared.body == event().body
    assert finder.asked == [PHOTO, LOGO]


async def test_a_bad_image_rejects_the_event_with_the_reason() -> None:
    finder = Finder({PHOTO: LARGE})
    fault = await ImagePreparation("acme", finder).prepare(event())
    assert fault == Unsendable(
        Reason.BAD_IMAGE, "the image 'photo' cannot be used: it has more than 2 MB", "1"
    )


async def test_regression_the_images_of_an_event_are_not_waited_for_one_after_the_other() -> None:
    """Each may be tried for minutes."""
    everybody = asyncio.Barrier(2)

    class Together(Finder):
        async def find(self, link: str) -> ImageFinding:
            await everybody.wait()
            return await super().find(link)

    async with asyncio.timeout(10):
        prepared = await ImagePreparation("acme", Together({PHOTO: LARGE})).prepare(event(drop=True))
    assert isinstance(prepared, Event)
    assert prepared.body == orjson.dumps({"id": "1", "logo": LOGO})


async def test_a_bad_image_is_dropped_and_the_rest_is_sent_unchanged() -> None:
    rest = {"age": 1.5, "big": 2**63, "name": "Zoë", "none": None, "list": [{"photo": 1}]}
    finder = Finder({PHOTO: LARGE})
    prepared = await ImagePreparation("acme", finder).prepare(event(drop=True, **rest))
    assert isinstance(prepared, Event)
    assert prepared.images is None
    assert prepared.body == orjson.dumps({"id": "1", "logo": LOGO, **rest})


async def test_the_log_names_the_event_the_host_and_what_was_found_and_not_the_link() -> None:
    with capture_logs() as lines:
        await ImagePreparation("acme", Finder({PHOTO: LARGE})).prepare(event())
        await ImagePreparation("acme", Finder({PHOTO: LARGE, LOGO: LARGE})).prepare(event(drop=True))
    assert [each["decision"] for each in lines] == ["rejected", "sent without it", "sent without it"]
    assert {
        key: lines[0][key] for key in ("event", "workspace", "id", "origin", "property", "host", "found")
    } == {
        "event": "image_refused",
        "workspace": "acme",
        "id": "1",
        "origin": "events/0/7",
        "property": "photo",
        "host": "a.example",
        "found": "too_large",
    }
    assert "ada" not in str(lines)
    assert "secret" not in str(lines)
