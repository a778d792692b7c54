"""The listener's OpenAPI document: kept, printed and served as one, and complete. The fuzz tests hold answers against it."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import orjson
import pytest
import structlog
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError

from connector.cli import main
from connector.config.values import WorkspaceName
from connector.inbound.openapi import document
from connector.labels import CALLBACK_RESULTS, TOKEN_ANSWERS
from tests.unit.test_listener import LIMITS, Place, running, wire

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_what_is_kept_in_docs_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(main, ["openapi"])
    assert printed.exit_code == 0
    assert KEPT.read_text() == printed.stdout, "seen-connector openapi > docs/openapi.json"


async def ask(place: Place, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    url = f"http://127.0.0.1:{place.listener.port}/openapi.json"
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def test_what_is_served_to_everybody_is_what_is_kept_in_docs() -> None:
    async with running(LIMITS) as place:
        with structlog.testing.capture_logs() as lines:
            status, body, headers = await ask(place)
    assert (status, orjson.loads(body)) == (200, orjson.loads(KEPT.read_bytes()))
    assert headers["Content-Type"].startswith("application/json")
    assert [(line["log_level"], line["path"]) for line in lines] == [("info", "/openapi.json")]


async def test_the_document_can_only_be_read() -> None:
    async with running(LIMITS) as place:
        assert (await ask(place, "HEAD"))[:2] == (200, b"")
        status, body, headers = await ask(place, "POST")
    assert (status, orjson.loads(body)["code"], headers["Allow"]) == (405, "wrong_method", "GET, HEAD")


async def test_regression_a_caller_that_holds_its_body_back_ends_its_connection() -> None:
    """What it sends next would be taken for that body, while the caller takes it for a request."""
    held_back = ("Content-Length: 18", "Expect: 100-continue")
    async with running(LIMITS) as place, wire(place) as line:
        line.writer.write("\r\n".join(("GET /openapi.json HTTP/1.1", "Host: x", *held_back, "", "")).encode())
        answer = await line.rest()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("responses", "results"),
    [
        (document()["components"]["responses"], CALLBACK_RESULTS),
        (document()["paths"]["/oauth2/token"]["post"]["responses"], TOKEN_ANSWERS),
    ],
    ids=["callbacks", "tokens"],
)
def test_every_way_in_which_a_call_can_end_is_described(
    responses: dict[str, object], results: tuple[str, ...]
) -> None:
    described = orjson.dumps(responses).decode()
    missing = [each for each in results if f"`{each}`" not in described]
    assert missing == ["wrong_method"]  # OpenAPI describes a path's methods, not the others


@pytest.mark.parametrize("name", ["acme", "0", "a-", "a" * 100, "", "-a", "A", "a" * 101, "a.b", "a/b", "å"])
def test_a_workspace_is_named_there_as_a_configuration_may_name_it(name: str) -> None:
    (parameter,) = document()["paths"]["/callbacks/{workspace}"]["parameters"]
    try:
        TypeAdapter(WorkspaceName).validate_python(name)
    except ValidationError:
        assert re.search(parameter["schema"]["pattern"], name) is None
    else:
        assert re.search(parameter["schema"]["pattern"], name)
