"""Who may call the listener. Secrets are revealed at each call, so a rotated file needs no restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.inbound.auth import AUTHORIZATION, BasicAuth, NoAuth, TokenAuth
from connector.inbound.grants import Client
from connector.inbound.jwks import IssuerAuth, IssuerKeys, expected_of_issuer
from connector.inbound.tokenendpoint import TokenEndpoint
from connector.inbound.tokens import OwnTokenAuth

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as Headers

    from connector.clock import Clock
    from connector.config import model
    from connector.config.secrets import Secret
    from connector.inbound.auth import Authenticator, Proof
    from connector.metrics import Metrics, WorkspaceMetrics


def authenticator(
    workspace: model.WorkspaceConfig,
    listener: model.ListenerConfig,
    clock: Clock,
    metrics: WorkspaceMetrics,
) -> Authenticator:
    """Who may call back. Raises ValueError where access tokens are to be checked and nothing says what signs them."""
    auth = workspace.callback.auth
    if auth.oauth2 is not None:
        return OwnTokens(workspace.name, auth.oauth2.client_id, _signing_keys(listener), clock)
    if auth.jwt is not None:
        given = auth.jwt
        keys = IssuerKeys(given.jwks_url, workspace.name, clock, metrics)
        wanted = expected_of_issuer(given.issuer, given.audience, given.algorithms, given.subject)
        return IssuerAuth(keys, wanted, clock)
    return CallbackAuthenticator(auth)


def token_endpoint(config: model.Config, clock: Clock, metrics: Metrics) -> TokenEndpoint | None:
    """Where SEEN fetches access tokens; None if no workspace's callbacks ask for one of ours."""
    clients = [
        (each.name, each.callback.auth.oauth2) for each in config.workspaces if each.callback.auth.oauth2
    ]
    endpoint = config.connector.listener.oauth2
    if endpoint is None or not clients:
        return None

    def revealed() -> list[Client]:
        return [
            Client(name, given.client_id, tuple(secret.reveal() for secret in given.client_secret))
            for name, given in clients
        ]

    keys = _signing_keys(config.connector.listener)
    return TokenEndpoint(revealed, keys, endpoint.token_lifetime_seconds, metrics, clock)


class TokenAuthenticator:
    """A static token, or one of two."""

    def __init__(self, secrets: tuple[Secret, ...], header: str = AUTHORIZATION) -> None:
        self._secrets = secrets
        self._header = header
        self._by_token: TokenAuth | None = None

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        tokens = tuple([each.reveal() for each in self._secrets])
        if self._by_token is None or self._by_token.tokens != tokens:
            self._by_token = TokenAuth(tokens, self._header)
        return await self._by_token.check(headers)


class CallbackAuthenticator:
    """A static secret, or none."""

    def __init__(self, config: model.CallbackAuth) -> None:
        self._config = config
        self._by_token = TokenAuthenticator(config.token, config.header)

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        return await self._authenticator().check(headers)

    def _authenticator(self) -> Authenticator:
        config = self._config
        if config.token:
            return self._by_token
        if config.basic:
            return BasicAuth(tuple((each.username, each.password.reveal()) for each in config.basic))
        if config.none:
            return NoAuth()
        raise ValueError("this kind of authentication has an authenticator of its own")


class OwnTokens:
    """Access tokens of our own endpoint."""

    def __init__(
        self, workspace: str, client_id: str, keys: Callable[[], tuple[str, ...]], clock: Clock
    ) -> None:
        self._workspace = workspace
        self._client_id = client_id
        self._keys = keys
        self._clock = clock

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        now = self._clock.wall()
        return await OwnTokenAuth(self._keys(), self._workspace, self._client_id, now).check(headers)


def _signing_keys(listener: model.ListenerConfig) -> Callable[[], tuple[str, ...]]:
    if listener.oauth2 is None:
        raise ValueError("access tokens need listener.oauth2.signing_key")
    secrets = listener.oauth2.signing_key
    return lambda: tuple(secret.reveal() for secret in secrets)
