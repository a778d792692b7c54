"""What becomes of an event whose images are looked at before it is sent: a `connector.delivery.preparing.Preparation`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import orjson
import structlog

from connector.seen.payload import image_host
from connector.seen.receiver import EXTRA_ARGS
from connector.types import Reason, Unsendable

if TYPE_CHECKING:
    from connector.seen.imageanswer import ImageFinding
    from connector.types import Event

log = structlog.get_logger()


class Finder(Protocol):
    """What finds out about images."""

    async def find(self, link: str) -> ImageFinding:
        """What is at `link`, within a limit."""
        ...


class ImagePreparation:
    """Looks at the images of a workspace's events. A bad one rejects its event, or is left out, as the event says."""

    def __init__(self, workspace: str, finder: Finder) -> None:
        self._workspace = workspace
        self._finder = finder

    async def prepare(self, event: Event) -> Event | Unsendable:
        """The event as it may be sent, without those images that cannot be used; or why it cannot be."""
        if event.images is None:
            return event
        dropped: list[str] = []
        links = (
            event.images.links
        )  # at once: those of hosts that are away are not waited for one after the other
        findings = await asyncio.gather(*(self._finder.find(link) for _, link in links))
        for (name, link), finding in zip(links, findings, strict=True):
            if finding.is_good:
                continue
            self._log(event, name, link, finding)
            if not event.images.drop:
                detail = f"the image {name!r} cannot be used: {finding.detail}"
                return Unsendable(Reason.BAD_IMAGE, detail, event.id)
            dropped.append(name)
        body = _without(event.body, dropped) if dropped else event.body
        return replace(event, body=body, images=None)

    def _log(self, event: Event, name: str, link: str, finding: ImageFinding) -> None:
        # Of the link only its host: the rest may hold a signature, or a customer's name.
        log.info(
            "image_refused",
            workspace=self._workspace,
            id=event.id,
            origin=event.record.origin,
            property=name,
            host=image_host(link),
            found=finding.result,
            detail=finding.detail,
            decision="sent without it" if event.images and event.images.drop else "rejected",
        )


def _without(body: bytes, names: list[str]) -> bytes:
    properties = orjson.loads(body)
    for name in names:
        del (properties if name in properties else properties[EXTRA_ARGS])[name]
    return orjson.dumps(properties)
