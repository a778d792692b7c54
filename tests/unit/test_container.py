"""Dockerfile, .dockerignore and docker-compose.yml agree with the configuration, the command line and each other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ruamel.yaml import YAML

from connector.cli.emulate import DEFAULT_WORKSPACE, emulate
from connector.config.load import load
from connector.config.model import AdminConfig, ListenerConfig
from connector.sandbox.jars import KAFKA_VERSION

if TYPE_CHECKING:
    from connector.config.model import Config

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
PROJECT = (ROOT / "pyproject.toml").read_text()
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")[
    "services"
]
OURS = ("emulator", "connector")


def environment(service: str) -> dict[str, str]:
    """Its variables, where the user's shell sets none."""
    return {
        name: re.sub(r"\$\{\w+:-(\w[\w-]*)\}", r"\1", value)
        for name, value in SERVICES[service]["environment"].items()
    }


def configuration() -> Config:
    """config/ as the connector in its container reads it."""
    return load(ROOT / "config", environment("connector"))


def image_probe() -> list[str]:
    (command,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(command)
    return words


def probe(service: str) -> list[str]:
    words: list[str] = SERVICES[service]["healthcheck"]["test"]
    return words[1:]


def emulator_options() -> dict[str, Any]:
    """What the emulator's command line means. Raises click.UsageError for what `emulate` does not know."""
    name, *arguments = SERVICES["emulator"]["command"]
    assert name == emulate.name
    return emulate.make_context(name, ["--token", "any", *arguments]).params


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


# The configuration


def test_the_example_loads_with_the_variables_that_compose_sets() -> None:
    assert [workspace.name for workspace in configuration().workspaces] == ["acme"]


def test_compose_sets_no_variable_that_the_example_does_not_use() -> None:
    files = [ROOT / "config" / "connector.yaml", *(ROOT / "config" / "workspaces").glob("*.yaml")]
    used = {name for file in files for name in re.findall(r"\$\{(\w+)", file.read_text())}
    assert set(environment("connector")) <= used


def test_the_topics_that_are_made_are_those_of_the_example() -> None:
    (workspace,) = configuration().workspaces
    (script,) = SERVICES["topics"]["command"]
    (made,) = re.findall(r"for topic in (.*); do", script)
    topics = workspace.topics
    sources = [topic for source in workspace.sources for topic in source.topics]
    assert made.split() == [*sources, topics.videos, topics.outcomes, topics.dead_letters]


def test_the_connector_reaches_the_broker_where_the_broker_says_that_it_is() -> None:
    advertised = environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]
    assert advertised == f"PLAINTEXT://{configuration().connector.kafka.bootstrap_servers}"


def test_the_connector_may_take_longer_to_stop_than_its_own_deadline() -> None:
    grace = seconds(SERVICES["connector"]["stop_grace_period"])
    assert grace > configuration().connector.shutdown_deadline_seconds


def test_the_broker_has_the_version_that_is_tested() -> None:
    assert SERVICES["kafka"]["image"] == SERVICES["topics"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


# The emulator


def test_the_emulator_is_the_seen_that_the_connector_is_configured_for() -> None:
    (workspace,) = configuration().workspaces
    options = emulator_options()
    assert workspace.seen.base_url == f"http://emulator:{options['port']}"
    assert options["workspaces"] == (workspace.seen.workspace_id,) == (DEFAULT_WORKSPACE,)
    quota = workspace.seen.quota
    assert (options["requests"], options["per_seconds"]) == (quota.requests, quota.per_seconds)


def test_the_emulator_calls_back_where_the_connector_listens() -> None:
    (workspace,) = configuration().workspaces
    port = configuration().connector.listener.port
    assert emulator_options()["callback_url"] == f"http://connector:{port}/callbacks/{workspace.name}"


def test_both_sides_are_given_the_same_tokens() -> None:
    ours, theirs = SERVICES["connector"]["environment"], SERVICES["emulator"]["environment"]
    assert theirs["SEEN_EMULATOR_TOKEN"] == ours["SEEN_ACME_TOKEN"]
    assert theirs["SEEN_EMULATOR_CALLBACK_TOKEN"] == ours["ACME_CALLBACK_TOKEN"]
    known = {parameter.envvar for parameter in emulate.params}
    assert set(theirs) <= known


# Ports and probes


@pytest.mark.parametrize(
    ("words", "port", "path"),
    [
        (image_probe(), AdminConfig().port, "/healthz"),
        (probe("connector"), configuration().connector.admin.port, "/readyz/listener"),
        (probe("emulator"), emulator_options()["port"], "/_control/summary"),
    ],
)
@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
async def test_a_probe_passes_for_a_200_from_its_port_and_path_alone_and_goes_past_every_proxy(
    words: list[str], port: int, path: str, status: int, *, is_healthy: bool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status if request.path == path else 404)

    application = web.Application()
    application.router.add_get("/{anything:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        python, option, script = words
        assert (python, option) == ("python", "-c")
        assert f"http://127.0.0.1:{port}/" in script
        here = script.replace(f":{port}/", f":{server.port}/")
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", here), env={**os.environ, **proxies}, stderr=subprocess.DEVNULL
        )
        assert (await process.wait() == 0) == is_healthy


def test_ports_are_published_on_loopback_only_and_are_those_that_are_listened_on() -> None:
    listening = {ListenerConfig().port, AdminConfig().port, emulator_options()["port"]}
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(published) == sorted(f"127.0.0.1:{port}:{port}" for port in listening)


# The image


def test_the_image_runs_as_a_numbered_user_who_is_not_root_and_compose_leaves_it_so() -> None:
    (user,) = re.findall(r"^USER (\d+:\d+)$", DOCKERFILE, re.MULTILINE)
    assert user != "0:0"
    assert {SERVICES[service]["user"] for service in OURS} == {user}


@pytest.mark.parametrize("service", OURS)
def test_our_services_can_neither_write_nor_gain_rights(service: str) -> None:
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]


def test_the_configuration_is_mounted_read_only_where_the_image_looks_for_it() -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == SERVICES["connector"]["command"]
    directory = json.loads(command)[-1]
    assert SERVICES["connector"]["volumes"] == [f"./config:{directory}:ro"]


def test_the_build_gets_all_that_it_copies_and_no_more() -> None:
    copied = {
        source
        for arguments in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in arguments.split()[:-1]
    }
    let_through = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert let_through == copied
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_has_the_oldest_python_that_the_project_supports() -> None:
    (oldest,) = re.findall(r'^requires-python = ">=([\d.]+)"$', PROJECT, re.MULTILINE)
    assert re.search(rf"^ARG PYTHON=python:{re.escape(oldest)}-slim", DOCKERFILE, re.MULTILINE)
