"""A workspace with an OAuth 2.0 client: it delivers, and lives through a rotated secret and a token endpoint that is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Fault, OAuthClient
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

TOKENS = "/oauth2/token"


@pytest.fixture
def secret(deployment: Deployment, seen: Emulator) -> Path:
    """The file of the client's secret; only access tokens open the workspace."""
    seen.set_tokens("acme")
    seen.set_clients("acme", OAuthClient(client_id="us", client_secret="secret-of-today"))
    file = deployment.directory / "client-secret"
    put(file, "secret-of-today\n")
    deployment.workspace(seen={"auth": {"oauth2": {"client_id": "us", "client_secret_file": str(file)}}})
    return file


def put(file: Path, text: str) -> None:
    file.write_text(text)


async def produce(deployment: Deployment, first: int, count: int) -> None:
    await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(first, first + count)))


async def not_ready(deployment: Deployment, because: bytes) -> None:
    async def says_so() -> object:
        status, why = await deployment.get("/readyz")
        return status == 503 and because in why

    await eventually(says_so, f"the workspace is suspended: {because.decode()}")


async def test_a_rotated_client_secret_suspends_the_workspace_until_it_is_in_the_file(
    deployment: Deployment, seen: Emulator, secret: Path
) -> None:
    async with deployment:
        await deployment.running()
        await produce(deployment, 0, 20)
        await deployment.settled(20)
        assert len(seen.token_requests()) == 1

        seen.set_clients("acme", OAuthClient(client_id="us", client_secret="secret-of-tomorrow"))
        seen.revoke_tokens("acme")
        await produce(deployment, 20, 20)
        await not_ready(
            deployment, b"unauthenticated: no access token: the token endpoint answered 401 invalid_client"
        )
        sent, asked = len(seen.arrivals("acme")), len(seen.token_requests())
        put(secret, "")
        await eventually(lambda: len(seen.token_requests()) >= asked + 3, "probes ask for a token")
        assert len(seen.arrivals("acme")) == sent

        put(secret, "secret-of-tomorrow")
        await deployment.settled(40)
        assert (await deployment.get("/readyz"))[0] == 200
        lines = [line for line in deployment.log() if line["event"].startswith("secret_file_")]
    assert [(line["event"], line["workspace"], line["setting"]) for line in lines] == [
        ("secret_file_unusable", "acme", "seen.auth.oauth2.client_secret_file"),
        ("secret_file_usable", "acme", "seen.auth.oauth2.client_secret_file"),
    ]
    assert await deployment.read("dead_letters") == []
    assert {arrival.status for arrival in seen.arrivals("acme")} == {201, 401}


async def test_an_outage_of_the_token_endpoint_costs_no_event(
    deployment: Deployment, seen: Emulator, secret: Path
) -> None:
    deployment.workspace(
        seen={"auth": {"oauth2": {"client_id": "us", "client_secret_file": str(secret)}}},
        delivery={"give_up_after_seconds": 0.5},
    )
    seen.fail(Fault(status=503, path=TOKENS, times=None))
    async with deployment:
        await deployment.running()
        await produce(deployment, 0, 20)
        await not_ready(deployment, b"outage: no access token: the token endpoint answered 503")
        await eventually(lambda: len(seen.token_requests()) >= 5, "probes ask for a token")
        assert seen.arrivals("acme") == []
        seen.clear_faults()
        await deployment.settled(20)
    assert await deployment.read("dead_letters") == []
    assert len(await deployment.read("outcomes")) == 20
    assert len(seen.arrivals("acme")) == 20
