"""Which addresses an image may be fetched from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.addresses import is_public

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 172.15.255.255
172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255
2606:4700:4700::1111 2a00:1450:4001:800::200e 2001:200:: ::ffff:8.8.8.8 ::ffff:193.0.6.139 64:ff9b::8.8.8.8 64:ff9b::193.0.6.139
""".split()
CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::10.0.0.1
64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1::
2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2606:4700::1111%1
""".split()


@pytest.mark.parametrize("address", PUBLIC)
def test_a_host_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_ours_special_or_hides_such_an_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "text", ["", "example.com", "2130706433", "0177.0.0.1", "127.1", "[::1]", "1.1.1.1 "]
)
def test_what_is_no_address_as_the_system_writes_it_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses() | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_nothing_is_public_that_python_calls_private_or_multicast(address: IPv4Address | IPv6Address) -> None:
    if is_public(str(address)):
        found = ip_address(str(address))
        inner = getattr(found, "ipv4_mapped", None) or found
        assert not inner.is_multicast
        assert inner.is_global


@given(st.ip_addresses(v=4) | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_embedded_address_is_as_public_as_itself(address: IPv4Address) -> None:
    assert is_public(f"::ffff:{address}") == is_public(f"64:ff9b::{address}") == is_public(str(address))
