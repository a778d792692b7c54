"""One YAML file of the configuration: its data, and the line of every setting.

YAML 1.2. References to the environment are replaced in text, never in keys; text stays text, even if it looks like a
number. Mistakes are collected, not raised: what can be read is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from connector.config.substitution import substitute
from connector.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Location = tuple[str | int, ...]
"""The way from a file's root to a setting: names, and indexes from 0."""

_UNFINISHED = object()
"""Stands for a node while its content is built: to meet it then is to meet an alias inside what it names."""

_TAG = "tag:yaml.org,2002:"
_TEXT = {_TAG + kind for kind in ("str", "timestamp", "value", "merge")}
_NULL = _TAG + "null"
_PLAIN = {_NULL} | {_TAG + kind for kind in ("bool", "int", "float")}
_KNOWN = _TEXT | _PLAIN | {_TAG + "map", _TAG + "seq"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_PATH = re.compile(r"\.{0,2}/.*|.*\$\{.*", re.DOTALL)


def dotted(location: Location) -> str:
    """`("sources", 0, "topics")` as people write it: `sources[0].topics`. What cannot be a name shows as `…`."""
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part if _NAME.fullmatch(part) else '…'}"
        for part in location
    )
    return "".join(parts).removeprefix(".")


class Document:
    """The file `file`, whose content is `text`.

    `data` is None where nothing can be read; `problems` holds what is wrong with the file as YAML, and every reference
    to the environment that leads nowhere.
    """

    def __init__(self, file: str, text: str, environ: Mapping[str, str]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.data: dict[str, Any] | None = None
        self._environ = environ
        self._yaml = YAML(typ="safe", pure=True)
        self._built: dict[int, Any] = {}
        self._unresolved: set[int] = set()
        self._root: Node | None = None
        try:
            self._root = self._compose(text)
            self._read()
        except RecursionError:
            self._add(None, "is nested too deeply")

    def problem(self, location: Location, message: str) -> Problem:
        """A mistake in the setting at `location`, in words that begin with its path."""
        return Problem(
            self.file, self.line(location), f"{dotted(location)}: {message}" if location else message
        )

    def line(self, location: Location) -> int:
        """The line, from 1, of the setting at `location`, else of the innermost section on the way there."""
        key, _ = self._find(location)
        return 1 if key is None else int(key.start_mark.line) + 1

    def unresolved(self, location: Location) -> bool:
        """Whether the setting there has no value that could be right or wrong: what it refers to is not there."""
        return id(self._find(location)[1]) in self._unresolved

    def is_bare(self, location: Location) -> bool:
        """Whether the setting there is a name alone, without a value."""
        node = self._find(location)[1]
        return isinstance(node, ScalarNode) and node.tag == _NULL

    def written(self, location: Location) -> str:
        """The file's name at `location` as it is written there, before substitution.

        Only what looks like a path, or refers to the environment, is repeated: it may be a secret in the wrong place.
        """
        _, node = self._find(location)
        text = node.value if isinstance(node, ScalarNode) else ""
        return text if _PATH.fullmatch(text) else "named here"

    def _compose(self, text: str) -> Node | None:
        try:
            return self._yaml.compose(text)  # type: ignore[no-any-return]
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._add(None if mark is None else mark.line + 1, _syntax(error))
        except YAMLError:
            self._add(None, "is not YAML: it holds a character that does not print")
        return None

    def _read(self) -> None:
        if self._root is None:
            self.data = None if self.problems else {}
        elif isinstance(self._root, MappingNode):
            self.data = self._build(self._root, ())
        else:
            self._add(self.line(()), "must be a mapping: settings, each with its value")

    def _build(self, node: Node, location: Location) -> Any:
        if id(node) not in self._built:
            self._built[id(node)] = _UNFINISHED
            self._built[id(node)] = self._content(node, location)
        elif self._built[id(node)] is _UNFINISHED:
            self._unresolved.add(id(node))
            self.problems.append(self.problem(location, "is part of itself"))
        return self._built[id(node)]

    def _content(self, node: Node, location: Location) -> Any:
        if node.tag not in _KNOWN:
            message = "a YAML tag has no meaning here; put text that begins with '!' in quotes"
            self._add(_line(node), message)
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            return [self._build(item, (*location, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag in _TEXT:
            return self._text(node, location)
        if isinstance(node, ScalarNode) and node.tag in _PLAIN:
            return self._plain(node)
        return node.value

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        content: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._add(_line(key), "a setting's name must be text")
                continue
            built = self._build(value, (*location, key.value))
            if key.value in first:
                message = f"is set twice, first on line {first[key.value]}"
                self._add(_line(key), f"{dotted((*location, key.value))}: {message}")
                continue
            first[key.value] = _line(key)
            content[key.value] = built
        return content

    def _text(self, node: ScalarNode, location: Location) -> str:
        substituted = substitute(node.value, self._environ)
        for message in substituted.mistakes:
            self._unresolved.add(id(node))
            self._add(_line(node), f"{dotted(location)}: {message}")
        return substituted.text

    def _plain(self, node: ScalarNode) -> Any:
        try:
            return self._yaml.constructor.construct_object(node)
        except ValueError:
            return node.value  # more digits than Python reads: whatever it was to be, it is no number

    def _find(self, location: Location) -> tuple[Node | None, Node | None]:
        """The node that names the setting (its key, or the item itself), and the node of its value."""
        key = node = self._root
        for part in location:
            if isinstance(node, MappingNode) and isinstance(part, str):
                pair = _pair(node, part)
                if pair is None:
                    break
                key, node = pair
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                key = node = node.value[part]
        return key, node

    def _add(self, line: int | None, message: str) -> None:
        self.problems.append(Problem(self.file, line, message))


def without(data: Any, locations: Iterable[Location]) -> Any:
    """A copy of `data` without the settings at `locations`; None where nothing of it can stay.

    Of a list, an item's settings can go, but no item: the others' indexes keep their meaning.
    """
    inner = [location for location in locations if location]
    if isinstance(data, list):
        items = [_part_without(item, index, inner) for index, item in enumerate(data)]
        return None if _GONE in items else items
    named = [location[1:] if isinstance(location[0], int) else location for location in inner]
    if not all(named):
        return None
    parts = {name: _part_without(value, name, named) for name, value in data.items()}
    return {name: part for name, part in parts.items() if part is not _GONE}


_GONE = object()


def _part_without(value: Any, name: str | int, locations: list[Location]) -> Any:
    names = (name, name.removesuffix("_file")) if isinstance(name, str) else (name,)
    inner = [rest for head, *rest in locations if head in names]
    if not inner:
        return value
    if not all(inner) or not isinstance(value, dict | list):
        return _GONE
    left = without(value, [tuple(rest) for rest in inner])
    return _GONE if left is None else left


def _pair(node: MappingNode, name: str) -> tuple[Node, Node] | None:
    pairs = {key.value: (key, value) for key, value in reversed(node.value) if isinstance(key, ScalarNode)}
    return pairs.get(name) or pairs.get(f"{name}_file")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(error: MarkedYAMLError) -> str:
    if isinstance(error, ComposerError) and error.context is None:
        return "is not YAML: an alias (*name) without its anchor; put text that begins with '*' in quotes"
    if isinstance(error, ComposerError):
        return "is not one YAML document: a second one begins here"
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"is not YAML: {_QUOTED.sub(_harmless, said)}"


def _harmless(quoted: re.Match[str]) -> str:
    """Single characters and the parser's own words (`<block end>`) may be repeated; the rest may be a value."""
    inside = quoted[1] or quoted[2] or ""
    return quoted[0] if len(inside) <= 2 or inside.startswith("<") else "…"
