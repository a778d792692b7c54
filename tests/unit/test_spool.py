"""The spool beside the event loop: many at once, shares, what it says of itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from connector.errors import SpoolUnavailable
from connector.inbound import spool as spool_module
from connector.inbound.spool import Spool
from connector.inbound.spoolfile import BATCH_ROWS, SpoolFile, Waiting
from connector.inbound.spoolfolder import FILE
from connector.testing import FakeClock
from connector.types import Message
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

MB = 1_048_576
TOPIC = "seen.acme.videos"


def message(number: int, size: int = 10, key: bytes | None = b"key") -> Message:
    return Message(key, b"%d" % number + b"x" * size)


@asynccontextmanager
async def opened(
    folder: Path, *workspaces: str, max_bytes: int = 16 * MB, clock: FakeClock | None = None
) -> AsyncIterator[Spool]:
    spool = Spool(folder, max_bytes, workspaces or ("acme",), clock or FakeClock())
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each transaction wrote, and that it was not in the event loop's thread."""
    counts: list[int] = []
    append = SpoolFile.append

    def counted(file: SpoolFile, entries: Sequence[Waiting]) -> None:
        assert threading.current_thread() is not threading.main_thread()
        append(file, entries)
        counts.append(len(entries))

    monkeypatch.setattr(SpoolFile, "append", counted)
    return counts


async def test_callbacks_that_come_while_one_is_written_are_written_together(
    tmp_path: Path, commits: list[int]
) -> None:
    async with opened(tmp_path) as spool:
        await asyncio.gather(*(spool.append("acme", TOPIC, message(number)) for number in range(50)))
        assert sum(commits) == 50
        assert len(commits) < 5
        rows = await spool.batch("acme", TOPIC, 0)
    assert [row.waiting.message for row in rows] == [message(number) for number in range(50)]


async def test_one_transaction_is_bounded(tmp_path: Path, commits: list[int]) -> None:
    async with opened(tmp_path) as spool:
        await asyncio.gather(*(spool.append("acme", TOPIC, message(number, 700_000)) for number in range(6)))
    assert max(commits) == 2


async def test_what_it_holds_is_counted_through_appends_deletions_and_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, "acme", "bravo", clock=FakeClock(1000)) as spool:
        await spool.append("acme", TOPIC, message(1, key=b"a"))
    async with opened(tmp_path, "acme", "bravo", clock=FakeClock(1005)) as spool:
        await spool.append("acme", "letters", message(2, key=None))
        await spool.append("bravo", TOPIC, message(3, key=b"b"))
    async with opened(tmp_path, "acme", "bravo") as spool:
        acme = spool.holding("acme")
        assert (spool.callbacks, acme.callbacks, spool.holding("bravo").callbacks) == (3, 2, 1)
        assert (acme.oldest, sorted(acme.topics)) == (1000, ["letters", TOPIC])
        assert acme.bytes == sum(
            Waiting("acme", topic, it, 0).cost
            for topic, it in ((TOPIC, message(1, key=b"a")), ("letters", message(2, key=None)))
        )
        assert acme.may_have(TOPIC, b"a")
        assert not acme.may_have("letters", b"a")
        await spool.forget("acme", await spool.batch("acme", TOPIC, 0))
        assert (acme.callbacks, acme.oldest, acme.topics) == (1, 1005, ["letters"])
        assert not acme.may_have(TOPIC, b"a")
        await spool.forget("acme", await spool.batch("acme", "letters", 0))
        assert (acme.callbacks, acme.bytes, acme.oldest, acme.topics) == (0, 0, None, [])


async def test_a_workspace_that_has_used_its_share_leaves_the_others_theirs(tmp_path: Path) -> None:
    async with opened(tmp_path, "acme", "bravo", max_bytes=4 * MB) as spool:
        calls = [spool.append("acme", TOPIC, message(number, 20_000)) for number in range(200)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {str(each) for each in results} == {
            "None",
            "the spool is full: acme has used its 2097152 bytes",
        }
        assert 1.4 * MB < spool.holding("acme").callbacks * 20_000 < 2 * MB
        for number in range(70):
            await spool.append("bravo", TOPIC, message(number, 20_000))
        assert spool.failure is None
    assert (tmp_path / FILE).stat().st_size <= 4 * MB


async def test_a_workspace_that_is_not_configured_keeps_what_is_its_own_and_it_is_said(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, "acme", "bravo") as spool:
        await spool.append("bravo", TOPIC, message(1))
        assert spool.trouble is None
    with capture_logs() as lines:
        async with opened(tmp_path, "acme") as spool:
            assert spool.trouble == "1 callbacks of bravo, which is not configured"
            assert (spool.callbacks, spool.holding("acme").callbacks) == (1, 0)
    assert [line["event"] for line in lines] == ["spool_of_unconfigured_workspace", "spool_opened"]
    async with opened(tmp_path, "acme", "bravo") as spool:
        assert len(await spool.batch("bravo", TOPIC, 0)) == 1


async def test_regression_what_a_workspace_left_that_is_not_configured_is_taken_off_the_shares(
    tmp_path: Path,
) -> None:
    """The database was full before the shares were, which was taken for a disk that fails, for all workspaces."""
    async with opened(tmp_path, "acme", "bravo", max_bytes=4 * MB) as spool:
        await asyncio.gather(*(spool.append("bravo", TOPIC, message(n, 20_000)) for n in range(80)))
        left = spool.holding("bravo").bytes
    async with opened(tmp_path, "acme", max_bytes=4 * MB) as spool:
        calls = [spool.append("acme", TOPIC, message(number, 20_000)) for number in range(200)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        full = f"the spool is full: acme has used its {4 * MB - left} bytes"
        assert {str(each) for each in results} == {"None", full}
        assert spool.failure is None
    async with opened(tmp_path, "coda", max_bytes=MB) as spool:  # and there may be nothing left to share
        assert not spool.has_room("coda")


async def test_a_damaged_database_is_said_until_it_is_moved_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append("acme", TOPIC, message(1))
    (tmp_path / FILE).write_bytes(b"no database at all")
    with capture_logs() as lines:
        async with opened(tmp_path) as spool:
            assert spool.trouble is not None
            assert "damaged, and set aside: " in spool.trouble
            await spool.append("acme", TOPIC, message(2))
    said = lines[0]
    assert (said["event"], said["log_level"]) == ("spool_set_aside", "error")
    assert said["why"] == "file is not a database"
    async with opened(tmp_path) as spool:
        assert spool.trouble is not None
        shutil.move(said["files"][0], tmp_path.parent)
    async with opened(tmp_path) as spool:
        assert spool.trouble is None


async def test_a_disk_that_fails_is_said_to_the_caller_and_until_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as spool:
        await spool.append("acme", TOPIC, message(1))
        with monkeypatch.context() as broken:

            @contextmanager
            def fail(_: SpoolFile) -> Iterator[sqlite3.Connection]:
                raise sqlite3.OperationalError("disk I/O error")
                yield

            broken.setattr(SpoolFile, "_transaction", fail)
            with pytest.raises(SpoolUnavailable, match="disk I/O error"):
                await spool.append("acme", TOPIC, message(2))
            assert spool.failure == spool.trouble == "the disk: disk I/O error"
        assert spool.holding("acme").callbacks == 1
        await spool.append("acme", TOPIC, message(3))
        assert spool.failure is None
        assert [row.waiting.message for row in await spool.batch("acme", TOPIC, 0)] == [
            message(1),
            message(3),
        ]


async def test_regression_a_disk_that_failed_is_tried_until_it_works_although_nothing_is_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was held to be broken until the next callback came, and readiness kept that one away."""
    monkeypatch.setattr(spool_module, "_TRY_AGAIN_SECONDS", 0.001)
    tries = 0
    said: list[str | None] = []

    def fail(*_: object) -> None:
        nonlocal tries
        tries += 1
        said.append(spool.failure)
        raise SpoolUnavailable("the disk: broken")

    async with opened(tmp_path) as spool:
        with monkeypatch.context() as broken:
            broken.setattr(SpoolFile, "append", fail)
            broken.setattr(SpoolFile, "probe", fail)
            with pytest.raises(SpoolUnavailable):
                await spool.append("acme", TOPIC, message(1))
            await eventually(lambda: tries >= 4, "it is tried again and again", 10)
            assert spool.failure == "the disk: broken"
            assert set(said[1:]) == {"the disk: broken"}  # while it is tried, too
            assert spool.holding("acme").oldest is None
        await eventually(lambda: spool.failure is None, "it is seen that the disk works", 10)


async def test_what_could_not_be_deleted_is_deleted_although_the_disk_has_taken_something_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_TRY_AGAIN_SECONDS", 0.001)
    fails = threading.Event()

    def fail(*_: object) -> None:
        assert fails.wait(10)
        raise SpoolUnavailable("the disk: broken")

    async with opened(tmp_path) as spool:
        await spool.append("acme", TOPIC, message(1))
        rows = await spool.batch("acme", TOPIC, 0)
        with monkeypatch.context() as broken:
            broken.setattr(SpoolFile, "delete", fail)
            both = [
                asyncio.create_task(spool.forget("acme", rows)),
                asyncio.create_task(spool.append("acme", TOPIC, message(2))),
            ]
            for _ in range(5):
                await asyncio.sleep(0)
        fails.set()
        time.sleep(0.1)  # noqa: ASYNC251 - the event loop hears of both at once
        await asyncio.gather(*both)
        one = Waiting("acme", TOPIC, message(2), 0).cost
        await eventually(lambda: spool.bytes == one, "the first is deleted", 10)


async def test_a_share_is_used_to_its_last_byte(tmp_path: Path) -> None:
    one = Waiting("acme", TOPIC, message(1, 70_000), 0).cost
    async with opened(tmp_path, "acme", *"bcdefghi", max_bytes=9 * one) as spool:
        await spool.append("acme", TOPIC, message(1, 70_000))
    (folder := tmp_path / "empty").mkdir()
    async with opened(folder, max_bytes=65_536) as spool:
        assert spool.has_room("acme")
    async with opened(folder, max_bytes=65_535) as spool:
        assert not spool.has_room("acme")


async def test_a_disk_that_is_tried_again_does_not_keep_the_spool_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SpoolUnavailable("the disk: broken")

    monkeypatch.setattr(SpoolFile, "append", fail)
    async with asyncio.timeout(2), opened(tmp_path) as spool:
        with pytest.raises(SpoolUnavailable):
            await spool.append("acme", TOPIC, message(1))
    assert spool.failure == "closed"
    assert "spool: mend" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_what_is_forgotten_and_not_deleted_yet_does_not_hide_what_came_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SpoolUnavailable("the disk: broken")

    monkeypatch.setattr(SpoolFile, "delete", fail)
    async with opened(tmp_path) as spool:
        await asyncio.gather(
            *(spool.append("acme", TOPIC, message(number)) for number in range(BATCH_ROWS + 5))
        )
        while rows := await spool.batch("acme", TOPIC, 0):
            await spool.forget("acme", rows)
        await spool.append("acme", TOPIC, message(1_000))
        assert [row.waiting.message for row in await spool.batch("acme", TOPIC, 0)] == [message(1_000)]
        assert spool.callbacks == 1


async def test_a_caller_that_goes_away_disturbs_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        calls = [asyncio.create_task(spool.append("acme", TOPIC, message(number))) for number in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await spool.append("acme", TOPIC, message(3))
        held = [row.waiting.message for row in await spool.batch("acme", TOPIC, 0)]
    assert [each for each in held if each != message(1)] == [message(0), message(2), message(3)]


async def test_nothing_is_taken_before_it_is_open_or_after_it_is_closed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB, ["acme"], FakeClock())
    assert spool.failure is not None
    await spool.open()
    await spool.close()
    assert spool.failure == "closed"


async def test_close_writes_what_has_arrived(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB, ["acme"], FakeClock())
    await spool.open()
    appending = asyncio.create_task(spool.append("acme", TOPIC, message(1)))
    await asyncio.sleep(0)
    await spool.close()
    await appending
    async with opened(tmp_path) as again:
        assert again.callbacks == 1


def test_a_connector_whose_spool_another_process_uses_does_not_start_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "workspaces").mkdir()
    example = Path(__file__).parents[2] / "config"
    acme = (example / "workspaces" / "acme.yaml").read_text()
    (tmp_path / "workspaces" / "acme.yaml").write_text(acme)
    connector = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "listener": {"host": "127.0.0.1", "port": 0, "spool": {"directory": "spool"}},
        "admin": {"port": 0},
    }
    (tmp_path / "connector.yaml").write_text(json.dumps(connector))
    file = SpoolFile(tmp_path / "spool", MB)
    file.open()
    ended = subprocess.run(
        [sys.executable, "-m", "connector", "run", "--config", str(tmp_path)],
        env={"PYTHONPATH": str(example.parent), "SEEN_ACME_TOKEN": "seen", "ACME_CALLBACK_TOKEN": "callback"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    file.close()
    assert ended.returncode == 1
    assert ended.stderr == (
        "seen-connector: listener.spool.directory cannot be used: another process uses this folder\n"
    )
