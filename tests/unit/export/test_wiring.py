"""From the section `braze_out` to the parts that write videos back to Braze."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from connector import wiring
from connector.config import cautions, rules
from connector.config.clashes import clashes
from connector.config.model import Config, ConnectorConfig, WorkspaceConfig
from connector.config.secrets import Redactor
from connector.errors import TopicTooSmall
from connector.kafka.assignor import Member
from connector.metrics import Metrics
from connector.published import VideoReady, video_ready_message
from connector.sandbox.emulator import BrazeSettings, Emulator, EmulatorSettings
from connector.seen.limits import QuotaLimits
from connector.testing import FakeClock
from connector.types import Event, Record
from connector.workspace import Export, Surroundings, export
from tests.permits import Permit

KAFKA = ConnectorConfig.model_validate({"kafka": {"bootstrap_servers": "localhost:9092"}})
LEAST = {
    "base_url": "https://rest.fra-01.braze.eu",
    "auth": {"bearer_token": "braze-rest-key"},
    "attributes": {"seen_player_url": "player_url"},
}


def workspace(name: str = "acme", **more: object) -> WorkspaceConfig:
    return WorkspaceConfig.model_validate(
        {
            "name": name,
            "sources": [{"topics": ["customer-events"]}],
            "seen": {"workspace_id": f"w-{name}", "auth": {"bearer_token": "seen-token"}},
            "callback": {"auth": {"token": "callback-token"}},
            "braze_out": LEAST | more,
        }
    )


def said(found: object) -> list[tuple[Any, str]]:
    return [(mistake.location, mistake.message) for mistake in found]  # type: ignore[attr-defined]


def test_what_is_not_said_is_careful() -> None:
    config = workspace()
    out = config.braze_out
    assert out is not None
    assert wiring.braze_quota(out) == QuotaLimits(100, 10.0, 10.0)
    source = wiring.braze_source_settings(config, out, KAFKA.kafka, Member("r", ()))
    assert (source.group_id, source.starts) == ("seen-connector-acme-braze", {"seen.acme.videos": "earliest"})
    policy = wiring.braze_policy(out)
    assert (policy.give_up_after_seconds, policy.ttl_seconds) == (3600.0, None)
    assert (policy.look_up_in_doubt, policy.latest_only) == (False, True)


def test_what_is_said_arrives() -> None:
    config = workspace(
        group_id="others",
        start="2026-11-01T00:00:00Z",
        quota={"requests": 3000, "per_seconds": 3},
        give_up_after_seconds=7,
        backoff={"initial_seconds": 2},
        timeout_seconds=4,
    )
    out = config.braze_out
    assert out is not None
    assert wiring.braze_quota(out) == QuotaLimits(3000, 3.0, 10.0)
    source = wiring.braze_source_settings(config, out, KAFKA.kafka, Member("r", ()))
    assert (source.group_id, source.starts) == ("others", {"seen.acme.videos": 1_793_491_200.0})
    policy = wiring.braze_policy(out)
    assert (policy.give_up_after_seconds, policy.backoff.delay(1, 1.0)) == (7.0, 2.0)
    assert policy.look_up_after_seconds == 4.0


async def test_a_video_goes_from_the_topic_to_braze_with_the_key_of_the_configuration() -> None:
    async with Emulator(
        EmulatorSettings(workspaces=(), braze=BrazeSettings(keys=("braze-rest-key",)))
    ) as seen:
        config = workspace(
            base_url=seen.url, identifier="external_id", user_id="raw.crm", update_existing_only=False, batch={"max_items": 2}
        )  # fmt: skip
        out = config.braze_out
        assert out is not None
        redactor = Config(KAFKA, (config,)).redactor()
        assert redactor.clean("braze-rest-key") == "***"
        client = wiring.braze_client(config, out, FakeClock(), redactor)
        await client.start()
        destination = wiring.braze_destination(out, client, redactor)
        assert (destination.batch.items, destination.batch.wait_seconds) == (2, 5.0)
        video = VideoReady(
            id="7", found_by="callback", received_at=1.8e9, raw=b'{"crm": "c-7"}', player_url="p"
        )
        message = video_ready_message("acme", video)
        record = Record("seen.acme.videos", 0, 0, 0, message.key, message.value, message.headers)
        ((topic, reader),) = wiring.braze_readers(config, out).items()
        event = reader.read(record)
        assert isinstance(event, Event)
        await destination.send([event], Permit())
        await client.stop()
    assert topic == "seen.acme.videos"
    assert seen.braze.requests[0].objects == (
        {"external_id": "c-7", "_update_existing_only": False, "seen_player_url": "p"},
    )


def test_a_request_may_have_4_mb_and_an_object_no_less_than_that_leaves() -> None:
    config = workspace()
    out = config.braze_out
    assert out is not None
    client = wiring.braze_client(config, out, FakeClock(), Config(KAFKA, (config,)).redactor())
    most = wiring.braze_destination(out, client, Config(KAFKA, (config,)).redactor()).batch.max_bytes
    (reader,) = wiring.braze_readers(config, out).values()
    assert most == reader.max_bytes == 4_000_000 - len(b'{"attributes":[]}') - 74


@pytest.mark.parametrize("max_items", [0, 76])
def test_no_more_than_braze_takes(max_items: int) -> None:
    with pytest.raises(ValidationError):
        workspace(batch={"max_items": max_items})


def test_a_group_of_its_own_is_asked_for() -> None:
    mine = workspace(group_id="seen-connector-acme")
    assert said(rules.workspace_mistakes(mine)) == [
        (
            ("braze_out", "group_id"),
            "must differ from the workspace's group_id: two kinds of readers cannot be one group",
        )
    ]
    taken = list(clashes([workspace("acme"), workspace("acme-braze")]))
    assert [(each.at, each.location, each.earlier_location) for each in taken] == [
        (1, ("group_id",), ("braze_out", "group_id"))
    ]
    assert not list(clashes([workspace("acme"), workspace("other")]))
    # Of one name that is taken, the groups that are made of it are no news.
    twice = [each.location for each in clashes([workspace("acme"), workspace("acme")])]
    assert twice == [("name",), ("seen", "workspace_id")]


@pytest.mark.parametrize("name", ["braze_id", "external_id", "user_alias", "_update_existing_only"])
def test_who_the_user_is_is_no_attribute(name: str) -> None:
    found = said(rules.workspace_mistakes(workspace(attributes={"good": "id", name: "id"})))
    assert [location for location, _ in found] == [("braze_out", "attributes", name)]


def test_waits_that_shrink_are_a_mistake() -> None:
    shrinks = {"initial_seconds": 9, "max_seconds": 3}
    found = said(rules.workspace_mistakes(workspace(backoff=shrinks, probe=shrinks)))
    assert [location for location, _ in found] == [
        ("braze_out", "backoff", "max_seconds"),
        ("braze_out", "probe", "max_seconds"),
    ]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://rest.braze.example", True),
        ("https://rest.braze.example", False),
        ("http://127.0.0.1:8787", False),
    ],
)
def test_a_key_in_the_clear_is_warned_of(url: str, *, warned: bool) -> None:
    found = said(cautions.workspace_warnings(workspace(base_url=url)))
    assert (("braze_out", "base_url") in [location for location, _ in found]) is warned


def test_regression_an_export_needs_files_of_its_own() -> None:
    """One client of Kafka was counted: it has a consumer and a producer."""
    alone = workspace().model_copy(update={"braze_out": None})
    needed = [
        message.rsplit(" ", 1)[1]
        for config in (alone, workspace())
        for location, message in said(cautions.connector_warnings(KAFKA, [config], 10))
        if message.startswith("a process may open")
    ]
    assert int(needed[1]) - int(needed[0]) == 2 * 8 + 32


async def test_regression_an_export_whose_dead_letters_would_not_fit_says_so_and_reads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It began, and died at each dead letter: the videos behind it never came."""

    async def limits(_connection: object, topics: set[str], _new: object) -> dict[str, int]:
        return {topic: 1_000 if topic.endswith("dead-letters") else 1_048_588 for topic in topics}

    monkeypatch.setattr(export, "prepare_topics", limits)
    config = workspace()
    assert config.braze_out is not None
    around = Surroundings(KAFKA, FakeClock(), Metrics("0"), Redactor(), "0", Member("replica", ()))
    told = "seen.acme.dead-letters takes messages of 1000 bytes; its max.message.bytes must be at least 65536"
    with pytest.raises(TopicTooSmall, match=told):
        await Export(config, config.braze_out, around).run(asyncio.Event(), lambda: 1.0)
