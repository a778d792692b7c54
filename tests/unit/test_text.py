from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.text import absolute, cut, rfc3339, well_formed


@given(st.text())
def test_text_that_utf8_can_carry_is_left_alone(text: str) -> None:
    assert well_formed(text) == text


def test_a_lone_surrogate_is_replaced_and_a_pair_is_joined() -> None:
    assert well_formed("a\ud800b") == "a\ufffdb"
    assert well_formed("\ud83d\ude00") == "😀"


@given(st.text(st.characters()), st.integers(0, 40))
def test_cut_text_is_a_start_of_the_text_within_the_limit(text: str, limit: int) -> None:
    start = cut(text, limit)
    assert len(start.encode()) <= limit
    assert well_formed(text).startswith(start)
    assert len(well_formed(text).encode()) > limit or start == well_formed(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_763_724_660.25, "2025-11-21T11:31:00.250Z"),
        (1.0006, "1970-01-01T00:00:01.001Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.integers(0, 253_402_300_799_999))
def test_milliseconds_survive(milliseconds: int) -> None:
    read = datetime.fromisoformat(rfc3339(milliseconds / 1000))
    epoch = datetime.fromisoformat("1970-01-01T00:00:00Z")
    assert round((read - epoch).total_seconds() * 1000) == milliseconds


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://a.io/v", "https://a.io/v"),
        ("HTTPS://A.io/v", "HTTPS://A.io/v"),
        ("http://a.io", "http://a.io"),
        ("your.subdomain.com/v/12345", "https://your.subdomain.com/v/12345"),
        ("  a.io/v\n", "https://a.io/v"),
        ("//a.io/v", "https://a.io/v"),
        ("a.io:8443/v", "https://a.io:8443/v"),
        ("localhost/v", "https://localhost/v"),
        ("[::1]:8443/v", "https://[::1]:8443/v"),
        ("løve.no?v=1", "https://løve.no?v=1"),
        ("a.io/v?next=http://b.io&who=x@y.z#top", "https://a.io/v?next=http://b.io&who=x@y.z#top"),
    ],
)
def test_links_become_absolute(link: str, url: str) -> None:
    assert absolute(link) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "http://",
        "https:///v/1",
        "//",
        "/v/1",
        "?v=1",
        "http:/a.io/v",
        "https://a.io:port/v",
        "javascript:alert(1)",
        "javascript://a.io/%0aalert(1)",
        "data:text/html,<p>",
        "mailto:kari@a.io",
        "ftp://a.io/v",
        "https://user:password@a.io/v",
        "https://a.io\\@b.io/v",
        "java\tscript:alert(1)",
        "a.io/v\n1",
        "https://a.io/v\t1",
        "https://a.io/v\x7f",
        "not a link",
        "http\u017f://a.io/v",
    ],
)
def test_what_is_no_link_to_the_web_is_none(text: str) -> None:
    assert absolute(text) is None


@given(st.text())
def test_what_is_absolute_stays_as_it_is(text: str) -> None:
    url = absolute(text)
    assert url is None or (absolute(url) == url and url.lower().startswith(("http://", "https://")))
