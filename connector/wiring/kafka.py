"""Kafka: how to reach the brokers, and which topics each consumer group reads from where."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from connector.kafka.connection import KafkaConnection
from connector.kafka.source import SourceSettings
from connector.kafka.topics import NewTopics

if TYPE_CHECKING:
    from connector.config import model
    from connector.kafka.assignor import Member


def connection(kafka: model.KafkaConfig) -> KafkaConnection:
    """How to reach the brokers. The credentials are sent along only where the protocol has use for them."""
    sasl = kafka.security_protocol.startswith("SASL")
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism if sasl else None,
        sasl_username=kafka.sasl_username if sasl else None,
        sasl_password=kafka.sasl_password.reveal() if sasl and kafka.sasl_password else None,
        ssl_cafile=_text(kafka.ssl_cafile),
        ssl_certfile=_text(kafka.ssl_certfile),
        ssl_keyfile=_text(kafka.ssl_keyfile),
        ssl_password=kafka.ssl_password.reveal() if kafka.ssl_password else None,
    )


def new_topics(kafka: model.KafkaConfig) -> NewTopics | None:
    """How missing topics are made; None if they are not."""
    if not kafka.create_topics:
        return None
    return NewTopics(kafka.new_topics.partitions, kafka.new_topics.replication_factor)


def source_settings(
    workspace: model.WorkspaceConfig, kafka: model.KafkaConfig, member: Member
) -> SourceSettings:
    """The consumer group of a workspace, and where each of its topics begins."""
    starts = {topic: _start(each.start) for each in workspace.all_sources() for topic in each.topics}
    return SourceSettings(workspace.group_id, starts, kafka.session_timeout_seconds, member)


def braze_source_settings(
    workspace: model.WorkspaceConfig, out: model.BrazeOut, kafka: model.KafkaConfig, member: Member
) -> SourceSettings:
    """The consumer group that reads the videos for Braze, and where the topic begins."""
    starts = {workspace.topics.videos: _start(out.start)}
    return SourceSettings(out.group_id, starts, kafka.session_timeout_seconds, member)


def _start(start: datetime | str) -> float | str:
    return start.timestamp() if isinstance(start, datetime) else start


def _text(path: object) -> str | None:
    return None if path is None else str(path)
