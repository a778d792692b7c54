"""The command line: parse, call, print, and nothing else. Each command is in a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click


class _Command(NamedTuple):
    module: str
    summary: str


_COMMANDS = {
    "run": _Command("connector.cli.run", "Deliver events and take callbacks, until told to stop."),
    "check": _Command("connector.cli.check", "Check a configuration without starting anything."),
    "videos": _Command(
        "connector.cli.videos", "List the videos that are waited for, and those that never came."
    ),
    "openapi": _Command("connector.cli.openapi", "Print the OpenAPI document of the listener."),
    "demo": _Command("connector.cli.demo", "Show it all at work on this machine, on a Kafka of its own."),
    "emulate": _Command("connector.cli.emulate", "Be SEEN on a port of this machine."),
}
"""Each command is in its module under its own name."""


class LazyGroup(click.Group):
    """Imports a command's module when that command is called: none pays for what another needs, or fails for the lack
    of it.
    """

    def list_commands(self, _: click.Context) -> list[str]:
        """The names, in the order in which the help shows them."""
        return list(_COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`; None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name].module), cmd_name)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in _COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(package_name="seen-connector", message="%(prog)s %(version)s")
def main() -> None:
    """Turns customer events in Kafka into personalised videos at SEEN, and their callbacks into Kafka events.

    Exit codes: 0 all is well, 1 it failed while it ran, 2 the configuration or the command line cannot be used.
    """
