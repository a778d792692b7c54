"""Every metric that the connector has: its name, kind, labels and meaning, once.

All names begin with `seen_connector_`; times are seconds, sizes bytes. Every series of a workspace exists at zero from
its first moment, so that an alert on a rate works before the first failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from connector.labels import (
    ATTEMPT_REASONS,
    BRAZE_RESULTS,
    CALLBACK_RESULTS,
    CUT_CAUSES,
    FOUND_BY,
    OUTCOME_REASONS,
    TOKEN_ANSWERS,
)
from connector.types import ImageResult, OutcomeKind, Priority, Reason, ViewerAct

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DELIVERY_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_GAUGES = {
    "owned_partitions": "Partitions that this replica owns; none while it stands by.",
    "lag_records": "Offsets from what is committed to the ends of the source topics.",
    "buffered_records": "Records fetched and not yet settled.",
    "preparing_events": "Events whose images are being looked at.",
    "in_flight_requests": "Requests to SEEN, or to Braze, on the wire.",
    "uncommitted_records": "The widest span from a partition's committed offset to its last read one.",
    "quota_requests": "Requests that may be made in one window.",
    "quota_per_seconds": "The length of the quota's window.",
    "quota_working_requests": "Requests that may be made in one window now: fewer while someone else uses the quota too.",
    "quota_used_slots": "Slots of the window in use: on the wire, answered less than a window ago, or held for others.",
    "quota_outside_slots": "Slots of the window that other users have spent, as far as SEEN's answers tell.",
    "quota_held_seconds": "How long SEEN has asked to send nothing: what is left of a 429 or a Retry-After.",
    "oldest_unsent_seconds": "Age of the oldest record that is read and not settled, by its Kafka timestamp.",
    "time_to_drain_seconds": "How long the lag takes at the working quota, in requests that are full.",
    "spooled_callbacks": "Callbacks on disk that wait for Kafka.",
    "spooled_bytes": "The most bytes that they take there.",
    "spooled_oldest_seconds": "Age of the oldest callback on disk.",
    "pending_videos": "Ids that SEEN has accepted and whose video was not heard of; known on the owner alone.",
    "overdue_videos": "Those of them that are pending for longer than videos.overdue_after_seconds.",
    "suspended": "1 while the workspace is suspended, else 0.",
    "ready": "1 while the workspace is well, else 0.",
}


class WorkspaceMetrics:
    """The series of one workspace, all of them at zero from the start."""

    def __init__(self, metrics: Metrics, workspace: str) -> None:
        self._outcomes = {
            (kind, reason): metrics.outcomes.labels(workspace, kind, reason)
            for kind, reasons in OUTCOME_REASONS.items()
            for reason in reasons
        }
        self._attempts = {
            (verdict, reason): metrics.attempts.labels(workspace, verdict, reason)
            for verdict, reasons in ATTEMPT_REASONS.items()
            for reason in reasons
        }
        self._callbacks = {result: metrics.callbacks.labels(workspace, result) for result in CALLBACK_RESULTS}
        self._braze_calls = {
            result: metrics.braze_calls.labels(workspace, result) for result in BRAZE_RESULTS
        }
        self._gauges = {name: gauge.labels(workspace) for name, gauge in metrics.gauges.items()}
        self._waiting = {each.value: metrics.waiting.labels(workspace, each.value) for each in Priority}
        self.records_read = metrics.records_read.labels(workspace)
        self.publish_failures = metrics.publish_failures.labels(workspace)
        self.commit_failures = metrics.commit_failures.labels(workspace)
        self.restarts = metrics.restarts.labels(workspace)
        self.taken_by_retention = metrics.taken_by_retention.labels(workspace)
        self.outside_uses = metrics.outside_uses.labels(workspace)
        self.issuer_key_failures = metrics.issuer_key_failures.labels(workspace)
        self._images = {each: metrics.image_checks.labels(workspace, each) for each in ImageResult}
        self._ready = {by: metrics.videos_ready.labels(workspace, by) for by in FOUND_BY}
        self._viewer_events = {act.value: metrics.viewer_events.labels(workspace, act) for act in ViewerAct}
        self.videos_reported_overdue = metrics.videos_reported_overdue.labels(workspace)
        self.videos_untracked = metrics.videos_untracked.labels(workspace)
        self.videos_unmatched = metrics.videos_unmatched.labels(workspace)
        self.videos_mismatched = metrics.videos_mismatched.labels(workspace)
        self.attempt_seconds = metrics.attempt_seconds.labels(workspace)
        self.delivery_seconds = metrics.delivery_seconds.labels(workspace)

    def outcome(self, kind: OutcomeKind, reason: Reason) -> None:
        """Counts one settled record. Raises KeyError for a pair that is not in `OUTCOME_REASONS`."""
        self._outcomes[kind, reason].inc()

    def attempt(self, verdict: str, reason: Reason) -> None:
        """Counts one request to SEEN or Braze. Raises KeyError for a pair that is not in `ATTEMPT_REASONS`."""
        self._attempts[verdict, reason].inc()

    def callback(self, result: str) -> None:
        """Counts one inbound call. Raises KeyError for a result that is not in `CALLBACK_RESULTS`."""
        self._callbacks[result].inc()

    def braze_call(self, result: str) -> None:
        """Counts one call of Braze's. Raises KeyError for a result that is not in `BRAZE_RESULTS`."""
        self._braze_calls[result].inc()

    def image_looked_at(self, result: ImageResult) -> None:
        """Counts one link of an image that was looked at, or that was dropped without a look."""
        self._images[result].inc()

    def video_ready(self, found_by: str) -> None:
        """Counts one video-ready event. Raises KeyError for what is not in `FOUND_BY`."""
        self._ready[found_by].inc()

    def viewer_event(self, event: str) -> None:
        """Counts one viewer event. Raises KeyError for what is not in `ViewerAct`."""
        self._viewer_events[event].inc()

    def gauge(self, name: str, value: float) -> None:
        """Sets one of the sampled figures. Raises KeyError for an unknown name."""
        self._gauges[name].set(value)

    def waiting(self, priority: str, requests: int) -> None:
        """Sets how many requests of one priority wait for a slot. Raises KeyError for one that is not in `Priority`."""
        self._waiting[priority].set(requests)


class Metrics:
    """All metrics of a process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()  # a gauge beside each counter, which nobody asks for
        self.registry = CollectorRegistry()
        each = ("workspace",)
        self.records_read = self._counter("records_read", "Records read from the source topics.", each)
        self.outcomes = self._counter(
            "outcomes", "Settled records, by how their delivery ended and why.", (*each, "outcome", "reason")
        )
        self.attempts = self._counter(
            "attempts",
            "Tries of events at SEEN, or at Braze, by what the response means: one for each event of a request.",
            (*each, "verdict", "reason"),
        )
        self.callbacks = self._counter("callbacks", "Inbound calls, by how they ended.", (*each, "result"))
        self.braze_calls = self._counter(
            "braze_calls", "Calls of Braze's, made in SEEN's place, by how they ended.", (*each, "result")
        )
        self.callbacks_unknown = self._counter(
            "callbacks_unknown_workspace", "Inbound calls for a workspace that is not configured.", ()
        )
        tokens = self._counter(
            "token_requests", "Requests for an access token, by how they ended.", ("answer",)
        )
        self._token_requests = {result: tokens.labels(result) for result in TOKEN_ANSWERS}
        self.late_refusals = self._counter(
            "late_refusals",
            "Answers to wrong secrets that were held back: the address had failed before.",
            (),
        )
        self.connections = Gauge(
            "seen_connector_listener_connections", "Open connections to the listener.", registry=self.registry
        )
        cuts = self._counter(
            "connections_cut", "Connections to the listener that were cut off, by why.", ("cause",)
        )
        self._cuts = {cause: cuts.labels(cause) for cause in CUT_CAUSES}
        self.malformed_requests = self._counter(
            "malformed_requests", "What came to the listener and was no request of HTTP.", ()
        )
        self.issuer_key_failures = self._counter(
            "issuer_key_failures", "Fetches of the public keys of an issuer of tokens that failed.", each
        )
        self.image_checks = self._counter(
            "image_checks",
            "Links of images that were looked at or dropped, by what was found.",
            (*each, "found"),
        )
        self.publish_failures = self._counter(
            "publish_failures",
            "Publications that Kafka did not acknowledge in time and that were tried again.",
            each,
        )
        self.commit_failures = self._counter("commit_failures", "Commits that Kafka did not take.", each)
        self.restarts = self._counter(
            "workspace_restarts", "Times the workspace died and was started again.", each
        )
        self.taken_by_retention = self._counter(
            "taken_by_retention",
            "Records that the source topic's retention deleted before they were read.",
            each,
        )
        self.outside_uses = self._counter(
            "outside_quota_uses",
            "Times that the working quota fell: SEEN refused what it had room for, since someone else uses it too.",
            each,
        )
        self.videos_ready = self._counter(
            "videos_ready",
            "Video-ready events that were published, by how the video was found.",
            (*each, "found_by"),
        )
        self.viewer_events = self._counter(
            "viewer_events", "Viewer events that were published, by what the viewer did.", (*each, "event")
        )
        self.videos_reported_overdue = self._counter(
            "videos_reported_overdue", "Videos that were reported overdue.", each
        )
        self.videos_untracked = self._counter(
            "videos_untracked", "Pending videos that were no longer tracked, beyond videos.max_pending.", each
        )
        self.videos_unmatched = self._counter(
            "videos_unmatched", "Ids of videos for which no event was accepted.", each
        )
        self.videos_mismatched = self._counter(
            "videos_mismatched", "Callbacks that give another event id than a look-up had given.", each
        )
        self.attempt_seconds = self._histogram(
            "attempt_seconds", "Duration of requests to SEEN, or to Braze.", _SECONDS
        )
        self.delivery_seconds = self._histogram(
            "delivery_seconds", "From a record's Kafka timestamp to its outcome.", _DELIVERY_SECONDS
        )
        self.gauges = {
            name: Gauge(f"seen_connector_{name}", text, each, registry=self.registry)
            for name, text in _GAUGES.items()
        }
        self.waiting = Gauge(
            "seen_connector_waiting_requests",
            "Requests that wait for a slot of the quota, by what they are for.",
            (*each, "priority"),
            registry=self.registry,
        )
        info = Gauge("seen_connector_build_info", "Always 1.", ("version",), registry=self.registry)
        info.labels(version).set(1)
        self._workspaces: dict[str, WorkspaceMetrics] = {}

    def workspace(self, name: str) -> WorkspaceMetrics:
        """The series of workspace `name`, made at its first mention."""
        if name not in self._workspaces:
            self._workspaces[name] = WorkspaceMetrics(self, name)
        return self._workspaces[name]

    def token_request(self, result: str) -> None:
        """Counts one request for an access token. Raises KeyError for a result that is not in `TOKEN_ANSWERS`."""
        self._token_requests[result].inc()

    def connection_cut(self, cause: str) -> None:
        """Counts one connection that was cut off. Raises KeyError for a cause that is not in `CUT_CAUSES`."""
        self._cuts[cause].inc()

    def exposition(self) -> bytes:
        """All series in the Prometheus text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, labels: Iterable[str]) -> Counter:
        return Counter(f"seen_connector_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"seen_connector_{name}", text, ("workspace",), buckets=buckets, registry=self.registry
        )
