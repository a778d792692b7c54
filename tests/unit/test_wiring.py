"""From the configuration to what authenticates at SEEN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from structlog.testing import capture_logs

from connector import wiring
from connector.app import App
from connector.config.load import load
from connector.inbound.auth import Proof
from connector.inbound.jwks import IssuerAuth
from connector.inbound.tokens import issue
from connector.metrics import Metrics
from connector.sandbox.emulator import Emulator, EmulatorSettings, OAuthClient, WorkspaceSettings
from connector.seen.auth import StaticToken
from connector.testing import FakeClock
from connector.types import Event, Record, Unsendable
from tests.issuer import AUDIENCE, EC, ISSUER, claims, signed
from tests.unit.seen.test_oauth2 import RecordingServer

if TYPE_CHECKING:
    from connector.config.model import Config

CONFIG = Path(__file__).parents[2] / "config"
SIGNING_KEY = "a-signing-key-of-32-characters-00"
ENVIRON = {"ACME_CALLBACK_TOKEN": "token-of-callbacks", "SEEN_ACME_TOKEN": "token-of-seen"}
CALLBACK = 'token: "${ACME_CALLBACK_TOKEN}"'
OWN = "oauth2: {client_id: us, client_secret_file: secret}"
BEARER = 'bearer_token: "${SEEN_ACME_TOKEN}"'


def loaded(folder: Path, change: tuple[str, str] = ("", ""), **environ: str) -> Config:
    """The example configuration with one change in its workspace file; `key`, if it is there, is the signing key, and
    `images` a section of connector.yaml.
    """
    (folder / "workspaces").mkdir(exist_ok=True)
    keys = (
        "  oauth2: {signing_key_file: key, token_lifetime_seconds: 60}\n" if (folder / "key").exists() else ""
    )
    connector = (CONFIG / "connector.yaml").read_text()
    images = (folder / "images").read_text() if (folder / "images").exists() else ""
    (folder / "connector.yaml").write_text(connector.replace("\nadmin:", f"{keys}\nadmin:") + images)
    acme = (CONFIG / "workspaces" / "acme.yaml").read_text()
    assert change[0] in acme
    (folder / "workspaces" / "acme.yaml").write_text(acme.replace(*change) if change[0] else acme)
    return load(folder, ENVIRON | environ)


async def test_a_token_of_the_configuration_is_what_seen_is_shown(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    credentials = wiring.credentials(config.workspaces[0], FakeClock(), config.redactor())
    assert isinstance(credentials, StaticToken)
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
    "callback.auth.token_file": (CALLBACK, "token_file: secret"),
    "callback.auth.oauth2.client_secret_file": (CALLBACK, OWN),
}


@pytest.mark.parametrize("setting", SECRET_FILES)
def test_a_secret_file_that_can_no_longer_be_used_is_said_once(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "workspaces" / "secret"
    file.parent.mkdir()
    file.write_text("secret-of-today")
    (tmp_path / "key").write_text(SIGNING_KEY)
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


async def test_a_callback_s_secret_in_a_file_is_read_at_each_call_and_its_loss_is_said_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "workspaces" / "secret"
    file.parent.mkdir()
    file.write_text("secret-of-today")
    config = loaded(tmp_path, SECRET_FILES["callback.auth.token_file"])
    App(config, config.redactor())
    authenticator = wiring.CallbackAuthenticator(config.workspaces[0].callback.auth)
    file.unlink()
    with capture_logs() as lines:
        for _ in range(100):
            assert await authenticator.check({"Authorization": "Bearer secret-of-today"}) is Proof.RIGHT
    assert [line["event"] for line in lines] == ["secret_file_unusable"]


async def test_a_token_that_was_exchanged_counts_at_once_and_the_old_one_no_more(tmp_path: Path) -> None:
    file = tmp_path / "workspaces" / "secret"
    file.parent.mkdir()
    file.write_text("secret-of-today")
    config = loaded(tmp_path, SECRET_FILES["callback.auth.token_file"])
    authenticator = wiring.CallbackAuthenticator(config.workspaces[0].callback.auth)
    old, new = {"Authorization": "Bearer secret-of-today"}, {"Authorization": "Bearer secret-of-tomorrow"}
    assert (await authenticator.check(old), await authenticator.check(new)) == (Proof.RIGHT, Proof.WRONG)
    file.write_text("secret-of-tomorrow")
    assert (await authenticator.check(old), await authenticator.check(new)) == (Proof.WRONG, Proof.RIGHT)


FETCH = ("on_failure: reject", "on_failure: reject\n      check: fetch")


async def test_images_are_looked_at_only_where_a_source_says_so_and_as_connector_yaml_says(
    tmp_path: Path,
) -> None:
    clock, series = FakeClock(), Metrics("0").workspace("acme")
    config = loaded(tmp_path)
    (workspace,) = config.workspaces
    assert wiring.preparation(workspace, config.connector.images, clock, series) is None
    async with Emulator(EmulatorSettings(workspaces=())) as hosts:
        (tmp_path / "images").write_text(
            f"\nimages: {{allow_hosts: ['{hosts.url.removeprefix('http://')}'], timeout_seconds: 1}}\n"
        )
        config = loaded(tmp_path, FETCH)
        (workspace,) = config.workspaces
        preparation = wiring.preparation(workspace, config.connector.images, clock, series)
        assert preparation is not None
        reader = wiring.mappings(workspace)["customer-events"]
        for kind, expected in (("good", Event), ("html", Unsendable)):
            customer = {"id": "1", "photo_url": f"{hosts.url}/images/{kind}/photo.png"}
            value = orjson.dumps({"type": "customer.signed_up", "customer": customer})
            event = reader.read(Record("customer-events", 0, 0, 0, None, value))
            assert isinstance(event, Event)
            assert isinstance(await preparation.prepare(event), expected)


@pytest.fixture
def own_tokens(tmp_path: Path) -> Config:
    """A workspace whose callbacks show tokens of our own endpoint; key and secret are in files."""
    (tmp_path / "key").write_text(SIGNING_KEY)
    (tmp_path / "workspaces").mkdir()
    (tmp_path / "workspaces" / "secret").write_text("secret-of-today")
    return loaded(tmp_path, (CALLBACK, OWN))


async def test_the_keys_of_our_own_tokens_and_the_secrets_of_their_clients_are_read_at_each_use(
    tmp_path: Path, own_tokens: Config
) -> None:
    clock, metrics = FakeClock(), Metrics("0")
    endpoint = wiring.token_endpoint(own_tokens, clock, metrics)
    assert endpoint is not None
    assert endpoint.lifetime_seconds == 60
    (workspace,) = own_tokens.workspaces
    listener = own_tokens.connector.listener
    authenticator = wiring.authenticator(workspace, listener, clock, metrics.workspace("acme"))
    for key, secret in ((SIGNING_KEY, "secret-of-today"), (SIGNING_KEY[::-1], "secret-of-tomorrow")):
        (tmp_path / "key").write_text(key)
        (tmp_path / "workspaces" / "secret").write_text(secret)
        assert endpoint.keys() == (key,)
        assert [(each.workspace, each.client_id, each.secrets) for each in endpoint.clients()] == [
            ("acme", "us", (secret,))
        ]
        token = issue(key, workspace="acme", client_id="us", now=clock.wall(), lifetime_seconds=60)
        old = issue(key[::-1], workspace="acme", client_id="us", now=clock.wall(), lifetime_seconds=60)
        assert await authenticator.check({"Authorization": f"Bearer {token}"}) is Proof.RIGHT
        assert await authenticator.check({"Authorization": f"Bearer {old}"}) is Proof.WRONG
    (tmp_path / "key").write_text("too short")
    assert endpoint.keys() == (SIGNING_KEY[::-1],)


def test_without_a_workspace_that_asks_for_it_there_is_no_token_endpoint(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SIGNING_KEY)
    assert wiring.token_endpoint(loaded(tmp_path), FakeClock(), Metrics("0")) is None


async def test_a_workspace_that_trusts_an_issuer_asks_for_what_its_file_says(tmp_path: Path) -> None:
    wanted = f"jwt: {{issuer: '{ISSUER}', audience: {AUDIENCE}, algorithms: ES256, subject: seen, "
    config = loaded(tmp_path, (CALLBACK, wanted + "jwks_url: 'https://127.0.0.1:9/keys?set=1'}"))
    clock, metrics = FakeClock(), Metrics("0")
    (workspace,) = config.workspaces
    listener = config.connector.listener
    authenticator = wiring.authenticator(workspace, listener, clock, metrics.workspace("acme"))
    assert isinstance(authenticator, IssuerAuth)
    said = claims(clock.wall())
    for token, proof in (
        (signed(said, EC, "ES256"), Proof.UNVERIFIABLE),  # all is right, but nobody publishes the key
        (signed(said), Proof.WRONG),
        (signed(said | {"sub": "others"}, EC, "ES256"), Proof.WRONG),
        (signed(said | {"aud": "others"}, EC, "ES256"), Proof.WRONG),
        (signed(said | {"iss": "others"}, EC, "ES256"), Proof.WRONG),
    ):
        assert await authenticator.check({"Authorization": f"Bearer {token}"}) is proof
