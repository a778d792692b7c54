"""The one table, as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reliability.verdict import Row

_BREACHES_SHOWN = 5


def proof_text(proof: Mapping[str, bool]) -> str:
    """What the checker found of what was planted."""
    lines = [
        f"  {fault:28}{'found' if found else 'NOT FOUND'}"
        for fault, found in proof.items()
        if fault != "no fault"
    ]
    clean = "nothing" if proof["no fault"] else "SOMETHING"
    return "\n".join(["The checker proves itself:", f"  {'a run without a fault':28}{clean} found", *lines])


def table(rows: Sequence[Row], counts: Mapping[str, int]) -> str:
    """The verdict, row by row, after what the run consisted of."""
    lines = [f"{name:42}{count:>12,}" for name, count in counts.items()]
    lines += ["", f"{'':42}{'found':>12}{'allowed':>12}  verdict"]
    for row in rows:
        lines.append(f"{row.name:42}{row.found:>12}{row.allowed:>12}  {'ok' if row.kept else 'FAILED'}")
    return "\n".join(lines)


def breaches(rows: Sequence[Row]) -> str:
    """The first breaches of each row that failed."""
    lines = []
    for row in rows:
        if not row.kept and row.breaches:
            lines += [f"{row.name}:", *(f"  {each}" for each in row.breaches[:_BREACHES_SHOWN])]
            more = len(row.breaches) - _BREACHES_SHOWN
            lines += [f"  and {more} more"] if more > 0 else []
    return "\n".join(lines)
