"""Where SEEN's callbacks arrive: `POST|PUT|PATCH /callbacks/{workspace}`, and `…/viewer` for what viewers do.

One call, in this order: length → right → kind → type → room for the body → body → room for the call → durable → answer.
Until the caller has proved its right nothing of the body is looked at, and no more than the cap is ever held. 2xx is
answered only for what is durable.

An unknown workspace and a wrong secret get the same answer: the outside cannot tell which workspaces exist. It comes late
to an address that has failed often (`slowing`). Each workspace has room of its own for each kind of call, so that none can
close the door to another's callbacks, nor viewers to videos.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from connector.errors import KafkaUnavailable, PublishRefused, SpoolUnavailable
from connector.inbound import answer
from connector.inbound.accesslog import log_call
from connector.inbound.auth import NoAuth, Proof
from connector.inbound.body import read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.auth import Authenticator
    from connector.inbound.caller import Caller
    from connector.inbound.door import Door, Intake, Kind
    from connector.inbound.limits import Limits
    from connector.inbound.room import Room
    from connector.metrics import Metrics

_JSON_TYPE = re.compile(r"(application|text)/([\w.+-]+\+)?json", re.ASCII)
_METHODS = frozenset({"POST", "PUT", "PATCH"})
_KEY = secrets.token_bytes(16)  # which workspace stands in for which name is nobody's to know
_REFUSALS = {Proof.EXPIRED: answer.EXPIRED, Proof.UNVERIFIABLE: answer.UNVERIFIABLE}


class CallbackEndpoint:
    """Takes callbacks of one kind for the workspaces behind `doors`, which is looked up at each call: doors may come and go."""

    def __init__(
        self,
        kind: Kind,
        doors: Mapping[str, Door],
        limits: Limits,
        bodies: Room,
        calls: Room,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._kind = kind
        self._doors = doors
        self._limits = limits
        self._bodies = bodies
        self._calls = calls
        self._metrics = metrics
        self._clock = clock

    async def serve(self, request: web.Request, caller: Caller) -> Answer:
        """What the caller is told: late, where that is about a wrong secret."""
        started = self._clock.monotonic()
        door = self._doors.get(request.match_info["workspace"])
        reply = await self._answer(request, door, caller)
        if door is None:
            self._metrics.callbacks_unknown.inc()
        else:
            door.metrics.callback(reply.result)
        if reply is answer.UNAUTHENTICATED:
            await caller.failed()
        seconds = self._clock.monotonic() - started
        log_call(
            reply,
            request,
            workspace=None if door is None else door.workspace,
            caller=caller,
            seconds=seconds,
        )
        return reply

    async def _answer(self, request: web.Request, door: Door | None, caller: Caller) -> Answer:
        if request.method not in _METHODS:
            return answer.WRONG_METHOD
        if (request.content_length or 0) > self._limits.max_body_bytes:
            return answer.too_large(self._limits.max_body_bytes)
        if door is None:
            await self._stand_in(request.match_info["workspace"]).check(request.headers)
            return answer.UNAUTHENTICATED
        proof = await door.authenticator.check(request.headers)
        if not proof.opens:
            return _REFUSALS.get(proof, answer.UNAUTHENTICATED)
        caller.admitted(proved=proof is Proof.RIGHT)
        intake = door.intakes.get(self._kind)
        if intake is None:
            return answer.NO_VIEWER_EVENTS
        if "Content-Encoding" in request.headers:
            return answer.ENCODED
        if not _may_be_json(request.headers.get("Content-Type", "")):
            return answer.WRONG_TYPE
        return await self._in_its_room(request, f"{door.workspace}/{self._kind}", intake, caller)

    async def _in_its_room(self, request: web.Request, whose: str, intake: Intake, caller: Caller) -> Answer:
        body_bytes = self._limits.max_body_bytes if request.content_length is None else request.content_length
        if not self._bodies.has_room(whose, body_bytes):
            return answer.BUSY
        with self._bodies.taken(whose, body_bytes):
            body = await read_body(request, self._limits.max_body_bytes, self._limits.body_timeout_seconds)
            if not isinstance(body, bytes):
                return body
            if not self._calls.has_room(whose):
                return answer.CROWDED
            with self._calls.taken(whose):
                caller.stays()
                return await self._take(request, body, intake)

    def _stand_in(self, name: str) -> Authenticator:
        """Checks a caller of a workspace that there is not, in vain: with what some workspace checks with, always the same
        for one name. So the time of the answer does not tell either which workspaces exist.
        """
        doors = list(self._doors.values())
        if not doors:
            return NoAuth()
        digest = hashlib.blake2b(name.encode("utf-8", "replace"), key=_KEY).digest()
        return doors[int.from_bytes(digest[:8]) % len(doors)].authenticator

    async def _take(self, request: web.Request, body: bytes, intake: Intake) -> Answer:
        try:
            async with asyncio.timeout(self._limits.publish_timeout_seconds):
                callback = await intake.take(
                    body,
                    content_type=request.headers.get("Content-Type", ""),
                    received_at=self._clock.wall(),
                )
        except TimeoutError:
            return answer.not_durable("neither Kafka nor the spool took it in time")
        except (KafkaUnavailable, PublishRefused, SpoolUnavailable) as error:
            return answer.not_durable(str(error))
        return answer.taken(callback)


def _may_be_json(content_type: str) -> bool:
    """Whether the header names JSON, or nothing: what then is no JSON is kept as a dead letter and not lost."""
    media_type = content_type.partition(";")[0].strip().lower()
    return not media_type or _JSON_TYPE.fullmatch(media_type) is not None
