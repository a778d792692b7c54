"""What travels in a commit's metadata: what is written is read again, what is foreign or damaged says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.commitdata import MAX_CHARACTERS, CommitData, decode, encode

PINNED = "seen2:eJxjYGDgYmBgYC0uSM0rATIYuVgAFIQCSQ=="
WATERMARKS = st.integers(0, 2**62)


@st.composite
def written(draw: st.DrawFn) -> tuple[CommitData, int]:
    """Something to say beyond a watermark, which fits."""
    watermark = draw(WATERMARKS)
    offsets = st.frozensets(st.integers(0, 9_999).map(lambda beyond: watermark + beyond), max_size=300)
    started_below = watermark + draw(st.integers(0, 100_000))
    return CommitData(draw(offsets), draw(offsets), started_below, draw(st.binary(max_size=100))), watermark


@given(written())
def test_what_was_written_is_read_again(said: tuple[CommitData, int]) -> None:
    data, watermark = said
    text = encode(data, watermark)
    assert text.isascii()
    assert len(text) <= MAX_CHARACTERS
    assert decode(text, watermark) == data


def test_ten_thousand_offsets_of_which_every_other_is_settled_fit() -> None:
    data = CommitData(frozenset(range(1, 10_000, 2)), frozenset(range(0, 64, 2)), 10_032)
    assert decode(encode(data, 0), 0) == data


@given(written(), st.integers(0, 200))
def test_what_does_not_fit_is_left_out_but_never_how_far_events_may_have_left(
    said: tuple[CommitData, int], limit: int
) -> None:
    data, watermark = said
    text = encode(data, watermark, limit)
    assert len(text) <= limit
    if text:
        found = decode(text, watermark)
        assert found is not None
        assert found.quota == data.quota
        assert found.settled in (data.settled, frozenset())
        if found.in_doubt == data.in_doubt:
            assert found.started_below == data.started_below
        else:
            assert found.in_doubt == frozenset()
            assert found.started_below == max(data.started_below, *(offset + 1 for offset in data.in_doubt))


@given(st.text() | st.text().map("seen1:".__add__) | st.binary().map(lambda noise: "seen1:" + noise.hex()))
def test_what_is_foreign_says_nothing(text: str) -> None:
    assert decode(text, 0) is None


@given(written(), st.data())
def test_what_is_damaged_says_nothing_or_what_was_written(
    said: tuple[CommitData, int], chosen: st.DataObject
) -> None:
    data, watermark = said
    text = encode(data, watermark)
    place = chosen.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + chosen.draw(st.sampled_from("ABab01-_= é")) + text[place + 1 :]
    assert decode(damaged, watermark) in (None, data)


def test_the_layout_is_the_one_that_its_prefix_stands_for() -> None:
    """Whoever changes one changes the other: what a release has written is read by the next."""
    data = CommitData(frozenset({101, 103}), frozenset({102}), 110, b"spent")
    assert encode(data, 100) == PINNED
    assert decode(PINNED, 100) == data
    assert decode(PINNED.replace("seen2", "seen1"), 100) is None


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_what_was_cut_off_says_nothing(cut: int) -> None:
    text = encode(CommitData(frozenset(range(100)), frozenset(), 100), 0)
    assert decode(text[:-cut], 0) is None
