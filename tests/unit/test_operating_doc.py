"""docs/operating.md says what the code measures and logs: every metric, label and log event, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from connector.labels import ATTEMPT_REASONS, CALLBACK_RESULTS, CUT_CAUSES, FOUND_BY, TOKEN_ANSWERS
from connector.metrics import Metrics
from connector.types import ImageResult, OutcomeKind, Priority, ViewerAct

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "operating.md").read_text()
PREFIX = "seen_connector_"
EVENT = re.compile(r'\b(?:log\.(?:debug|info|warning|error)|level)\(\s*"(\w+)"')


def section(title: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    return DOC.split(f"\n## {title}\n")[1].split("\n## ")[0]


def names(cell: str) -> list[str]:
    return re.findall(r"`([a-z_-]+)`", cell)


def metrics_of_the_code() -> set[tuple[str, str, frozenset[str]]]:
    """Name, kind and labels of each metric, once a workspace exists."""
    metrics = Metrics("1.2.3")
    metrics.workspace("acme")
    found = set()
    for metric in metrics.registry.collect():
        labels = frozenset(metric.samples[0].labels) - {"le"}
        name = metric.name.removeprefix(PREFIX) + ("_total" if metric.type == "counter" else "")
        found.add((name, metric.type, labels))
    return found


def test_the_table_of_metrics_has_each_with_its_kind_and_labels() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$", section("Metrics"), re.MULTILINE)
    documented = [(name, kind, frozenset(names(labels))) for name, kind, labels in rows]
    assert len(documented) == len(set(documented))
    assert set(documented) == metrics_of_the_code()


def test_the_values_of_closed_labels_are_all_there() -> None:
    table = section("Metrics").split("Labels that are closed sets:")[1].split("### ")[0]
    values: dict[str, list[str]] = {}
    label = ""
    for first, second in re.findall(r"^\| (`\w+`|) ?\| (`.+`) \|$", table, re.MULTILINE):
        label = first.strip("`") or label
        values.setdefault(label, []).extend(names(second))
    assert values == {
        "outcome": [kind.value for kind in OutcomeKind],
        "priority": [priority.value for priority in Priority],
        "verdict": list(ATTEMPT_REASONS),
        "result": list(CALLBACK_RESULTS),
        "answer": list(TOKEN_ANSWERS),
        "cause": list(CUT_CAUSES),
        "found_by": list(FOUND_BY),
        "event": [act.value for act in ViewerAct],
        "found": [result.value for result in ImageResult],
    }


def test_every_metric_that_an_alert_rests_on_exists() -> None:
    known = {PREFIX + name for name, _, _ in metrics_of_the_code()}
    mentioned = set(re.findall(rf"{PREFIX}\w+\w", DOC))
    assert mentioned
    assert mentioned <= known


def test_the_table_of_log_events_has_each() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| [a-z, ]+ \| [^|]+ \|$", section("The log"), re.MULTILINE)
    documented = [name for row in rows for name in names(row)]
    sources = [
        path.read_text()
        for path in (ROOT / "connector").rglob("*.py")
        if "sandbox" not in path.relative_to(ROOT).parts
    ]
    logged = {name for source in sources for name in EVENT.findall(source)}
    assert len(documented) == len(set(documented))
    assert set(documented) == logged
