"""`seen-connector openapi`: what the listener serves at `/openapi.json`."""

from __future__ import annotations

import click

from connector.inbound.openapi import text


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the listener: where callbacks arrive, and what they are answered.

    It is the same for every configuration.
    """
    click.echo(text(), nl=False)
