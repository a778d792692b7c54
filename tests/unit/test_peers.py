from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.inbound.peers import Peers

PROXIES = Peers(("10.0.0.0/8", "2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # no proxy of ours: what it says is not believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the left one came with the call
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2,10.0.0.3"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.7, 10.0.0.2"], "10.0.0.7"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["2001:db8::9"], "2001:db8::9"),
        ("10.0.0.1", ["[2001:db8::9]:4711"], "2001:db8::9"),
        ("2001:db8:1::1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["fe80::1%any text"], "fe80::1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9,"], "10.0.0.1"),
        (None, ["203.0.113.9"], "unknown"),
        ("", ["203.0.113.9"], ""),
        ("a-socket", ["203.0.113.9"], "a-socket"),
    ],
)
def test_the_address_is_the_last_that_is_no_trusted_proxy_s(
    peer: str | None, forwarded_for: list[str], address: str
) -> None:
    assert PROXIES.address(peer, forwarded_for) == address


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("192.0.2.1", False), ("", False), ("a-socket", False)],
)
def test_a_proxy_is_trusted_by_its_own_address(peer: str, *, trusted: bool) -> None:
    assert PROXIES.trusts(peer) is trusted


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert Peers().address("10.0.0.1", ["203.0.113.9"]) == "10.0.0.1"


@given(st.text(), st.lists(st.text()))
def test_no_header_is_an_error(peer: str, forwarded_for: list[str]) -> None:
    PROXIES.address(peer, forwarded_for)
    found = PROXIES.address("10.0.0.1", forwarded_for)
    assert ipaddress.ip_address(found)


@given(st.lists(st.ip_addresses(v=4).map(str)))
def test_what_a_caller_writes_itself_changes_nothing(forged: list[str]) -> None:
    assert PROXIES.address("10.0.0.1", [*forged, "203.0.113.9"]) == "203.0.113.9"


def test_a_text_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Peers(("everywhere",))
