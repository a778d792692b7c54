"""What the token endpoint makes of a request, without HTTP."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.inbound.grants import Client, Refusal, client_in_header, granted

ACME = Client("acme", "acme-seen", ("old secret/å&", "new+secret%41"))
BOLT = Client("bolt", "bolt-seen", ("a-secret-of-bolt",))
CLIENTS = (ACME, BOLT)
FORM = {"grant_type": "client_credentials", "client_id": "acme-seen", "client_secret": ACME.secrets[0]}


def form(**changes: str | None) -> bytes:
    fields = {name: value for name, value in (FORM | changes).items() if value is not None}
    return urlencode(fields).encode()


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@pytest.mark.parametrize("secret", ACME.secrets)
def test_each_secret_of_a_client_is_good_in_a_form(secret: str) -> None:
    assert granted(form(client_secret=secret), None, CLIENTS) is ACME


@pytest.mark.parametrize("secret", ACME.secrets)
def test_a_header_is_good_whether_it_was_form_encoded_or_not(secret: str) -> None:
    assert client_in_header(basic("acme-seen", secret), CLIENTS) is ACME
    assert client_in_header(basic("acme-seen", quote_plus(secret)), CLIENTS) is ACME


def test_each_client_has_its_own_workspace() -> None:
    assert granted(form(client_id="bolt-seen", client_secret=BOLT.secrets[0]), None, CLIENTS) is BOLT
    assert client_in_header(basic("bolt-seen", BOLT.secrets[0]), CLIENTS) is BOLT


@pytest.mark.parametrize("scope", ["callbacks", "a b", ""])
def test_a_scope_means_nothing(scope: str) -> None:
    assert granted(form(scope=scope), None, CLIENTS) is ACME


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_secret": None},
        {"client_id": "nobody"},
        {"client_id": "bolt-seen"},
        {"client_id": None},
        {"client_id": None, "client_secret": None},
    ],
)
def test_an_unknown_client_and_a_wrong_secret_are_refused_alike(changes: dict[str, str | None]) -> None:
    assert granted(form(**changes), None, CLIENTS) is Refusal.INVALID_CLIENT


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !", basic("acme-seen", "wrong"), basic("bolt-seen", ACME.secrets[0]), "Bearer x"],
)
def test_a_header_that_proves_nothing_is_no_client(authorization: str) -> None:
    assert client_in_header(authorization, CLIENTS) is None


@pytest.mark.parametrize("kind", ["password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS"])
def test_another_grant_is_not_supported(kind: str) -> None:
    assert granted(form(grant_type=kind), None, CLIENTS) is Refusal.UNSUPPORTED_GRANT_TYPE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"grant_type",
        b"{}",
        b"\xff\xfe",
        b"grant_type=%FF",
        form(grant_type=None),
        form(grant_type=""),
        form() + b"&client_secret=again",
        form() + b"&grant_type=client_credentials",
        form() + b"&x=1" * 30,
    ],
)
def test_what_is_no_form_or_says_a_thing_twice_is_invalid(body: bytes) -> None:
    assert granted(body, None, CLIENTS) is Refusal.INVALID_REQUEST


def test_a_client_shows_its_secret_in_one_place() -> None:
    for body in (form(client_secret=None), form(client_id=None, client_secret=None)):
        assert granted(body, ACME, CLIENTS) is ACME
    for body in (form(), form(client_id="bolt-seen", client_secret=None)):
        assert granted(body, ACME, CLIENTS) is Refusal.INVALID_REQUEST


@given(st.binary(max_size=300), st.text(max_size=100))
def test_no_bytes_are_an_error_or_a_client(body: bytes, authorization: str) -> None:
    assert isinstance(granted(body, None, CLIENTS), Refusal)
    assert client_in_header(f"Basic {authorization}", CLIENTS) is None


@given(st.text(min_size=4).filter(str.isprintable))
def test_any_secret_of_the_configuration_can_be_sent_in_each_way(secret: str) -> None:
    client = Client("acme", "me", (secret,))
    body = form(client_id="me", client_secret=secret)
    assert granted(body, None, (client,)) is client
    assert client_in_header(basic("me", secret), (client,)) is client
    assert client_in_header(basic("me", quote_plus(secret)), (client,)) is client


def test_no_secret_is_printed() -> None:
    assert "secret" not in repr(ACME).replace("secrets", "")
