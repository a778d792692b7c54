"""Our own token endpoint: `POST /oauth2/token`, OAuth 2.0 client credentials (RFC 6749, 4.4).

A client is known by its id alone, so an id belongs to one workspace. In this order: length → client in the header →
type → form → client in the form → token. A form is a few KB, and read within a limit; it is the one body that is read of a
caller who has proved nothing yet. Clients and keys are asked for at each request, so a rotated file needs no restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector.inbound import answer
from connector.inbound.accesslog import log_token_request
from connector.inbound.attempts import network
from connector.inbound.auth import AUTHORIZATION
from connector.inbound.body import read_body
from connector.inbound.grants import FORM, Refusal, client_in_header, granted
from connector.inbound.room import Room
from connector.inbound.tokens import issue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.caller import Caller
    from connector.inbound.grants import Client
    from connector.metrics import Metrics

MAX_FORM_BYTES = 4096
FORM_SECONDS = 5.0

MAX_FORMS = 32
"""So many forms of an address at most are read at once, and of a client that a header has proved: none takes another's
room. In all there are no more than connections.
"""


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Issues tokens to `clients`, signed by the first of `keys`, good for `lifetime_seconds`."""

    clients: Callable[[], Sequence[Client]]
    keys: Callable[[], tuple[str, ...]]
    lifetime_seconds: float
    metrics: Metrics
    clock: Clock
    room: Room = field(default_factory=lambda: Room(MAX_FORMS))

    async def serve(self, request: web.Request, caller: Caller) -> Answer:
        """A token for the caller, or why there is none: late, where that is a wrong secret."""
        started = self.clock.monotonic()
        reply = await self._answer(request, caller)
        self.metrics.token_request(reply.result)
        if reply.result == Refusal.INVALID_CLIENT:
            await caller.failed()
        elif reply.result == "issued":
            caller.admitted(proved=True)
        log_token_request(reply, caller=caller, seconds=self.clock.monotonic() - started)
        return reply

    async def _answer(self, request: web.Request, caller: Caller) -> Answer:
        if request.method != "POST":
            return answer.ONLY_POST
        if (request.content_length or 0) > MAX_FORM_BYTES:
            return answer.too_large(MAX_FORM_BYTES)
        clients, authenticated = self.clients(), None
        if AUTHORIZATION in request.headers:
            authenticated = client_in_header(request.headers[AUTHORIZATION], clients)
            if authenticated is None:
                return answer.token_refused(Refusal.INVALID_CLIENT)
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != FORM or "Content-Encoding" in request.headers:
            return answer.token_refused(Refusal.INVALID_REQUEST)
        who = network(caller.address) if authenticated is None else authenticated.client_id
        if not self.room.has_room(who):
            return answer.TOO_MANY_FORMS
        with self.room.taken(who):
            body = await read_body(request, MAX_FORM_BYTES, FORM_SECONDS)
        if not isinstance(body, bytes):
            return body
        client = granted(body, authenticated, clients)
        if isinstance(client, Refusal):
            return answer.token_refused(client, closes=False)
        return self._issued(client)

    def _issued(self, client: Client) -> Answer:
        token = issue(
            self.keys()[0],
            workspace=client.workspace,
            client_id=client.client_id,
            now=self.clock.wall(),
            lifetime_seconds=self.lifetime_seconds,
        )
        return answer.token_issued(token, self.lifetime_seconds, client.workspace)
