"""How calls of each kind are made, counted and refused: what the callers' side of a contract says, beside the bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.inbound import answer, brazeanswer
from connector.metrics import WorkspaceMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.inbound.answer import Answer
    from connector.inbound.door import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How calls of one kind are made. `methods` are those that are taken, `count` is told how each call ended.

    Without `needs_type`, headers that say of a body that it is no JSON count for nothing: what it is, is seen when it is
    read. With `waits`, a call beyond those that are made durable at once waits for its turn; otherwise it is refused.
    """

    kind: Kind
    methods: frozenset[str]
    wrong_method: Answer
    unauthenticated: Answer
    count: Callable[[WorkspaceMetrics, str], None]
    needs_type: bool = True
    waits: bool = False


def of_callbacks(kind: Kind) -> Manner:
    """SEEN's calls. It makes a call that failed twice more (SEEN callbacks)."""
    return Manner(
        kind=kind,
        methods=frozenset({"POST", "PUT", "PATCH"}),
        wrong_method=answer.WRONG_METHOD,
        unauthenticated=answer.UNAUTHENTICATED,
        count=WorkspaceMetrics.callback,
    )


BRAZE = Manner(
    kind="braze",
    methods=frozenset({"POST"}),
    wrong_method=answer.ONLY_POST,
    unauthenticated=brazeanswer.UNAUTHENTICATED,
    count=WorkspaceMetrics.braze_call,
    # What is refused with 415 is lost: nothing of it was read, and nobody sends it again.
    needs_type=False,
    # A campaign sends in bursts.
    waits=True,
)
"""Braze's calls, which it takes for calls to SEEN."""
