"""Somebody else's OAuth 2.0 server: its keys, the tokens that it issues, and the key set that it publishes."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.inbound.tokens import Key

ISSUER = "https://login.example.com/"
AUDIENCE = "acme-callbacks"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})


def claims(now: float, **changes: Any) -> dict[str, Any]:
    """Those of a token that is good for a minute; a change to None leaves one out."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "seen", "iat": int(now), "exp": int(now) + 60} | changes
    return {name: value for name, value in said.items() if value is not None}


def signed(said: dict[str, Any], key: Key = RSA, algorithm: str = "RS256", **header: Any) -> str:
    """A token of these claims. A header that is None is left out."""
    named = {"alg": algorithm, "kid": key.kid} | header
    named = {name: value for name, value in named.items() if value is not None}
    return jwt.encode(named, dict(said), key, [algorithm])


def key_set(*keys: Key) -> bytes:
    """The document that publishes the public halves of `keys`."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


class KeyServer:
    """Publishes `body`, and counts who asks. `gate` holds answers back."""

    def __init__(self) -> None:
        self.body = key_set(RSA, EC)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def _answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    async def _grant(self, _request: web.Request) -> web.Response:
        token = signed(claims(datetime.now(UTC).timestamp()))
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 60})

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[KeyServer]:
        """Serves `/keys`, and tokens at `/token` to whoever asks."""
        app = web.Application()
        app.add_routes([web.get("/keys", self._answer), web.post("/token", self._grant)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()


def certificate(folder: Path) -> tuple[Path, Path]:
    """The files of a certificate for 127.0.0.1, which is its own authority, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "issuer.crt", folder / "issuer.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files
