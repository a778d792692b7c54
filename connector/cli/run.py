"""`seen-connector run`: the connector itself, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import click
import structlog

from connector.app import App
from connector.cli.configuration import config_option, load_or_exit
from connector.cli.exits import FAILED
from connector.cli.heap import give_large_blocks_back, look_for_garbage_seldom
from connector.cli.lookups import Lookups
from connector.errors import SpoolUnavailable
from connector.logs import configure_logs

if TYPE_CHECKING:
    from pathlib import Path

    from connector.config.model import Config


log = structlog.get_logger()


@click.command()
@config_option
def run(directory: Path) -> None:
    """Deliver events and take callbacks, until SIGTERM or SIGINT; then end within the shutdown deadline."""
    config = load_or_exit(directory)
    give_large_blocks_back()
    look_for_garbage_seldom()
    try:
        asyncio.run(_until_signal(config))
    except OSError as error:  # a port that cannot be had; what happens later is the workspaces' own affair
        click.echo(f"seen-connector: a port cannot be had (listener.port, admin.port): {error}", err=True)
        sys.exit(FAILED)
    except SpoolUnavailable as error:
        click.echo(f"seen-connector: listener.spool.directory cannot be used: {error}", err=True)
        sys.exit(FAILED)


async def _until_signal(config: Config) -> None:
    redactor = config.redactor()
    configure_logs(config.connector.logging, redactor.clean_value, for_good=True)
    for warning in config.warnings:
        log.warning("configuration_unwise", where=warning.file, line=warning.line, what=warning.message)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_default_executor(Lookups())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await App(config, redactor).run(stop)
