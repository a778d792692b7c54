"""Every series exists at zero, its name is one that Prometheus expects, and everything that happens has its series."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from connector.delivery.request import VERDICTS
from connector.http.exchange import Fault, NoResponse, Response
from connector.labels import ATTEMPT_REASONS, CALLBACK_RESULTS, OUTCOME_REASONS
from connector.metrics import Metrics
from connector.seen.verdict import Exchange, judge, sight
from connector.testing import READER
from connector.types import OutcomeKind, Priority, Reason, Record, Skipped, Unsendable, ViewerAct

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PREFIX = "seen_connector_"
COUNTERS = {
    "records_read": {"workspace"},
    "outcomes": {"workspace", "outcome", "reason"},
    "attempts": {"workspace", "verdict", "reason"},
    "callbacks": {"workspace", "result"},
    "braze_calls": {"workspace", "result"},
    "callbacks_unknown_workspace": set[str](),
    "token_requests": {"answer"},
    "late_refusals": set[str](),
    "connections_cut": {"cause"},
    "malformed_requests": set[str](),
    "issuer_key_failures": {"workspace"},
    "image_checks": {"workspace", "found"},
    "publish_failures": {"workspace"},
    "commit_failures": {"workspace"},
    "workspace_restarts": {"workspace"},
    "taken_by_retention": {"workspace"},
    "outside_quota_uses": {"workspace"},
    "videos_ready": {"workspace", "found_by"},
    "viewer_events": {"workspace", "event"},
    "videos_reported_overdue": {"workspace"},
    "videos_untracked": {"workspace"},
    "videos_unmatched": {"workspace"},
    "videos_mismatched": {"workspace"},
}
HISTOGRAMS = ("attempt_seconds", "delivery_seconds")
GAUGES = (
    *(
        "owned_partitions",
        "lag_records",
        "buffered_records",
        "preparing_events",
        "in_flight_requests",
        "uncommitted_records",
        "quota_requests",
        "quota_working_requests",
    ),
    *(
        "quota_used_slots",
        "quota_outside_slots",
        "quota_held_seconds",
        "quota_per_seconds",
        "oldest_unsent_seconds",
        "time_to_drain_seconds",
        "pending_videos",
        "overdue_videos",
        "suspended",
        "ready",
    ),
    *("spooled_callbacks", "spooled_bytes", "spooled_oldest_seconds"),
)
UNITS = {
    "seconds",
    "partitions",
    "records",
    "requests",
    "slots",
    "callbacks",
    "bytes",
    "videos",
    "connections",
    "events",
}
STATES = {"suspended", "ready"}  # 0 or 1: a state has no unit


def families(metrics: Metrics) -> dict[str, Metric]:
    """What a scrape finds, by name."""
    found = text_string_to_metric_families(metrics.exposition().decode())
    return {family.name.removeprefix(PREFIX): family for family in found}


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The values of a counter by its labels' values, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for sample in families(metrics)[name].samples
    }


def test_the_exposition_holds_these_metrics_of_these_kinds_and_no_others() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    kinds = {
        **dict.fromkeys(COUNTERS, "counter"),
        **dict.fromkeys(HISTOGRAMS, "histogram"),
        **dict.fromkeys(GAUGES, "gauge"),
        "waiting_requests": "gauge",
        "listener_connections": "gauge",
        "build_info": "gauge",
    }
    assert {name: family.type for name, family in families(metrics).items()} == kinds


def test_every_metric_has_its_labels_and_stands_at_zero_for_each_workspace() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    metrics.workspace("bravo")
    labels = {**COUNTERS, "waiting_requests": {"workspace", "priority"}}
    labels |= {name: {"workspace"} for name in (*HISTOGRAMS, *GAUGES)}
    for name, expected in labels.items():
        samples = families(metrics)[name].samples
        assert {frozenset(sample.labels.keys() - {"le"}) for sample in samples} == {frozenset(expected)}
        assert {sample.value for sample in samples} == {0}
        if "workspace" in expected:
            assert {sample.labels["workspace"] for sample in samples} == {"acme", "bravo"}


def test_every_pair_of_labels_that_can_come_is_there_from_the_beginning() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    assert series(metrics, "outcomes").keys() == {
        (kind, reason, "acme") for kind, reasons in OUTCOME_REASONS.items() for reason in reasons
    }
    assert series(metrics, "attempts").keys() == {
        (reason, verdict, "acme") for verdict, reasons in ATTEMPT_REASONS.items() for reason in reasons
    }
    assert series(metrics, "waiting_requests").keys() == {(each, "acme") for each in Priority}
    assert series(metrics, "callbacks").keys() == {(result, "acme") for result in CALLBACK_RESULTS}
    assert series(metrics, "viewer_events").keys() == {(act, "acme") for act in ViewerAct}


def test_a_workspace_that_is_named_twice_keeps_its_figures() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme").records_read.inc(3)
    metrics.workspace("acme").records_read.inc(4)
    assert series(metrics, "records_read") == {("acme",): 7}


def test_what_is_counted_shows_in_its_own_series_and_no_other() -> None:
    metrics = Metrics("1.2.3")
    acme = metrics.workspace("acme")
    metrics.workspace("bravo")
    acme.outcome(OutcomeKind.REJECTED, Reason.TOMBSTONE)
    acme.attempt("retry", Reason.OVER_QUOTA)
    acme.callback("busy")
    acme.viewer_event("cta-clicked")
    acme.gauge("lag_records", 12)
    acme.waiting(Priority.VIDEO, 3)
    counted = {
        name: {labels for labels, value in series(metrics, name).items() if value}
        for name in ("outcomes", "attempts", "callbacks", "viewer_events", "lag_records", "waiting_requests")
    }
    assert counted == {
        "outcomes": {("rejected", "tombstone", "acme")},
        "attempts": {("over_quota", "retry", "acme")},
        "callbacks": {("busy", "acme")},
        "viewer_events": {("cta-clicked", "acme")},
        "lag_records": {("acme",)},
        "waiting_requests": {("video", "acme")},
    }
    assert series(metrics, "lag_records")["acme",] == 12


def test_the_build_is_told() -> None:
    (sample,) = families(Metrics("1.2.3"))["build_info"].samples
    assert (sample.labels, sample.value) == ({"version": "1.2.3"}, 1)


def test_names_are_those_that_prometheus_expects() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    for name, family in families(metrics).items():
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(sample.name == f"{PREFIX}{name}_total" for sample in family.samples)
        else:
            assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
        if family.type == "histogram" or (family.type == "gauge" and name not in {*STATES, "build_info"}):
            assert name.rsplit("_", 1)[-1] in UNITS


def test_the_histograms_reach_from_a_quick_answer_to_the_longest_allowed() -> None:
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    for name, longest in (("attempt_seconds", 30), ("delivery_seconds", 86_400)):
        bounds = [float(each.labels["le"]) for each in families(metrics)[name].samples if "le" in each.labels]
        assert bounds == sorted(bounds)
        assert bounds[-2:] == [longest, float("inf")]


# Whatever can happen is counted: a pair without a series would raise KeyError, and end the workspace


BODIES = (
    *(b"", b"<h1>no JSON", b"[]", b'{"id": "a"}', b'{"id": "b"}'),
    *(b'{"id": "a", "values": {"first_name": "Ada"}}', b'{"code": "ErrInvalidRequest"}'),
)
EXCHANGES: list[Exchange] = [
    *(Response(status, body) for status in range(100, 1000) for body in BODIES),
    *(NoResponse(fault, "") for fault in Fault),
]


def test_every_verdict_and_every_sighting_has_its_series() -> None:
    acme = Metrics("1.2.3").workspace("acme")
    for exchange in EXCHANGES:
        for finding in (judge(exchange, "a"), sight(exchange, {"id": "a", "first_name": "Ada"})):
            acme.attempt(VERDICTS[type(finding)], finding.reason)


VALUES = (
    st.none()
    | st.binary(max_size=20)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "x", "a b"]), inner)
        ),
    ).map(orjson.dumps)
)


@given(VALUES, st.sampled_from([None, b"key"]), st.sampled_from(["reject", "skip"]))
def test_every_record_that_is_refused_or_left_out_has_its_series(
    value: bytes | None, key: bytes | None, tombstones: str
) -> None:
    acme = Metrics("1.2.3").workspace("acme")
    reader = replace(READER, tombstones=tombstones)  # type: ignore[arg-type]
    match reader.read(Record("events", 0, 0, 0, key, value)):
        case Unsendable(reason=reason):
            acme.outcome(OutcomeKind.REJECTED, reason)
        case Skipped(reason=reason):
            acme.outcome(OutcomeKind.SKIPPED, reason)


def test_every_reason_that_the_mapping_names_has_its_series() -> None:
    root = Path(__file__).parents[2] / "connector"
    named = {
        Reason[name]
        for source in ("outbound/mapping.py", "seen/payload.py")
        for name in re.findall(r"Unsendable\(\s*Reason\.([A-Z_]+)", (root / source).read_text())
    }
    assert len(named) > 10
    assert named <= set(OUTCOME_REASONS[OutcomeKind.REJECTED])


def test_a_pair_that_is_not_foreseen_is_an_error_and_no_new_series() -> None:
    acme = Metrics("1.2.3").workspace("acme")
    with pytest.raises(KeyError):
        acme.outcome(OutcomeKind.ACCEPTED, Reason.TOMBSTONE)
    with pytest.raises(KeyError):
        acme.attempt("retry", Reason.CREATED)
    with pytest.raises(KeyError):
        acme.callback("lost")
    with pytest.raises(KeyError):
        acme.viewer_event("video-exploded")
    with pytest.raises(KeyError):
        acme.gauge("height", 1)
