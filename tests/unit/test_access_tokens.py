"""What a token proves: everything that is not exactly right is wrong, and nothing is an error."""

from __future__ import annotations

import asyncio
import base64
import json
import string
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from connector.inbound.auth import Proof
from connector.inbound.tokens import (
    FOREIGN_LEEWAY_SECONDS,
    OWN_LEEWAY_SECONDS,
    Expected,
    OwnTokenAuth,
    bearer,
    issue,
    read,
    verified,
)
from tests.issuer import AUDIENCE, EC, ISSUER, RSA, claims, signed

if TYPE_CHECKING:
    from connector.inbound.tokens import Key

NOW = 1_800_000_000.0
EXPECTED = Expected(ISSUER, AUDIENCE, ("RS256",), None, FOREIGN_LEEWAY_SECONDS)
KEY, OTHER_KEY = "a-signing-key-of-32-characters-00", "another-signing-key-of-32-chars-00"
PUBLIC = RSAKey.import_key(RSA.as_dict(private=False))


def proof(token: str, key: Key = PUBLIC, expected: Expected = EXPECTED, now: float = NOW) -> Proof:
    return verified(token, key, expected, now)


def b64(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def own(token: str, *keys: str, workspace: str = "acme", client_id: str = "seen", now: float = NOW) -> Proof:
    auth = OwnTokenAuth(keys or (KEY,), workspace, client_id, now)
    return asyncio.run(auth.check({"Authorization": f"Bearer {token}"}))


def issued(key: str = KEY, workspace: str = "acme", seconds: float = 300) -> str:
    return issue(key, workspace=workspace, client_id="seen", now=NOW, lifetime_seconds=seconds)


# --- tokens of an outside issuer


def test_a_token_that_is_all_that_is_expected_is_right() -> None:
    assert proof(signed(claims(NOW))) is Proof.RIGHT


def test_the_audience_may_be_one_of_several() -> None:
    assert proof(signed(claims(NOW, aud=["others", AUDIENCE]))) is Proof.RIGHT


def test_what_else_a_token_says_does_not_matter() -> None:
    said = claims(NOW, scope="callbacks", jti="1", azp="x", **{"https://example.com/role": ["a"]})
    chain = {"x5c": ["c" * 2000], "nonce": "n", "typ": "at+jwt"}
    content = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    token = jws.serialize_compact(
        {"alg": "RS256", "kid": RSA.kid, **chain}, json.dumps(said), RSA, registry=content
    )
    assert proof(token) is Proof.RIGHT


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "others"},
        {"aud": ["others"]},
        {"aud": []},
        {"aud": None},
        {"aud": 1},
        {"aud": [AUDIENCE, 1]},
        {"aud": {AUDIENCE: 1}},
        {"aud": AUDIENCE + "x"},
        {"iss": "https://login.example.com"},
        {"iss": [ISSUER]},
        {"iss": None},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": NOW + FOREIGN_LEEWAY_SECONDS + 1},
        {"nbf": "now"},
        {"iat": NOW + FOREIGN_LEEWAY_SECONDS + 1},
        {"sub": 1},
    ],
)
def test_a_claim_that_is_missing_or_not_what_is_expected_is_wrong(changes: dict[str, Any]) -> None:
    assert proof(signed(claims(NOW, **changes))) is Proof.WRONG


def test_a_token_is_good_until_it_expires_by_a_clock_that_may_differ() -> None:
    token = signed(claims(NOW))
    assert proof(token, now=NOW + 60 + FOREIGN_LEEWAY_SECONDS - 1) is Proof.RIGHT
    assert proof(token, now=NOW + 60 + FOREIGN_LEEWAY_SECONDS) is Proof.EXPIRED


@pytest.mark.parametrize("changes", [{"aud": "others"}, {"iss": "x"}, {"nbf": NOW * 2}])
def test_a_token_that_has_expired_and_is_wrong_otherwise_is_wrong(changes: dict[str, Any]) -> None:
    said = {"exp": 1} | claims(NOW, **changes) | {"exp": 1}
    assert proof(signed(said)) is Proof.WRONG
    assert proof(signed(claims(NOW, exp=1))) is Proof.EXPIRED


def test_a_subject_that_is_asked_for_must_be_there() -> None:
    expected = Expected(ISSUER, AUDIENCE, ("RS256",), "seen", FOREIGN_LEEWAY_SECONDS)
    assert proof(signed(claims(NOW)), expected=expected) is Proof.RIGHT
    for other in ("others", None):
        assert proof(signed(claims(NOW, sub=other)), expected=expected) is Proof.WRONG


def test_a_token_of_another_key_is_wrong() -> None:
    assert proof(signed(claims(NOW), RSAKey.generate_key(2048))) is Proof.WRONG


def test_a_token_of_an_algorithm_that_is_not_pinned_is_wrong_although_its_signature_is_right() -> None:
    for algorithm in ("RS512", "PS256"):
        token = signed(claims(NOW), algorithm=algorithm)
        assert proof(token) is Proof.WRONG
        assert read(token, EXPECTED, NOW) is None
        pinned = Expected(ISSUER, AUDIENCE, (algorithm,), None, FOREIGN_LEEWAY_SECONDS)
        assert proof(token, expected=pinned) is Proof.RIGHT


def test_a_key_of_another_kind_takes_no_token_of_a_pinned_algorithm() -> None:
    both = Expected(ISSUER, AUDIENCE, ("RS256", "ES256"), None, FOREIGN_LEEWAY_SECONDS)
    assert proof(signed(claims(NOW), EC, "ES256"), EC, both) is Proof.RIGHT
    assert proof(signed(claims(NOW), EC, "ES256"), PUBLIC, both) is Proof.WRONG
    assert proof(signed(claims(NOW)), EC, both) is Proof.WRONG


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "x"])
def test_a_token_without_a_signature_is_wrong(algorithm: str, signature: str) -> None:
    token = f"{b64({'alg': algorithm, 'kid': RSA.kid})}.{b64(claims(NOW))}.{signature}"
    assert proof(token) is Proof.WRONG
    assert read(token, EXPECTED, NOW) is None
    assert own(token) is Proof.WRONG


@pytest.mark.parametrize("form", ["pem", "pem-with-line-break", "der", "jwk", "n"])
def test_a_public_key_used_as_the_secret_of_an_hmac_is_wrong(form: str) -> None:
    public = PUBLIC.public_key
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = {
        "pem": pem.strip(),
        "pem-with-line-break": pem,
        "der": public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "jwk": json.dumps(PUBLIC.as_dict()).encode(),
        "n": str(PUBLIC.as_dict()["n"]).encode(),
    }[form]
    head = f"{b64({'alg': 'HS256', 'kid': RSA.kid})}.{b64(claims(NOW))}"
    import hashlib
    import hmac

    token = f"{head}.{b64(hmac.digest(secret, head.encode(), hashlib.sha256))}"
    assert proof(token) is Proof.WRONG
    # Not even where somebody pinned both, which the configuration does not let them do:
    both = Expected(ISSUER, AUDIENCE, ("RS256", "HS256"), None, FOREIGN_LEEWAY_SECONDS)
    assert proof(token, expected=both) is Proof.WRONG


def test_a_key_that_comes_with_the_token_counts_for_nothing() -> None:
    forger = RSAKey.generate_key(2048)
    public = forger.as_dict(private=False)
    token = signed(claims(NOW), forger, jwk=public, kid=RSA.kid, jku="https://evil.example.com/keys")
    assert proof(token) is Proof.WRONG


def test_a_header_that_must_be_understood_and_is_not_makes_a_token_wrong() -> None:
    head = {"alg": "RS256", "kid": RSA.kid, "crit": ["exotic"], "exotic": 1}
    alg = jws.JWSRegistry.algorithms["RS256"]
    text = f"{b64(head)}.{b64(claims(NOW))}"
    token = f"{text}.{b64(alg.sign(text.encode(), RSA))}"
    assert proof(token) is Proof.WRONG
    plain = f"{b64({'alg': 'RS256', 'kid': RSA.kid})}.{b64(claims(NOW))}"
    assert proof(f"{plain}.{b64(alg.sign(plain.encode(), RSA))}") is Proof.RIGHT


def test_what_a_token_says_of_itself_is_read_without_a_key() -> None:
    said = read(signed(claims(NOW)), EXPECTED, NOW)
    assert said is not None
    assert (said.key_id, said.claims) == ("rsa-1", Proof.RIGHT)
    expired = read(signed(claims(NOW, exp=1)), EXPECTED, NOW)
    assert expired is not None
    assert expired.claims is Proof.EXPIRED
    foreign = read(signed(claims(NOW, aud="others")), EXPECTED, NOW)
    assert foreign is not None
    assert foreign.claims is Proof.WRONG


# --- whatever the bytes

GOOD = signed(claims(NOW))
B64 = string.ascii_letters + string.digits + "-_"
PARTS = st.one_of(
    st.text(st.sampled_from(B64 + ".="), max_size=60),
    st.text(max_size=20),
    st.binary(max_size=60).map(b64),
    st.dictionaries(
        st.sampled_from(
            ["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "exp", "iss", "aud", "zip"]
        ),
        st.sampled_from(
            ["RS256", "HS256", "none", ISSUER, AUDIENCE, "rsa-1", ["b64"], [1], {}, None, 1e308, 1 << 900, -1]
        ),
    ).map(b64),
    st.sampled_from(GOOD.split(".")),
)


@given(st.lists(PARTS, max_size=6).map(".".join))
def test_no_text_but_the_token_itself_is_right_and_none_is_an_error(text: str) -> None:
    wanted = Proof.RIGHT if text == GOOD else Proof.WRONG
    assert proof(text) is wanted
    assert own(text) is Proof.WRONG
    read(text, EXPECTED, NOW)
    bearer({"Authorization": f"Bearer {text}"})


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(B64 + "."))
def test_a_token_with_one_character_changed_is_wrong(place: int, character: str) -> None:
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    raw = [base64.urlsafe_b64decode(part + "==") for part in GOOD.split(".")]
    parts = changed.split(".")
    same = len(parts) == 3 and [base64.urlsafe_b64decode(part + "===") for part in parts[2:]] == raw[2:]
    if changed == GOOD or (same and parts[:2] == GOOD.split(".")[:2]):
        return  # the last character of base64 has bits that say nothing
    assert proof(changed) is Proof.WRONG


@pytest.mark.parametrize("depth", [10, 1000, 5000])
def test_nesting_of_any_depth_is_wrong_and_no_error(depth: int) -> None:
    deep = b'{"iss":' * depth + b"1" + b"}" * depth
    for token in (f"{b64(deep)}.{b64(claims(NOW))}.x", f"{b64({'alg': 'RS256'})}.{b64(deep)}.x"):
        assert read(token, EXPECTED, NOW) is None or read(token, EXPECTED, NOW).claims is Proof.WRONG  # type: ignore[union-attr]
        assert proof(token) is Proof.WRONG


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("Bearer x.y.z", "x.y.z"),
        ("bearer  x.y.z ", "x.y.z"),
        ("Token x.y.z", None),
        ("Basic x", None),
        ("Bearer", None),
        ("", None),
        ("Bearer \udcff", None),
        ("Bearer " + "x" * 8193, None),
    ],
)
def test_a_bearer_token_is_taken_from_its_header(authorization: str, token: str | None) -> None:
    assert bearer({"Authorization": authorization}) == token


# --- our own tokens


def test_our_own_token_opens_its_workspace_until_it_expires() -> None:
    token = issued()
    assert own(token) is Proof.RIGHT
    assert own(token, now=NOW - OWN_LEEWAY_SECONDS) is Proof.RIGHT
    assert own(token, now=NOW - OWN_LEEWAY_SECONDS - 1) is Proof.WRONG
    assert own(token, now=NOW + 300 + OWN_LEEWAY_SECONDS - 1) is Proof.RIGHT
    assert own(token, now=NOW + 300 + OWN_LEEWAY_SECONDS) is Proof.EXPIRED


def test_our_own_token_opens_no_other_workspace_and_serves_no_other_client() -> None:
    assert own(issued(workspace="acme"), workspace="bolt") is Proof.WRONG
    assert own(issued(), client_id="others") is Proof.WRONG


def test_while_keys_are_rotated_both_count_and_afterwards_the_old_one_does_not() -> None:
    assert own(issued(KEY), OTHER_KEY, KEY) is Proof.RIGHT
    assert own(issued(OTHER_KEY), OTHER_KEY, KEY) is Proof.RIGHT
    assert own(issued(KEY), OTHER_KEY) is Proof.WRONG


def test_our_own_endpoint_s_tokens_are_of_one_algorithm() -> None:
    said = {"iss": "seen-connector", "aud": "acme", "sub": "seen", "exp": int(NOW) + 60}
    assert own(jwt.encode({"alg": "HS256"}, dict(said), OctKey.import_key(KEY))) is Proof.RIGHT
    for algorithm in ("HS384", "HS512"):
        token = jwt.encode({"alg": algorithm}, dict(said), OctKey.import_key(KEY), [algorithm])
        assert own(token) is Proof.WRONG
    assert own(signed(said)) is Proof.WRONG


def test_no_key_is_printed() -> None:
    assert KEY not in repr(OwnTokenAuth((KEY,), "acme", "seen", NOW))


@pytest.mark.parametrize("key", [RSA, EC])
def test_the_keys_of_these_tests_are_what_they_are_said_to_be(key: Key) -> None:
    assert isinstance(key, RSAKey | ECKey)
    assert key.is_private
