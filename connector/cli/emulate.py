"""`seen-connector emulate`: SEEN on a port of this machine, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import click

from connector.errors import SandboxError
from connector.sandbox.emulator import (
    BrazeSettings,
    Callback,
    Emulator,
    EmulatorSettings,
    OAuthClient,
    Quota,
    TokenClient,
    WorkspaceSettings,
    bearer,
)

DEFAULT_WORKSPACE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    default=(DEFAULT_WORKSPACE,),
    show_default=True,
    help="Id of a workspace; may be repeated.",
)
@click.option("--campaign", "campaigns", multiple=True, help="Slug of a campaign (API 1.0); may be repeated.")
@click.option(
    "--token",
    "tokens",
    multiple=True,
    envvar="SEEN_EMULATOR_TOKEN",
    show_envvar=True,
    help="API token that opens the workspaces; may be repeated.",
)
@click.option("--client-id", help="OAuth 2.0 client that may fetch access tokens for the workspaces.")
@click.option(
    "--client-secret",
    envvar="SEEN_EMULATOR_CLIENT_SECRET",
    show_envvar=True,
    help="Secret of that client.",
)
@click.option(
    "--token-seconds",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="How long an access token is good.",
)
@click.option(
    "--braze-key",
    "braze_keys",
    multiple=True,
    envvar="SEEN_EMULATOR_BRAZE_KEY",
    show_envvar=True,
    help="REST key that opens Braze's /users/track; may be repeated.",
)
@click.option(
    "--braze-user",
    "braze_users",
    multiple=True,
    help="Id of a user whom Braze has; may be repeated. Without it, whoever is named.",
)
@click.option("--callback-url", help="Where to call when a video is ready; may hold {workspace_id}.")
@click.option("--viewer-url", help="Where to call when a viewer acts, likewise; with the callbacks' token.")
@click.option(
    "--callback-token",
    envvar="SEEN_EMULATOR_CALLBACK_TOKEN",
    show_envvar=True,
    help="Sent with callbacks as `Authorization: Bearer`.",
)
@click.option("--callback-token-url", help="Where to fetch access tokens for callbacks (OAuth 2.0).")
@click.option("--callback-client-id", help="The client that fetches them.")
@click.option(
    "--callback-client-secret",
    envvar="SEEN_EMULATOR_CALLBACK_CLIENT_SECRET",
    show_envvar=True,
    help="Secret of that client.",
)
@click.option(
    "--requests", default=100, show_default=True, type=click.IntRange(1), help="Quota, in each window."
)
@click.option(
    "--per-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Length of a window.",
)
@click.option(
    "--render-seconds",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How long a video takes, on average.",
)
@click.option(
    "--callback-retry-seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Between the three calls of a callback.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Of the spread of rendering times, and of faults by chance."
)
@click.option(
    "--remembered",
    default=10_000,
    show_default=True,
    type=click.IntRange(1),
    help="How many requests, and how many callbacks, the control routes can show.",
)
def emulate(  # noqa: PLR0913 - one argument for each option
    *,
    host: str,
    port: int,
    workspaces: tuple[str, ...],
    campaigns: tuple[str, ...],
    tokens: tuple[str, ...],
    client_id: str | None,
    client_secret: str | None,
    token_seconds: float,
    braze_keys: tuple[str, ...],
    braze_users: tuple[str, ...],
    callback_url: str | None,
    viewer_url: str | None,
    callback_token: str | None,
    callback_token_url: str | None,
    callback_client_id: str | None,
    callback_client_secret: str | None,
    requests: int,
    per_seconds: float,
    render_seconds: float,
    callback_retry_seconds: float,
    seed: int,
    remembered: int,
) -> None:
    """Run an emulator of SEEN's platform API, for trying things out: its answers, its limit, its callbacks."""
    if (client_id is None) != (client_secret is None):
        raise click.UsageError("--client-id and --client-secret go together")
    if not tokens and client_id is None:
        raise click.UsageError("nothing would open the workspaces: give --token, or --client-id")
    clients: tuple[OAuthClient, ...] = ()
    if client_id is not None and client_secret is not None:
        clients = (
            OAuthClient(client_id=client_id, client_secret=client_secret, token_seconds=token_seconds),
        )
    headers = bearer(callback_token) if callback_token else {}
    oauth2 = _token_client(callback_token_url, callback_client_id, callback_client_secret)
    callback = Callback(callback_url, headers, oauth2=oauth2) if callback_url else None
    viewer = Callback(viewer_url, headers, oauth2=oauth2) if viewer_url else None
    quota = Quota(requests, per_seconds)
    workspace = WorkspaceSettings(
        id="", tokens=tokens, clients=clients, quota=quota, callback=callback, viewer=viewer
    )
    settings = EmulatorSettings(
        workspaces=(
            *(replace(workspace, id=each) for each in workspaces),
            *(replace(workspace, id=each, api="receivers", clients=()) for each in campaigns),
        ),
        braze=BrazeSettings(keys=braze_keys, users=braze_users or None),
        host=host,
        port=port,
        render_seconds=render_seconds,
        callback_retry_seconds=callback_retry_seconds,
        seed=seed,
        remembered=remembered,
    )
    try:
        asyncio.run(_serve(settings))
    except SandboxError as error:
        raise click.ClickException(str(error)) from error


def _token_client(url: str | None, client_id: str | None, client_secret: str | None) -> TokenClient | None:
    if url is None and client_id is None and client_secret is None:
        return None
    if url is None or client_id is None or client_secret is None:
        together = "--callback-token-url, --callback-client-id and --callback-client-secret go together"
        raise click.UsageError(together)
    return TokenClient(token_url=url, client_id=client_id, client_secret=client_secret)


async def _serve(settings: EmulatorSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with Emulator(settings) as emulator:
        for workspace in settings.workspaces:
            path = f"workspaces/{workspace.id}/data"
            if workspace.api == "receivers":
                path = f"campaigns/{workspace.id}/receivers/"
            click.echo(f"SEEN is emulated at {emulator.url}/v1/{path}")
            click.echo(f"  {workspace.quota.requests} requests in any {workspace.quota.per_seconds:g} s")
        if settings.braze.keys:
            click.echo(f"Braze is emulated at {emulator.url}/users/track")
            quota = settings.braze.quota
            click.echo(f"  {quota.requests} requests in {quota.per_seconds:g} s")
        click.echo(
            f"Control: {emulator.url}/_control/{{summary,arrivals,callbacks,braze,faults,mishaps,viewings,outage,reset}}"
        )
        await told_to_stop.wait()
