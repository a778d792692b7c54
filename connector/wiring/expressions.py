"""Expressions of the configuration, compiled once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jmespath

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jmespath.parser import ParsedResult


def compiled(paths: Mapping[str, str] | None) -> tuple[tuple[str, ParsedResult], ...] | None:
    """Each name with what finds its value; None for None."""
    return None if paths is None else tuple((name, jmespath.compile(path)) for name, path in paths.items())
