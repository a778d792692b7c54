"""The command line: parse, call, print, and nothing else. Each command is in a module of its own."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "run": "connector.cli.run:run",
    "check": "connector.cli.check:check",
    "demo": "connector.cli.demo:demo",
    "emulate": "connector.cli.emulate:emulate",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for, so that none pays for what another needs."""

    def list_commands(self, _: click.Context) -> list[str]:
        """The names, in the order in which the help shows them."""
        return list(_COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`; None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is wrong otherwise
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="seen-connector", message="%(prog)s %(version)s")
def main() -> None:
    """Turns customer events in Kafka into personalised videos at SEEN, and their callbacks into Kafka events.

    Exit codes: 0 all is well, 1 it failed while it ran, 2 the configuration or the command line cannot be used.
    """
