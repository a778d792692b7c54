"""What a sound configuration becomes."""

from __future__ import annotations

import base64
import json
import os
import resource
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config.load import load
from connector.config.model import Config, WorkspaceConfig
from connector.config.unbuilt import CONNECTOR, WORKSPACE
from connector.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    Folder = Callable[..., Path]

REPOSITORY = Path(__file__).parents[3]


def loaded(directory: Path, **environ: str) -> Config:
    return load(directory, environ)


def the_workspace(config: Config) -> WorkspaceConfig:
    (workspace,) = config.workspaces
    return workspace


def test_names_default_to_names_made_of_the_workspaces(folder: Folder) -> None:
    workspace = the_workspace(loaded(folder()))
    assert workspace.group_id == "seen-connector-acme"
    assert workspace.topics.model_dump() == {
        "videos": "seen.acme.videos",
        "outcomes": "seen.acme.outcomes",
        "dead_letters": "seen.acme.dead-letters",
        "replay": "seen.acme.replay",
        "viewers": None,
    }


def test_one_topic_can_be_named_and_the_others_keep_their_defaults(folder: Folder, workspace: str) -> None:
    topics = the_workspace(loaded(folder(acme=workspace + "topics: {videos: films}\n"))).topics
    assert (topics.videos, topics.outcomes) == ("films", "seen.acme.outcomes")


def test_viewer_events_are_taken_where_a_topic_for_them_is_named(folder: Folder, workspace: str) -> None:
    text = workspace + "topics: {viewers: watched}\nviewers: {fields: {id: who.id}}\n"
    config = the_workspace(loaded(folder(acme=text)))
    assert config.viewers.fields.model_dump() == {"event": "event", "id": "who.id"}
    results = {"seen.acme.videos", "seen.acme.outcomes", "seen.acme.dead-letters"}
    assert config.topics.written() == {*results, "watched"}
    assert config.topics.model_copy(update={"viewers": None}).written() == results


def test_the_limit_and_address_default_to_what_seen_documents(folder: Folder) -> None:
    seen = the_workspace(loaded(folder())).seen
    assert (seen.base_url, seen.quota.requests, seen.quota.per_seconds) == ("https://next.seen.io", 100, 10)


def test_the_legacy_apis_limit_and_address_are_its_own() -> None:
    text = {"api": "receivers", "campaign_slug": "welcome-film", "auth": {"token": "canary"}}
    seen = WorkspaceConfig.model_validate(
        {
            "name": "acme",
            "sources": [{"topics": ["a"]}],
            "seen": text,
            "callback": {"auth": {"none": True}},
        }
    ).seen
    assert (seen.base_url, seen.quota.requests, seen.quota.per_seconds) == ("https://api.seen.io", 1000, 3600)


def test_a_section_without_content_has_its_defaults(folder: Folder, workspace: str) -> None:
    config = loaded(folder(acme=workspace + "delivery:\n"))
    assert the_workspace(config).delivery.max_in_flight == 32


def test_numbers_and_truths_may_come_as_text_from_the_environment(folder: Folder) -> None:
    text = "kafka: {bootstrap_servers: '${K:-a:1,b:2}', create_topics: '${C}'}\nlistener:\n  port: ${P}\n"
    config = loaded(folder(connector=text), C="true", P="8081").connector
    assert (config.kafka.create_topics, config.listener.port) == (True, 8081)
    assert config.kafka.bootstrap_servers == "a:1,b:2"


def test_what_an_unset_variable_leaves_empty_is_not_set(folder: Folder) -> None:
    text = "kafka: {bootstrap_servers: 'a:1', sasl_username: '${U:-}', sasl_password: '${P:-}', ssl_cafile: ''}\n"
    kafka = loaded(folder(connector=text)).connector.kafka
    assert (kafka.sasl_username, kafka.sasl_password, kafka.ssl_cafile) == (None, None, None)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("'2026-11-01T02:00:00+02:00'", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_source_starts_at_an_end_or_at_a_time(
    folder: Folder, workspace: str, start: str, expected: object
) -> None:
    text = workspace.replace("topics: [customer-events]", f"topics: [customer-events], start: {start}")
    assert the_workspace(loaded(folder(acme=text))).sources[0].start == expected


def test_an_anchor_may_be_used_again(folder: Folder, workspace: str) -> None:
    text = workspace + "delivery: {backoff: &slow {initial_seconds: 5}}\n"
    text = text.replace("workspace_id: w-1", "workspace_id: w-1, probe: *slow")
    text = "\n".join([*text.splitlines()[:2], text.splitlines()[4], *text.splitlines()[2:4]])
    assert the_workspace(loaded(folder(acme=text))).seen.probe.initial_seconds == 5


def test_a_name_with_a_byte_order_mark_before_it_is_read(folder: Folder, workspace: str) -> None:
    assert the_workspace(loaded(folder(acme=b"\xef\xbb\xbf" + workspace.encode()))).name == "acme"


def test_one_callback_token_or_two_are_good(folder: Folder, workspace: str) -> None:
    text = workspace.replace("token: canary-callback", "token: [canary-old, canary-new]")
    token = the_workspace(loaded(folder(acme=text))).callback.auth.token
    assert [secret.reveal() for secret in token] == ["canary-old", "canary-new"]


def test_a_callback_token_may_be_in_two_files(folder: Folder, workspace: str) -> None:
    directory = folder(acme=workspace.replace("token: canary-callback", "token_file: [../old, ../new]"))
    (directory / "old").write_text("canary-old\n")
    (directory / "new").write_text("canary-new")
    token = the_workspace(loaded(directory)).callback.auth.token
    assert [secret.reveal() for secret in token] == ["canary-old", "canary-new"]


def test_a_single_basic_credential_is_a_list_of_one(folder: Folder, workspace: str) -> None:
    text = workspace.replace("token: canary-callback", "basic: {username: me, password: canary}")
    (basic,) = the_workspace(loaded(folder(acme=text))).callback.auth.basic
    assert (basic.username, basic.password.reveal()) == ("me", "canary")


def test_a_file_is_looked_for_beside_the_file_that_names_it(folder: Folder, workspace: str) -> None:
    directory = folder(acme=workspace.replace("bearer_token: canary-token", "bearer_token_file: token"))
    (directory / "workspaces" / "token").write_text("canary-in-a-file\n")
    token = the_workspace(loaded(directory)).seen.auth.bearer_token
    assert token is not None
    assert token.reveal() == "canary-in-a-file"


def test_every_secret_is_found_for_the_redactor(folder: Folder, workspace: str) -> None:
    text = workspace.replace("token: canary-callback", "basic: {username: me, password: canary-basic}")
    kafka = "{bootstrap_servers: 'a:1', security_protocol: SASL_SSL, sasl_username: me, sasl_password: canary-kafka}"
    config = loaded(folder(connector=f"kafka: {kafka}", acme=text))
    assert {secret.reveal() for secret in config.secrets()} == {
        "canary-kafka",
        "canary-token",
        "canary-basic",
    }
    assert config.redactor().clean("Basic bWU6Y2FuYXJ5LWJhc2lj canary-kafka") == "Basic *** ***"


def test_every_secret_has_the_name_of_its_workspace_and_setting(folder: Folder, workspace: str) -> None:
    text = workspace.replace(
        "bearer_token: canary-token", "oauth2: {client_id: me, client_secret: canary-token}"
    )
    text = text.replace("token: canary-callback", "token: [canary-old, canary-new]")
    kafka = "{bootstrap_servers: 'a:1', security_protocol: SASL_SSL, sasl_username: me, sasl_password: canary-kafka}"
    config = loaded(folder(connector=f"kafka: {kafka}", acme=text))
    assert [(where, setting, secret.reveal()) for where, setting, secret in config.named_secrets()] == [
        (None, "kafka.sasl_password", "canary-kafka"),
        ("acme", "seen.auth.oauth2.client_secret", "canary-token"),
        ("acme", "callback.auth.token", "canary-old"),
        ("acme", "callback.auth.token", "canary-new"),
    ]
    assert "canary" not in config.redactor().clean("canary-token canary-old canary-new canary-kafka")


def test_a_client_of_our_token_endpoint_is_redacted_in_every_form_that_it_is_sent_in(
    folder: Folder, workspace: str
) -> None:
    text = workspace.replace(
        "{token: canary-callback}", "{oauth2: {client_id: me, client_secret: [old canary, new/canary]}}"
    )
    keys = "listener: {oauth2: {signing_key: canary-of-the-signing-key-012345}}"
    config = loaded(folder(connector=f"kafka: {{bootstrap_servers: 'a:1'}}\n{keys}", acme=text))
    clean = config.redactor().clean
    for secret in ("old canary", "new/canary"):
        for shown in (f"me:{secret}", f"me:{urllib.parse.quote_plus(secret)}"):
            assert clean(base64.b64encode(shown.encode()).decode()) == "***"
        assert clean(f"client_secret={urllib.parse.quote_plus(secret)}") == "client_secret=***"
    assert clean("canary-of-the-signing-key-012345") == "***"


def test_a_configuration_shows_no_secret(folder: Folder) -> None:
    config = loaded(folder())
    shown = [str(config), repr(config), *(workspace.model_dump_json() for workspace in config.workspaces)]
    shown += [json.dumps(workspace.model_dump(mode="json")) for workspace in config.workspaces]
    assert "canary" not in "".join(shown)


@pytest.mark.parametrize(
    ("was", "becomes", "warning"),
    [
        (
            "workspace_id: w-1",
            "workspace_id: w-1, base_url: 'http://emulator:8787'",
            "3: seen.base_url: is plain http: the token crosses the network in the clear",
        ),
        (
            "token: canary-callback",
            "none: true",
            "4: callback.auth.none: whoever reaches the listener can announce videos",
        ),
        (
            "name: acme",
            "name: acme\ndelivery: {max_in_flight: 19}",
            "2: delivery.max_in_flight: answers that take 2 s leave a part of the quota unused below 20",
        ),
    ],
)
def test_what_looks_unwise_is_a_warning(
    folder: Folder, workspace: str, was: str, becomes: str, warning: str
) -> None:
    config = loaded(folder(acme=workspace.replace(was, becomes)))
    assert [str(it) for it in config.warnings] == [f"config/workspaces/acme.yaml:{warning}"]


CAMPAIGN = """\
name: acme
sources: [{topics: [customer-events], properties: {first_name: name, customer_id: id}}]
seen: {api: receivers, campaign_slug: film, auth: {token: canary}}
callback: {auth: {token: canary-callback}}
delivery: {max_buffered: 100}
"""


@pytest.mark.parametrize(
    ("was", "becomes", "warning"),
    [
        (
            "customer_id",
            "email",
            "2: sources[0].properties: has no customer_id: an event may be filmed twice, and videos cannot be told apart",
        ),
        (
            "customer_id: id",
            "customer_id: id, city: city",
            (
                "2: sources[0].properties.city: is no field of a receiver that SEEN documents: extra_args takes what else the"
                " film uses"
            ),
        ),
        (
            "max_buffered: 100",
            "max_buffered: 99",
            "5: delivery.max_buffered: is less than seen.batch.max_items: no request will have 100 receivers",
        ),
    ],
)
def test_what_looks_unwise_for_receivers_is_a_warning(
    folder: Folder, was: str, becomes: str, warning: str
) -> None:
    config = loaded(folder(acme=CAMPAIGN.replace(was, becomes)))
    assert [str(it) for it in config.warnings] == [f"config/workspaces/acme.yaml:{warning}"]


@pytest.mark.parametrize("properties", ["properties: {first_name: name, customer_id: id}", "start: latest"])
def test_a_campaign_may_map_its_fields_or_leave_events_as_they_are(folder: Folder, properties: str) -> None:
    text = CAMPAIGN.replace("properties: {first_name: name, customer_id: id}", properties)
    assert loaded(folder(acme=text)).warnings == ()


@pytest.mark.parametrize(
    ("settings", "descriptors", "warnings"),
    [
        ("max_connections: 224", 65_536, []),
        (
            "max_connections: 223",
            65_536,
            ["calls of 2 workspaces can take 96 places: they get in each other's way below 224"],
        ),
        (
            "max_connections: 500",
            691,
            ["a process may open 691 files here (ulimit -n), and may need 692"],
        ),
        ("max_connections: 500", 692, []),
    ],
)
def test_more_than_there_are_places_or_files_for_is_a_warning(
    folder: Folder,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    descriptors: int,
    warnings: list[str],
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (descriptors, descriptors))
    connector = f"kafka: {{bootstrap_servers: 'localhost:9092'}}\nlistener:\n  {settings}\n"
    other = workspace.replace("name: acme", "name: other").replace("w-1", "w-2")
    with_viewers = workspace + "topics: {viewers: seen.acme.viewers}\n"
    config = loaded(folder(connector=connector, acme=with_viewers, other=other))
    where = "config/connector.yaml:3: listener.max_connections: "
    assert [str(it) for it in config.warnings] == [where + warning for warning in warnings]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "seen.localhost"])
def test_plain_http_within_the_machine_is_no_warning(folder: Folder, workspace: str, host: str) -> None:
    text = workspace.replace("workspace_id: w-1", f"workspace_id: w-1, base_url: 'http://{host}:8787'")
    assert loaded(folder(acme=text)).warnings == ()


def test_workspaces_may_share_a_source_and_a_results_topic(folder: Folder, workspace: str) -> None:
    acme = workspace + "topics: {dead_letters: all-dead-letters}\n"
    other = acme.replace("name: acme", "name: other").replace("w-1", "w-2")
    config = loaded(folder(acme=acme, other=other))
    assert [it.name for it in config.workspaces] == ["acme", "other"]
    assert config.files[1:] == ("config/workspaces/acme.yaml", "config/workspaces/other.yaml")


def test_the_configuration_in_this_repository_is_sound() -> None:
    config = loaded(REPOSITORY / "config", SEEN_ACME_TOKEN="canary-a", ACME_CALLBACK_TOKEN="canary-b")
    assert config.warnings == ()
    assert the_workspace(config).sources[0].properties is not None


def test_a_spool_needs_a_folder_that_can_be_written_to(
    folder: Folder, workspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = folder(acme=workspace)
    file = directory / "connector.yaml"
    file.write_text(file.read_text() + f"\nlistener: {{spool: {{directory: '{tmp_path}'}}}}\n")
    assert loaded(directory).connector.listener.spool.directory == tmp_path
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(ConfigError, match=f"nothing can be written into the folder {tmp_path}"):
        loaded(directory)


@pytest.mark.parametrize("model_and_rows", [("connector", CONNECTOR), ("workspace", WORKSPACE)])
def test_what_is_not_built_is_a_setting_of_the_model(
    model_and_rows: tuple[str, dict[str, str | None]],
) -> None:
    from connector.config.model import ConnectorConfig

    kind, rows = model_and_rows
    for path in rows:
        section = ConnectorConfig if kind == "connector" else WorkspaceConfig
        *parents, name = [part for part in path.split(".") if part != "*"]
        for parent in parents:
            inner = section.section(parent)
            assert inner is not None, path
            section = inner  # type: ignore[assignment]
        assert name in section.model_fields, path


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=4))
def test_any_printing_text_survives_as_a_secret_from_the_environment(value: str) -> None:
    from connector.config.document import Document

    document = Document("file.yaml", "token: ${TOKEN}\n", {"TOKEN": value})
    assert document.data == {"token": value}
