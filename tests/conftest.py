"""What every test may ask for: a broker, a broker of its own, SEEN, names that no other test uses."""

from __future__ import annotations

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from connector.sandbox.emulator import Emulator, EmulatorSettings, WorkspaceSettings
from connector.sandbox.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

T = TypeVar("T")
# A test that is slow on a busy machine has not failed.
settings.register_profile("no-stopwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-stopwatch")
# Without it, looptime's question for the loop of a test that has none makes one, and nobody would close that.
asyncio.set_event_loop(None)
_skipped: set[str] = set()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of a broker that tests share: one for each pytest worker, or KAFKA_BOOTSTRAP_SERVERS."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield given
        return
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"))
    _in_a_loop_of_its_own(broker.start())
    yield broker.bootstrap_servers
    _in_a_loop_of_its_own(broker.close())


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[LocalKafka]:
    """A running broker of the test's own, which it may stop, kill and restart."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip(
            "this test stops the broker, and KAFKA_BOOTSTRAP_SERVERS names one that is not ours to stop"
        )
    async with LocalKafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """SEEN with one workspace `acme`, opened by `acme-token`, the documented quota, quick videos and no callback."""
    acme = WorkspaceSettings(id="acme", tokens=("acme-token",))
    async with Emulator(
        EmulatorSettings(workspaces=(acme,), render_seconds=0.05, callback_retry_seconds=0.05)
    ) as running:
        yield running


@pytest.fixture
def prefix() -> str:
    """The start of names for topics and groups that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}-"


def _in_a_loop_of_its_own(work: Coroutine[None, None, T]) -> T:
    """Runs it in a thread, so that the loops that pytest-asyncio makes for each test are left alone."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remembers what was skipped; with pytest-xdist the reports of all workers come to the controller."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.add(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module that is skipped while it is collected counts too."""
    if report.skipped:
        _skipped.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SEEN_CONNECTOR_FORBID_SKIPS set, a run that skipped a test has failed."""
    if _skipped and _skips_are_forbidden() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the tests whose skipping failed the run."""
    if _skips_are_forbidden():
        for nodeid in sorted(_skipped):
            terminalreporter.write_line(f"FORBIDDEN SKIP {nodeid}", red=True)


def _skips_are_forbidden() -> bool:
    return bool(os.environ.get("SEEN_CONNECTOR_FORBID_SKIPS"))
