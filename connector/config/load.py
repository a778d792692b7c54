"""From a directory to a configuration: every file is read, every mistake is named, then all or nothing."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import ValidationError

from connector.config import cautions, rules, wording
from connector.config.clashes import clashes
from connector.config.document import Document, Location, dotted, without
from connector.config.model import Config, ConnectorConfig
from connector.config.settings import WRITTEN, Settings
from connector.config.unbuilt import CONNECTOR, WORKSPACE, unbuilt
from connector.config.workspace import WorkspaceConfig
from connector.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

S = TypeVar("S", bound=Settings)

MAX_FILE_BYTES = 1_048_576
"""A configuration file that is longer is refused unread."""

_ATTEMPTS_AT_A_STAND_IN = 4


@dataclass
class _File(Generic[S]):
    """A file on its way. `settings` is None where too much is wrong with it; where `mistaken` names settings, defaults
    stand in for them, so that the rules can be applied to the rest.
    """

    document: Document
    settings: S | None = None
    problems: list[Problem] = field(default_factory=list)
    mistaken: list[Location] = field(default_factory=list)

    def apply(self, mistakes: Iterable[rules.Mistake]) -> None:
        """Adds the problems of rules, but for those about a setting that is known to be wrong."""
        for location, message, unless in mistakes:
            about = (location, *unless)
            if not any(_related(each, mistaken) for each in about for mistaken in self.mistaken):
                self.problems.append(self.document.problem(location, message))


def load(directory: Path, environ: Mapping[str, str]) -> Config:
    """Reads `directory`/connector.yaml and `directory`/workspaces/*.yaml; `environ` is what `${NAME}` refers to.

    Raises ConfigError with every mistake in every file. No message holds a secret or a variable's value.
    """
    problems: list[Problem] = []
    connector: _File[ConnectorConfig] | None = None
    if (document := _open(directory / "connector.yaml", environ, problems)) is not None:
        connector = _validated(document, ConnectorConfig, CONNECTOR)
    workspaces = [
        _validated(document, WorkspaceConfig, WORKSPACE)
        for path in _workspace_files(directory / "workspaces", problems)
        if (document := _open(path, environ, problems)) is not None
    ]
    _apply_workspace_rules(workspaces)
    if connector is not None and connector.settings is not None:
        connector.apply(rules.connector_mistakes(connector.settings, len(workspaces)))
        _apply_needs(connector, connector.settings, workspaces)
    files: list[_File[ConnectorConfig] | _File[WorkspaceConfig]] = [
        *([connector] if connector else []),
        *workspaces,
    ]
    for file in files:
        problems += sorted(file.problems, key=lambda problem: problem.line or 0)
    if problems or connector is None or connector.settings is None:
        raise ConfigError(problems)
    return Config(
        connector.settings,
        tuple(file.settings for file in workspaces if file.settings is not None),
        tuple(file.document.file for file in files),
        tuple(_warnings(connector, workspaces)),
    )


def _open(path: Path, environ: Mapping[str, str], problems: list[Problem]) -> Document | None:
    """The document in `path`; None, and a problem, where there is no text to parse."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) <= MAX_FILE_BYTES:
            return Document(str(path), content.decode("utf-8-sig"), environ)
        problems.append(Problem(str(path), None, f"is larger than {MAX_FILE_BYTES} bytes"))
    except OSError as error:
        problems.append(Problem(str(path), None, f"cannot be read: {error.strerror or type(error).__name__}"))
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), content[: error.start].count(b"\n") + 1, "is not UTF-8 text"))
    return None


def _workspace_files(directory: Path, problems: list[Problem]) -> list[Path]:
    paths = [path for path in sorted(directory.glob("*")) if not path.name.startswith(".")]
    problems += [
        Problem(str(path), None, "would not be read: give its name the ending .yaml")
        for path in paths
        if path.suffix == ".yml"
    ]
    found = [path for path in paths if path.suffix == ".yaml"]
    if not found:
        problems.append(
            Problem(str(directory), None, "holds no workspace: at least one file *.yaml is needed")
        )
    return found


def _validated(document: Document, model: type[S], rows: Mapping[str, str | None]) -> _File[S]:
    file: _File[S] = _File(document, problems=list(document.problems))
    for location, message in unbuilt(document.data, rows):
        file.problems.append(document.problem(location, message))
    data, context = document.data, {"directory": Path(document.file).parent}
    if data is None:
        return file
    for attempt in range(_ATTEMPTS_AT_A_STAND_IN):
        try:
            file.settings = model.model_validate(data, context=context)
            break
        except ValidationError as error:
            if attempt == 0:
                file.problems += _refusals(document, model, error)
            wrong = [
                _to_leave_out(detail["type"], detail["loc"]) for detail in error.errors(include_input=False)
            ]
        if not all(wrong):
            break
        file.mistaken += wrong
        data = without(data, wrong)
    return file


def _refusals(document: Document, model: type[Settings], error: ValidationError) -> Iterable[Problem]:
    for detail in error.errors(include_url=False, include_input=False):
        location = detail["loc"]
        if document.unresolved(location):
            continue
        message = wording.message(detail, model, bare=document.is_bare(location))
        message = message.replace(WRITTEN, document.written(location))
        if wording.is_unknown(detail):
            section = dotted(location[:-1])
            yield Problem(
                document.file, document.line(location), f"{section}: {message}" if section else message
            )
        else:
            yield document.problem(location, message)


def _to_leave_out(kind: str, location: Location) -> Location:
    """What to leave out so that the rest may be valid: of a setting that is missing, the section."""
    return location[:-1] if kind == "missing" else location


def _related(one: Location, other: Location) -> bool:
    return all(mine == its for mine, its in zip(one, other, strict=False))


def _apply_workspace_rules(files: list[_File[WorkspaceConfig]]) -> None:
    known = [(file, file.settings) for file in files if file.settings is not None]
    for file, settings in known:
        file.apply(rules.workspace_mistakes(settings))
    for clash in clashes([settings for _, settings in known]):
        earlier = known[clash.earlier_at][0].document
        there = f"{dotted(clash.earlier_location)} at {earlier.file}:{earlier.line(clash.earlier_location)}"
        known[clash.at][0].apply([rules.Mistake(clash.location, f"{clash.message} {there}")])


def _apply_needs(
    connector: _File[ConnectorConfig], settings: ConnectorConfig, files: list[_File[WorkspaceConfig]]
) -> None:
    if any(_related(("listener", "oauth2"), mistaken) for mistaken in connector.mistaken):
        return  # it is there, and wrong
    for file in files:
        if file.settings is not None:
            file.apply(rules.needs_of_connector(settings, file.settings))


def _warnings(connector: _File[ConnectorConfig], files: list[_File[WorkspaceConfig]]) -> Iterable[Problem]:
    workspaces = [file.settings for file in files if file.settings is not None]
    if connector.settings is not None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for location, message, _ in cautions.connector_warnings(connector.settings, workspaces, descriptors):
            yield connector.document.problem(location, message)
    for file in files:
        if file.settings is not None:
            for location, message, _ in cautions.workspace_warnings(file.settings):
                yield file.document.problem(location, message)
