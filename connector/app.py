"""The process: configuration → workspaces → supervise → drain.

Isolation is across workspaces: one that dies is started again with backoff, readiness says so, and the others live on.
Stop is an event, not a cancellation: whoever is stopped ends its work, within the deadline.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from connector import wiring
from connector.admin import Admin
from connector.clock import SystemClock, wait_for_event
from connector.config.rules import RESERVED_SECONDS
from connector.delivery.backoff import Backoff
from connector.errors import ConnectorError
from connector.inbound.limits import Limits
from connector.inbound.listener import Listener
from connector.inbound.peers import Peers
from connector.inbound.spool import Spool
from connector.kafka.assignor import Member
from connector.metrics import Metrics
from connector.workspace import Export, Surroundings, Workspace, braze_doors

if TYPE_CHECKING:
    from connector.config.model import Config, ListenerConfig
    from connector.config.secrets import Redactor

log = structlog.get_logger()

VERSION = version("seen-connector")

_RESTARTS = Backoff(1.0, 60.0)
_HEALTHY_SECONDS = 120.0  # a workspace that lived this long starts over with short waits
_LAST_SECONDS = 3.0  # of the shutdown deadline: for doors and ports
_SPOOL_SECONDS = 5.0  # for the disk, beyond what a callback waits for Kafka


class App:
    """One connector process."""

    def __init__(self, config: Config, redactor: Redactor) -> None:
        """`redactor` knows the secrets of `config`; it is told of those that come later."""
        _watch_secret_files(config)
        self._config = config.connector
        self._clock = SystemClock()
        self._metrics = Metrics(VERSION)
        # A new id at each start: what an earlier process left behind is a predecessor's.
        member = Member(uuid.uuid4().hex, _groups(config))
        self._spool = _spool(config, self._clock)
        around = Surroundings(
            self._config, self._clock, self._metrics, redactor, VERSION, member, self._spool
        )
        self._workspaces = [Workspace(each, around) for each in config.workspaces]
        self._exports = [
            Export(each, each.braze_out, around) for each in config.workspaces if each.braze_out is not None
        ]
        self._deadline: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        listener, admin = self._config.listener, self._config.admin
        self._listener = Listener(
            {workspace.name: workspace.callbacks.door() for workspace in self._workspaces},
            host=listener.host,
            port=listener.port,
            limits=_limits(listener),
            metrics=self._metrics,
            clock=self._clock,
            peers=Peers(listener.trusted_proxies),
            tokens=wiring.token_endpoint(config, self._clock, self._metrics),
            braze=braze_doors(workspace.callbacks for workspace in self._workspaces),
        )
        self._admin = Admin(self, host=admin.host, port=admin.port)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop`, then ends within the configured deadline.

        Raises OSError if a port cannot be had, SpoolUnavailable if the spool's folder cannot be used.
        """
        await self._admin.start()
        try:
            if self._spool is not None:
                await self._spool.open()
            await self._listener.start()
            log.info(
                "started", version=VERSION, listener_port=self._listener.port, admin_port=self._admin.port
            )
            async with asyncio.TaskGroup() as group:
                self._tasks = [
                    group.create_task(self._supervise(each, stop), name=each.name)
                    for each in self._supervised
                ]
                drains = [
                    group.create_task(each.callbacks.drain_spool(), name=f"{each.name}: drain of the spool")
                    for each in self._workspaces
                ]
                await stop.wait()
                self._deadline = self._clock.monotonic() + self._config.shutdown_deadline_seconds
                log.info("stopping", deadline_seconds=self._config.shutdown_deadline_seconds)
                group.create_task(self._stop_callbacks(drains), name="callbacks: stop")
                group.create_task(self._cancel_late(), name="deadline")
        finally:
            await self._listener.stop(0.0)
            await asyncio.gather(*(each.callbacks.disconnect() for each in self._workspaces))
            if self._spool is not None:
                await self._spool.close()
            await self._admin.stop()
        log.info("stopped")

    @property
    def _supervised(self) -> list[Workspace | Export]:
        return [*self._workspaces, *self._exports]

    # What the admin port tells: connector.admin.Reported

    def alive(self) -> bool:
        """Whether every workspace and every export still has its supervisor."""
        return not any(task.done() for task in self._tasks) or self._deadline is not None

    def unready(self) -> dict[str, str]:
        """Workspace, or export → why it is not well."""
        if self._deadline is not None:
            return {each.name: "stopping" for each in self._supervised}
        reasons = {each.name: each.unready() for each in self._supervised}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def spool_unready(self) -> str | None:
        """What somebody must see to at the spool."""
        return None if self._spool is None or self._deadline is not None else self._spool.trouble

    async def listener_unready(self) -> str | None:
        """Why a callback cannot be made durable here."""
        if self._deadline is not None:
            return "stopping"
        # One workspace that cannot take callbacks must not turn those of the others away.
        if any(each.callbacks.can_spool for each in self._workspaces):
            return None
        connecting = [
            each.name for each in self._workspaces if not each.callbacks.is_connected and each.died_of is None
        ]
        if connecting:
            return f"not connected to Kafka yet: {', '.join(connecting)}"
        if not any(each.can_publish for each in self._workspaces):
            return "no workspace can publish: see /readyz"
        return None

    def status(self) -> dict[str, object]:
        """The state of everything."""
        return {
            "version": VERSION,
            "workspaces": {each.name: each.status() for each in self._workspaces},
            "exports": {each.name: each.status() for each in self._exports},
        }

    def exposition(self) -> bytes:
        """All metrics, the sampled ones as they are now."""
        for each in self._supervised:
            each.status()
        return self._metrics.exposition()

    # Life

    async def _supervise(self, workspace: Workspace | Export, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            started_at = self._clock.monotonic()
            try:
                await workspace.run(stop, self._drain_seconds)
            except Exception as error:  # noqa: BLE001 - isolation: whatever one workspace dies of, the others live on
                lived = self._clock.monotonic() - started_at
                deaths = 1 if lived > _HEALTHY_SECONDS else deaths + 1
                self._note_death(workspace, error)
                await wait_for_event(stop, _RESTARTS.ceiling(deaths) * random.uniform(0.5, 1.0))

    def _note_death(self, workspace: Workspace | Export, error: Exception) -> None:
        self._metrics.workspace(workspace.name).restarts.inc()
        cause = _first_cause(error)
        if isinstance(cause, ConnectorError):
            workspace.died_of = str(cause)
            log.error("workspace_stopped", workspace=workspace.name, why=str(cause))
        else:
            workspace.died_of = f"died of {type(cause).__name__}"
            log.error("workspace_died", workspace=workspace.name, exc_info=error)

    def _drain_seconds(self) -> float:
        """How long what is on the wire may still take."""
        if self._deadline is None:
            return self._config.shutdown_deadline_seconds - RESERVED_SECONDS
        return max(0.0, self._deadline - RESERVED_SECONDS - self._clock.monotonic())

    async def _stop_callbacks(self, drains: list[asyncio.Task[None]]) -> None:
        """Stops the listener, and only then the drains of the spool: until then callbacks may come into it."""
        await self._listener.stop(self._drain_seconds(), drain_seconds=self._config.listener.drain_seconds)
        await self._finish_drains(drains)

    async def _finish_drains(self, drains: list[asyncio.Task[None]]) -> None:
        """Lets the spool be drained for as long as requests may still take; what is left keeps until the next start."""
        for workspace in self._workspaces:
            workspace.callbacks.finish_spool()
        _, late = await asyncio.wait(drains, timeout=self._drain_seconds())
        for drain in late:
            drain.cancel()

    async def _cancel_late(self) -> None:
        """Ends workspaces that hang at the deadline, so that the process ends all the same."""
        if self._deadline is not None and self._tasks:
            remaining = max(0.0, self._deadline - self._clock.monotonic() - _LAST_SECONDS)
            _, late = await asyncio.wait(self._tasks, timeout=remaining)
            for task in late:
                log.error("workspace_cancelled", workspace=task.get_name())
                task.cancel()


def _groups(config: Config) -> tuple[str, ...]:
    """The consumer groups of a replica."""
    exports = (each.braze_out.group_id for each in config.workspaces if each.braze_out is not None)
    return (*(each.group_id for each in config.workspaces), *exports)


def _spool(config: Config, clock: SystemClock) -> Spool | None:
    given = config.connector.listener.spool
    if given.directory is None:
        return None
    return Spool(given.directory, given.max_bytes, [each.name for each in config.workspaces], clock)


def _limits(listener: ListenerConfig) -> Limits:
    spool_seconds = 0.0 if listener.spool.directory is None else _SPOOL_SECONDS
    return Limits(
        max_body_bytes=listener.max_body_bytes,
        max_bodies_bytes=listener.max_bodies_bytes,
        body_timeout_seconds=listener.body_timeout_seconds,
        publish_timeout_seconds=listener.publish_timeout_seconds + spool_seconds,
        max_in_flight=listener.max_in_flight,
        max_connections=listener.max_connections,
        max_connections_per_address=listener.max_connections_per_address,
        head_timeout_seconds=listener.head_timeout_seconds,
        keepalive_seconds=listener.keepalive_seconds,
    )


def _watch_secret_files(config: Config) -> None:
    for workspace, setting, secret in config.named_secrets():
        secret.watch_file(partial(_say_of_secret_file, workspace, f"{setting}_file"))


def _say_of_secret_file(workspace: str | None, setting: str, why: str | None) -> None:
    if why is None:
        log.info("secret_file_usable", workspace=workspace, setting=setting)
    else:
        log.warning("secret_file_unusable", workspace=workspace, setting=setting, why=why)


def _first_cause(error: BaseException) -> BaseException:
    """What task groups wrapped: the first of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
