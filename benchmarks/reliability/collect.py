"""Reads afterwards what Kafka holds and what SEEN logged."""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING

import orjson

from connector.kafka.reader import read_topic
from reliability.events import WORKSPACES, is_poison
from reliability.evidence import Arrived, Committed, Evidence, Limit, Published, Sent
from reliability.stage import MAX_IN_FLIGHT, PROBE_SECONDS, QUOTAS, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.emulator import Arrival, Emulator
    from connector.types import Record
    from reliability.evidence import Measured, Values
    from reliability.stage import Stage

_OFFSETS_TOPIC = "__consumer_offsets"
_COMMIT_KEYS = (0, 1)  # the versions of a commit's key; other keys are the group's own affairs
_READ_SECONDS = 60.0


async def collect(stage: Stage, written: int, measured: Measured) -> Evidence:
    """Everything that is known of a run that is over; `written` records were acknowledged."""
    sent = [
        _sent(name, record) for name in WORKSPACES for record in await _records(stage, topic(name, "events"))
    ]
    return Evidence(
        limits={
            name: Limit(quota.requests, quota.per_seconds, 2 * MAX_IN_FLIGHT, PROBE_SECONDS)
            for name, quota in QUOTAS.items()
        },
        written=written,
        poison=frozenset(each.id for each in sent if is_poison(each.id)),
        sent=sent,
        arrived=[_arrived(each) for each in stage.seen.arrivals()],
        outcomes=[
            _outcome(name, record)
            for name in WORKSPACES
            for record in await _records(stage, topic(name, "outcomes"))
        ],
        dead_letters=[
            _dead_letter(name, record)
            for name in WORKSPACES
            for record in await _records(stage, topic(name, "dead_letters"))
        ],
        commits=list(_commits(await _records(stage, _OFFSETS_TOPIC))),
        items=_items(stage.seen, sent),
        measured=measured,
    )


async def _records(stage: Stage, name: str) -> list[Record]:
    return [record async for record in read_topic(stage.connection, name, seconds=_READ_SECONDS)]


def _sent(workspace: str, record: Record) -> Sent:
    key = None if record.key is None else record.key.decode()
    values = orjson.loads(record.value or b"null")
    return Sent(workspace, record.partition, record.offset, key, values, record.timestamp_ms / 1000)


def _arrived(arrival: Arrival) -> Arrived:
    return Arrived(
        at=arrival.at,
        monotonic=arrival.monotonic,
        workspace=arrival.workspace,
        method=arrival.method,
        values=orjson.loads(arrival.body) if arrival.body else None,
        status=arrival.status,
        processed=arrival.processed,
    )


def _outcome(workspace: str, record: Record) -> Published:
    headers = _headers(record)
    origin = orjson.loads(record.value or b"{}")["origin"]
    kind = headers["ce_type"].removeprefix("seen.data.").removesuffix(".v1")
    return Published(
        workspace, origin["partition"], origin["offset"], kind, headers["ce_id"], record.timestamp_ms / 1000
    )


def _dead_letter(workspace: str, record: Record) -> Published:
    headers = _headers(record)
    partition, offset = (int(headers[f"seen-dead-letter-origin-{part}"]) for part in ("partition", "offset"))
    return Published(workspace, partition, offset, "dead letter", "", record.timestamp_ms / 1000)


def _headers(record: Record) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in record.headers}


def _commits(records: list[Record]) -> Iterator[Committed]:
    """The commits of our groups, each named as its workspace, out of the topic where the broker keeps them.

    Its records are Kafka's OffsetCommitKey (version, group, topic, partition) and OffsetCommitValue (version, offset, ...).
    """
    for record in records:
        if record.key is None or record.value is None:
            continue
        (version,) = struct.unpack_from(">h", record.key)
        if version not in _COMMIT_KEYS:
            continue
        group, end = _text(record.key, 2)
        name, end = _text(record.key, end)
        (partition,) = struct.unpack_from(">i", record.key, end)
        (offset,) = struct.unpack_from(">q", record.value, 2)
        if group in WORKSPACES and name == topic(group, "events"):
            yield Committed(group, partition, offset, record.timestamp_ms / 1000)


def _text(data: bytes, start: int) -> tuple[str, int]:
    """A string of Kafka's protocol, and where it ends."""
    (length,) = struct.unpack_from(">h", data, start)
    end = start + 2 + length
    return data[start + 2 : end].decode(), end


def _items(seen: Emulator, sent: list[Sent]) -> dict[str, dict[str, Values]]:
    items: dict[str, dict[str, Values]] = defaultdict(dict)
    for each in sent:
        item = seen.item(each.workspace, each.id)
        values = item["values"] if item else None
        if isinstance(values, dict):
            items[each.workspace][each.id] = {"id": each.id, **values}
    return dict(items)
