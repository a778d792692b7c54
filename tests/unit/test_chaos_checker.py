"""The chaos harness's checker: nothing is found in a run as it should be, and every fault that is planted in one is."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import checker, evidence
from reliability.invented import STEP_SECONDS, invented
from reliability.known import known
from reliability.report import breaches, table
from reliability.selfproof import PLANTED, failures, prove
from reliability.verdict import counts, verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reliability.evidence import Evidence

SEEDS = st.integers(0, 10_000)
FAULTS = [(row, fault) for row, faults in PLANTED.items() for fault in faults]
RUN = invented(seed=7, count=300)
KNOWN = known(RUN)


@settings(max_examples=20)
@given(seed=SEEDS, count=st.integers(60, 300))
def test_a_run_as_it_should_be_has_no_finding(seed: int, count: int) -> None:
    assert failures(verdict(invented(seed, count))) == set()


@pytest.mark.parametrize(("row", "fault"), FAULTS, ids=[fault.__name__ for _, fault in FAULTS])
@settings(max_examples=10)
@given(seed=SEEDS)
def test_a_planted_fault_is_found(
    row: str, fault: "Callable[[Evidence, random.Random], Evidence]", seed: int
) -> None:
    assert row in failures(verdict(fault(RUN, random.Random(seed))))


def test_every_row_of_the_table_has_a_fault_that_it_is_proved_on() -> None:
    rows = verdict(fault_free_with_a_backlog_at_the_return())
    assert [row.name for row in rows if not row.name.startswith(tuple(PLANTED))] == []


def test_the_return_of_seen_is_measured_to_the_next_event_that_was_taken_of_each_workspace_with_a_backlog() -> (
    None
):
    run = fault_free_with_a_backlog_at_the_return()
    first = RUN.sent[0]
    ((workspace, (seconds, poison)),) = checker.returns(known(run)).items()
    assert (workspace, poison) == (first.workspace, 0)
    assert seconds == pytest.approx(STEP_SECONDS / 20)


def test_poison_that_waits_at_the_return_is_counted_and_is_no_backlog_by_itself() -> None:
    dead = next(sent for sent in RUN.sent if sent.id in RUN.poison)
    back = min(each.at for each in RUN.outcomes if each.origin == dead.origin) - 1e-6
    run = replace(RUN, measured=replace(RUN.measured, returned_at=back))
    assert checker.returns(known(run)) == {}
    good = next(sent for sent in RUN.sent if sent.workspace == dead.workspace and sent.at > back)
    waits = [replace(sent, at=back) if sent is good else sent for sent in RUN.sent]
    found = checker.returns(known(replace(run, sent=waits)))
    assert found[dead.workspace][1] == 1


def fault_free_with_a_backlog_at_the_return() -> "Evidence":
    first = RUN.arrived[0]
    return replace(RUN, measured=replace(RUN.measured, returned_at=first.at - STEP_SECONDS / 20))


def test_the_proof_names_every_fault_and_the_run_without_one() -> None:
    proof = prove(seed=3)
    assert all(proof.values())
    assert len(proof) == len(FAULTS) + 1


def test_a_record_that_was_never_taken_may_be_posted_again_and_again() -> None:
    refused = replace(RUN.arrived[0], processed=False, status=None)
    run = replace(RUN, arrived=[refused, refused, *RUN.arrived])
    assert checker.repeated(known(run)) == ([], [])


def test_a_repeat_after_newer_values_of_its_id_is_told_from_one_that_seen_still_showed() -> None:
    by_id: dict[tuple[str, object], list[evidence.Arrived]] = {}
    for each in RUN.arrived:
        if each.processed and each.values:
            by_id.setdefault((each.workspace, each.values["id"]), []).append(each)
    old = next(posts[0] for posts in by_id.values() if len(posts) > 1)
    again = replace(old, at=1e6, monotonic=1e6)
    still_shown, replaced = checker.repeated(known(replace(RUN, arrived=[*RUN.arrived, again])))
    assert (len(still_shown), len(replaced)) == (0, 1)


def test_a_dead_letter_lets_the_next_of_its_lane_go() -> None:
    dead = next(sent for sent in RUN.sent if sent.id in RUN.poison)
    lane = [sent for sent in RUN.sent if sent.lane == dead.lane]
    assert lane[-1] is not dead
    assert list(checker.out_of_order(KNOWN)) == []
    kept = [each for each in RUN.outcomes if each.origin != dead.origin]
    assert list(checker.out_of_order(known(replace(RUN, outcomes=kept)))) != []


def test_windows_are_half_open_as_seen_counts_them() -> None:
    first = replace(RUN.arrived[0], workspace="acme", monotonic=0.0)
    limit = RUN.limits["acme"].per_seconds
    at_the_end = replace(first, monotonic=limit)
    just_before = replace(first, monotonic=limit - 0.001)
    assert worst_of(first, at_the_end) == 1
    assert worst_of(first, just_before) == 2
    assert worst_of(at_the_end, just_before, first) == 2


def worst_of(*arrived: evidence.Arrived) -> int:
    run = replace(RUN, arrived=list(arrived))
    return checker.fullest_windows(known(run))["acme"][0]


def test_an_outcome_that_is_published_twice_is_counted_and_no_breach() -> None:
    run = replace(RUN, outcomes=[*RUN.outcomes, RUN.outcomes[0]])
    assert failures(verdict(run)) == set()
    assert counts(run)["outcomes published twice"] == 1


def test_records_that_were_written_and_are_gone_are_lost() -> None:
    assert len(list(checker.lost(known(replace(RUN, written=RUN.written + 3))))) == 1


def test_evidence_can_be_judged_again_from_its_file(tmp_path: "Path") -> None:
    evidence.save(RUN, tmp_path / "evidence.json")
    assert evidence.load(tmp_path / "evidence.json") == RUN


def test_the_table_says_which_row_failed_and_why() -> None:
    rows = verdict(replace(RUN, outcomes=RUN.outcomes[1:]))
    failed = [line for line in table(rows, counts(RUN)).splitlines() if line.endswith("FAILED")]
    assert any(line.startswith("lost ") for line in failed)
    assert "has no outcome" in breaches(rows)
