"""`seen-connector check`: what a configuration says, or everything that is wrong with it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from connector.cli.configuration import config_option
from connector.cli.exits import UNUSABLE
from connector.config.load import load
from connector.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from connector.config.model import Config, ConnectorConfig, WorkspaceConfig


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def check(directory: Path, *, as_json: bool) -> None:
    """Check a configuration without starting anything.

    Says file by file what was found, with warnings; or names every mistake with file and line. Files are all that is
    read: neither Kafka nor SEEN is connected to.

    Exit codes: 0 it can be used (warnings or not), 2 it cannot.
    """
    try:
        config = load(directory, os.environ)
    except ConfigError as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "problems": _listed(error.problems)}, indent=2))
        else:
            click.echo(str(error), err=True)
            click.echo(f"{len(error.problems)} mistake(s)", err=True)
        sys.exit(UNUSABLE)
    clean = config.redactor().clean
    if as_json:
        click.echo(clean(json.dumps(_as_object(config), indent=2)))
    else:
        click.echo(clean("\n".join(_as_text(config))))


def _as_text(config: Config) -> Iterator[str]:
    file, *workspace_files = config.files
    yield f"{file}: {_connector(config.connector)}"
    for workspace_file, workspace in zip(workspace_files, config.workspaces, strict=True):
        yield f"{workspace_file}: workspace {workspace.name}"
        yield from (f"  {line}" for line in _workspace(workspace))
    for warning in config.warnings:
        yield f"warning: {warning}"
    yield "The files are sound. Neither Kafka nor SEEN was connected to."


def _connector(connector: ConnectorConfig) -> str:
    kafka, listener, admin = connector.kafka, connector.listener, connector.admin
    spool = "" if listener.spool.directory is None else f"spool in {listener.spool.directory}, "
    return (
        f"Kafka at {kafka.bootstrap_servers} ({kafka.security_protocol}), "
        f"callbacks on {listener.host}:{listener.port}, {spool}admin on {admin.host}:{admin.port}"
    )


def _workspace(workspace: WorkspaceConfig) -> Iterator[str]:
    seen, topics = workspace.seen, workspace.topics
    target = f"{seen.api} of {seen.workspace_id or seen.campaign_slug} at {seen.base_url}"
    quota = f"{seen.quota.requests} requests per {seen.quota.per_seconds:g} s"
    yield f"{', '.join(_sources(workspace))} → {target}, {quota}"
    if workspace.braze_in is not None:
        yield f"POST {' or '.join(_braze_paths(workspace))} → {workspace.braze_in.topic}"
    yield f"POST, PUT or PATCH {_callback_path(workspace)} → {topics.videos}"
    if topics.viewers is not None:
        yield f"POST, PUT or PATCH {_viewer_path(workspace)} → {topics.viewers}"
    yield f"outcomes → {topics.outcomes}, dead letters → {topics.dead_letters}"
    if (out := workspace.braze_out) is not None:
        rate = f"{out.quota.requests} requests per {out.quota.per_seconds:g} s"
        yield f"{topics.videos} → /users/track at {out.base_url}, {rate}, as group {out.group_id}"


def _as_object(config: Config) -> dict[str, object]:
    return {
        "ok": True,
        "files": list(config.files),
        "workspaces": [
            {
                "name": workspace.name,
                "group_id": workspace.group_id,
                "sources": _sources(workspace),
                "api": workspace.seen.api,
                "quota": workspace.seen.quota.model_dump(),
                "callback": _callback_path(workspace),
                "viewer": None if workspace.topics.viewers is None else _viewer_path(workspace),
                "braze_in": _braze_in(workspace),
                "braze_out": _braze_out(workspace),
                "topics": workspace.topics.model_dump(exclude_none=True),
            }
            for workspace in config.workspaces
        ],
        "warnings": _listed(config.warnings),
    }


def _sources(workspace: WorkspaceConfig) -> list[str]:
    return [topic for source in workspace.all_sources() for topic in source.topics]


def _callback_path(workspace: WorkspaceConfig) -> str:
    return f"/callbacks/{workspace.name}"


def _viewer_path(workspace: WorkspaceConfig) -> str:
    return f"{_callback_path(workspace)}/viewer"


def _braze_in(workspace: WorkspaceConfig) -> dict[str, object] | None:
    if workspace.braze_in is None:
        return None
    return {"paths": _braze_paths(workspace), "topic": workspace.braze_in.topic}


def _braze_out(workspace: WorkspaceConfig) -> dict[str, object] | None:
    out = workspace.braze_out
    if out is None:
        return None
    return {"base_url": out.base_url, "group_id": out.group_id, "quota": out.quota.model_dump()}


def _braze_paths(workspace: WorkspaceConfig) -> list[str]:
    seen = workspace.seen
    if seen.campaign_slug is not None:
        return [f"/v1/campaigns/{seen.campaign_slug}/receivers/"]
    return [f"/v1/{spelling}/{seen.workspace_id}/data" for spelling in ("workspaces", "projects")]


def _listed(problems: Iterable[Problem]) -> list[dict[str, object]]:
    return [{"file": it.file, "line": it.line, "message": it.message} for it in problems]
