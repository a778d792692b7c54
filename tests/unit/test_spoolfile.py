"""The spool's database: what was appended is there after any end, within its limit, and nothing damaged is deleted."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.errors import SpoolUnavailable
from connector.inbound.spoolfile import BATCH_ROWS, SpoolFile, Waiting
from connector.inbound.spoolfolder import DAMAGED, FILE
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB = 1_048_576
TOPIC = "seen.acme.videos"
headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50)), max_size=4)
messages = st.builds(
    Message,
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200),
    headers=headers.map(tuple),
)


def waiting(number: int, *, size: int = 10, workspace: str = "acme", topic: str = TOPIC) -> Waiting:
    return Waiting(
        workspace, topic, Message(b"key", b"%d " % number + b"x" * size, (("ce_id", b"1"),)), float(number)
    )


def content(file: SpoolFile) -> list[Waiting]:
    return list(file.everything())


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    file = SpoolFile(tmp_path, 16 * MB)
    assert file.open() is None
    yield file
    file.close()


@given(messages=st.lists(messages, max_size=8))
def test_what_was_appended_is_there_unchanged_and_in_order_when_it_is_opened_again(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Message]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    entries = [Waiting("acme", TOPIC, message, 7.5) for message in messages]
    file = SpoolFile(folder, MB)
    file.open()
    file.append(entries[:3])
    file.append(entries[3:])
    file.close()
    again = SpoolFile(folder, MB)
    assert again.open() is None
    assert content(again) == entries
    rows = again.batch("acme", TOPIC, 0)
    assert [row.waiting for row in rows] == entries
    assert [row.number for row in rows] == sorted({row.number for row in rows})
    again.close()


def test_a_batch_has_what_is_asked_for_from_the_oldest_on_and_not_too_much(file: SpoolFile) -> None:
    file.append([waiting(number) for number in range(BATCH_ROWS + 5)])
    file.append([waiting(900, workspace="bravo"), waiting(901, topic="another")])
    first = file.batch("acme", TOPIC, 0)
    assert [row.waiting for row in first] == [waiting(number) for number in range(BATCH_ROWS)]
    rest = file.batch("acme", TOPIC, first[-1].number)
    assert [row.waiting.spooled_at for row in rest] == [100, 101, 102, 103, 104]
    assert [row.waiting for row in file.batch("bravo", TOPIC, 0)] == [waiting(900, workspace="bravo")]
    assert len(file.batch("acme", "nobody", 0)) == 0


def test_a_batch_of_large_rows_is_bounded_in_bytes(file: SpoolFile) -> None:
    file.append([waiting(number, size=600_000) for number in range(5)])
    assert len(file.batch("acme", TOPIC, 0)) == 2


def test_deleted_rows_are_gone_their_numbers_never_come_again_and_the_oldest_is_known(
    file: SpoolFile,
) -> None:
    file.append([waiting(1), waiting(2), waiting(3, topic="another")])
    one, two = file.batch("acme", TOPIC, 0)
    assert file.oldest("acme", [TOPIC, "another"]) == 1
    file.delete([one.number])
    file.delete([one.number])
    assert file.oldest("acme", [TOPIC]) == 2
    file.delete([two.number])
    assert file.oldest("acme", [TOPIC]) is None
    assert [each.spooled_at for each in content(file)] == [3]
    (three,) = file.batch("acme", "another", 0)
    file.delete([three.number])
    file.append([waiting(4)])
    assert file.batch("acme", TOPIC, 0)[0].number > three.number


# --- the limit


alike = st.integers(0, 9_000).flatmap(lambda size: st.integers(1, 60).map(lambda count: [size] * count))


@example(sizes=[4_196_404] * 3)
@example(sizes=[15_000_000])
@given(sizes=alike | st.lists(st.integers(0, 20_000), min_size=1, max_size=60))
def test_what_rows_cost_is_never_less_than_what_they_take(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    file = SpoolFile(folder, 32 * MB)
    file.open()
    entries = [waiting(number, size=size) for number, size in enumerate(sizes)]
    file.append(entries)
    file.close()
    assert (folder / FILE).stat().st_size <= sum(
        each.cost for each in entries
    ) + 6 * 4096  # an empty one has 4 pages


def test_a_full_database_takes_nothing_more_keeps_what_it_has_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    file = SpoolFile(tmp_path, MB)
    file.open()
    taken = fill(file)
    assert 100 < taken < 210
    assert len(content(file)) == taken
    assert (tmp_path / FILE).stat().st_size <= MB
    file.delete(row.number for row in file.batch("acme", TOPIC, 0)[:2])
    file.append([waiting(1, size=5_000)])
    file.close()
    assert (tmp_path / FILE).stat().st_size <= MB


def fill(file: SpoolFile) -> int:
    """Appends until the file is full; how many rows it took."""
    for taken in range(1000):
        try:
            file.append([waiting(taken, size=5_000)])
        except SpoolUnavailable as error:
            assert str(error) == "it is full, or its disk is"  # noqa: PT017 - how many came before is the matter
            return taken
    raise AssertionError("it took everything")


# --- ends


CHILD = """
import sys
from pathlib import Path
from connector.inbound.spoolfile import SpoolFile, Waiting
from connector.types import Message
file = SpoolFile(Path(sys.argv[1]), 16 * 1024 * 1024)
file.open()
for number in range(100_000):
    file.append([Waiting("acme", "videos", Message(b"k", b"%d" % number + b"x" * 3000), float(number))])
    print(number, flush=True)
    if number % 3 == 2:
        file.delete([row.number for row in file.batch("acme", "videos", 0)[:2]])
"""


@pytest.mark.parametrize("said", [1, 40, 333])
def test_a_process_that_is_killed_loses_nothing_of_what_it_has_said_to_be_on_the_disk(
    tmp_path: Path, said: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    assert child.stdout is not None
    for _ in range(said):
        last = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    last = max([last, *(int(line) for line in child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    file = SpoolFile(tmp_path, 16 * MB)
    assert file.open() is None  # and the lock went with the process
    numbers = [int(each.spooled_at) for each in content(file)]
    file.close()
    deleted = 2 * ((last + 1) // 3)
    assert numbers[0] in {deleted, deleted - 2}  # the last deletion may be done or not
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert last <= numbers[-1] <= last + 1


def test_each_commit_is_synced_to_the_disk(file: SpoolFile) -> None:
    assert file._database is not None
    settings = [
        file._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]  # 2 is FULL


def test_a_copy_of_the_files_made_between_any_two_writes_holds_what_was_written(
    file: SpoolFile, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    for number in range(12):
        file.append([waiting(number, size=3_000)])
        folder = tmp_path_factory.mktemp("copy") / "spool"
        shutil.copytree(tmp_path, folder)
        copy = SpoolFile(folder, 16 * MB)
        assert copy.open() is None
        assert [each.spooled_at for each in content(copy)] == list(range(number + 1))
        copy.close()


@given(cut=st.integers(0, 40_000))
def test_a_log_that_ends_anywhere_costs_at_most_the_newest_rows_and_is_no_damage(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    file = SpoolFile(folder, MB)
    file.open()
    for number in range(5):
        file.append([waiting(number, size=3_000)])
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(folder / FILE, copy)
    log = (folder / f"{FILE}-wal").read_bytes()
    (copy / f"{FILE}-wal").write_bytes(log[: max(0, len(log) - cut)])
    file.close()
    torn = SpoolFile(copy, MB)
    assert torn.open() is None
    assert [each.spooled_at for each in content(torn)] == list(range(len(content(torn))))
    torn.close()


# --- whose folder it is, and what is wrong with it


def test_a_folder_is_for_one_process_at_a_time(file: SpoolFile, tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable, match="another process uses this folder"):
        SpoolFile(tmp_path, MB).open()
    file.close()
    second = SpoolFile(tmp_path, MB)
    second.open()
    second.close()


def test_nobody_else_can_read_what_callbacks_said(file: SpoolFile, tmp_path: Path) -> None:
    file.append([waiting(1)])
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def delete_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def delete_the_log(folder: Path) -> None:
    (folder / f"{FILE}-wal").unlink()


def move_it_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()


def put_an_older_one_in_its_place(folder: Path) -> None:
    shutil.copy(folder / FILE, folder / "copy")
    (folder / "copy").rename(folder / FILE)


@pytest.mark.parametrize(
    "happens", [delete_the_folder, delete_the_log, move_it_away, put_an_older_one_in_its_place]
)
def test_regression_nothing_is_written_where_the_next_start_would_not_find_it(
    tmp_path: Path, happens: object
) -> None:
    assert callable(happens)
    folder = tmp_path / "spool"
    folder.mkdir()
    file = SpoolFile(folder, MB)
    file.open()
    file.append([waiting(1)])
    happens(folder)
    writes: list[Callable[[], None]] = [
        lambda: file.append([waiting(2)]),
        lambda: file.delete([1]),
        file.probe,
    ]
    for write in writes:
        with pytest.raises(SpoolUnavailable, match="the disk: "):
            write()
    assert [row.waiting.spooled_at for row in file.batch("acme", TOPIC, 0)] == [1]  # and it can be saved yet
    file.close()


def test_a_probe_writes_to_the_disk_and_changes_nothing(file: SpoolFile, tmp_path: Path) -> None:
    file.append([waiting(1)])
    before = (tmp_path / f"{FILE}-wal").stat().st_size
    file.probe()
    assert (tmp_path / f"{FILE}-wal").stat().st_size > before
    assert [each.spooled_at for each in content(file)] == [1]
    file.close()
    assert file.open() is None


def damage_the_head(path: Path) -> None:
    path.write_bytes(b"no database at all" + path.read_bytes()[18:])


def damage_a_page(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * 4096] + b"\xff" * 4096 + path.read_bytes()[4 * 4096 :])


def cut_in_the_middle(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 5 * 4096 + 17])


def damage_a_row(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("UPDATE callbacks SET headers = ? WHERE number = 7", (b'[["ce_id',))
    database.commit()
    database.close()


def put_another_in_its_place(path: Path) -> None:
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE callbacks (something TEXT)")
    other.close()


@pytest.mark.parametrize(
    "damage", [damage_the_head, damage_a_page, damage_a_row, cut_in_the_middle, put_another_in_its_place]
)
def test_a_damaged_database_is_set_aside_whole_and_a_new_one_takes_its_place(
    tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    file = SpoolFile(tmp_path, MB)
    file.open()
    file.append([waiting(number, size=3_000) for number in range(20)])
    file.close()
    damage(tmp_path / FILE)
    damaged = (tmp_path / FILE).read_bytes()
    why = file.open()
    assert why
    assert content(file) == []
    file.append([waiting(1)])
    (aside,) = tmp_path.glob(f"{DAMAGED}*.db")
    assert file.set_aside() == [str(aside)]
    assert aside.read_bytes() == damaged
    file.close()
    assert file.open() is None
    assert file.set_aside() == [str(aside)]
    file.close()


def test_a_row_that_is_damaged_while_it_runs_is_said(file: SpoolFile) -> None:
    file.append([waiting(1)])
    assert file._database is not None
    file._database.execute("UPDATE callbacks SET headers = ?", ('[["ce_id", "\u0100"]]'.encode(),))
    with pytest.raises(SpoolUnavailable, match="a row of the spool is damaged"):
        file.batch("acme", TOPIC, 0)


def test_a_database_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path, MB)
    file.open()
    file.close()
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(SpoolUnavailable, match="version 2"):
        file.open()
    assert file.set_aside() == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable, match="No such file or directory"):
        SpoolFile(tmp_path / "nowhere", MB).open()
