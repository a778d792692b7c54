"""The keys of an outside issuer: fetched over real HTTP, seldom, and kept."""

from __future__ import annotations

import asyncio
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey
from structlog.testing import capture_logs

from connector.inbound import jwks
from connector.inbound.auth import Proof
from connector.inbound.jwks import (
    GOOD_FOR_SECONDS,
    LONGEST_BODY,
    PAUSE_SECONDS,
    RENEW_AFTER_SECONDS,
    WAIT_AFTER_SECONDS,
    IssuerAuth,
    IssuerKeys,
    expected_of_issuer,
)
from connector.inbound.keyset import MAX_KEYS, chosen, parse_key_set
from connector.metrics import Metrics
from connector.testing import FakeClock
from tests.issuer import AUDIENCE, EC, ISSUER, RSA, KeyServer, claims, key_set, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.inbound.tokens import Key

NEW = RSAKey.generate_key(2048, {"kid": "rsa-2"})


class Hands(FakeClock):
    """A clock that a test moves."""

    def advance(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds


class Story:
    """A workspace that trusts the issuer behind `server`, on a clock of its own."""

    def __init__(self, server: KeyServer) -> None:
        self.server, self.clock, self.metrics = server, Hands(), Metrics("0")
        self.keys = IssuerKeys(f"{server.url}/keys", "acme", self.clock, self.metrics.workspace("acme"))
        wanted = expected_of_issuer(ISSUER, AUDIENCE, ("RS256", "ES256"), None)
        self.auth = IssuerAuth(self.keys, wanted, self.clock)

    async def shown(self, token: str) -> Proof:
        return await self.auth.check({"Authorization": f"Bearer {token}"})

    async def called(self, key: Key = RSA, algorithm: str = "RS256", **header: Any) -> Proof:
        return await self.shown(signed(claims(self.clock.wall()), key, algorithm, **header))

    async def renewed(self) -> None:
        """Waits for a fetch in the background."""
        if self.keys._asking is not None:
            await asyncio.wait([self.keys._asking])

    @property
    def failures(self) -> float | None:
        return self.metrics.registry.get_sample_value(
            "seen_connector_issuer_key_failures_total", {"workspace": "acme"}
        )


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    async with KeyServer().running() as server:
        story = Story(server)
        yield story
        await story.renewed()


async def test_keys_are_fetched_once_however_many_calls_wait_for_them(story: Story) -> None:
    story.server.gate.clear()
    calls = [asyncio.create_task(story.called(), name=f"call {n}") for n in range(20)]
    while not story.server.asked:  # noqa: ASYNC110 - what is waited for is on the other side of a socket
        await asyncio.sleep(0.01)
    calls[0].cancel()  # whoever stops waiting stops nobody else
    story.server.gate.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert found[1:] == [Proof.RIGHT] * 19
    assert await story.called(EC, "ES256") is Proof.RIGHT
    assert story.server.asked == 1


async def test_an_unknown_key_id_is_looked_for_once_in_a_while_however_often_it_comes(story: Story) -> None:
    assert await story.called() is Proof.RIGHT
    for number in range(50):
        assert await story.called(kid=f"unknown-{number}") is Proof.WRONG
    assert story.server.asked == 1
    story.clock.advance(PAUSE_SECONDS)
    for number in range(50):
        assert await story.called(kid=f"unknown-{number}") is Proof.WRONG
    assert story.server.asked == 2


async def test_a_new_key_of_the_issuer_is_found_at_the_first_token_that_names_it(story: Story) -> None:
    assert await story.called() is Proof.RIGHT
    story.server.body = key_set(RSA, NEW)
    story.clock.advance(PAUSE_SECONDS)
    assert await story.called(NEW) is Proof.RIGHT
    assert story.server.asked == 2


@pytest.mark.parametrize(
    "changes", [{"aud": "others"}, {"iss": "https://evil.example.com/"}, {"exp": 1}, {"nbf": 1e12}]
)
async def test_only_a_token_whose_claims_would_do_has_keys_fetched(
    story: Story, changes: dict[str, Any]
) -> None:
    assert await story.shown(signed(claims(story.clock.wall(), **changes), NEW)) is Proof.WRONG
    for token in ("", "x", "x.y.z", signed(claims(story.clock.wall()), RSA, "RS512")):
        assert await story.shown(token) is Proof.WRONG
    assert await story.auth.check({}) is Proof.WRONG
    assert story.server.asked == 0


async def test_an_expired_token_of_a_known_key_is_expired(story: Story) -> None:
    assert await story.called() is Proof.RIGHT
    assert await story.shown(signed(claims(story.clock.wall(), exp=1))) is Proof.EXPIRED
    assert await story.shown(signed(claims(story.clock.wall(), exp=1), NEW, kid=RSA.kid)) is Proof.WRONG


async def test_a_token_that_names_no_key_is_meant_for_the_only_one(story: Story) -> None:
    assert await story.called(kid=None) is Proof.WRONG
    story.server.body = key_set(RSA)
    story.clock.advance(RENEW_AFTER_SECONDS)
    assert await story.called(kid=None) is Proof.RIGHT


async def test_keys_are_renewed_in_the_background_and_one_that_was_withdrawn_is_gone(story: Story) -> None:
    assert await story.called() is Proof.RIGHT
    story.server.body = key_set(NEW)
    story.clock.advance(RENEW_AFTER_SECONDS)
    story.server.gate.clear()
    assert await story.called() is Proof.RIGHT  # it does not wait
    story.server.gate.set()
    await story.renewed()
    assert await story.called() is Proof.WRONG
    assert await story.called(NEW) is Proof.RIGHT
    assert story.server.asked == 2


async def test_a_listener_that_was_idle_asks_before_it_uses_an_old_key(story: Story) -> None:
    assert await story.called() is Proof.RIGHT
    story.server.body = key_set(NEW)
    story.clock.advance(WAIT_AFTER_SECONDS)
    assert await story.called() is Proof.WRONG


async def test_while_the_issuer_is_away_known_keys_go_on_for_a_day_and_nobody_waits_twice(
    story: Story,
) -> None:
    assert await story.called() is Proof.RIGHT
    story.server.status = 503
    story.clock.advance(WAIT_AFTER_SECONDS)
    with capture_logs() as lines:
        for _ in range(50):
            assert await story.called() is Proof.RIGHT
    assert story.server.asked == 2
    assert lines == [
        {
            "event": "issuer_keys_unavailable",
            "log_level": "warning",
            "workspace": "acme",
            "why": "it answers 503",
            "age_seconds": WAIT_AFTER_SECONDS,
        }
    ]
    assert await story.called(kid="unknown") is Proof.UNVERIFIABLE
    story.clock.advance(GOOD_FOR_SECONDS - WAIT_AFTER_SECONDS - 1)
    assert await story.called() is Proof.RIGHT
    story.clock.advance(1)
    assert await story.called() is Proof.UNVERIFIABLE
    story.server.status = 200
    story.clock.advance(PAUSE_SECONDS)
    assert await story.called() is Proof.RIGHT
    assert story.failures == 2


async def test_without_any_keys_a_token_that_would_do_can_not_be_verified(story: Story) -> None:
    story.server.status = 500
    assert await story.called() is Proof.UNVERIFIABLE
    assert await story.called(NEW, kid=RSA.kid) is Proof.UNVERIFIABLE
    assert await story.shown("x.y.z") is Proof.WRONG
    assert story.failures == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": 404}, "it answers 404"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/keys"}}, "it answers 302"),
        ({"body": b""}, "it is no JSON"),
        ({"body": b"<html>"}, "it is no JSON"),
        ({"body": b"\xff\xfe"}, "it is no JSON"),
        ({"body": b"[]"}, "it is no key set"),
        ({"body": b'{"keys": []}'}, "it holds no key that can be used"),
        ({"body": b" " * LONGEST_BODY + key_set(RSA)}, f"it has {LONGEST_BODY} bytes or more"),
        ({"body": b" " * (40 * LONGEST_BODY) + key_set(RSA)}, f"it has {LONGEST_BODY} bytes or more"),
        ({"body": b'{"keys":' * 100_000 + b"1"}, f"it has {LONGEST_BODY} bytes or more"),
        ({"body": b"[" * 100_000}, "it is nested too deeply"),
        ({"body": key_set(RSA), "headers": {"Content-Encoding": "gzip"}}, None),
    ],
)
async def test_what_is_no_key_set_is_a_failure_that_is_said_and_counted(
    story: Story, change: dict[str, Any], why: str | None
) -> None:
    for name, value in change.items():
        setattr(story.server, name, value)
    with capture_logs() as lines:
        found = await story.called()
    if why is None:  # it is not inflated: what is there is taken as it is
        assert found is Proof.RIGHT
        return
    assert found is Proof.UNVERIFIABLE
    assert [line["why"] for line in lines] == [why]
    assert story.failures == 1


async def test_an_issuer_that_does_not_answer_is_given_up(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.1)
    story.server.gate.clear()
    with capture_logs() as lines:
        assert await story.called() is Proof.UNVERIFIABLE
    assert ["Timeout" in line["why"] for line in lines] == [True]
    assert story.failures == 1


async def test_an_issuer_that_cannot_be_reached_is_a_failure() -> None:
    async with KeyServer().running() as server:
        story = Story(server)
    assert await story.called() is Proof.UNVERIFIABLE
    assert story.failures == 1


# --- the key set


def entry(key: Key, **changes: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **changes}


def parsed(*entries: object) -> dict[str | None, Key]:
    return parse_key_set(json.dumps({"keys": entries}).encode())


@pytest.mark.parametrize(
    "useless",
    [
        entry(NEW, use="enc"),
        entry(NEW, n="AQAB"),
        entry(NEW, n=None),
        entry(NEW, n=1),
        entry(NEW, n="A" * 20_000),
        entry(NEW, n="_" * 2000),
        entry(NEW, e="!"),
        entry(NEW, kty="RSA2"),
        entry(NEW, kty=None),
        entry(NEW, kty=["RSA"]),
        entry(NEW, kid=1),
        NEW.as_dict(private=True),
        OctKey.generate_key(256).as_dict(private=True),
        {**entry(ECKey.generate_key("P-256")), "x": "AAAA"},
        {**entry(ECKey.generate_key("P-256")), "crv": "P-1"},
        {"kty": "RSA"},
        {},
        [],
        None,
        "key",
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(useless: object) -> None:
    assert list(parsed(useless, entry(RSA))) == ["rsa-1"]
    with pytest.raises(ValueError, match="no key that can be used"):
        parsed(useless)


def test_a_short_key_is_passed_over() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library takes it, and only warns
        short = RSAKey.generate_key(1024)
        assert list(parsed(entry(short), entry(RSA))) == ["rsa-1"]


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    keys = parsed(entry(RSA), entry(NEW, kid="rsa-1"))
    assert keys["rsa-1"].as_dict()["n"] == RSA.as_dict()["n"]


def test_too_many_keys_are_no_key_set() -> None:
    assert len(parsed(*[entry(EC, kid=str(n)) for n in range(MAX_KEYS)])) == MAX_KEYS
    with pytest.raises(ValueError, match="more than"):
        parsed(*[entry(EC, kid=str(n)) for n in range(MAX_KEYS + 1)])


def test_a_key_without_an_id_is_found_by_a_token_without_one() -> None:
    keys = parsed({name: value for name, value in entry(RSA).items() if name != "kid"}, entry(EC))
    assert chosen(keys, None) is not None
    assert chosen(keys, "x") is None
    assert chosen(parsed(entry(RSA)), None) is not None
    assert chosen(parsed(entry(RSA), entry(EC)), None) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["keys", "kty", "n", "e", "x"]) | st.text(), inner)
        ),
    )
)
def test_no_document_is_an_error_but_a_value_error(document: object) -> None:
    for wrapped in (document, {"keys": document}, {"keys": [document]}):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever
            parse_key_set(json.dumps(wrapped).encode())
