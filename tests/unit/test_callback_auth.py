from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from connector.inbound.auth import BasicAuth, NoAuth, Proof, TokenAuth

if TYPE_CHECKING:
    from connector.inbound.auth import Authenticator

TOKEN = "s3cret-tøken"


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


def accepts(authenticator: Authenticator, **headers: str) -> bool:
    checking = authenticator.check(
        CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()})
    )
    with pytest.raises(StopIteration) as ended:  # at once: a static secret is compared without waiting
        checking.send(None)
    proof = ended.value.value
    assert proof in (Proof.UNASKED if isinstance(authenticator, NoAuth) else Proof.RIGHT, Proof.WRONG)
    return bool(proof.opens)


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer", "TOKEN"])
def test_a_token_is_accepted_with_either_scheme_in_any_case(scheme: str) -> None:
    assert accepts(TokenAuth((TOKEN,)), authorization=f"{scheme} {TOKEN}")


@pytest.mark.parametrize(
    "given", ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer x"]
)
def test_anything_else_in_authorization_is_refused(given: str) -> None:
    assert not accepts(TokenAuth((TOKEN,)), authorization=given)


def test_a_request_without_the_header_is_refused() -> None:
    assert not accepts(TokenAuth((TOKEN,)))
    assert not accepts(TokenAuth((TOKEN,), header="X-Token"), authorization=f"Bearer {TOKEN}")
    assert not accepts(BasicAuth((("seen", "pw"),)))


def test_a_header_of_another_name_holds_the_bare_token() -> None:
    assert accepts(TokenAuth((TOKEN,), header="X-Token"), x_token=TOKEN)
    assert not accepts(TokenAuth((TOKEN,), header="X-Token"), x_token=f"Bearer {TOKEN}")


@pytest.mark.parametrize("given", ["old", "new"])
def test_two_tokens_count_at_once_while_one_is_replaced(given: str) -> None:
    assert accepts(TokenAuth(("old", "new")), authorization=f"Bearer {given}")


@pytest.mark.parametrize("password", ["pw:with:colons", "pässword"])
def test_basic_credentials_are_accepted(password: str) -> None:
    authenticator = BasicAuth((("other", "x"), ("seen", password)))
    assert accepts(authenticator, authorization=basic(f"seen:{password}".encode()))


@pytest.mark.parametrize(
    "given",
    [
        basic(b"seen:wrong"),
        basic(b"seen"),
        basic(b"\xff\xfe"),
        "Basic",
        "Basic !!",
        "Basic c2Vlbg",
        "Bearer c2Vlbjpwdw==",
    ],
)
def test_anything_but_the_right_basic_credentials_is_refused(given: str) -> None:
    assert not accepts(BasicAuth((("seen", "pw"),)), authorization=given)


@given(st.text())
def test_no_authenticator_fails_on_a_strange_header(text: str) -> None:
    for authenticator in (TokenAuth((TOKEN,)), TokenAuth((TOKEN,), header="X"), BasicAuth((("seen", "pw"),))):
        for header in (text, f"Bearer {text}", f"Basic {text}"):
            assert not accepts(authenticator, authorization=header, x=text)


def test_bytes_that_are_no_utf8_are_compared_as_they_are() -> None:
    assert not accepts(TokenAuth((TOKEN,)), authorization="Bearer \udcff")
    assert accepts(TokenAuth(("\udcff",)), authorization="Bearer \udcff")


@pytest.mark.parametrize("tokens", [(), ("",), ("good", "")])
def test_an_empty_token_cannot_be_configured(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        TokenAuth(tokens)


@pytest.mark.parametrize("credentials", [(), (("seen", ""),)])
def test_an_empty_password_cannot_be_configured(credentials: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        BasicAuth(credentials)


def test_no_secret_is_printed() -> None:
    assert TOKEN not in repr(TokenAuth((TOKEN,)))
    assert "pw" not in repr(BasicAuth((("seen", "pw"),)))


def test_without_authentication_everybody_may_call() -> None:
    assert accepts(NoAuth())
