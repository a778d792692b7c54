"""Who owns which group: one replica each, spread evenly, and little moves when replicas come and go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataResponse_v0
from hypothesis import given
from hypothesis import strategies as st

from connector.kafka.assignor import Member, OneOwnerAssignor, owners

if TYPE_CHECKING:
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

NAMES = st.text("abcdef0123456789", min_size=1, max_size=8)
GROUPS = st.lists(NAMES, min_size=1, max_size=40, unique=True)
REPLICAS = st.lists(NAMES, min_size=1, max_size=8, unique=True)


def members(replicas: list[str], groups: list[str]) -> list[Member]:
    return [Member(each, tuple(groups)) for each in replicas]


@given(REPLICAS, GROUPS)
def test_each_group_has_one_owner_and_no_replica_owns_more_than_its_share(
    replicas: list[str], groups: list[str]
) -> None:
    found = owners(members(replicas, groups))
    assert found.keys() == set(groups)
    counts = Counter(found.values())
    assert counts.keys() <= set(replicas)
    assert max(counts.values()) <= -(-len(groups) // len(replicas))


@given(REPLICAS, GROUPS)
def test_every_leader_works_out_the_same_owners(replicas: list[str], groups: list[str]) -> None:
    one = owners(members(replicas, groups))
    shuffled = members(list(reversed(replicas)), list(reversed(groups)))
    assert owners(shuffled) == one


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_a_replica_more_or_less_moves_at_most_twice_the_least_possible_on_average(count: int) -> None:
    groups = [f"group-{number}" for number in range(60)]
    moved = 0
    for trial in range(20):
        replicas = [f"{trial}-{number}" for number in range(count + 1)]
        more, fewer = owners(members(replicas, groups)), owners(members(replicas[:-1], groups))
        moved += sum(more[each] != fewer[each] for each in groups)
    assert moved / 20 <= 2 * len(groups) / (count + 1)


def test_a_group_goes_to_a_replica_that_has_it_in_its_configuration() -> None:
    found = owners([Member("old", ("a",)), Member("new", ("a", "b", "c", "d"))])
    assert {found[each] for each in "bcd"} == {"new"}


# In aiokafka's terms


def cluster(**partitions: int) -> ClusterMetadata:
    metadata = ClusterMetadata()
    topics = [
        (0, topic, [(0, number, 0, [0], [0]) for number in range(count)])
        for topic, count in partitions.items()
    ]
    metadata.update_metadata(MetadataResponse_v0([(0, "localhost", 9092)], topics))
    return metadata


def assigned(by: OneOwnerAssignor, **presented: OneOwnerAssignor) -> dict[str, list[tuple[str, int]]]:
    topics = {"events": 3, "more": 1}
    metadata = {member: each.metadata(["events", "more"]) for member, each in presented.items()}
    found: dict[str, ConsumerProtocolMemberAssignment] = by.assign(cluster(**topics), metadata)
    return {
        member: [(each.topic, each.partition) for each in given.partitions()]
        for member, given in found.items()
    }


ALL = [("events", 0), ("events", 1), ("events", 2), ("more", 0)]


def test_all_partitions_of_a_group_go_to_one_member_and_every_member_has_an_entry() -> None:
    one, other = (OneOwnerAssignor("g", Member(replica, ("g", "h"))) for replica in ("one", "other"))
    found = assigned(one, m1=one, m2=other)
    assert sorted(found.values()) == [[], ALL]
    assert assigned(other, m1=one, m2=other) == found, "whoever leads"


def test_two_groups_over_two_replicas_have_different_owners() -> None:
    replicas = [Member(replica, ("g", "h")) for replica in ("one", "other")]
    chosen = {}
    for group in ("g", "h"):
        one, other = (OneOwnerAssignor(group, each) for each in replicas)
        found = assigned(one, one=one, other=other)
        (chosen[group],) = (member for member, given in found.items() if given)
    assert sorted(chosen.values()) == ["one", "other"]


def test_a_replica_that_is_in_the_group_twice_gets_everything_once() -> None:
    one = OneOwnerAssignor("g", Member("one", ("g",)))
    assert sorted(assigned(one, m1=one, m2=one).values()) == [[], ALL]


def test_where_no_member_has_the_group_in_its_configuration_nobody_gets_anything() -> None:
    stranger = OneOwnerAssignor("g", Member("one", ()))
    assert assigned(stranger, m1=stranger) == {"m1": []}
