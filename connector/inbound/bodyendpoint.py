"""Where calls that bring a body arrive: `POST|PUT|PATCH /callbacks/{workspace}`, and `…/viewer` for what viewers do; and
what Braze posts, at SEEN's own paths.

One call, in this order: method → length → right → kind → type → room for the body → body → turn of the call → durable →
answer. Until the caller has proved its right nothing of the body is looked at, and no more than the cap is ever held. 2xx
is answered only for what is durable.

An unknown workspace and a wrong secret get the same answer: the outside cannot tell which workspaces exist. It comes late
to an address that has failed often (`slowing`). Each workspace has room of its own for each kind of call, so that none can
close the door to another's callbacks, nor viewers or Braze to videos.
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
    from connector.inbound.door import Door, Intake
    from connector.inbound.limits import Limits
    from connector.inbound.manner import Manner
    from connector.inbound.room import Room, Turns
    from connector.metrics import Metrics

_JSON_TYPE = re.compile(r"(application|text)/([\w.+-]+\+)?json", re.ASCII)
_KEY = secrets.token_bytes(16)  # which workspace stands in for which name is nobody's to know
_REFUSALS = {Proof.EXPIRED: answer.EXPIRED, Proof.UNVERIFIABLE: answer.UNVERIFIABLE}


class BodyEndpoint:
    """Takes calls of one kind for the workspaces behind `doors`, which is looked up at each call: doors may come and go.

    The one variable of its path is the name of a door.
    """

    def __init__(
        self,
        manner: Manner,
        doors: Mapping[str, Door],
        limits: Limits,
        bodies: Room,
        turns: Turns,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._manner = manner
        self._doors = doors
        self._limits = limits
        self._bodies = bodies
        self._turns = turns
        self._metrics = metrics
        self._clock = clock

    async def serve(self, request: web.Request, caller: Caller) -> Answer:
        """What the caller is told: late, where that is about a wrong secret."""
        started = self._clock.monotonic()
        (name,) = request.match_info.values()
        door = self._doors.get(name)
        reply = await self._answer(request, name, door, caller)
        if door is None:
            self._metrics.callbacks_unknown.inc()
        else:
            self._manner.count(door.metrics, reply.result)
        if reply is self._manner.unauthenticated:
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

    async def _answer(self, request: web.Request, name: str, door: Door | None, caller: Caller) -> Answer:
        if request.method not in self._manner.methods:
            return self._manner.wrong_method
        if (request.content_length or 0) > self._limits.max_body_bytes:
            return answer.too_large(self._limits.max_body_bytes)
        if door is None:
            await self._stand_in(name).check(request.headers)
            return self._manner.unauthenticated
        proof = await door.authenticator.check(request.headers)
        if not proof.opens:
            return _REFUSALS.get(proof, self._manner.unauthenticated)
        caller.admitted(proved=proof is Proof.RIGHT)
        intake = door.intakes.get(self._manner.kind)
        if intake is None:
            return answer.NO_VIEWER_EVENTS
        if self._manner.needs_type and (refusal := _wrong_type(request.headers)) is not None:
            return refusal
        return await self._in_its_room(request, f"{door.workspace}/{self._manner.kind}", intake, caller)

    async def _in_its_room(self, request: web.Request, whose: str, intake: Intake, caller: Caller) -> Answer:
        body_bytes = self._limits.max_body_bytes if request.content_length is None else request.content_length
        if not self._bodies.has_room(whose, body_bytes):
            return answer.BUSY
        with self._bodies.taken(whose, body_bytes):
            body = await read_body(request, self._limits.max_body_bytes, self._limits.body_timeout_seconds)
            if not isinstance(body, bytes):
                return body
            turn = self._turns.of(whose)
            if turn.locked() and not self._manner.waits:
                return answer.CROWDED
            try:
                async with asyncio.timeout(self._limits.publish_timeout_seconds), turn:
                    caller.stays()
                    return await intake.take(
                        body,
                        content_type=request.headers.get("Content-Type", ""),
                        received_at=self._clock.wall(),
                    )
            except TimeoutError:
                return answer.not_durable("neither Kafka nor the spool took it in time")
            except (KafkaUnavailable, PublishRefused, SpoolUnavailable) as error:
                return answer.not_durable(str(error))

    def _stand_in(self, name: str) -> Authenticator:
        """Checks a caller of a workspace that there is not, in vain: with what some workspace checks with, always the same
        for one name. So the time of the answer does not tell either which workspaces exist.
        """
        doors = list(self._doors.values())
        if not doors:
            return NoAuth()
        digest = hashlib.blake2b(name.encode("utf-8", "replace"), key=_KEY).digest()
        return doors[int.from_bytes(digest[:8]) % len(doors)].authenticator


def _wrong_type(headers: Mapping[str, str]) -> Answer | None:
    """The refusal of a body that the headers say is no JSON, or not as it is. One of which they say nothing is taken: what
    then is no JSON is kept as a dead letter and not lost.
    """
    if "Content-Encoding" in headers:
        return answer.ENCODED
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return None if not media_type or _JSON_TYPE.fullmatch(media_type) else answer.WRONG_TYPE
