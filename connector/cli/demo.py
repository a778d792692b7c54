"""`seen-connector demo`: all of it at work on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console

from connector.cli.configuration import config_option
from connector.cli.exits import FAILED, UNUSABLE
from connector.errors import ConfigError, SandboxError
from connector.sandbox.demo import run_demo

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
def demo(directory: Path) -> None:
    """Show it all at work on this machine, on a Kafka of its own.

    Starts a local Apache Kafka, an emulator of SEEN and the connector on the example configuration; sends 200 customer
    events, some of them broken; and says what became of each. A broker of yours is left alone.

    Exit codes: 0 every event is accounted for and SEEN's limit was kept, 1 not so, 2 the configuration cannot be used.
    """
    # What goes wrong is raised; the packages' own words would break the picture.
    logging.disable(logging.CRITICAL)
    try:
        passed = asyncio.run(_until_signal(directory))
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(UNUSABLE)
    except SandboxError as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("The demo was ended before its time; nothing of it runs any more.", err=True)
        sys.exit(FAILED)
    sys.exit(0 if passed else FAILED)


async def _until_signal(directory: Path) -> bool:
    """SIGTERM ends it as Ctrl-C does: in order."""
    course = asyncio.ensure_future(run_demo(directory, os.environ, Console(highlight=False)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, course.cancel)
    return await course
