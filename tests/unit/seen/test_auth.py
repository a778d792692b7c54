"""The Authorization header, and a token that is replaced in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.config.secrets import Secret
from connector.seen.auth import StaticToken

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_token_is_read_anew_only_when_it_is_asked_to_be(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token-of-today\n")
    credentials = StaticToken(Secret.from_file(file).reveal)
    file.write_text("token-of-tomorrow\n")
    assert await credentials.authorization() == "Bearer token-of-today"
    await credentials.renew()
    assert await credentials.authorization() == "Bearer token-of-tomorrow"


async def test_a_token_whose_file_is_gone_stays_in_force(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token-of-today")
    credentials = StaticToken(Secret.from_file(file).reveal)
    file.unlink()
    await credentials.renew()
    assert await credentials.authorization() == "Bearer token-of-today"
