"""Who gets which partitions: all of a group to one replica, and the groups spread evenly over the replicas.

Rules:
 1. A group has one owner, so its quota is counted in one place, and a hot partition gets all of it.
 2. Every replica takes part in every group. So each group's leader sees the same replicas, works out the same map of all
    groups, and gives its own group to its owner there.
 3. Group by group, in the order of their hashes, goes to its highest-ranked replica that does not own its share yet
    (rendezvous hashing): when a replica comes or goes, few groups move.
 4. Safety does not rest on leaders who agree: each group has one leader, and so one owner.
 5. The name never changes: a group whose members name different assignors cannot be joined.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.cluster import ClusterMetadata

_VERSION = 0


@dataclass(frozen=True, slots=True)
class Member:
    """One replica, as it presents itself in each group: its own id, and all groups that its configuration has."""

    replica: str
    groups: tuple[str, ...]


def owners(replicas: Iterable[Member]) -> dict[str, str]:
    """Group → the replica that owns it. The same for the same members, in whatever order they come."""
    members = sorted(replicas, key=lambda each: each.replica)
    groups = sorted({group for each in members for group in each.groups}, key=_rank)
    share = -(-len(groups) // max(1, len(members)))
    owned = dict.fromkeys((each.replica for each in members), 0)
    found = {}
    for group in groups:
        able = [each.replica for each in members if group in each.groups]
        ranked = sorted(able, key=lambda replica: _rank(replica, group), reverse=True)
        owner = next((each for each in ranked if owned[each] < share), ranked[0])
        owned[owner] += 1
        found[group] = owner
    return found


def _rank(*words: str) -> bytes:
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).digest()


class OneOwnerAssignor(AbstractPartitionAssignor):
    """Gives one group to its owner. aiokafka uses an assignor by its attributes only, so an instance does as well."""

    name = "seen-connector"

    def __init__(self, group: str, member: Member) -> None:
        self._group = group
        self._user_data = orjson.dumps({"replica": member.replica, "groups": member.groups})

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:  # type: ignore[override]
        """What this member tells the leader."""
        return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), self._user_data)

    def assign(  # type: ignore[override]
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Every partition that the owner subscribes to for the owner, nothing for the others."""
        presented = {member: _member_of(metadata.user_data) for member, metadata in members.items()}
        owner = owners(presented.values()).get(self._group)
        # A replica that restarted quickly may be in the group twice until its old session ends: one of them is as good.
        chosen = max((member for member, each in presented.items() if each.replica == owner), default=None)
        return {
            member: ConsumerProtocolMemberAssignment(
                _VERSION, _all_partitions(cluster, metadata.subscription) if member == chosen else [], b""
            )
            for member, metadata in members.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:  # type: ignore[override]
        """Nothing depends on it here."""


def _member_of(user_data: bytes) -> Member:
    said = orjson.loads(user_data)
    return Member(said["replica"], tuple(said["groups"]))


def _all_partitions(cluster: ClusterMetadata, topics: Iterable[str]) -> list[tuple[str, list[int]]]:
    return [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in sorted(topics)]
