"""Who gets which partitions: all of a group to one replica, and the groups spread evenly over the replicas.

Rules:
 1. A group has one owner, so its quota is counted in one place, and a hot partition gets all of it.
 2. Every replica takes part in every group. So each group's leader sees the same replicas, works out the same map of all
    groups, and gives its own group to its owner there.
 3. The pairs of a replica and a group are gone through in the order of their hashes: a group goes to the replica of its
    first pair whose replica has room. Room is for the same number of groups everywhere, or one more while some are left
    over: so replicas that have the same groups in their configurations own the same number, give or take one.
 4. Safety does not rest on leaders who agree: each group has one leader, and so one owner.
 5. The name never changes: a group whose members name different assignors cannot be joined.

What moves when one of `r + 1` replicas leaves, or joins: where the `n` groups divide evenly before and after, at most
`n / 2`; at least `n / (r + 1)` must. Twelve groups over four and three replicas: 6 and 3 (3.8 on average). The proof:
groups that pass between replicas that stay never form a circle, such as one from A to B and one from B to A. (Take the
circle's first pair in the order of rule 3: in the map without it, its group and its replica both got a later pair, so
the group was free when its turn came, and the replica had room.) So the replicas that stay can be put in a row, along
which all passes lead. When another leaves, each takes `n / (r * (r + 1))` groups more than it gives; and each group that
the i-th in the row has more costs at most i moves: from who left into the row, and along the row to there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import chain
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
    able = {each.replica: frozenset(each.groups) for each in replicas}
    choices = Counter(chain.from_iterable(able.values()))
    share, left_over = divmod(len(choices), max(1, len(able)))
    owned = dict.fromkeys(able, 0)
    found: dict[str, str] = {}
    # While configurations differ, a group that few replicas have comes before one that can go elsewhere.
    pairs = sorted((choices[group], _rank(each, group), each, group) for each in able for group in able[each])
    for _, _, replica, group in pairs:
        if group not in found and owned[replica] < share + (left_over > 0):
            if owned[replica] == share:
                left_over -= 1
            owned[replica] += 1
            found[group] = replica
    for group in sorted(choices.keys() - found.keys()):  # only others have room, which do not know it
        replica = min((each for each in able if group in able[each]), key=lambda each: (owned[each], each))
        owned[replica] += 1
        found[group] = replica
    return found


def _rank(replica: str, group: str) -> bytes:
    return hashlib.blake2b(f"{replica}\0{group}".encode(), digest_size=8).digest()


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
