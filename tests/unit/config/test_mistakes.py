"""Every mistake is named with its file and line.

`bad/` has a file for each: after `#!` on a line stands what must be said about it, and nothing else may be said.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connector.config.load import load
from connector.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet

    Folder = Callable[..., Path]

BAD = Path(__file__).parent / "bad"
ENVIRON = {"CANARY": "canary-from-the-environment"}


def said_about(directory: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(directory, ENVIRON)
    return [str(problem) for problem in caught.value.problems]


def expected_of(directory: Path) -> list[str]:
    expected = []
    for file in directory.rglob("*.yaml"):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            _, *messages = line.split("#! ")
            expected += [f"{file}:{number}: {message.strip()}" for message in messages]
    return sorted(expected)


def cases(kind: str) -> list[ParameterSet]:
    return [pytest.param(path, id=path.stem) for path in sorted((BAD / kind).iterdir())]


@pytest.mark.parametrize("file", cases("connector"))
def test_a_mistake_in_connector_yaml_is_named_with_its_line(file: Path, folder: Folder) -> None:
    directory = folder(connector=file.read_text())
    assert sorted(said_about(directory)) == expected_of(directory)


@pytest.mark.parametrize("file", cases("workspace"))
def test_a_mistake_in_a_workspace_file_is_named_with_its_line(file: Path, folder: Folder) -> None:
    directory = folder(acme=file.read_text())
    assert sorted(said_about(directory)) == expected_of(directory)


@pytest.mark.parametrize("case", cases("together"))
def test_mistakes_in_several_files_are_all_named_at_once(case: Path, folder: Folder) -> None:
    workspaces = {file.stem: file.read_text() for file in (case / "workspaces").iterdir()}
    directory = folder(connector=(case / "connector.yaml").read_text(), **workspaces)
    assert sorted(said_about(directory)) == expected_of(directory)


@pytest.mark.parametrize("file", [*cases("connector"), *cases("workspace")])
def test_no_message_repeats_a_value(file: Path, folder: Folder) -> None:
    name = "connector" if file.parent.name == "connector" else "acme"
    assert "canary" not in "\n".join(said_about(folder(**{name: file.read_text()})))


def test_a_folder_without_files_says_which_are_needed(tmp_path: Path) -> None:
    assert said_about(tmp_path) == [
        f"{tmp_path}/connector.yaml: cannot be read: No such file or directory",
        f"{tmp_path}/workspaces: holds no workspace: at least one file *.yaml is needed",
    ]


def test_an_empty_file_lacks_what_is_required(folder: Folder) -> None:
    assert said_about(folder(connector="")) == ["config/connector.yaml:1: kafka: is missing"]


def test_a_file_that_would_be_overlooked_for_its_name_is_a_mistake(folder: Folder, workspace: str) -> None:
    directory = folder()
    (directory / "workspaces" / "other.yml").write_text(workspace)
    (directory / "workspaces" / ".acme.yaml").write_text("what an editor left")
    assert said_about(directory) == [
        "config/workspaces/other.yml: would not be read: give its name the ending .yaml"
    ]


def test_bytes_that_are_no_text_are_named_with_their_line(folder: Folder) -> None:
    directory = folder(connector=b"kafka:\n  bootstrap_servers: \xff\n")
    assert said_about(directory) == ["config/connector.yaml:2: is not UTF-8 text"]


def test_a_control_character_is_no_yaml(folder: Folder) -> None:
    said = said_about(folder(connector="kafka: \x01"))
    assert said == ["config/connector.yaml: is not YAML: it holds a character that does not print"]


@pytest.mark.parametrize(
    "text", ["[" * 5000, "\n".join(" " * level + "a:" for level in range(400))], ids=["brackets", "sections"]
)
def test_a_file_nested_without_end_is_refused(folder: Folder, text: str) -> None:
    assert said_about(folder(connector=text)) == ["config/connector.yaml: is nested too deeply"]


def test_a_file_beyond_all_measure_is_refused_unread(folder: Folder) -> None:
    said = said_about(folder(connector="#" * 2_000_000))
    assert said == ["config/connector.yaml: is larger than 1048576 bytes"]
