"""What the demo prints before, between and after. It fits 80 columns, the records that it shows whole excepted."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from textwrap import indent
from typing import TYPE_CHECKING

from rich import box
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from connector.sandbox.demo.books import origin_of
from connector.sandbox.demo.samples import OF_OTHER_TYPES, SOUND, Kind
from connector.sandbox.demo.stack import PROGRAM
from connector.types import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from connector.sandbox.demo.books import Books, Topics
    from connector.sandbox.demo.checks import Check
    from connector.sandbox.demo.samples import Sample
    from connector.sandbox.demo.stack import Stack
    from connector.types import Record

_WIDTH = 78
_TOPIC_WIDTH = 24
_VIDEOS_SHOWN = 2
_STYLES = {
    OutcomeKind.ACCEPTED: "green",
    OutcomeKind.REJECTED: "yellow",
    OutcomeKind.EXPIRED: "yellow",
    OutcomeKind.SKIPPED: "dim",
    None: "bold red",
}
_OPENING = """
[bold]seen-connector[/] turns customer events in Kafka into personalised videos at SEEN,
and tells Kafka when each video is ready. Here all of it runs on this machine,
with an emulator in SEEN's place: no account is needed, nothing leaves.

  [bold]Kafka[/]                         ╭────────────────╮
  {source} ───► │                │ ─── POST ─────► [bold]SEEN[/]
  {outcomes} ◄─── │ [bold]seen-connector[/] │                   │ makes
  {dead_letters} ◄─── │                │                   │ a video
  {videos} ◄─── │                │ ◄── callback ─────╯
                                ╰────────────────╯

It takes about half a minute. The very first time Apache Kafka is fetched from
Maven Central (44 MB): up to a minute more.
"""
_SENT = """
[bold]{total} customer events[/] are now in {source}: {sound} customers who signed up,
{others} events of other types, which the configuration skips, and {bad} that have
something wrong with them. SEEN takes {requests} requests in any {seconds:g} s and not one
more: so the connector sends that many, waits, and sends the rest.
"""


def opening(console: Console, stack: Stack) -> None:
    """What is about to happen, and how long it takes."""
    topics = stack.workspace.topics
    names = {
        "source": stack.source_topic,
        "outcomes": topics.outcomes,
        "dead_letters": topics.dead_letters,
        "videos": topics.videos,
    }
    console.print(_OPENING.format_map({role: name.ljust(_TOPIC_WIDTH) for role, name in names.items()}))


def started(console: Console, what: str, command: Sequence[str], seconds: float) -> None:
    """One of the three is up; `command` are the arguments by which it was started."""
    console.print(f"  [green]✓[/] {what:<{_WIDTH - 14}} [dim]{seconds:5.1f} s[/]")
    for line in _command_lines(command):
        console.print(Text(f"      {line}", "cyan"))


def explained(console: Console) -> None:
    """How the commands know of each other."""
    console.print("[dim]      Addresses and random tokens come from the environment: config/ names them.[/]")


def sent(console: Console, stack: Stack, samples: Sequence[Sample]) -> None:
    """What was sent, and what is going to happen to it."""
    quota = stack.workspace.seen.quota
    sound = sum(sample.kind in SOUND for sample in samples)
    others = sum(sample.kind in OF_OTHER_TYPES for sample in samples)
    text = _SENT.format(
        total=len(samples),
        source=stack.source_topic,
        sound=sound,
        others=others,
        bad=len(samples) - sound - others,
        requests=quota.requests,
        seconds=quota.per_seconds,
    )
    console.print(text)


def closing(
    console: Console, stack: Stack, books: Books, topics: Topics, checks: Sequence[Check], logs: Path
) -> None:
    """What became of every event, some of what Kafka holds now, where to look next, and whether all is well."""
    _heading(console, "What became of them")
    console.print(_table(books))
    for video in topics.videos[:_VIDEOS_SHOWN]:
        _record(console, "A video is ready", video)
    refused = {entry.origin for entry in books.entries if entry.sample.kind is Kind.REFUSED}
    for letter in [each for each in topics.dead_letters if origin_of(each) in refused][:1]:
        _record(console, "A dead letter", letter)
    _where_next(console, stack, logs)
    _verdict(console, books, checks)


def _table(books: Books) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("sent", no_wrap=True)
    table.add_column("events", justify="right")
    table.add_column("outcome")
    table.add_column("reason")
    table.add_column("videos", justify="right")
    for row in books.rows():
        outcome = Text(row.outcome or "missing", _STYLES[row.outcome])
        videos = str(row.videos) if row.outcome is OutcomeKind.ACCEPTED else ""
        table.add_row(row.kind, str(row.count), outcome, row.reason, videos)
    table.add_section()
    table.add_row("in all", str(len(books.entries)), "", "", str(books.videos))
    return table


def _record(console: Console, title: str, record: Record) -> None:
    """A record of Kafka, whole."""
    _heading(console, f"{title}: {record.topic}, partition {record.partition}, offset {record.offset}")
    fields = [("key", record.key), *record.headers]
    longest = max(len(name) for name, _ in fields)
    for name, content in fields:
        text = "null" if content is None else content.decode(errors="replace")
        console.print(Text.assemble((f"  {name:{longest}}  ", "dim"), text), soft_wrap=True)
    value = json.dumps(json.loads(record.value or b"null"), indent=2, ensure_ascii=False)
    console.print(JSONHighlighter()(Text(indent(f"\n{value}", "  "))), soft_wrap=True)


def _where_next(console: Console, stack: Stack, logs: Path) -> None:
    *_, workspace_file = stack.config.files
    places = {
        workspace_file: "all that you saw, configured in one file",
        "docs/configuration.md": "every setting",
        "docs/events.md": "what comes out, field by field",
        "docs/emulator.md": "make SEEN slow, refuse, or go away",
        f"{PROGRAM} --help": "check a configuration, run, emulate",
    }
    _heading(console, "Where to look next")
    longest = max(map(len, places))
    for place, what in places.items():
        console.print(Text.assemble((f"  {place:{longest}}  ", "cyan"), what))
    console.print(
        Text.assemble("  The log of this run: ", (str(logs / "connector.log"), "cyan")), soft_wrap=True
    )


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}\n", "bold"), soft_wrap=True)


def _verdict(console: Console, books: Books, checks: Sequence[Check]) -> None:
    console.print()
    for check in checks:
        mark, style = ("✓", "green") if check.passed else ("✗", "bold red")
        console.print(Text.assemble(("  " + mark, style), " " + check.words))
    faults = Counter((entry.sample.kind, entry.fault) for entry in books.entries if entry.fault)
    for (kind, fault), count in faults.items():
        console.print(Text(f"      {count} times {kind}: {fault}", "red"))
    console.print()


def _command_lines(arguments: Sequence[str]) -> list[str]:
    """The command as it is typed, broken before options so that it fits."""
    if not arguments:
        return []
    words = [PROGRAM, *arguments]
    lines, line = [], words[0]
    for number, word in enumerate(words[1:], start=1):
        needed = len(line) + sum(len(shlex.quote(each)) + 1 for each in words[number : number + 2])
        if word.startswith("--") and needed > _WIDTH - 8:
            lines.append(f"{line} \\")
            line = f"    {word}"
        else:
            line = f"{line} {shlex.quote(word)}"
    return [*lines, line]
