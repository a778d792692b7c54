"""Calls to the paths that Braze posts to, well-formed HTTP of every kind."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fuzz import brazebodies
from tests.fuzz.calls import BRAZE, Call, Request, framed
from tests.fuzz.doors import OF_BRAZE, by_token, shown
from tests.fuzz.odd import ODD_LINES, ODD_TYPES, OTHER_METHODS, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.fuzz.doors import Door

WORKSPACE, CAMPAIGN = "flow", "film"
PATHS = {WORKSPACE: BRAZE[:2], CAMPAIGN: BRAZE[2:]}
"""Which of the document's paths lead to a workspace."""

_VARIABLE = re.compile(r"{\w+}")
_NOWHERE = (
    "/v1/workspaces/%s/data/",
    "/v1/workspaces/%s/data/1",
    "/v1//workspaces/%s/data",
    "/v1/workspaces/%sx/data",
    "/v1/workspaces/%s%%00/data",
    "/v1/projects/%s%%20/data",
    "/v1/projects/%s/DATA",
    "/v1/campaigns/%s/receivers",
    "/v1/campaigns/%s/receivers//",
    "/v1/campaigns/-%s/receivers/",
    "/v1/campaigns/%s;/receivers/",
    "/callbacks/%s",
    "/callbacks/%s/viewer",
)


def braze_doors() -> dict[str, Door]:
    """The workspaces that take what Braze posts, one for each API of SEEN, with a token of its own each."""
    return {
        name: by_token(name, tokens)
        for name, tokens in zip((WORKSPACE, CAMPAIGN), (OF_BRAZE[:2], OF_BRAZE[2:]), strict=True)
    }


def target(path: str, workspace: str) -> str:
    """One of the document's paths, with the name of a workspace in it."""
    return _VARIABLE.sub(workspace, path)


def led_by(target: str) -> tuple[str, str | None]:
    """The workspace that a path names, and which of the document's it is; None for another."""
    for path in BRAZE:
        before, after = _VARIABLE.split(path)
        if (
            target.startswith(before)
            and target.endswith(after)
            and "/" not in target[len(before) : -len(after)]
        ):
            return target[len(before) : -len(after)], path
    return "", None


class BrazeCaller:
    """Makes calls up, for the doors of `braze`; `others` are the doors whose secrets must not open these."""

    def __init__(
        self, rng: Random, braze: dict[str, Door], others: dict[str, Door], pool: list[bytes]
    ) -> None:
        self._rng = rng
        self._doors = list(braze.values())
        self._others = list(others.values())
        self._pool = pool

    def opening(self, numbers: Iterator[int]) -> Iterator[Call]:
        """A call to each path of each door that must be taken."""
        return (
            self.call(next(numbers), door, path, plain=True)
            for door in self._doors
            for path in PATHS[door.name]
        )

    def call(
        self, number: int, door: Door | None = None, path: str | None = None, *, plain: bool = False
    ) -> Call:
        """One of all kinds; `plain` ones show the right thing and bring what SEEN takes."""
        rng = self._rng
        door = door or rng.choice(self._doors)
        path = path or rng.choice(PATHS[door.name])
        is_array = door.name == CAMPAIGN
        others = [each for each in (*self._doors, *self._others) if each is not door]
        proof, lines = shown(rng, door, others)
        posted = brazebodies.posted(rng, number, self._pool, is_array=is_array)
        odd = rng.random() < 0.3 and not plain
        if plain:
            proof, lines = "right", door.right[0]
            posted = brazebodies.sound(rng, number, is_array=is_array)
        method = rng.choice((*OTHER_METHODS, b"PUT", b"PATCH")) if odd and rng.random() < 0.1 else b"POST"
        lines += ((b"Content-Type", self._type(number, odd=odd)),)
        if odd:
            lines += rng.choice(ODD_LINES)
        to: str | None = path
        where = target(path, door.name)
        if rng.random() < 0.05 and not plain:
            to, proof, where = None, "wrong", self._nowhere(door)
        is_plain = proof == "right" and not odd and posted.sound is not None and all(posted.sound)
        request = Request(method, where.encode(), lines, posted.content)
        call = framed(rng, number, to, door.name, proof, request, plain=is_plain)
        return replace(call, items=posted.items, sound=posted.sound, content=posted.content)

    def _type(self, number: int, *, odd: bool) -> bytes:
        """With the number: nothing else of a call is in the dead letter of an item that is no object."""
        if odd and self._rng.random() < 0.5:
            return b"call=%d; " % number + self._rng.choice(ODD_TYPES)
        return self._rng.choice(TYPES) + b"; call=%d" % number

    def _nowhere(self, door: Door) -> str:
        """A path that leads to no workspace with this secret."""
        foreign = [target(path, door.name) for path in BRAZE if path not in PATHS[door.name]]
        return self._rng.choice((*(each % door.name for each in _NOWHERE), *foreign))
