"""Servers of TLS for tests: a certificate that nobody else has signed, and one that ends its connections in the middle."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


def certificate(folder: Path, name: str) -> Path:
    """A file with a key, and a certificate for `name` that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(text + signed.public_bytes(Encoding.PEM))
    return folder / "both.pem"


class Resetting(threading.Thread):
    """A host of TLS, in threads of its own, that ends connections in the middle, without a goodbye."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listening.getsockname()[1]
        self._turns = itertools.count()
        self.closing = threading.Event()

    def run(self) -> None:
        while not self.closing.is_set():
            taken, _ = self._listening.accept()
            threading.Thread(target=self._end, args=(taken,), daemon=True).start()
        self._listening.close()

    def _end(self, taken: socket.socket) -> None:
        with contextlib.suppress(OSError), taken:
            if next(self._turns) % 4:  # or without a handshake
                taken = self._context.wrap_socket(taken, server_side=True)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()


@contextlib.contextmanager
def resetting(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[int]:
    """The port of a host that resets its connections, whose certificate for `name` is trusted meanwhile."""
    pem = certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    host = Resetting(context)
    host.start()
    try:
        yield host.port
    finally:
        host.closing.set()
        socket.create_connection(("127.0.0.1", host.port)).close()
        host.join(10)
