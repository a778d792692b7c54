"""What SEEN answers, in the words of its documentation and of the proxies before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.http.exchange import Fault, NoResponse, Response

if TYPE_CHECKING:
    from random import Random

    from connector.seen.verdict import Exchange

_PAGE = b'<!doctype html><meta charset="utf-8"><title>Error</title>'
_ANSWERS: dict[str, tuple[int, bytes]] = {
    "500": (500, b'{"message": "something broke"}'),
    "502": (502, _PAGE),
    "503": (503, _PAGE),
    "429": (429, _PAGE),
    "401": (401, b'{"code": "ErrUnauthenticated", "message": "api key invalid"}'),
    "403": (403, b'{"code": "ErrForbidden", "message": "no"}'),
    "404": (404, b'{"code": "ErrNotFound", "message": "unknown"}'),
    "400": (400, b'{"code": "ErrRequestBody", "message": "a JSON object is expected"}'),
    "413": (413, _PAGE),
    "misfit": (400, b'[{"first_name": ["This field is required."]}]'),
    "ErrInvalidRequest": (500, b'{"code": "ErrInvalidRequest", "message": "ID must be a string"}'),
    "409": (409, b'{"message": "conflict"}'),
    "garbage": (200, b"<html>welcome</html>"),
}
SILENT = ("hang", "late")


class Answers:
    """Answers that say nothing of what was sent."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def instead(self, meets: str) -> Exchange | None:
        """How a request ends that meets a fault; None if it is answered as it would be without."""
        if meets == "reset":
            return NoResponse(Fault.LOST, "the connection was lost")
        return self.said(meets) if meets in _ANSWERS else None

    def said(self, what: str) -> Response:
        """The answer with that name."""
        status, body = _ANSWERS[what]
        after = self._random.choice((None, 2.0, 15.0)) if what in ("429", "503") else None
        return Response(status, body, retry_after_seconds=after)
