"""What must hold for the demo to have gone well, and the words that say whether it does. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.sandbox.demo.books import Books


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, in words that give the figures."""

    passed: bool
    words: str


def checks(books: Books, seen: dict[str, Any], exit_code: int | None) -> list[Check]:
    """All of them. `seen` is the emulator's summary, of one workspace; `exit_code` the connector's."""
    (workspace,) = seen["workspaces"].values()
    quota, refused = workspace["quota"], workspace["answered"].get("429", 0)
    total, dead = len(books.entries), books.dead
    return [
        Check(
            books.accounted_for == total,
            f"{books.accounted_for} of {total} events accounted for, one outcome each",
        ),
        Check(
            books.videos == workspace["items"] and not books.strays,
            f"{books.videos} of {workspace['items']} videos ready: one for each customer that SEEN has",
        ),
        Check(
            all(entry.fault is None for entry in dead),
            f"{len(dead)} dead letters, each with the bytes of its record unchanged",
        ),
        Check(
            refused == 0,
            f"{refused or 'No'} 429 in {workspace['requests']} requests: at most {workspace['worst_window']} in any "
            f"{quota['per_seconds']:g} s, SEEN allows {quota['requests']}",
        ),
        Check(exit_code == 0, f"the connector was told to end, and did: exit code {exit_code}"),
    ]
