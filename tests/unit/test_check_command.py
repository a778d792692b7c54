"""`seen-connector check` as a user calls it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connector.cli import main

REPOSITORY = Path(__file__).parents[2]
SECRETS = {"SEEN_ACME_TOKEN": "canary-seen", "ACME_CALLBACK_TOKEN": "canary-callback"}


def check(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], env={**SECRETS, **environ})


def test_a_sound_configuration_is_told_file_by_file() -> None:
    result = check("--config", str(REPOSITORY / "config"))
    assert result.exit_code == 0
    for expected in (
        f"{REPOSITORY}/config/connector.yaml: Kafka at localhost:9092 (PLAINTEXT)",
        f"{REPOSITORY}/config/workspaces/acme.yaml: workspace acme",
        "customer-events → data of ",
        ", 100 requests per 10 s",
        "POST, PUT or PATCH /callbacks/acme → seen.acme.videos",
        "Neither Kafka nor SEEN was connected to",
    ):
        assert expected in result.stdout
    assert "canary" not in result.output


def test_a_spool_is_told_where_there_is_one(tmp_path: Path) -> None:
    folder = shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    text = (folder / "connector.yaml").read_text()
    (folder / "connector.yaml").write_text(
        text.replace("  host:", f"  spool: {{directory: '{tmp_path}'}}\n  host:", 1)
    )
    result = check("--config", str(folder))
    assert f"callbacks on 0.0.0.0:8080, spool in {tmp_path}, admin on" in result.stdout


def test_a_topic_for_viewer_events_is_told_where_there_is_one(tmp_path: Path) -> None:
    folder = shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    with (folder / "workspaces" / "acme.yaml").open("a") as file:
        file.write("topics: {viewers: seen.acme.viewers}\n")
    assert (
        "  POST, PUT or PATCH /callbacks/acme/viewer → seen.acme.viewers\n"
        in check("--config", str(folder)).stdout
    )
    found = json.loads(check("--config", str(folder), "--json").stdout)
    assert found["workspaces"][0]["viewer"] == "/callbacks/acme/viewer"
    assert found["workspaces"][0]["topics"]["viewers"] == "seen.acme.viewers"


def test_a_warning_is_shown_and_is_no_failure() -> None:
    result = check("--config", str(REPOSITORY / "config"), SEEN_BASE_URL="http://emulator:8787")
    assert result.exit_code == 0
    assert "acme.yaml:23: seen.base_url: is plain http" in result.stdout


def test_a_sound_configuration_is_one_object_for_machines() -> None:
    result = check("--json", "--config", str(REPOSITORY / "config"), SEEN_BASE_URL="http://emulator:8787")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"]) == (0, True)
    assert found["workspaces"][0]["callback"] == "/callbacks/acme"
    assert found["workspaces"][0]["viewer"] is None
    assert found["warnings"][0]["line"] == 23


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    (tmp_path / "connector.yaml").write_text("kafka: {bootstrap_servers: 'a:1'}\nadmin: {prot: 1}\n")
    return tmp_path


def test_mistakes_are_named_on_standard_error_and_the_exit_code_is_2(mistaken: Path) -> None:
    result = check("--config", str(mistaken))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{mistaken}/workspaces: holds no workspace: at least one file *.yaml is needed",
        f"{mistaken}/connector.yaml:2: admin: unknown setting 'prot': did you mean 'port'?",
        "2 mistake(s)",
    ]


def test_mistakes_are_one_object_for_machines(mistaken: Path) -> None:
    result = check("--config", str(mistaken), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"]) == (2, False)
    assert found["problems"][1] == {
        "file": f"{mistaken}/connector.yaml",
        "line": 2,
        "message": "admin: unknown setting 'prot': did you mean 'port'?",
    }


def test_a_secret_that_stands_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "workspaces").mkdir()
    text = (REPOSITORY / "config/workspaces/acme.yaml").read_text()
    (tmp_path / "workspaces/acme.yaml").write_text(
        text.replace("name: acme", "name: acme-${SEEN_ACME_TOKEN}")
    )
    text = (REPOSITORY / "config/connector.yaml").read_text()
    (tmp_path / "connector.yaml").write_text(text)
    for arguments in ([], ["--json"]):
        result = check("--config", str(tmp_path), *arguments)
        assert result.exit_code == 0
        assert "canary" not in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["chekc"])
    assert result.exit_code == 2


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(main, ["--version"], prog_name="seen-connector")
    assert result.stdout == "seen-connector 0.1.0\n"


def test_the_help_lists_the_commands_without_importing_them() -> None:
    code = "import sys, connector.cli; connector.cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, _, modules = result.stdout.rpartition("\n  emulate ")
    assert all(f"\n  {name} " in listed for name in ("run", "check", "demo"))
    assert "pydantic" not in modules.split()
    assert "aiokafka" not in modules.split()
