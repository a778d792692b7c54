"""Where the link of an image leads, before anybody is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.imageanswer import ImageFinding
from connector.seen.imagelink import Reach, Target, aim
from connector.types import ImageResult

REACH = Reach(frozenset({80, 443}), frozenset({("127.0.0.1", 8787), ("cdn.internal", None), ("::1", 8080)}))


def refusal(link: str) -> str:
    found = aim(link, REACH)
    assert isinstance(found, ImageFinding)
    assert found.result is ImageResult.NOT_ALLOWED
    return found.detail


def target(link: str) -> Target:
    found = aim(link, REACH)
    assert isinstance(found, Target)
    return found


@pytest.mark.parametrize(
    ("link", "host", "address"),
    [
        ("https://a.example/p.png", "a.example", None),
        ("http://A.Example:80/p.png", "a.example", None),
        ("https://a.example.:443/p.png", "a.example.", None),
        ("https://8.8.8.8/p.png", "8.8.8.8", "8.8.8.8"),
        ("https://[2606:4700::1111]/p.png", "2606:4700::1111", "2606:4700::1111"),
        ("https://münchen.example/p.png", "xn--mnchen-3ya.example", None),
        ("https://3com.example/p.png", "3com.example", None),
        ("https://1.2.3.4.example/p.png", "1.2.3.4.example", None),
    ],
)
def test_a_name_or_an_address_on_a_listed_port_is_asked(link: str, host: str, address: str | None) -> None:
    found = target(link)
    assert (found.host, found.address, found.is_let_in) == (host, address, False)


@pytest.mark.parametrize(
    "host",
    """2130706433 017700000001 0x7f000001 0x7f.1 127.1 127.0.1 0177.0.0.1 127.0.0.01 0 0x 1.2.3.4.5 256.1.1.1 1.1.1.1.
    a.example.127 a.0x10""".split(),
)
def test_addresses_in_other_spellings_are_refused(host: str) -> None:
    assert "as it is usually written" in refusal(f"http://{host}/p.png")


@pytest.mark.parametrize("host", ["127。0。0。1", "１２７.0.0.1", "①②⑦.0.0.1"])  # noqa: RUF001 - they stand for digits
def test_letters_that_stand_for_digits_are_seen_through(host: str) -> None:
    found = aim(f"http://{host}/p.png", REACH)
    assert isinstance(found, ImageFinding) or found.address == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        "a\u00b8.example",
        "a\u037a.example",
        "a%2e.example",
        "a%00.example",
        "a;b",
        "a,b",
        "(a)",
        "fe80::1",
        "[v1.a]~",
    ],
)
def test_regression_what_no_name_has_is_in_no_host(host: str) -> None:
    """A cedilla became a space, and that a second word in the line of a request."""
    refusal(f"http://{host}/p.png")


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 8787, 65535])
def test_other_ports_are_refused(port: int) -> None:
    assert str(port) in refusal(f"http://a.example:{port}/p.png")


@pytest.mark.parametrize(
    "link",
    """ftp://a.example/p.png file:///etc/p.png gopher://a.example/p.png //a.example/p.png p.png http:///p.png
    http://u:p@a.example/p.png http://u@a.example/p.png http://:p@a.example/p.png http://a.example:99999/p.png http://[::1/p.png
    http://[fe80::1%25eth0]/p.png""".split(),
)
def test_what_is_no_plain_web_address_is_refused(link: str) -> None:
    refusal(link)


@pytest.mark.parametrize("character", ["\r\n", "\n", "\t", " ", "\0", "\x7f", "\u2028"])
def test_what_does_not_print_is_in_no_link(character: str) -> None:
    assert "control characters" in refusal(f"http://a.example/p.png{character}Host:b")


def test_a_link_that_is_too_long_is_refused() -> None:
    assert "characters" in refusal("https://a.example/" + "a" * 8200 + ".png")


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:8787/p.png",
        "https://CDN.internal/p.png",
        "http://cdn.internal.:80/p.png",
        "http://[::1]:8080/p.png",
        "http://[0:0:0:0:0:0:0:1]:8080/p.png",
    ],
)
def test_a_host_that_is_let_in_may_have_any_address_at_its_port(link: str) -> None:
    assert target(link).is_let_in


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1/p.png", "http://not.cdn.internal/p.png", "http://[::1]/p.png"],
)
def test_another_port_or_host_than_the_one_that_is_let_in_is_not(link: str) -> None:
    assert not target(link).is_let_in


def test_a_host_that_is_let_in_without_a_port_is_let_in_at_the_listed_ports_only() -> None:
    assert "8080" in refusal("http://cdn.internal:8080/p.png")


def test_a_signed_link_is_asked_for_as_it_is() -> None:
    link = "https://a.example/p%2Fq.png?X-Signature=a%2Fb%2Bc%3D&x=%41"
    assert str(target(link).url) == link


@given(st.text() | st.text().map(lambda rest: f"http://{rest}") | st.text().map(lambda p: f"http://a:{p}/"))
def test_every_text_is_a_target_or_refused(link: str) -> None:
    assert isinstance(aim(link, REACH), Target | ImageFinding)
