"""What is known of one host of images, without a clock: when it fails, when it is given up, when it is asked again."""

from __future__ import annotations

import pytest

from connector.seen.imageanswer import ImageFinding
from connector.seen.imagehosts import Host, Hosts
from connector.types import ImageResult

GOOD = ImageFinding(ImageResult.GOOD)
DOWN = ImageFinding(ImageResult.UNREACHABLE, "its host cannot be reached")
CLOSED = ImageFinding(ImageResult.NOT_ALLOWED, "its host is at an address that is not public")
GIVE_UP_AFTER = 60.0


def failing(*, since: float, until: float, links: bytes = b"a") -> Host:
    """A host at which looks at `links`, each of one letter, have failed from `since` to `until`."""
    host = Host(1)
    for now in (since, until):
        for link in links:
            host.found(bytes([link]), DOWN, now)
    return host


def test_a_host_fails_from_a_look_that_found_nothing_out_until_one_that_does() -> None:
    host = Host(1)
    assert not host.is_failing
    host.found(b"a", DOWN, 100.0)
    assert host.is_failing
    host.found(b"b", CLOSED, 101.0)
    assert host.is_failing, "nobody was asked"
    host.found(b"c", GOOD, 102.0)
    assert not host.is_failing


def test_a_host_that_is_given_up_is_asked_once_in_ten_seconds() -> None:
    host = failing(since=100.0, until=160.0)
    assert not host.may_look(b"a", GIVE_UP_AFTER, 160.0)
    assert not host.may_look(b"a", GIVE_UP_AFTER, 169.9)
    assert host.may_look(b"a", GIVE_UP_AFTER, 170.0)
    assert not host.may_look(b"a", GIVE_UP_AFTER, 179.9), "it is not known yet what that one finds"
    assert host.may_look(b"a", GIVE_UP_AFTER, 180.0)


def test_a_host_is_not_given_up_before_its_time() -> None:
    assert failing(since=100.1, until=160.0).may_look(b"a", GIVE_UP_AFTER, 160.0)


@pytest.mark.parametrize(("links", "expected"), [(b"ab", True), (b"abc", False), (b"abcdef", False)])
def test_for_other_links_a_host_is_given_up_once_three_have_failed(links: bytes, expected: bool) -> None:
    host = failing(since=100.0, until=160.0, links=links)
    assert host.may_look(b"another", GIVE_UP_AFTER, 160.0) is expected
    assert len(host._failed) <= 3, "more of them need no memory"


@pytest.mark.parametrize(("until", "may_look"), [(190.0, False), (190.1, True)])
def test_a_failure_after_a_silence_is_the_first_of_a_new_time(until: float, may_look: bool) -> None:
    host = failing(since=100.0, until=until)
    assert host.may_look(b"a", GIVE_UP_AFTER, until) is may_look


def test_links_that_failed_before_a_silence_do_not_count_any_more() -> None:
    host = failing(since=100.0, until=110.0, links=b"abc")
    host.found(b"d", DOWN, 1000.0)
    host.found(b"d", DOWN, 1060.0)
    assert host.may_look(b"a", GIVE_UP_AFTER, 1060.0)
    assert not host.may_look(b"d", GIVE_UP_AFTER, 1060.0)


def test_what_is_found_without_a_look_says_for_how_long_the_host_has_failed() -> None:
    given_up = failing(since=100.0, until=160.0).given_up
    assert given_up.result is ImageResult.UNREACHABLE
    assert given_up.detail == "its host has not answered for 60 s: its host cannot be reached"
    with pytest.raises(RuntimeError):
        _ = Host(1).given_up


async def test_a_host_that_somebody_uses_still_is_not_forgotten_when_another_has_left() -> None:
    hosts = Hosts(2)
    async with hosts.turn("a") as host:
        async with hosts.turn("a") as same:
            assert same is host
        for number in range(1001):
            async with hosts.turn(f"h{number}"):
                pass
        async with hosts.turn("a") as same:
            assert same is host
