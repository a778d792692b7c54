"""The addresses of a host, from the system's resolver."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from connector.seen.lookup import SystemLookup

if TYPE_CHECKING:
    from collections.abc import Iterator


class Resolver:
    """Blocks until it is let go on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        self.go_on.wait(30)
        return ["127.0.0.1"]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    found = Resolver()
    yield found
    found.go_on.set()


async def test_the_systems_addresses_are_found() -> None:
    assert "127.0.0.1" in await SystemLookup().addresses("localhost")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 80 + ".example", ".", "a..b", "\0"])
async def test_a_name_without_an_address_is_an_oserror(host: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
        await SystemLookup().addresses(host)


async def test_a_host_that_many_ask_for_is_looked_up_once_at_a_time(resolver: Resolver) -> None:
    lookup = SystemLookup(resolver)
    asking = [asyncio.create_task(lookup.addresses("a.example")) for _ in range(100)]
    await asyncio.sleep(0)
    resolver.go_on.set()
    assert await asyncio.gather(*asking) == [["127.0.0.1"]] * 100
    assert resolver.asked == ["a.example"]


async def test_regression_a_host_that_was_found_is_not_looked_up_again_at_once(resolver: Resolver) -> None:
    """Each look had taken a thread, and queued for it behind names that hang."""
    lookup = SystemLookup(resolver, remembered_seconds=0.5)
    resolver.go_on.set()
    assert await lookup.addresses("a.example") == ["127.0.0.1"]
    resolver.go_on.clear()
    hanging = [asyncio.create_task(lookup.addresses(f"h{number}.example")) for number in range(20)]
    await asyncio.sleep(0)
    assert await lookup.addresses("a.example") == ["127.0.0.1"]
    resolver.go_on.set()
    await asyncio.gather(*hanging)
    await asyncio.sleep(0.6)
    await lookup.addresses("a.example")
    assert resolver.asked.count("a.example") == 2


async def test_of_a_thousand_hosts_the_addresses_are_remembered_and_of_no_host_that_has_none() -> None:
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return [] if host == "none.example" else ["127.0.0.1"]

    lookup = SystemLookup(resolve)
    for _ in range(2):
        with pytest.raises(OSError, match="no address"):
            await lookup.addresses("none.example")
    for number in range(1001):
        await lookup.addresses(f"h{number}.example")
    assert asked.count("none.example") == 2
    await lookup.addresses("h1.example")
    assert asked.count("h1.example") == 1
    await lookup.addresses("h0.example")
    assert asked.count("h0.example") == 2


async def test_slow_names_hold_back_neither_the_loops_own_lookups_nor_more_threads_than_allowed(
    resolver: Resolver,
) -> None:
    lookup = SystemLookup(resolver)
    asking = [asyncio.create_task(lookup.addresses(f"h{number}.example")) for number in range(100)]
    await asyncio.sleep(0.1)
    assert len(resolver.asked) == 16
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: "served") == "served"
    for each in asking:
        each.cancel()  # who asked has left, the lookups go on
    await asyncio.wait(asking)
    late = asyncio.create_task(lookup.addresses("late.example"))
    await asyncio.sleep(0.1)
    assert len(resolver.asked) == 16
    resolver.go_on.set()
    assert await late == ["127.0.0.1"]


async def test_where_there_are_no_more_threads_a_host_cannot_be_looked_up_now_and_later_it_can(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = SystemLookup(resolver)
    resolver.go_on.set()

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(20):
            with pytest.raises(OSError, match="now"):
                await lookup.addresses("a.example")
    assert await lookup.addresses("a.example") == ["127.0.0.1"]


async def test_who_leaves_takes_nothing_from_those_who_wait_for_the_same_host(resolver: Resolver) -> None:
    lookup = SystemLookup(resolver)
    leaving, staying = (asyncio.create_task(lookup.addresses("a.example")) for _ in range(2))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.wait([leaving])
    resolver.go_on.set()
    assert await staying == ["127.0.0.1"]
