"""docs/configuration.md has every setting of the models, with the default that the models have, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic_core import PydanticUndefined

from connector.config.model import ConnectorConfig, WorkspaceConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.config.settings import Settings

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z0-9_.\[\]]+)` \| (.+?) \| ", TEXT, re.MULTILINE))


def settings_of(model: type[Settings], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The path of each setting that is no section, and its default."""
    for name, field in model.model_fields.items():
        section = model.section(name)
        path = f"{prefix}{name}{'[]' if name == 'sources' else ''}"
        if section is None:
            yield path, field.default
        else:
            yield from settings_of(section, f"{path}.")


ALL = dict([*settings_of(ConnectorConfig), *settings_of(WorkspaceConfig)])


def test_every_setting_has_its_row_and_no_row_is_without_a_setting() -> None:
    assert sorted(ROWS) == sorted(ALL)


@pytest.mark.parametrize(("path", "default"), ALL.items(), ids=list(ALL))
def test_the_documented_default_is_the_models(path: str, default: object) -> None:
    documented = ROWS[path]
    if isinstance(default, bool):
        assert documented == f"`{str(default).lower()}`"
    elif isinstance(default, int | float):
        assert documented == f"`{default:.10g}`"
    elif isinstance(default, str) and default:
        assert documented == f"`{default}`"
    elif default is PydanticUndefined and not path.startswith(("seen.", "topics.", "callback.auth.")):
        assert documented.startswith("required")
