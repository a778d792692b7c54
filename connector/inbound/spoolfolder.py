"""The spool's folder: who may use it, and its database, opened for good or set aside. Blocking.

Rules:
 1. A commit is on the disk when it returns: a write-ahead log with synchronous=FULL, which syncs at each commit.
 2. One process at a time: a lock on the folder, which the kernel takes away from a process that ends, however it ends.
 3. The database never grows beyond its limit; its write-ahead log adds a few MiB.
 4. Nothing is written into a database that was deleted, moved or replaced meanwhile: the next start would not find it.
 5. A database that is damaged is set aside under another name, with all that it holds, and never deleted.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.errors import SpoolUnavailable

if TYPE_CHECKING:
    from pathlib import Path

FILE = "spool.db"
DAMAGED = "damaged-"
"""How the names of databases that were set aside begin."""
PAGE_BYTES = 4_096

_LOCK = "spool.lock"
_APPLICATION_ID = 0x5345454E  # "SEEN": tells our file from any other SQLite database
_SCHEMA_VERSION = 1
_SCHEMA = f"""
CREATE TABLE callbacks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    topic TEXT NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB NOT NULL,
    spooled_at REAL NOT NULL
);
CREATE INDEX callbacks_by_topic ON callbacks (workspace, topic, number);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION};
"""


def lock(directory: Path) -> int:
    """A file descriptor that holds the folder for as long as it is open. Raises SpoolUnavailable where another process
    has it, OSError where it cannot be used.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise SpoolUnavailable("another process uses this folder") from error
        raise
    return descriptor


def open_database(directory: Path, max_bytes: int) -> tuple[sqlite3.Connection, str | None]:
    """The database, a new one where there is none. A damaged one is set aside first: then why is said as well.

    Raises SpoolUnavailable where a newer version wrote it, sqlite3.Error or OSError where the disk fails.
    """
    try:
        return _opened(directory, max_bytes), None
    except _DamagedError as damage:
        _set_aside(directory)
        return _opened(directory, max_bytes), str(damage)


def damaged_databases(directory: Path) -> list[str]:
    """Those that were set aside, now or earlier, and that nobody has moved away yet."""
    return sorted(str(path) for path in directory.glob(f"{DAMAGED}*.db"))


def files(directory: Path) -> tuple[int, ...]:
    """Which files the database is in now. Raises OSError where one has been deleted."""
    return tuple((directory / f"{FILE}{suffix}").stat().st_ino for suffix in ("", "-wal"))


def touch(database: sqlite3.Connection) -> None:
    """Has the transaction under way write a page, which stays as it is."""
    database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's error code without its refinement."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class _DamagedError(Exception):
    """The file cannot be read as the spool's database."""


def _opened(directory: Path, max_bytes: int) -> sqlite3.Connection:
    path = directory / FILE
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # what callbacks say is for nobody else to read
    database = sqlite3.connect(path, isolation_level=None)
    try:
        _prepare(database, max_bytes // PAGE_BYTES)
    except sqlite3.DatabaseError as error:
        database.close()
        if primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _DamagedError(str(error)) from error
        raise
    except (_DamagedError, SpoolUnavailable):
        database.close()
        raise
    _sync(directory)
    return database


def _set_aside(directory: Path) -> None:
    """Renames the database, its log first: one without its log is opened or refused, a log without it is deleted."""
    stem = f"{DAMAGED}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.db"
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            (directory / f"{FILE}{suffix}").rename(directory / f"{stem}{suffix}")
    _sync(directory)


def _prepare(database: sqlite3.Connection, max_pages: int) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")  # and so without a file of shared memory
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    is_new = _checked(database)
    if (mode := _value(database, "PRAGMA journal_mode = WAL")) != "wal":
        raise SpoolUnavailable(f"the file system gives no write-ahead log but {mode}")
    database.execute("PRAGMA synchronous = FULL")
    if is_new:
        database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    database.execute(f"PRAGMA max_page_count = {max_pages}")


def _checked(database: sqlite3.Connection) -> bool:
    """Whether the database is empty. Raises _DamagedError for one that is not ours, SpoolUnavailable for a newer one."""
    if (found := _value(database, "PRAGMA quick_check(1)")) != "ok":
        raise _DamagedError(str(found))
    application, version = _value(database, "PRAGMA application_id"), _value(database, "PRAGMA user_version")
    if (application, version, _value(database, "SELECT count(*) FROM sqlite_master")) == (0, 0, 0):
        return True
    if application != _APPLICATION_ID:
        raise _DamagedError("it is a database, but not the spool's")
    if version != _SCHEMA_VERSION:
        raise SpoolUnavailable(f"its schema is version {version}; this version knows {_SCHEMA_VERSION}")
    if _value(database, "SELECT count(*) FROM callbacks WHERE NOT json_valid(CAST(headers AS TEXT))"):
        raise _DamagedError("it holds rows that cannot be read")
    return False


def _value(database: sqlite3.Connection, statement: str) -> object:
    row = database.execute(statement).fetchone()
    return row[0] if row else None


def _sync(directory: Path) -> None:
    """Makes names in the folder durable: a file that is synced is lost all the same while its name is not."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
