"""The types of single values. Each knows one value alone: what holds between settings is in rules.py.

No message quotes a value: it may be a secret that was typed into the wrong place, or come from the environment.
"""

import ipaddress
import urllib.parse
from collections.abc import Callable, Iterator, Sized
from datetime import datetime
from re import compile as pattern
from typing import Annotated, Any, Literal, TypeVar

import jmespath
from jmespath.exceptions import ParseError
from jmespath.functions import Functions
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

T = TypeVar("T", bound=Sized)

MISTAKE = "mistake"
"""The pydantic error type of mistakes whose message is written for people as it is."""


def mistake(message: str) -> PydanticCustomError:
    """The error of a validator; the message follows the setting's path: `admin.port: must be …`."""
    return PydanticCustomError(MISTAKE, "{message}", {"message": message})


def empty_is_unset(value: object) -> object:
    """None for an empty text, which is what `${NAME:-}` leaves where the variable is not set."""
    return None if value == "" else value


def _not_empty(value: T) -> T:
    if not value:
        raise mistake("must not be empty")
    return value


def _at_most_two(value: T) -> T:
    if len(value) > 2:
        raise mistake("must not be more than two")
    return value


def _must(holds: Callable[[str], object], message: str) -> AfterValidator:
    def check(value: str) -> str:
        if not holds(value):
            raise mistake(message)
        return value

    return AfterValidator(check)


def _match(regex: str, message: str) -> AfterValidator:
    return _must(pattern(regex).fullmatch, message)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise mistake("must be a number")
    return value


def _jmespath(value: str) -> str:
    try:
        functions = set(_functions(jmespath.compile(value).parsed))
    except ParseError as error:
        where = "" if error.lex_position is None else f": error at character {error.lex_position + 1}"
        raise mistake(f"is not a JMESPath expression{where}") from None
    except (ValueError, RecursionError):
        raise mistake("is not a JMESPath expression") from None
    if not functions <= set(Functions.FUNCTION_TABLE):
        raise mistake("calls a function that JMESPath does not have")
    return value


def _functions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node["type"] == "function_expression":
            yield node["value"]
        for child in node["children"]:
            yield from _functions(child)


def _start(value: object) -> object:
    if value in ("earliest", "latest"):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise mistake("must be earliest, latest, or a time with its zone such as 2026-11-01T00:00:00Z")
    if moment.timestamp() < 0:
        raise mistake("must be a time after 1970: Kafka knows none before")
    return moment


def _url(value: str) -> str:
    try:
        url = urllib.parse.urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        raise mistake("is not a URL") from None
    if url.scheme not in {"http", "https"} or not host or not value.isprintable() or " " in value:
        raise mistake("must be a URL such as https://example.com")
    if "@" in url.netloc or "?" in value or "#" in value:
        raise mistake("must be a URL without user, password, query or fragment")
    return value.rstrip("/")


def _https_url(value: str) -> str:
    try:
        url = urllib.parse.urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        raise mistake("is not a URL") from None
    if url.scheme != "https" or not host or not value.isprintable() or " " in value:
        raise mistake("must be an https URL such as https://login.example.com/keys.json")
    if "@" in url.netloc or "#" in value:
        raise mistake("must be a URL without user, password or fragment")
    return value


def _is_server(text: str) -> bool:
    host, _, port = text.strip().rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def host_and_port(value: str) -> tuple[str, int | None]:
    """The host in lower case, and the port or None, of `host`, `host:port`, `[address]` or `[address]:port`.

    Raises ValueError for anything else.
    """
    if any(character in value for character in "/?#@%\\*") or not value.isascii() or not value.isprintable():
        raise ValueError("no host")
    parts = urllib.parse.urlsplit(f"//{value}")
    host = (parts.hostname or "").removesuffix(".")
    if not host or " " in host or value.endswith(":"):
        raise ValueError("no host")
    return (str(ipaddress.IPv6Address(host)) if ":" in host else host), parts.port


def _host_and_port(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError:
        raise mistake("must be a host, or host:port, such as images.example.com") from None
    return value


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise mistake("must be an IP address or network such as 10.0.0.0/8") from None
    if not network.prefixlen:
        raise mistake("must not be every address: whoever calls could name any as its own")
    return str(network)


NotEmpty = AfterValidator(_not_empty)
"""Of a list or mapping; unlike pydantic's own limits it is silent where an item is already wrong."""

AtMostTwo = AfterValidator(_at_most_two)
"""The old one and the new one, while a rotation goes on."""

_number = BeforeValidator(_no_bool)

Text = Annotated[
    str,
    _must(
        lambda text: text.strip() and text.isprintable(),
        "must be text that prints, on one line, and not empty",
    ),
]
OptionalText = Annotated[Text | None, BeforeValidator(empty_is_unset)]

Count = Annotated[int, _number, Field(ge=1)]
Seconds = Annotated[float, _number, Field(gt=0, allow_inf_nan=False)]
NonNegativeSeconds = Annotated[float, _number, Field(ge=0, allow_inf_nan=False)]
Port = Annotated[int, _number, Field(ge=0, le=65535)]
"""0 lets the system choose."""

Jmespath = Annotated[str, AfterValidator(_jmespath)]
"""The text of an expression that compiles, and calls no unknown function."""

Start = Annotated[Literal["earliest", "latest"] | datetime, PlainValidator(_start)]
"""A time has a zone."""

Url = Annotated[str, AfterValidator(_url)]
"""http or https, without a slash at its end."""

HttpsUrl = Annotated[str, AfterValidator(_https_url)]
"""https, and as it was written: a query belongs to it."""

HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
"""`host` or `host:port`; an IPv6 address is in brackets."""

Network = Annotated[str, AfterValidator(_network)]
BootstrapServers = Annotated[
    str,
    _must(
        lambda text: all(map(_is_server, text.split(","))),
        "must be host:port, or several of them with commas between",
    ),
]
WorkspaceName = Annotated[
    str,
    _match(
        r"[a-z0-9][a-z0-9-]{0,99}",
        "must be at most 100 small letters, digits and hyphens, with a letter or digit first",
    ),
]
TopicName = Annotated[
    str,
    _match(
        r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}",
        "must be a topic's name: 1 to 249 letters, digits, dots, underscores and hyphens",
    ),
]
PathSegment = Annotated[
    str, _match(r"[A-Za-z0-9_-]{1,255}", "must be 1 to 255 letters, digits, hyphens and underscores")
]
HeaderName = Annotated[
    str, _match(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", "must be the name of an HTTP header")
]


def _fits_basic(text: str) -> bool:
    return bool(text) and text.isprintable() and ":" not in text


Username = Annotated[
    str, _must(_fits_basic, "must be a user's name: not empty, no colon, nothing that does not print")
]
ClientId = Annotated[
    str, _must(_fits_basic, "must be a client's id: not empty, no colon, nothing that does not print")
]
PropertyName = Annotated[
    str,
    _must(
        lambda text: 0 < len(text) <= 128 and text.isprintable(),
        "must be a property's name: 1 to 128 characters that print",
    ),
]
