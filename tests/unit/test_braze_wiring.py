"""From a configuration with `braze_in` to what takes Braze's calls, what reads its topic, and what `check` says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson
import pytest
from click.testing import CliRunner

from connector import wiring
from connector.app import App
from connector.cli import main
from connector.config.load import load
from connector.errors import SpoolUnavailable
from connector.inbound.auth import Proof
from connector.inbound.spool import Spool
from connector.kafka.assignor import Member
from connector.metrics import Metrics
from connector.testing import FakeClock
from connector.types import Event, Reason, Record, Unsendable
from connector.workspace import Surroundings, Workspace, braze_doors

if TYPE_CHECKING:
    from pathlib import Path

    from connector.config.model import Config

MB = 1_048_576
DATA = """\
name: acme
seen: {workspace_id: w-1, auth: {bearer_token: canary-seen}}
callback: {auth: {token: canary-callback}}
braze_in: {auth: {token_file: braze}}
"""
CAMPAIGN = """\
name: film
sources: [{topics: [customer-events]}]
seen: {api: receivers, campaign_slug: welcome-film, auth: {token: canary-seen}}
callback: {auth: {token: canary-callback}}
braze_in: {auth: {token: [canary-old, canary-new]}, topic: from-braze}
"""
NEITHER = (
    DATA.replace("acme", "neither").replace("w-1", "w-2").replace("braze_in: {auth: {token_file: braze}}", "")
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    workspaces = tmp_path / "workspaces"
    workspaces.mkdir()
    (tmp_path / "connector.yaml").write_text("kafka: {bootstrap_servers: 'localhost:9092'}\n")
    (workspaces / "braze").write_text("canary-of-today")
    (workspaces / "acme.yaml").write_text(DATA)
    (workspaces / "film.yaml").write_text(CAMPAIGN)
    (workspaces / "neither.yaml").write_text(NEITHER + "sources: [{topics: [others]}]\n")
    return load(tmp_path, {})


def workspaces(config: Config, spool: Spool | None = None) -> list[Workspace]:
    member = Member("replica", tuple(each.group_id for each in config.workspaces))
    around = Surroundings(config.connector, FakeClock(), Metrics("0"), config.redactor(), "0", member, spool)
    return [Workspace(each, around) for each in config.workspaces]


def test_braze_topics_are_read_as_sources_whose_events_are_sent_as_they_are(config: Config) -> None:
    acme, film, neither = config.workspaces
    member, kafka = Member("replica", ()), config.connector.kafka
    assert wiring.source_settings(acme, kafka, member).starts == {"seen.acme.braze": "earliest"}
    assert wiring.source_settings(film, kafka, member).starts.keys() == {"customer-events", "from-braze"}
    assert wiring.source_settings(neither, kafka, member).starts.keys() == {"others"}
    record = Record("seen.acme.braze", 0, 0, 0, b"7", b'{"id": "7", "first_name": "Ada"}')
    event = wiring.mappings(acme)["seen.acme.braze"].read(record)
    assert isinstance(event, Event)
    assert event.body == b'{"id":"7","first_name":"Ada"}'


def test_images_of_what_braze_posts_are_looked_at_as_those_of_a_source(
    config: Config, tmp_path: Path
) -> None:
    images = "braze_in: {images: {properties: [photo], check: fetch}, "
    (tmp_path / "workspaces" / "acme.yaml").write_text(DATA.replace("braze_in: {", images))
    acme = load(tmp_path, {}).workspaces[0]
    read = wiring.reader(acme, "seen.acme.braze")
    good = read(orjson.dumps({"id": "1", "photo": "https://a.example/p.png"}))
    assert isinstance(good, Event)
    assert good.images is not None
    bad = read(orjson.dumps({"id": "1", "photo": "https://a.example/p.PNG"}))
    assert isinstance(bad, Unsendable)
    assert bad.reason is Reason.BAD_IMAGE
    limits, clock = config.connector.images, FakeClock()
    assert wiring.preparation(acme, limits, clock, Metrics("0").workspace("acme")) is not None


def test_doors_are_found_by_what_the_workspace_is_called_at_seen(config: Config) -> None:
    doors = braze_doors(each.callbacks for each in workspaces(config))
    assert doors is not None
    assert {name: door.workspace for name, door in doors.workspaces.items()} == {"w-1": "acme"}
    assert {name: door.workspace for name, door in doors.campaigns.items()} == {"welcome-film": "film"}
    assert braze_doors(each.callbacks for each in workspaces(config)[2:]) is None


async def test_tokens_are_brazes_own_and_a_file_is_read_at_each_call(config: Config, tmp_path: Path) -> None:
    doors = braze_doors(each.callbacks for each in workspaces(config))
    assert doors is not None

    async def proved(token: str, *, at_campaign: bool = False) -> Proof:
        door = doors.campaigns["welcome-film"] if at_campaign else doors.workspaces["w-1"]
        return await door.authenticator.check({"Authorization": f"Token {token}"})

    assert await proved("canary-callback") is await proved("canary-tomorrow") is Proof.WRONG
    assert await proved("canary-of-today") is Proof.RIGHT
    (tmp_path / "workspaces" / "braze").write_text("canary-tomorrow")
    assert await proved("canary-tomorrow") is Proof.RIGHT
    assert await proved("canary-of-today") is Proof.WRONG
    assert await proved("canary-old", at_campaign=True) is Proof.RIGHT
    assert await proved("canary-new", at_campaign=True) is Proof.RIGHT


async def test_the_process_has_the_paths_where_a_workspace_takes_from_braze(config: Config) -> None:
    app = App(config, config.redactor())
    assert [path for path in app._listener._endpoints if path.startswith("/v1/")] == [
        "/v1/workspaces/{workspace_id}/data",
        "/v1/projects/{project_id}/data",
        "/v1/campaigns/{campaign_slug}/receivers/",
    ]


def test_the_redactor_knows_brazes_tokens(config: Config) -> None:
    assert config.redactor().clean("canary-of-today canary-old canary-new") == "*** *** ***"


@pytest.mark.usefixtures("config")
def test_check_says_where_braze_posts_and_what_becomes_of_it(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["check", "--config", str(tmp_path)])
    assert said.exit_code == 0
    for line in (
        "  seen.acme.braze → data of w-1 at https://next.seen.io, 100 requests per 10 s\n",
        "  POST /v1/workspaces/w-1/data or /v1/projects/w-1/data → seen.acme.braze\n",
        "  customer-events, from-braze → receivers of welcome-film at https://api.seen.io, ",
        "  POST /v1/campaigns/welcome-film/receivers/ → from-braze\n",
    ):
        assert line in said.stdout
    assert "canary" not in said.output
    found = json.loads(CliRunner().invoke(main, ["check", "--json", "--config", str(tmp_path)]).stdout)
    assert [each["braze_in"] for each in found["workspaces"]] == [
        {"paths": ["/v1/workspaces/w-1/data", "/v1/projects/w-1/data"], "topic": "seen.acme.braze"},
        {"paths": ["/v1/campaigns/welcome-film/receivers/"], "topic": "from-braze"},
        None,
    ]


OUT = """\
braze_out:
  base_url: https://rest.fra-01.braze.eu
  auth: {bearer_token: canary-rest-key}
  attributes: {seen_player_url: player_url}
  quota: {requests: 20, per_seconds: 2.5}
"""


@pytest.mark.usefixtures("config")
def test_regression_check_says_where_videos_are_written_back(tmp_path: Path) -> None:
    """It named every topic that something is read from, but for the videos that go to Braze."""
    with (tmp_path / "workspaces" / "acme.yaml").open("a") as file:
        file.write(OUT)
    said = CliRunner().invoke(main, ["check", "--config", str(tmp_path)])
    line = (
        "  seen.acme.videos → /users/track at https://rest.fra-01.braze.eu, 20 requests per 2.5 s, "
        "as group seen-connector-acme-braze\n"
    )
    assert said.stdout.count("/users/track") == 1
    assert line in said.stdout
    assert "canary" not in said.output
    found = json.loads(CliRunner().invoke(main, ["check", "--json", "--config", str(tmp_path)]).stdout)
    assert [each["braze_out"] for each in found["workspaces"]] == [
        {
            "base_url": "https://rest.fra-01.braze.eu",
            "group_id": "seen-connector-acme-braze",
            "quota": {"requests": 20, "per_seconds": 2.5, "grace_seconds": 10.0},
        },
        None,
        None,
    ]


async def test_regression_a_campaign_leaves_half_of_the_spool_to_callbacks(
    config: Config, tmp_path: Path
) -> None:
    """While Kafka was away it took all of it: callbacks, which SEEN makes three times and never again, were refused."""
    folder = tmp_path / "spool"
    folder.mkdir()
    spool = Spool(folder, 12 * MB, [each.name for each in config.workspaces], FakeClock())
    await spool.open()
    try:
        acme = workspaces(config, spool)[0].callbacks  # nothing has connected it to Kafka
        braze = acme.braze_door()
        assert braze is not None

        intake = braze.intakes["braze"]

        async def post_many(body: bytes) -> None:
            for _ in range(100):
                await intake.take(body, content_type="", received_at=0.0)

        for body in (orjson.dumps({"id": "c-1", "story": "x" * 100_000}), b"no JSON" * 15_000):
            with pytest.raises(SpoolUnavailable, match="acme has used its 2097152 bytes"):
                await post_many(body)
        assert 1.8 * MB < spool.holding("acme").bytes <= 2 * MB
        body = orjson.dumps({"id": "c-1", "player_url": "https://player.seen.io/v/1", "more": "x" * 100_000})
        for _ in range(8):
            answer = await acme.door().intakes["video"].take(body, content_type="", received_at=0.0)
            assert answer.result == "spooled"
        assert spool.holding("acme").bytes > 2 * MB
    finally:
        await spool.close()
