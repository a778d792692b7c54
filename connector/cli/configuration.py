"""What commands that read a configuration share: the option, and the end if it cannot be used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.exits import UNUSABLE
from connector.config.load import load
from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.config.model import Config

config_option = click.option(
    "--config",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("config"),
    show_default=True,
    help="The directory that holds connector.yaml and workspaces/*.yaml.",
)
"""`--config DIR`, handed to the command as `directory`."""


def load_or_exit(directory: Path) -> Config:
    """The configuration in `directory`; else prints every mistake to stderr, a line each, and exits `UNUSABLE`."""
    try:
        return load(directory, os.environ)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(UNUSABLE)
