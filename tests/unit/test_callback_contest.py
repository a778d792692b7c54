"""What `benchmarks/callbacks.py` makes of its rounds, and when it calls the promise broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inbound.caller import Call
from inbound.candidates import CANDIDATES, CONNECTOR, FLOOR, FRAMEWORK, Candidate
from inbound.figures import LEAST_SHARE, Results, Round, broken, quantile, share, table


def turn(rate: float, *, status: int = 200) -> Round:
    """Two seconds at such a rate, a millisecond of CPU time for each call."""
    count = round(rate * 2)
    calls = [Call(status, 0.001 * number) for number in range(1, count + 1)]
    return Round(flat_out=calls, seconds=2.0, cpu_seconds=count / 1000, paced=calls[:100])


def results(*rates: float) -> Results:
    rounds = [turn(rate) for rate in rates]
    calls = [call for each in rounds for call in (*each.flat_out, *each.paced)]
    return Results(rounds, calls, records=len(calls))


def all_results(ours: float = 800, floor: float = 1000, framework: float = 600) -> dict[Candidate, Results]:
    return {CONNECTOR: results(ours), FLOOR: results(floor), FRAMEWORK: results(framework)}


def test_a_share_is_of_the_round_right_beside_it() -> None:
    """A machine that slows down for all alike changes no share."""
    assert share(results(800, 80, 400), results(1000, 100, 500)) == pytest.approx(0.8)


def test_one_disturbed_round_in_three_counts_for_nothing() -> None:
    assert share(results(800, 80, 800), results(1000, 1000, 1000)) == pytest.approx(0.8)


def test_a_quantile_is_a_time_that_was_measured() -> None:
    rising = [float(number) for number in range(1, 101)]
    assert quantile(rising, 0.5) == 50
    assert quantile(rising, 0.99) == 99
    assert quantile([7.0], 0.99) == 7


def test_the_promise_is_kept_at_its_very_edge() -> None:
    assert broken(all_results(ours=LEAST_SHARE * 1000, floor=1000, framework=LEAST_SHARE * 1000)) == []


@pytest.mark.parametrize(
    ("found", "breach"),
    [
        (all_results(ours=699, floor=1000), "0.70 of the rate of the floor: bare aiohttp and aiokafka"),
        (all_results(ours=800, framework=810), "0.99 of the rate of FastAPI and FastStream"),
    ],
)
def test_a_rate_below_what_is_promised_is_a_breach(found: dict[Candidate, Results], breach: str) -> None:
    assert [each for each in broken(found) if each.startswith(breach)]
    assert len(broken(found)) == 1


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_an_answer_that_is_no_200_is_a_breach_whoever_gives_it(candidate: Candidate) -> None:
    found = all_results()
    calls = [Call(503, 0.1), *found[candidate].calls]
    found[candidate] = replace(found[candidate], calls=calls)
    assert broken(found) == [f"{candidate.name}: 1 of {len(calls)} calls were not answered 200"]


@pytest.mark.parametrize("missing", [-1, 1])
def test_an_answer_without_a_record_is_a_breach_and_so_is_a_record_too_many(missing: int) -> None:
    found = all_results()
    records = found[FLOOR].records - missing
    found[FLOOR] = replace(found[FLOOR], records=records)
    assert broken(found) == [f"{FLOOR.name}: {records} records of {len(found[FLOOR].calls)} calls"]


def test_the_table_has_a_row_for_each_in_order() -> None:
    rows = table(all_results(), pace=100).splitlines()
    assert "at 100 a second" in rows[0]
    assert rows[2] == "| seen-connector | 800 | 0.80 | 1000 µs | 800.0 / 1584.0 ms | 50.0 / 99.0 ms |"
    assert [row.split(" | ")[2] for row in rows[2:]] == ["0.80", "1.00", "0.60"]
