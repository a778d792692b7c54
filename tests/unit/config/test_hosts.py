"""Hosts with and without a port, as `images.allow_hosts` lists them."""

from __future__ import annotations

import pytest

from connector.config.values import host_and_port


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("images.example.com", "images.example.com", None),
        ("Images.Example.com.:8080", "images.example.com", 8080),
        ("127.0.0.1:8787", "127.0.0.1", 8787),
        ("[0:0::1]:80", "::1", 80),
        ("[::1]", "::1", None),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example", None),
    ],
)
def test_a_host_is_compared_as_links_have_it(text: str, host: str, port: int | None) -> None:
    assert host_and_port(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a:",
        "a:b",
        "a:70000",
        "::1",
        "[::1",
        "a b",
        "a/b",
        "u@a",
        "a?b",
        "http://a",
        "münchen.example",
        "*.a",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever finds it
        host_and_port(text)
