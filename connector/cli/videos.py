"""`seen-connector videos`: which accepted events have no video yet."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from connector import wiring
from connector.cli.configuration import config_option, load_or_exit
from connector.cli.exits import FAILED
from connector.errors import ConnectorError
from connector.kafka.follower import Follower
from connector.text import rfc3339
from connector.videos.watch import ledger_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector.config.model import ConnectorConfig, WorkspaceConfig
    from connector.videos.ledger import Ledger, Pending


@click.command()
@config_option
@click.option("--workspace", "name", required=True, help="The workspace's name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def videos(directory: Path, *, name: str, as_json: bool) -> None:
    """List the videos of a workspace that are waited for, and those that never came.

    Each is `pending`, `overdue` (pending for longer than videos.overdue_after_seconds), or `reported` (overdue, and given
    up). Reads the outcomes and the videos topic, as far back as the ledger does, and changes nothing.

    Exit codes: 0 they are listed, 1 Kafka did not answer or a topic is missing, 2 there is no such workspace.
    """
    config = load_or_exit(directory)
    workspace = next((each for each in config.workspaces if each.name == name), None)
    if workspace is None:
        known = ", ".join(each.name for each in config.workspaces)
        raise click.BadParameter(f"no workspace {name}; there is {known}", param_hint="--workspace")
    now, clean = time.time(), config.redactor().clean
    try:
        ledger = asyncio.run(_ledger(config.connector, workspace, now))
    except ConnectorError as error:
        click.echo(clean(f"seen-connector: {error}"), err=True)
        sys.exit(FAILED)
    limits = wiring.ledger(workspace)
    rows = [_row(each, now, limits.overdue_after_seconds) for each in ledger.listed()]
    if as_json:
        found = {"workspace": name, "untracked": ledger.untracked, "videos": rows}
        click.echo(clean(json.dumps(found, indent=2)))
    else:
        click.echo(clean("\n".join(_as_text(rows, ledger.untracked))))


async def _ledger(connector: ConnectorConfig, workspace: WorkspaceConfig, now: float) -> Ledger:
    topics = (workspace.topics.outcomes, workspace.topics.videos)
    follower = Follower(wiring.connection(connector.kafka), topics)
    return await ledger_now(follower, workspace.name, wiring.ledger(workspace), now)


def _row(video: Pending, now: float, overdue_after: float) -> dict[str, object]:
    waited = now - video.accepted_at
    row: dict[str, object] = {
        "id": video.id,
        "state": "overdue" if waited >= overdue_after else "pending",
        "accepted_at": rfc3339(video.accepted_at),
    }
    if video.reported_at is None:
        return row | {"seconds": round(waited)}
    return row | {"state": "reported", "reported_at": rfc3339(video.reported_at)}


def _as_text(rows: list[dict[str, object]], untracked: int) -> Iterator[str]:
    states = [row["state"] for row in rows]
    for row in rows:
        since = f"reported {row['reported_at']}" if "reported_at" in row else f"for {row['seconds']} s"
        yield f"{row['state']:8}  accepted {row['accepted_at']}  {since}  {row['id']}"
    yield ", ".join(f"{states.count(each)} {each}" for each in ("pending", "overdue", "reported"))
    if untracked:
        yield f"{untracked} more are not tracked, beyond videos.max_pending"
