from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.inbound import slowing
from connector.inbound.attempts import (
    FORGIVEN_EVERY_SECONDS,
    FREE,
    LONGEST_SECONDS,
    FailedAttempts,
    network,
)
from connector.inbound.slowing import Slowing
from connector.metrics import Metrics
from connector.testing import FakeClock


def delays(attempts: FailedAttempts, address: str, times: int, now: float = 0.0) -> list[float]:
    return [attempts.failed(address, now) for _ in range(times)]


def test_the_first_failures_cost_nothing_and_each_later_one_twice_as_much_up_to_a_bound() -> None:
    found = delays(FailedAttempts(), "192.0.2.1", FREE + 8)
    assert found == [*[0.0] * FREE, 0.25, 0.5, 1, 2, 4, 8, 8, 8]
    assert max(found) == LONGEST_SECONDS


def test_each_address_has_failures_of_its_own() -> None:
    attempts = FailedAttempts()
    assert delays(attempts, "192.0.2.1", 20)[-1] == LONGEST_SECONDS
    assert attempts.failed("192.0.2.2", 0.0) == 0


def test_a_success_takes_one_failure_back() -> None:
    attempts = FailedAttempts()
    for _ in range(100):  # a client that asks without its secret first
        assert attempts.failed("192.0.2.1", 0.0) == 0
        attempts.succeeded("192.0.2.1", 0.0)
    assert len(attempts) == 0


def test_a_success_of_somebody_who_never_failed_is_nothing() -> None:
    attempts = FailedAttempts()
    attempts.failed("192.0.2.1", 0.0)
    attempts.succeeded("192.0.2.2", 0.0)
    assert len(attempts) == 1


def test_time_forgives_however_many_they_were() -> None:
    attempts = FailedAttempts()
    delays(attempts, "192.0.2.1", 10_000)
    assert attempts.failed("192.0.2.1", FORGIVEN_EVERY_SECONDS) == LONGEST_SECONDS
    assert attempts.failed("192.0.2.1", 40 * FORGIVEN_EVERY_SECONDS) == 0


def test_memory_is_bounded_and_who_failed_longest_ago_is_forgotten_first() -> None:
    attempts = FailedAttempts(max_addresses=3)
    for number in (0, 1, 2, 0, 3):
        delays(attempts, f"192.0.2.{number}", 20)
    assert len(attempts) == 3
    for number in (0, 2, 3):
        assert attempts.failed(f"192.0.2.{number}", 0.0) == LONGEST_SECONDS
    assert attempts.failed("192.0.2.1", 0.0) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100), st.booleans())))
def test_no_course_of_events_delays_beyond_the_bound_or_remembers_too_many(
    course: list[tuple[int, float, bool]],
) -> None:
    attempts, now = FailedAttempts(max_addresses=3), 0.0
    for host, later, is_right in course:
        now += later
        if is_right:
            attempts.succeeded(f"192.0.2.{host}", now)
        else:
            assert 0 <= attempts.failed(f"192.0.2.{host}", now) <= LONGEST_SECONDS
        assert len(attempts) <= 3


def test_failures_in_a_row_never_wait_less() -> None:
    found = delays(FailedAttempts(), "192.0.2.1", 50)
    assert all(earlier <= later for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, counted_as: str) -> None:
    assert network(address) == counted_as


# --- answers that are held back


async def waiting_in(place: Slowing, address: str, count: int) -> list[asyncio.Task[None]]:
    """So many failures of an address that has failed often; those that are held back."""
    for _ in range(FREE + 5):
        place._attempts.failed(address, place._clock.monotonic())
    tasks = [asyncio.create_task(place.failed(address), name=address) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [task for task in tasks if not task.done()]


async def test_so_many_answers_are_held_back_of_one_address_and_of_all_and_a_stop_ends_it() -> None:
    metrics = Metrics("0")
    place = Slowing(FakeClock(), metrics)
    of_one = await waiting_in(place, "192.0.2.1", slowing.MAX_WAITING_OF_AN_ADDRESS + 10)
    assert len(of_one) == slowing.MAX_WAITING_OF_AN_ADDRESS
    held = [*of_one]
    for number in range(2, 40):
        held += await waiting_in(place, f"192.0.2.{number}", slowing.MAX_WAITING_OF_AN_ADDRESS)
    assert len(held) == slowing.MAX_WAITING
    assert metrics.registry.get_sample_value("seen_connector_late_refusals_total") == slowing.MAX_WAITING
    place.stop()
    async with asyncio.timeout(2):
        await asyncio.gather(*held)
        await place.failed("192.0.2.1")
    assert not place._waiting


async def test_who_hangs_up_makes_room() -> None:
    place = Slowing(FakeClock(), Metrics("0"))
    (held,) = await waiting_in(place, "192.0.2.1", 1)
    held.cancel()
    await asyncio.wait([held])
    assert not place._waiting
