from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config import secrets
from connector.config.secrets import MASK, MAX_FILE_BYTES, Redactor, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRINTING = st.characters(categories=("L", "N", "P", "S"), exclude_characters="*")
SECRETS = st.text(PRINTING, min_size=4, max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


def test_a_secret_never_prints() -> None:
    secret = Secret("canary")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        repr([secret]),
    ]
    assert set(shown) == {MASK, f"[{MASK}]"}


@pytest.mark.parametrize("dump", [json.dumps, orjson.dumps, pickle.dumps])
def test_a_secret_is_not_serialised(dump: Any) -> None:
    with pytest.raises(TypeError) as caught:
        dump(Secret("canary"))
    assert "canary" not in str(caught.value)


def test_a_secret_that_must_be_longer_is_so_after_a_rotation_too(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("canary-1")
    secret = Secret.from_file(file)
    with pytest.raises(ValueError, match=r"^is shorter than 9 characters$"):
        secret.require_length(9)
    secret.require_length(8)
    file.write_text("canary")
    assert secret.reveal() == "canary-1"
    file.write_text("canary-22")
    assert secret.reveal() == "canary-22"


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret("canary")
    assert copy.copy(secret) is copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize("value", ["", "abc", "canary\n", "canary\x00", "can\u2028ary", "canary\ud800"])
def test_what_cannot_be_a_secret_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|holds) ") as caught:
        Secret(value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_files_last_line_breaks_are_no_part_of_it(tmp_path: Path, ending: str) -> None:
    (tmp_path / "token").write_bytes(b"canary" + ending.encode())
    assert Secret.from_file(tmp_path / "token").reveal() == "canary"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe\x00\x01", "is not UTF-8 text"),
        (b"canary\ncanary", "holds a line break"),
        (b"x" * (MAX_FILE_BYTES + 1), "is larger than"),
    ],
)
def test_a_secret_file_without_a_usable_secret_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Secret.from_file(tmp_path / "token")


def test_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary-old")
    secret = Secret.from_file(file)
    file.write_text("canary-new\n")
    assert secret.reveal() == "canary-new"


def rewrite_in_place(file: Path) -> None:
    times = file.stat()
    file.write_text("canary-new")  # as long as the old one
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def swap_the_link(file: Path) -> None:
    """As Kubernetes does it: the file's name leads to another folder all at once."""
    (file.parent / "new").mkdir()
    (file.parent / "new" / "token").write_text("canary-new")
    (file.parent / "link").symlink_to(file.parent / "new" / "token")
    (file.parent / "link").rename(file)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, each time that they were."""
    seen: list[Path] = []
    read = secrets._read

    def counted(file: Path) -> str:
        seen.append(file)
        return read(file)

    monkeypatch.setattr(secrets, "_read", counted)
    return seen


@pytest.mark.parametrize("change", [rewrite_in_place, swap_the_link])
def test_regression_a_file_is_read_when_it_has_changed_and_not_at_each_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reads: list[Path],
    change: Callable[[Path], None],
) -> None:
    """Anybody's request at the token endpoint read the secret files of all workspaces, on the event loop."""
    monkeypatch.setattr(secrets, "_YOUNG_SECONDS", 0.0)
    file = tmp_path / "token"
    file.write_text("canary-old")
    secret = Secret.from_file(file)
    for _ in range(5):
        assert secret.reveal() == "canary-old"
    assert len(reads) == 2
    time.sleep(0.02)  # the clock of a file system is coarse
    change(file)
    for _ in range(5):
        assert secret.reveal() == "canary-new"
    assert len(reads) == 3


def test_a_file_that_changed_just_now_is_read_each_time(tmp_path: Path, reads: list[Path]) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    secret = Secret.from_file(file)
    for _ in range(5):
        secret.reveal()
    assert len(reads) == 6


def test_a_file_is_young_while_anything_of_it_is(tmp_path: Path, reads: list[Path]) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    os.utime(file, (1_000, 1_000))  # as an archive restores it, just now
    secret = Secret.from_file(file)
    for _ in range(5):
        secret.reveal()
    assert len(reads) == 6


def test_a_file_of_no_use_stays_so_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_YOUNG_SECONDS", 0.0)
    file = tmp_path / "token"
    file.write_text("canary")
    secret = Secret.from_file(file)
    told: list[str | None] = []
    secret.watch_file(told.append)
    file.write_text("")
    for _ in range(3):
        assert secret.reveal() == "canary"
    assert told == ["is empty"]


def test_a_file_that_comes_back_unchanged_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_YOUNG_SECONDS", 0.0)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "token").write_text("canary")
    secret = Secret.from_file(tmp_path / "folder" / "token")
    told: list[str | None] = []
    secret.watch_file(told.append)
    secret.reveal()
    (tmp_path / "folder").rename(tmp_path / "elsewhere")
    secret.reveal()
    (tmp_path / "elsewhere").rename(tmp_path / "folder")
    for _ in range(3):
        assert secret.reveal() == "canary"
    assert told == ["cannot be read: No such file or directory", None]


@pytest.mark.parametrize("ruin", ["unlink", "empty", "garbage"])
def test_the_last_good_value_stays_while_the_file_is_of_no_use(tmp_path: Path, ruin: str) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    secret = Secret.from_file(file)
    if ruin == "unlink":
        file.unlink()
    else:
        file.write_bytes(b"" if ruin == "empty" else b"\xff\xff\xff\xff")
    assert secret.reveal() == "canary"


def test_a_file_that_can_no_longer_be_used_is_told_of_once_and_its_recovery_too(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    secret = Secret.from_file(file)
    told: list[str | None] = []
    secret.watch_file(told.append)
    secret.reveal()
    assert told == []
    for content in (b"", b"", b"abc", b"\xff\xff\xff\xff", b"canary\tcanary"):
        file.write_bytes(content)
        assert secret.reveal() == "canary"
    file.unlink()
    for _ in range(3):
        assert secret.reveal() == "canary"
    file.write_text("canary")
    for _ in range(3):
        secret.reveal()
    assert told == [
        "is empty",
        "is shorter than 4 characters",
        "is not UTF-8 text",
        "holds a line break or another character that does not print",
        "cannot be read: No such file or directory",
        None,
    ]


def test_a_rotated_secret_is_redacted_before_it_is_handed_out(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary-old")
    secret, redactor = Secret.from_file(file), Redactor()
    redactor.watch(secret)
    redactor.watch_basic("me", secret)
    file.write_text("canary-new")
    both = f"canary-old {secret.reveal()} {base64.b64encode(b'me:canary-new').decode()}"
    assert redactor.clean(both) == f"{MASK} {MASK} {MASK}"


def test_only_the_latest_values_of_a_rotating_secret_are_kept() -> None:
    redactor = Redactor()
    redactor.add("canary-for-ever")
    for number in range(1000, 1100):
        redactor.add(f"canary-{number}", owner="token")
    assert redactor.clean("canary-1000 canary-1099 canary-for-ever") == f"canary-1000 {MASK} {MASK}"


def test_a_redactor_that_knows_nothing_changes_nothing() -> None:
    assert Redactor().clean("text") == "text"


def test_a_text_too_short_to_be_a_secret_is_ignored() -> None:
    redactor = Redactor()
    redactor.add("abc")
    assert redactor.clean("abc") == "abc"


def test_the_longest_of_two_secrets_that_begin_alike_is_replaced_whole() -> None:
    redactor = Redactor()
    redactor.add("canary")
    redactor.add("canary-long")
    assert redactor.clean("canary-long") == MASK


def test_values_keep_their_shape() -> None:
    redactor = Redactor()
    redactor.add("canary")
    value = {
        "a": [1, None, True, 1.5, "x canary"],
        "canary": (b"canary\xff", {"canary"}),
        5: ValueError("canary"),
    }
    assert redactor.clean_value(value) == {
        "a": [1, None, True, 1.5, "x ***"],
        "***": ["***\\xff", ["***"]],
        "5": "ValueError('***')",
    }


@given(SECRETS, st.text(), st.text())
def test_no_form_of_a_secret_survives_in_a_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    password = Secret(secret)
    redactor.watch_basic("me", password)
    forms = [
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        urllib.parse.urlencode({"client_secret": secret}).removeprefix("client_secret="),
        json.dumps(secret)[1:-1],
        orjson.dumps(secret).decode()[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(f"me:{secret}".encode()).decode(),
    ]
    for form in forms:
        cleaned = redactor.clean(before + form + after)
        assert form not in cleaned or form in before + MASK + after


@given(st.lists(SECRETS, min_size=1, max_size=4), VALUES)
def test_no_secret_survives_in_a_rendered_log_value(secrets: list[str], value: object) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    planted = {
        "event": value,
        "said": [f"Bearer {secret}" for secret in secrets],
        secrets[0]: secrets[-1].encode(),
    }
    rendered = json.dumps(redactor.clean_value(planted))
    for text in texts(json.loads(rendered)):
        assert not [secret for secret in secrets if secret in text.replace(MASK, "\n")]


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
