"""The log as it is written: its format, its levels, and what is never in it."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CommitFailedError

from connector.config.model import LoggingConfig
from connector.config.secrets import Redactor, Secret
from connector.http.exchange import Response
from connector.logs import configure_logs
from connector.seen.verdict import judge
from connector.testing import SOURCE, ScriptedDestination, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.testing.destination import Finding, Kind
    from connector.types import Event

    Lines = Callable[[], list[dict[str, Any]]]

SECRET = 'tök"en/ +&4f1c9a'
SPELLINGS = {
    "as it is": SECRET,
    "quoted for a path": quote(SECRET),
    "quoted whole": quote(SECRET, safe=""),
    "quoted for a form": quote_plus(SECRET),
    "in JSON": json.dumps(SECRET)[1:-1],
    "in JSON with letters as they are": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "as Python writes it": repr(SECRET)[1:-1],
    "in Basic": base64.b64encode(f"seen:{SECRET}".encode()).decode(),
}
EVERYTHING = ("json", "console")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Takes back what `configure_logs` sets for the whole process."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was written since the last call, each line parsed from JSON."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def configured(clean: Callable[[object], object] = lambda value: value, **settings: str) -> Any:
    configure_logs(LoggingConfig.model_validate(settings), clean)
    return structlog.get_logger()


def redactor() -> Redactor:
    known = Redactor()
    known.add(SECRET)
    known.watch_basic("seen", Secret(SECRET))
    return known


# Form


def test_each_line_is_one_json_object_with_time_level_and_event(lines: Lines) -> None:
    configured().info("attempt", id="a", attempt=1, seconds=0.25, status=None)
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "event": "attempt",
        "level": "info",
        "id": "a",
        "attempt": 1,
        "seconds": 0.25,
        "status": None,
    }


def test_an_error_with_its_traceback_is_still_one_line(lines: Lines) -> None:
    log = configured()
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        log.error("died", exc_info=error)
    (line,) = lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: first\nsecond")


def test_the_console_format_has_the_same_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured(format="console")
    log.warning("suspended", workspace="acme")
    try:
        raise ValueError("what happened")
    except ValueError as error:
        log.error("died", exc_info=error)
    written = capsys.readouterr().err
    assert re.search(r"\[warning *\] suspended +workspace=acme", written)
    assert "Traceback" in written
    assert "ValueError: what happened" in written
    assert "\x1b" not in written


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    log = configured(level="warning")
    log.info("one")
    log.warning("two")
    assert [line["event"] for line in lines()] == ["two"]


# What other packages say


def test_other_packages_speak_in_the_same_form_from_warnings_on(lines: Lines) -> None:
    configured(level="debug")
    other = logging.getLogger("aiokafka.test")
    other.info("chatter")
    other.warning("the broker %s is away", "b1")
    assert [(line["event"], line["level"]) for line in lines()] == [("the broker b1 is away", "warning")]


def test_other_packages_are_as_quiet_as_the_level_asks(lines: Lines) -> None:
    configured(level="error")
    logging.getLogger("aiokafka.test").warning("away")
    assert lines() == []


def test_what_other_packages_repeat_is_written_once_in_ten_seconds(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured()
    now = 1000.0
    monkeypatch.setattr(logging.time, "time", lambda: now)  # type: ignore[attr-defined]
    if hasattr(logging.time, "time_ns"):  # type: ignore[attr-defined]
        monkeypatch.setattr(logging.time, "time_ns", lambda: int(now * 1e9))  # type: ignore[attr-defined]
    one, two = logging.getLogger("aiokafka.one"), logging.getLogger("aiokafka.two")
    for _ in range(100):
        one.warning("away: %s", "b1")
        two.warning("away: %s", "b1")
        one.warning("gone")
    assert [line["event"] for line in lines()] == ["away: b1", "away: b1", "gone"]
    now = 1009.9
    one.warning("away: %s", "b2")
    assert lines() == []
    now = 1010.1
    one.warning("away: %s", "b3")
    assert [line["event"] for line in lines()] == ["away: b3"]


async def test_what_becomes_of_a_task_that_aiokafka_left_alone_is_not_written_but_of_any_other_it_is(
    lines: Lines,
) -> None:
    configured()

    async def fail() -> None:
        raise CommitFailedError("a bug of ours")

    for left_alone in (AIOKafkaClient(bootstrap_servers="127.0.0.1:1").bootstrap(), fail()):
        task = asyncio.ensure_future(left_alone)
        await asyncio.wait([task])
        del task
        gc.collect()
    said = [line for line in lines() if line["event"].startswith("Task exception was never retrieved")]
    assert ["a bug of ours" in line["exception"] for line in said] == [True]


def test_messages_that_never_repeat_fill_no_memory(lines: Lines) -> None:
    configured()
    (handler,) = logging.getLogger().handlers
    *_, repeats = handler.filters
    other = logging.getLogger("aiokafka.test")
    for number in range(2500):
        other.warning("message " + str(number))
    assert len(lines()) == 2500
    assert len(repeats._last) <= 1000  # type: ignore[union-attr]


# Secrets


@pytest.mark.parametrize("form", EVERYTHING)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_secret_is_written_wherever_it_stands(
    form: str, spelling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = SPELLINGS[spelling]
    log = configured(redactor().clean_value, format=form)
    log.info(" ".join(["said", planted]))
    log.info("said", why=f"<{planted}>", nested={"list": [planted.encode()], f"header {planted}": 1})
    try:
        raise ValueError(planted)
    except ValueError as error:
        log.error("died", exc_info=error)
    logging.getLogger("aiohttp.test").warning("refused %s", planted)
    written = capsys.readouterr().err
    assert written.count("***") >= 6
    # Rendering escapes once more: what remained would be found in either spelling.
    assert planted not in written
    assert json.dumps(planted)[1:-1] not in written
    assert json.dumps(planted, ensure_ascii=False)[1:-1] not in written


# Customers


@pytest.mark.parametrize("form", EVERYTHING)
def test_ids_are_written_plain_unless_they_are_to_be_hashed(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(format=form).info("attempt", id="ada@example.com", key="k-77")
    assert {"ada@example.com", "k-77"} <= set(re.findall(r"[\w@.-]+", capsys.readouterr().err))


@pytest.mark.parametrize("form", EVERYTHING)
def test_hashed_ids_are_the_start_of_their_sha256_so_that_lines_can_be_joined(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = configured(ids="hashed", format=form)
    log.info("attempt", id="ada@example.com", key="k-77", origin="events/0/1", attempt=1)
    written = capsys.readouterr().err
    for plain in ("ada@example.com", "k-77"):
        assert plain not in written
        assert hashlib.sha256(plain.encode()).hexdigest()[:16] in written
    assert "events/0/1" in written


def test_an_id_that_is_not_known_stays_null(lines: Lines) -> None:
    configured(ids="hashed").info("record_refused", id=None)
    assert lines()[0]["id"] is None


def test_regression_a_log_call_never_raises_for_what_it_is_told(lines: Lines) -> None:
    configured().info("odd", huge=2**70, half="\ud83d", names={1: object})
    (line,) = lines()
    assert (line["event"], line["huge"], line["half"]) == ("odd", 2**70, "\ud83d")


@pytest.mark.looptime(noop_cycles=1)
@pytest.mark.parametrize("level", ["info", "debug"])
async def test_of_a_customer_there_is_nothing_but_the_id_above_debug(lines: Lines, level: str) -> None:
    configured(level=level)
    statuses = iter([400, 500, 503, 429, 401, 302, 409, 404, 422, 500, 403])

    def echo(event: Event, _kind: Kind) -> Finding:
        said = json.dumps({"message": f"cannot use {event.body.decode()}"}).encode()
        return judge(Response(next(statuses, 201), said, said.decode()), event.id)

    async with Simulation(ScriptedDestination(echo)) as engine:
        for number in range(6):
            engine.add(
                f"id-{number}", key=f"key-{number}", email=f"ada{number}@example.com", first_name="Ada"
            )
        engine.topics.add(SOURCE, b'{"email": "ada7@example.com", "name": "Ada"}', key=b"key-7")
        engine.topics.add(SOURCE, b'{"email": "ada8@example.com", "name": "Ada"', key=b"key-8")
        await asyncio.sleep(600)
    written = [line for line in lines() if line["level"] != "debug"]
    assert {line["verdict"] for line in written if line["event"] == "attempt"} >= {
        "reject",
        "retry",
        "suspend",
        "in_doubt",
    }
    assert "record_refused" in {line["event"] for line in written}
    assert not [line for line in written if re.search("ada|example", json.dumps(line), re.IGNORECASE)]
