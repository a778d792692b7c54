"""What every model of the configuration is made of: the strict parent, and the types of secrets and files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    model_validator,
)

from connector.config.secrets import MASK, Secret
from connector.config.values import AtMostTwo, NotEmpty, empty_is_unset, mistake

WRITTEN = "<written>"
"""In a message: stands for the scalar as the file has it, before substitution."""


class SecretFile(NamedTuple):
    """What stands in a secret's place where `<name>_file` is set, until the secret's validator reads it."""

    path: object
    in_two_ways: bool


class Settings(BaseModel):
    """The parent of every model: frozen, no unknown settings, and `<name>_file` for each secret `<name>`.

    A section without content (`delivery:`) is a section whose settings all have their defaults; see `NotBare` for others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _with_secret_files(cls, data: Any) -> Any:
        if data is None:
            return {}
        if not isinstance(data, dict):
            return data
        settings = dict(data)
        for name in cls.secret_names():
            if (path := settings.pop(f"{name}_file", None)) not in (None, ""):
                settings[name] = SecretFile(path, in_two_ways=settings.get(name) not in (None, ""))
        return settings

    @classmethod
    def secret_names(cls) -> tuple[str, ...]:
        """The settings that are secrets: each can be given as `<name>_file`, too."""
        return tuple(name for name, field in cls.model_fields.items() if Secret in _leaves(field.annotation))

    @classmethod
    def section(cls, name: str) -> "type[Settings] | None":
        """The model of the section `name`, or of its items where it is a list; None where `name` is no section."""
        field = cls.model_fields.get(name)
        leaves = () if field is None else _leaves(field.annotation)
        return next((leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, Settings)), None)

    def walk(self, path: str = "") -> "Iterator[tuple[str, Settings | Secret]]":
        """The section itself, which is at `path`, every section in it, and every secret, each with its path."""
        yield path, self
        for name in type(self).model_fields:
            value, inner = getattr(self, name), f"{path}.{name}".lstrip(".")
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Settings):
                    yield from item.walk(inner)
                elif isinstance(item, Secret):
                    yield inner, item


def _not_bare(value: object) -> object:
    if value is None:
        raise mistake("is empty: give it settings, or leave it out")
    return value


def _leaves(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list | tuple) else [value]


def _secret(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, SecretFile):
        return _secret_from_file(value, info)
    if not isinstance(value, str):
        raise mistake("must be text: put it in quotes")
    try:
        return Secret(value)
    except ValueError as error:
        raise mistake(str(error)) from None


def _secret_from_file(given: SecretFile, info: ValidationInfo) -> Secret:
    if given.in_two_ways:
        raise mistake("is given twice, here and in its _file setting: one of them must go")
    path = _path(given.path, info)
    try:
        return Secret.from_file(path)
    except ValueError as error:
        raise mistake(f"the file {WRITTEN} {error}") from None


def _secrets(value: object) -> Sequence[object]:
    if not isinstance(value, SecretFile):
        return _listed(value)
    return [SecretFile(path, value.in_two_ways) for path in _listed(value.path)]


def _signing_keys(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    for secret in secrets:
        try:
            secret.require_length(SIGNING_KEY_LENGTH)
        except ValueError as error:
            raise mistake(f"{error}: a key is random text that nobody types") from None
    return secrets


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise mistake("must be the name of a file")
    context = info.context if isinstance(info.context, Mapping) else {}
    return Path(context.get("directory", "")) / value


def _file(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    if not path.is_file():
        raise mistake(f"the file {WRITTEN} does not exist")
    return path


def _folder(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    if not path.is_dir():
        raise mistake(f"the folder {WRITTEN} does not exist")
    if not os.access(path, os.W_OK | os.X_OK):
        raise mistake(f"nothing can be written into the folder {WRITTEN}")
    return path


NotBare = BeforeValidator(_not_bare)
"""Of a section that is absent where it is left out: its name alone is a mistake, for it would be absent all the same."""

Listed = BeforeValidator(_listed)
"""A single value stands for a list of one."""

SecretText = Annotated[Secret, PlainValidator(_secret), PlainSerializer(lambda _: MASK, return_type=str)]
OptionalSecret = Annotated[SecretText | None, BeforeValidator(empty_is_unset)]
RotatingSecrets = Annotated[tuple[SecretText, ...], BeforeValidator(_secrets), AtMostTwo]
"""One secret, or two while a rotation goes on: both are good."""

SIGNING_KEY_LENGTH = 32
"""In characters. HS256 wants a key of 256 bits at least (RFC 7518, 3.2)."""

SigningKeys = Annotated[RotatingSecrets, AfterValidator(_signing_keys), NotEmpty]
"""One key, or two while a rotation goes on: the first signs, both are good."""

OptionalFile = Annotated[Annotated[Path, PlainValidator(_file)] | None, BeforeValidator(empty_is_unset)]
"""An existing file; a relative name counts from the file that names it."""

OptionalFolder = Annotated[Annotated[Path, PlainValidator(_folder)] | None, BeforeValidator(empty_is_unset)]
"""An existing folder that can be written to; a relative name counts from the file that names it."""
