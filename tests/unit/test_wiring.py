"""From the configuration to what authenticates at SEEN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from connector import wiring
from connector.app import App
from connector.config.load import load
from connector.sandbox.emulator import Emulator, EmulatorSettings, OAuthClient, WorkspaceSettings
from connector.seen.auth import BearerToken
from connector.testing import FakeClock
from tests.unit.seen.test_oauth2 import RecordingServer

if TYPE_CHECKING:
    from connector.config.model import Config

CONFIG = Path(__file__).parents[2] / "config"
ENVIRON = {"ACME_CALLBACK_TOKEN": "token-of-callbacks", "SEEN_ACME_TOKEN": "token-of-seen"}
BEARER = 'bearer_token: "${SEEN_ACME_TOKEN}"'


def loaded(folder: Path, change: tuple[str, str] = ("", ""), **environ: str) -> Config:
    """The example configuration with one change in its workspace file."""
    (folder / "workspaces").mkdir(exist_ok=True)
    (folder / "connector.yaml").write_text((CONFIG / "connector.yaml").read_text())
    acme = (CONFIG / "workspaces" / "acme.yaml").read_text()
    assert change[0] in acme
    (folder / "workspaces" / "acme.yaml").write_text(acme.replace(*change) if change[0] else acme)
    return load(folder, ENVIRON | environ)


async def test_a_token_of_the_configuration_is_what_seen_is_shown(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    credentials = wiring.credentials(config.workspaces[0], FakeClock(), config.redactor())
    assert isinstance(credentials, BearerToken)
    assert await credentials.authorization() == "Bearer token-of-seen"


async def test_a_client_of_the_configuration_fetches_tokens_that_the_redactor_knows(tmp_path: Path) -> None:
    client = OAuthClient(client_id="us", client_secret="client-secret")
    settings = EmulatorSettings(workspaces=(WorkspaceSettings(id="acme", clients=(client,)),))
    async with Emulator(settings) as seen:
        auth = "oauth2: {client_id: us, client_secret: client-secret, scope: all}"
        config = loaded(tmp_path, (BEARER, auth), SEEN_BASE_URL=seen.url, SEEN_ACME_WORKSPACE_ID="acme")
        redactor = config.redactor()
        credentials = wiring.credentials(config.workspaces[0], FakeClock(), redactor)
        for _ in range(20):
            await credentials.renew()
            header = await credentials.authorization()
        await credentials.stop()
        first, *_, last = seen.issued_tokens("acme")
    assert header == f"Bearer {last}"
    # Tokens come for ever, so only the latest are kept; they push out no other secret.
    assert redactor.clean(f"{first} {last} client-secret") == f"{first} *** ***"


async def test_the_scope_of_the_configuration_is_asked_for(tmp_path: Path) -> None:
    auth = 'oauth2: {client_id: us, client_secret: client-secret, scope: "read write"}'
    raw = RecordingServer()
    async with raw.running() as server:
        config = loaded(tmp_path, (BEARER, auth), SEEN_BASE_URL=server.url)
        await wiring.credentials(config.workspaces[0], FakeClock(), config.redactor()).authorization()
    assert raw.received.endswith(b"client_id=us&client_secret=client-secret&scope=read+write")


SECRET_FILES = {
    "seen.auth.bearer_token_file": (BEARER, "bearer_token_file: secret"),
    "seen.auth.oauth2.client_secret_file": (BEARER, "oauth2: {client_id: us, client_secret_file: secret}"),
    "callback.auth.token_file": ('token: "${ACME_CALLBACK_TOKEN}"', "token_file: secret"),
}


@pytest.mark.parametrize("setting", SECRET_FILES)
def test_a_secret_file_that_can_no_longer_be_used_is_said_once(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "workspaces" / "secret"
    file.parent.mkdir()
    file.write_text("secret-of-today")
    config = loaded(tmp_path, SECRET_FILES[setting])
    App(config, config.redactor())
    (secret,) = (secret for _, name, secret in config.named_secrets() if f"{name}_file" == setting)
    with capture_logs() as lines:
        secret.reveal()
        file.write_text("")
        for _ in range(3):
            assert secret.reveal() == "secret-of-today"
        file.write_text("secret-of-tomorrow")
        for _ in range(3):
            assert secret.reveal() == "secret-of-tomorrow"
    where = {"workspace": "acme", "setting": setting}
    assert lines == [
        {"event": "secret_file_unusable", **where, "why": "is empty", "log_level": "warning"},
        {"event": "secret_file_usable", **where, "log_level": "info"},
    ]


def test_a_callback_s_secret_in_a_file_is_read_at_each_call_and_its_loss_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "workspaces" / "secret"
    file.parent.mkdir()
    file.write_text("secret-of-today")
    config = loaded(tmp_path, SECRET_FILES["callback.auth.token_file"])
    App(config, config.redactor())
    authenticator = wiring.CallbackAuthenticator(config.workspaces[0].callback.auth)
    file.unlink()
    with capture_logs() as lines:
        for _ in range(100):
            assert authenticator.accepts({"Authorization": "Bearer secret-of-today"})
    assert [line["event"] for line in lines] == ["secret_file_unusable"]
