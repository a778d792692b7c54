"""The log: one structured line for each thing that happened, cleaned of secrets before it is written.

Lines go to standard error: JSON for machines, or a console format for people. Customer data is not logged above DEBUG:
ids, keys and coordinates only, and those are hashed where the configuration says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from typing import TYPE_CHECKING

import orjson
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from stamina.instrumentation import set_on_retry_hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

    from connector.config.model import LoggingConfig

_PERSONAL = ("id", "key")
_REPEAT_SECONDS = 10.0
_REMEMBERED = 1000
_NUMBERS = frozenset({int, float, bool, type(None)})
_PLAIN = _NUMBERS | {str}


def configure_logs(
    settings: LoggingConfig, clean: Callable[[object], object], *, for_good: bool = False
) -> None:
    """Sets up structlog, and the standard library's logging of the packages that we use, for the whole process.

    `clean` is given a line's values, some of them joined, and returns them without secrets. `for_good`: it will not be
    set up again, which makes a line cheaper.
    """
    render: list[Processor]
    if settings.format == "json":
        render = [
            structlog.processors.format_exc_info,
            _cleaner(clean),
            structlog.processors.JSONRenderer(_json),
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            _cleaner(clean),
            structlog.dev.ConsoleRenderer(colors=False),
        ]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_hashed_ids] if settings.ids == "hashed" else []),
    ]
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=for_good,
    )
    set_on_retry_hooks(())  # aiokafka says itself that it cannot connect
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_input)
    handler.addFilter(_concerns_us)
    handler.addFilter(_Repeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[*_FOREIGN, *render], foreign_pre_chain=shared)
    )
    # Other packages speak at WARNING; their INFO is chatter about connections, and may name what they carry.
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _without_input(record: logging.LogRecord) -> bool:
    """What aiohttp cannot parse, it quotes, also of callers who have proved no right: only the kind of error is kept."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = f"a caller spoke no HTTP: {type(error).__name__}", (), None
    return True


def _concerns_us(record: logging.LogRecord) -> bool:
    """What becomes of a task of aiokafka's own that we have stopped waiting for, asyncio reports as a bug. It is none."""
    return record.name != "asyncio" or "/aiokafka/" not in record.getMessage()


class _Repeats(logging.Filter):
    """Lets a message of another package pass once in a while: aiokafka says hundreds of times a second that a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message was not said lately. The messages are templates, so there are few of them."""
        said = (record.name, record.msg)
        if record.created - self._last.get(said, 0.0) < _REPEAT_SECONDS:
            return False
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[said] = record.created
        return True


_FOREIGN: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]


def _cleaner(clean: Callable[[object], object]) -> Processor:
    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        # Nearly always there is nothing to clean, which one look at all texts tells: what is in one of them is in this, too.
        texts = "\n".join([value for value in event.values() if type(value) is str])
        plain = _PLAIN if clean(texts) == texts else _NUMBERS
        return {name: value if type(value) in plain else clean(value) for name, value in event.items()}

    return process


def _hashed_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in _PERSONAL:
        if event.get(name) is not None:
            event[name] = hashlib.sha256(str(event[name]).encode("utf-8", "replace")).hexdigest()[:16]
    return event


def _json(event: EventDict, **_options: object) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # An integer beyond 64 bits, half of a surrogate pair: a log call never raises for what it is told.
        return json.dumps(event, default=repr, skipkeys=True)
