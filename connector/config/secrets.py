"""Values that never print, and the redactor that keeps them out of everything that is written."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path

MASK = "***"
"""What is written in place of a secret."""

MIN_LENGTH = 4
"""In characters. A shorter text is refused as a secret: redacting it would blacken half of every log line."""

MAX_FILE_BYTES = 65_536
"""A secret file that is longer is refused: it is not the file that was meant."""

_YOUNG_SECONDS = 2.0
"""A file that changed so lately may change again without its times telling: it is read each time."""

_VALUES_KEPT = 8
"""Of a secret that rotates, so many values stay redacted: answers that quote an old one may still arrive."""


class Secret:
    """A text that never prints: `str`, `repr`, `format` and JSON by way of a model show `***`; pickling is refused.

    A secret that came from a file looks at it at each `reveal`, so that a rotated token needs no restart.
    Raises ValueError, whose message never holds the value, if the text cannot be used as a secret.
    """

    __slots__ = ("_file", "_file_watchers", "_min_length", "_state", "_trouble", "_value", "_watchers")

    def __init__(self, value: str) -> None:
        _ensure_usable(value, MIN_LENGTH)
        self._value = value
        self._min_length = MIN_LENGTH
        self._file: Path | None = None
        self._state: tuple[int, ...] | None = None
        self._watchers: list[Callable[[str], None]] = []
        self._trouble: str | None = None
        self._file_watchers: list[Callable[[str | None], None]] = []

    @classmethod
    def from_file(cls, file: Path) -> Secret:
        """The secret that `file` holds, without its trailing line breaks.

        Raises ValueError if the file is missing, unreadable, empty, longer than `MAX_FILE_BYTES` or no text.
        """
        secret = cls(_read(file))
        secret._file = file
        return secret

    def require_length(self, characters: int) -> None:
        """Asks for more than `MIN_LENGTH`: of the value now, and of what its file holds later.

        Raises ValueError if the value is shorter.
        """
        self._min_length = characters
        _ensure_usable(self._value, characters)

    def reveal(self) -> str:
        """The value, for the one place that needs it. Where the secret is in a file, reads it if it has changed.

        A file that has vanished or holds nothing usable leaves the last good value in force: see `watch_file`.
        """
        if self._file is not None:
            state = _state_of(self._file)
            if state is None or state != self._state:
                self._refresh(self._file, state)
            else:
                self._note(None)
        return self._value

    def _refresh(self, file: Path, state: tuple[int, ...] | None) -> None:
        self._state = None
        try:
            fresh = _read(file)
            _ensure_usable(fresh, self._min_length)
        except ValueError as error:
            self._note(str(error))
            return
        self._state = state
        if fresh != self._value:
            self._value = fresh
            for watcher in self._watchers:
                watcher(fresh)
        self._note(None)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Calls `watcher` with the value now, and with each later value before `reveal` hands it out."""
        watcher(self._value)
        self._watchers.append(watcher)

    def watch_file(self, watcher: Callable[[str | None], None]) -> None:
        """Calls `watcher` when `reveal` finds that the file can no longer be used, with the reason, and with None when it
        can be used again: at each change, not at each reading. The reason holds nothing of the content.
        """
        self._file_watchers.append(watcher)

    def _note(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            for watcher in self._file_watchers:
                watcher(trouble)

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, _: str) -> str:
        return MASK

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        message = "a secret is not to be pickled"
        raise TypeError(message)


def _ensure_usable(value: str, min_length: int) -> None:
    if not value:
        message = "is empty"
    elif len(value) < min_length:
        message = f"is shorter than {min_length} characters"
    elif not value.isprintable():
        message = "holds a line break or another character that does not print"
    else:
        return
    raise ValueError(message)


def _state_of(file: Path) -> tuple[int, ...] | None:
    """What tells the file as it is from what it may become; None where nothing does yet, and where it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    if time.time() - max(found.st_mtime, found.st_ctime) < _YOUNG_SECONDS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            message = "is not a regular file"
            raise ValueError(message)
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror or type(error).__name__}"
        raise ValueError(message) from None
    if len(content) > MAX_FILE_BYTES:
        message = f"is larger than {MAX_FILE_BYTES} bytes"
        raise ValueError(message)
    try:
        return content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        message = "is not UTF-8 text"
        raise ValueError(message) from None


class Redactor:
    """Replaces every secret that it knows with `***`, in each form in which a secret tends to come back:
    as it is, URL-quoted, escaped as in JSON or a Python literal, and as the base64 of Basic's `user:password`.

    Texts shorter than `MIN_LENGTH` are ignored: the configuration refuses them as secrets. One compiled expression
    does the work; it is rebuilt when a secret is added, not when a text is cleaned.
    """

    def __init__(self) -> None:
        self._forms: dict[Hashable, deque[frozenset[str]]] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, text: str, *, owner: Hashable | None = None) -> None:
        """Knows `text` from now on. With an `owner` (whatever rotates it), only its latest few texts are kept."""
        self._remember(("text", text) if owner is None else owner, _forms(text))

    def watch(self, secret: Secret) -> None:
        """Knows `secret` now and after each rotation."""
        secret.watch(lambda value: self.add(value, owner=secret))

    def watch_basic(self, username: str, password: Secret) -> None:
        """Knows what Basic authentication makes of the pair, now and after each rotation."""
        key = ("basic", username, password)
        password.watch(lambda value: self._remember(key, _basic_forms(username, value)))

    def clean(self, text: str) -> str:
        """`text` with each secret in it replaced."""
        if self._pattern is None:
            self._pattern = self._compile()
        return self._pattern.sub(MASK, text)

    def clean_value(self, value: object) -> object:
        """`value` with each secret in it replaced, at any depth: for the values of a log event.

        Numbers, booleans and None pass; mappings stay mappings (their keys are cleaned, too), other collections become
        lists, bytes become text, anything else becomes its `repr`. Meant to be the last step before rendering.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, bytes | bytearray):
            return self.clean(value.decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping):
            return {self._clean_key(key): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | AbstractSet):
            return [self.clean_value(item) for item in value]
        return self.clean(repr(value))

    def _clean_key(self, key: object) -> str:
        return self.clean(key if isinstance(key, str) else repr(key))

    def _remember(self, key: Hashable, forms: Iterator[str]) -> None:
        kept = self._forms.setdefault(key, deque(maxlen=_VALUES_KEPT))
        kept.append(frozenset(form for form in forms if len(form) >= MIN_LENGTH))
        self._pattern = None

    def _compile(self) -> re.Pattern[str]:
        known = {form for values in self._forms.values() for forms in values for form in forms}
        longest_first = sorted(known, key=lambda form: (-len(form), form))
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _forms(text: str) -> Iterator[str]:
    yield text
    if len(text) < MIN_LENGTH:
        return
    for quote, safe in ((urllib.parse.quote, "/"), (urllib.parse.quote, ""), (urllib.parse.quote_plus, "")):
        yield quote(text, safe, errors="replace")
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])


def _basic_forms(username: str, password: str) -> Iterator[str]:
    quoted = ":".join(urllib.parse.quote_plus(text, errors="replace") for text in (username, password))
    for pair in (
        f"{username}:{password}".encode(),
        quoted.encode(),
    ):  # the second is OAuth 2.0's (RFC 6749, 2.3.1)
        for encoded in (base64.b64encode(pair).decode(), base64.urlsafe_b64encode(pair).decode()):
            yield from (encoded, encoded.rstrip("="))
