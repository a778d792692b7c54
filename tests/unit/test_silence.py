"""Which partitions are asked in vain, and for how long."""

from __future__ import annotations

from aiokafka import TopicPartition

from connector.kafka.silence import STALLED_SECONDS, Silence

ONE, OTHER = TopicPartition("events", 0), TopicPartition("events", 1)


def test_a_partition_is_silent_when_every_poll_since_long_asked_for_it_in_vain() -> None:
    silence = Silence()
    for now in range(0, 130, 10):
        assert silence.silent(now) == ([] if now < STALLED_SECONDS else [ONE])
        silence.polled([ONE, OTHER], [OTHER], now, full=False)


def test_a_partition_that_gives_something_is_not_silent_since_before_that() -> None:
    silence = Silence()
    silence.polled([ONE], [], 0, full=False)
    silence.polled([ONE], [ONE], 119, full=False)
    silence.polled([ONE], [], 119, full=False)
    assert silence.silent(238) == []
    assert silence.silent(239) == [ONE]


def test_a_poll_that_had_no_room_left_or_did_not_ask_says_nothing_of_a_partition() -> None:
    silence = Silence()
    silence.polled([ONE, OTHER], [], 0, full=False)
    silence.polled([ONE, OTHER], [OTHER], 100, full=True)
    silence.polled([ONE], [], 101, full=False)
    assert silence.silent(120) == []
    assert silence.silent(221) == [ONE]


def test_what_was_noted_is_forgotten_when_nothing_could_be_known() -> None:
    silence = Silence()
    silence.polled([ONE], [], 0, full=False)
    silence.forget()
    assert silence.silent(1000) == []
