"""Who owns which group: one replica each, spread evenly, and little moves when replicas come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataResponse_v0
from hypothesis import given
from hypothesis import strategies as st

from connector.kafka.assignor import Member, OneOwnerAssignor, owners

if TYPE_CHECKING:
    from uuid import UUID

    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

NAMES = st.text("abcdef0123456789", min_size=1, max_size=8)
GROUPS = st.lists(NAMES, min_size=1, max_size=40, unique=True)
REPLICAS = st.lists(NAMES, min_size=1, max_size=8, unique=True)


def members(replicas: list[str], groups: list[str]) -> list[Member]:
    return [Member(each, tuple(groups)) for each in replicas]


def shares(found: dict[str, str], replicas: list[str]) -> list[int]:
    """How many groups each replica owns."""
    return [list(found.values()).count(each) for each in replicas]


@given(REPLICAS, GROUPS)
def test_each_group_has_one_owner_and_the_shares_differ_by_one_at_most(
    replicas: list[str], groups: list[str]
) -> None:
    found = owners(members(replicas, groups))
    assert found.keys() == set(groups)
    assert set(found.values()) <= set(replicas)
    owned = shares(found, replicas)
    assert max(owned) - min(owned) <= 1


@given(REPLICAS, GROUPS)
def test_every_leader_works_out_the_same_owners(replicas: list[str], groups: list[str]) -> None:
    one = owners(members(replicas, groups))
    shuffled = members(list(reversed(replicas)), list(reversed(groups)))
    assert owners(shuffled) == one


# `times` groups for each two of `count` and `count + 1` replicas: they divide evenly over either.
@given(st.lists(st.uuids(), min_size=2, max_size=6, unique=True), st.integers(1, 4))
def test_where_the_shares_are_even_one_replica_more_or_less_moves_half_of_the_groups_at_most(
    ids: list[UUID], times: int
) -> None:
    replicas = [each.hex for each in ids]
    count = len(replicas) - 1
    groups = [f"group-{number}" for number in range(times * count * (count + 1))]
    more, fewer = owners(members(replicas, groups)), owners(members(replicas[:-1], groups))
    assert set(shares(more, replicas)) == {times * count}
    moved = sum(more[each] != fewer[each] for each in groups)
    assert times * count <= moved <= len(groups) / 2


@given(st.lists(st.uuids(), min_size=4, max_size=4, unique=True))
def test_twelve_groups_a_fourth_replica_moves_at_most_twice_the_least_possible(ids: list[UUID]) -> None:
    groups = [f"seen-connector-{number}" for number in range(12)]
    replicas = [each.hex for each in ids]
    three, four = owners(members(replicas[:3], groups)), owners(members(replicas, groups))
    assert (shares(three, replicas), shares(four, replicas)) == ([4, 4, 4, 0], [3, 3, 3, 3])
    assert sum(three[each] != four[each] for each in groups) <= 2 * 3


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_a_replica_more_or_less_moves_at_most_twice_the_least_possible_on_average(count: int) -> None:
    groups = [f"group-{number}" for number in range(60)]
    moved = 0
    for trial in range(20):
        replicas = [f"{trial}-{number}" for number in range(count + 1)]
        more, fewer = owners(members(replicas, groups)), owners(members(replicas[:-1], groups))
        moved += sum(more[each] != fewer[each] for each in groups)
    assert moved / 20 <= 2 * len(groups) / (count + 1)


@given(st.lists(st.builds(Member, NAMES, GROUPS.map(tuple)), max_size=6, unique_by=lambda each: each.replica))
def test_where_configurations_differ_each_group_goes_to_a_replica_that_has_it(replicas: list[Member]) -> None:
    has = {each.replica: each.groups for each in replicas}
    found = owners(replicas)
    assert found.keys() == {group for groups in has.values() for group in groups}
    assert all(group in has[replica] for group, replica in found.items())


def test_a_replica_that_has_all_groups_leaves_those_that_another_can_own_to_it() -> None:
    found = owners([Member("old", ("a", "b")), Member("new", ("a", "b", "c", "d", "e", "f"))])
    assert found == {"a": "old", "b": "old"} | dict.fromkeys("cdef", "new")


def test_what_a_third_replica_has_not_in_its_configuration_is_shared_evenly_by_the_others() -> None:
    found = owners(
        [Member("one", tuple("abcdefgh")), Member("other", tuple("abcdefgh")), Member("third", ())]
    )
    assert shares(found, ["one", "other", "third"]) == [4, 4, 0]


def test_a_replica_that_presents_itself_twice_counts_once() -> None:
    groups = [str(number) for number in range(12)]
    assert owners(members(["one", "one", "other"], groups)) == owners(members(["one", "other"], groups))


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
