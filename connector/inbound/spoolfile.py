"""The spool's rows: what is written, read and deleted. Blocking; `inbound.spool` runs it in a thread.

What `append` returned from is on the disk, and what `delete` returned from is gone: `inbound.spoolfolder` opens the
database so that each commit is synced.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from connector.errors import SpoolUnavailable
from connector.inbound.spoolfolder import (
    PAGE_BYTES,
    damaged_databases,
    files,
    lock,
    open_database,
    primary_code,
    touch,
)
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from connector.types import Headers

BATCH_ROWS = 100
BATCH_BYTES = 1_048_576

_ROW_OVERHEAD_BYTES = 128


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits for Kafka, and what it belongs to. `spooled_at` is Unix seconds."""

    workspace: str
    topic: str
    message: Message
    spooled_at: float

    @property
    def cost(self) -> int:
        """The most bytes that it takes in the database.

        SQLite puts at least one row on a page, and what does not fit there into further pages that it fills: so a row
        can waste as much as it holds itself, up to a page, and each further page names the next in 4 bytes. The rest is the
        row's own overhead and its index entry.
        """
        content = self.message.size + 2 * (len(self.workspace) + len(self.topic))
        return content + min(content, PAGE_BYTES) + content // 1_000 + _ROW_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Row:
    """What waits, with the `number` that it got: they grow in the order of arrival, and none comes twice."""

    number: int
    waiting: Waiting


class SpoolFile:
    """The database in `directory`, of at most `max_bytes`. Every method may raise SpoolUnavailable.

    All calls must come from one thread, `open` first.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock: int | None = None
        self._database: sqlite3.Connection | None = None
        self._files: tuple[int, ...] = ()

    def open(self) -> str | None:
        """Locks the folder and opens the database, a new one where there is none.

        A damaged one is set aside first: then the answer is why. Raises SpoolUnavailable where the folder cannot be
        used, another process uses it, or a newer version wrote the database.
        """
        with _told():
            self._lock = lock(self._directory)
            try:
                self._database, damage = open_database(self._directory, self._max_bytes)
                self._files = files(self._directory)
            except BaseException:
                self.close()
                raise
        return damage

    def close(self) -> None:
        """Closes the database and unlocks the folder."""
        with _told():
            if self._database is not None:
                self._database.close()
                self._database = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def set_aside(self) -> list[str]:
        """The databases that were set aside, now or earlier, and that nobody has moved away yet."""
        return damaged_databases(self._directory)

    def append(self, entries: Sequence[Waiting]) -> None:
        """Writes all of `entries`, in their order, or none; returns when they are on the disk."""
        rows = [
            (
                each.workspace,
                each.topic,
                each.message.key,
                each.message.value,
                _packed(each.message.headers),
                each.spooled_at,
            )
            for each in entries
        ]
        with _told(), self._transaction() as database:
            database.executemany(
                "INSERT INTO callbacks (workspace, topic, key, value, headers, spooled_at) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def delete(self, numbers: Iterable[int]) -> None:
        """Deletes rows; those that are gone already do not matter."""
        with _told(), self._transaction() as database:
            database.executemany("DELETE FROM callbacks WHERE number = ?", [(number,) for number in numbers])

    def probe(self) -> None:
        """Writes, and changes nothing: returns if the disk takes what is written."""
        with _told(), self._transaction() as database:
            touch(database)

    def batch(self, workspace: str, topic: str, after: int) -> list[Row]:
        """The oldest rows with a number beyond `after`: at most `BATCH_ROWS`, and about `BATCH_BYTES`."""
        rows: list[Row] = []
        size = 0
        with _told():
            found = self._connected().execute(
                "SELECT number, key, value, headers, spooled_at FROM callbacks"
                " WHERE workspace = ? AND topic = ? AND number > ? ORDER BY number LIMIT ?",
                (workspace, topic, after, BATCH_ROWS),
            )
            for number, key, value, headers, spooled_at in found:
                message = Message(key, value, _unpacked(headers))
                rows.append(Row(number, Waiting(workspace, topic, message, spooled_at)))
                size += message.size
                if size >= BATCH_BYTES:
                    break
            found.close()
        return rows

    def oldest(self, workspace: str, topics: Iterable[str]) -> float | None:
        """When the oldest row of these topics was spooled, None where there is none."""
        with _told():
            found = [
                self._connected()
                .execute(
                    "SELECT spooled_at FROM callbacks WHERE workspace = ? AND topic = ? ORDER BY number LIMIT 1",
                    (workspace, topic),
                )
                .fetchone()
                for topic in topics
            ]
        return min((row[0] for row in found if row), default=None)

    def everything(self) -> Iterator[Waiting]:
        """All that waits, without holding it in memory at once."""
        with _told():
            found = self._connected().execute(
                "SELECT workspace, topic, key, value, headers, spooled_at FROM callbacks ORDER BY number"
            )
            for workspace, topic, key, value, headers, spooled_at in found:
                yield Waiting(workspace, topic, Message(key, value, _unpacked(headers)), spooled_at)

    def _connected(self) -> sqlite3.Connection:
        if self._database is None:
            raise SpoolUnavailable("the spool is closed")
        return self._database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._connected()
        if (
            files(self._directory) != self._files
        ):  # what is synced to a file without a name is lost with the process
            raise SpoolUnavailable("the disk: the database was moved or replaced")
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled back by itself
                database.execute("ROLLBACK")
            raise


@contextmanager
def _told() -> Iterator[None]:
    """Says in our own words what SQLite and the file system raise."""
    try:
        yield
    except sqlite3.Error as error:
        full = primary_code(error) == sqlite3.SQLITE_FULL
        raise SpoolUnavailable("it is full, or its disk is" if full else f"the disk: {error}") from error
    except OSError as error:
        raise SpoolUnavailable(f"the disk: {error.strerror or type(error).__name__}") from error
    except ValueError as error:
        raise SpoolUnavailable("a row of the spool is damaged") from error


def _packed(headers: Headers) -> bytes:
    """Headers as JSON; latin-1 is a letter for each byte."""
    return orjson.dumps(
        [(name, None if value is None else value.decode("latin-1")) for name, value in headers]
    )


def _unpacked(packed: bytes) -> Headers:
    return tuple(
        (name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(packed)
    )
