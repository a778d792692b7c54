"""The process around its workspaces: one that dies is started again and said, and the others do not notice."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from connector.app import App, _limits
from connector.config.load import load
from connector.config.model import ListenerConfig
from connector.config.secrets import Redactor
from connector.errors import KafkaUnavailable
from connector.inbound.limits import Limits
from connector.inbound.listener import Listener
from connector.workspace import Workspace
from connector.workspace.callbacks import Callbacks
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = Path(__file__).parents[2] / "config"
ENVIRON = {
    "SEEN_ACME_TOKEN": "token-of-seen",
    "ACME_CALLBACK_TOKEN": "token-of-callbacks",
    "LISTENER_HOST": "127.0.0.1",
    "LISTENER_PORT": "0",
    "ADMIN_PORT": "0",
}
Deaths = dict[str, list[Exception]]


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> Deaths:
    """What each workspace dies of, run by run; where nothing is left it lives."""
    deaths: Deaths = {}

    async def run(workspace: Workspace, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        if deaths.get(workspace.name):
            raise deaths[workspace.name].pop(0)
        await stop.wait()

    monkeypatch.setattr(Workspace, "run", run)
    return deaths


@pytest.fixture
def app(tmp_path: Path, deaths: Deaths) -> App:
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    acme = (folder / "workspaces" / "acme.yaml").read_text()
    bravo = acme.replace("name: acme", "name: bravo").replace("3c90c3cc", "4c90c3cc")
    (folder / "workspaces" / "bravo.yaml").write_text(bravo)
    return App(load(folder, ENVIRON), Redactor())


async def test_while_it_drains_the_listener_takes_calls_and_says_that_it_is_stopping(app: App) -> None:
    object.__setattr__(app._config.listener, "drain_seconds", 2.0)  # frozen, as every configuration is
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))
    await eventually(lambda: app.alive() and app._listener._started, "it listens", 10)
    port = app._listener.port
    stop.set()
    await asyncio.sleep(0.2)
    assert await app.listener_unready() == "stopping"
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/callbacks/acme") as answer,
    ):
        assert (answer.status, answer.headers["Connection"]) == (401, "close")
    async with asyncio.timeout(20):
        await running


async def test_regression_the_spool_is_drained_for_as_long_as_callbacks_come(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    stop_listener, finish_spool = Listener.stop, Callbacks.finish_spool

    async def stopped(listener: Listener, deadline_seconds: float, *, drain_seconds: float = 0.0) -> None:
        await stop_listener(listener, deadline_seconds, drain_seconds=drain_seconds)
        ended.append("listener")

    def finished(callbacks: Callbacks) -> None:
        finish_spool(callbacks)
        ended.append("spool")

    monkeypatch.setattr(Listener, "stop", stopped)
    monkeypatch.setattr(Callbacks, "finish_spool", finished)
    stop = asyncio.Event()
    stop.set()
    await app.run(stop)
    assert ended[:3] == ["listener", "spool", "spool"]


def test_every_setting_of_the_listener_s_limits_arrives_there() -> None:
    given = {
        name: 1000 + number
        for number, name in enumerate(
            sorted(ListenerConfig.model_fields.keys() & Limits.__dataclass_fields__)
        )
    }
    limits = _limits(ListenerConfig.model_validate(given))
    assert {name: getattr(limits, name) for name in Limits.__dataclass_fields__} == given


@pytest.mark.parametrize(
    ("death", "why"),
    [
        (ExceptionGroup("pump", [ExceptionGroup("dispatch", [KeyError("a bug")])]), "died of KeyError"),
        (KafkaUnavailable("joining the group: no answer"), "joining the group: no answer"),
    ],
)
async def test_a_workspace_that_dies_says_of_what_and_is_started_again_while_the_others_live(
    app: App, deaths: Deaths, death: Exception, why: str
) -> None:
    deaths["acme"] = [death, death]
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))
    try:
        await eventually(lambda: app.unready()["acme"] == why, "the death is said", 10)
        assert app.unready()["bravo"] == "starting"
        await eventually(lambda: restarts(app, "acme") == 2, "it was started again, and died again", 10)
        assert restarts(app, "bravo") == 0
        assert app.alive()
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await running


def restarts(app: App, workspace: str) -> float:
    series = f'seen_connector_workspace_restarts_total{{workspace="{workspace}"}} '
    (line,) = [line for line in app.exposition().decode().splitlines() if line.startswith(series)]
    return float(line.removeprefix(series))


async def test_a_callback_is_taken_where_kafka_was_never_reached_and_is_still_there_after_a_restart(
    tmp_path: Path, deaths: Deaths
) -> None:
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "spool").mkdir()
    text = (folder / "connector.yaml").read_text()
    (folder / "connector.yaml").write_text(text.replace("  host:", "  spool: {directory: spool}\n  host:", 1))
    config = load(folder, ENVIRON)
    for held in (0, 1):
        await takes_one_callback(App(config, Redactor()), held)


async def takes_one_callback(app: App, held: int) -> None:
    """Runs the process without a Kafka: it holds so many callbacks, and takes one more."""
    assert app.spool_unready() == "not open yet"
    assert (await app.listener_unready() or "").startswith("not connected to Kafka yet")
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))
    try:
        await eventually(lambda: app.spool_unready() is None, "the spool is open", 10)
        assert await app.listener_unready() is None
        assert gauge(app, "spooled_callbacks") == held
        await eventually(partial(calls_in, app), "a callback is taken", 10)
        assert gauge(app, "spooled_callbacks") == held + 1
        assert gauge(app, "spooled_bytes") > 500
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await running


async def calls_in(app: App) -> bool:
    """Whether a callback is answered 202; False where nobody answers."""
    headers = {"Authorization": "Bearer token-of-callbacks"}
    try:
        url = f"http://127.0.0.1:{app._listener.port}/callbacks/acme"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"id": "7"}, headers=headers) as answer,
        ):
            assert answer.status == 202, await answer.text()
            return True
    except (RuntimeError, aiohttp.ClientConnectionError):
        return False


def gauge(app: App, name: str) -> float:
    series = f'seen_connector_{name}{{workspace="acme"}} '
    (line,) = [line for line in app.exposition().decode().splitlines() if line.startswith(series)]
    return float(line.removeprefix(series))
