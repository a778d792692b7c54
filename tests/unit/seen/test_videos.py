"""What the answer to the look-up of a video means: the documents' shapes, and whatever else may come."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.http.exchange import Fault, NoResponse, Response
from connector.labels import ATTEMPT_REASONS
from connector.seen.verdict import NoToken, Video, VideosFound, VideoSighting, sight_videos
from connector.types import Absent, InDoubt, Reason, Retry, Suspend
from connector.videos.reconciler import _verdict
from tests.unit.seen.values import JSON_VALUES

OUTPUT = {
    "id": "o-1",
    "motions": [{"id": "m-1", "thumbnail": "https://m/t.jpg", "emailThumbnail": "https://m/e.jpg"}],
    "players": [{"id": "p-1", "link": "https://player.seen.io/v/eHmnkM2wqAWc"}],
    "webhook": None,
}


def item(*outputs: object, id_: str = "12345") -> Response:
    return Response(200, orjson.dumps({"id": id_, "journeyOutputs": outputs, "values": {"name": "John"}}))


def videos(*outputs: object) -> tuple[Video, ...]:
    sighting = sight_videos(item(*outputs), "12345")
    return sighting.videos if isinstance(sighting, VideosFound) else ()


def test_the_documented_item_shows_a_video_with_its_links_and_the_output_as_it_came() -> None:
    (video,) = videos(OUTPUT)
    assert video.player_url == "https://player.seen.io/v/eHmnkM2wqAWc"
    assert (video.thumbnail_url, video.email_thumbnail_url) == ("https://m/t.jpg", "https://m/e.jpg")
    assert orjson.loads(video.raw) == OUTPUT


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "12345", "journeyOutputs": [], "values": {}}',
        b'{"id": "12345", "journeyOutputs": [{"id": "o", "motions": [], "players": [], "webhook": null}]}',
        b'{"id": "12345", "journeyOutputs": [{"players": [{"link": null}, {"link": " "}, {"id": "p"}, 7]}]}',
        b'{"id": "12345", "journeyOutputs": null}',
        b'{"id": "12345", "journeyOutputs": 7}',
        b'{"id": "12345", "journeyOutputs": [{"players": 7}]}',
        b'{"id": "12345"}',
    ],
)
def test_before_the_video_is_ready_there_is_none(body: bytes) -> None:
    sighting = sight_videos(Response(200, body), "12345")
    assert isinstance(sighting, Absent)
    assert (sighting.reason, sighting.status) == (Reason.NOT_FOUND, 200)


def test_each_output_with_a_player_is_a_video_and_its_first_link_counts() -> None:
    second = {"players": [{"link": ""}, {"link": "player.seen.io/v/2"}, {"link": "https://p/3"}]}
    found = videos(OUTPUT, {"players": []}, second)
    assert [each.player_url for each in found] == [OUTPUT["players"][0]["link"], "https://player.seen.io/v/2"]  # type: ignore[index]
    assert (found[1].thumbnail_url, found[1].email_thumbnail_url) == (None, None)


def test_regression_an_output_that_nests_too_deep_to_be_written_again_is_a_video_all_the_same() -> None:
    nested = b"[" * 300 + b"]" * 300
    body = (
        b'{"id": "12345", "journeyOutputs": [{"players": [{"link": "https://p/1"}], "x": ' + nested + b"}]}"
    )
    sighting = sight_videos(Response(200, body), "12345")
    assert sighting == VideosFound((Video("https://p/1", None, None, b"{}"),))


def test_two_outputs_with_the_same_link_are_one_video() -> None:
    assert len(videos(OUTPUT, OUTPUT)) == 1


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (Response(404, b'{"code": "ErrNotFound"}'), Absent),
        (item(OUTPUT, id_="another"), InDoubt),
        (Response(200, b"no JSON"), InDoubt),
        (Response(201, item(OUTPUT).body), InDoubt),
        (Response(401, b""), Suspend),
        (Response(403, b""), Suspend),
        (Response(307, b""), Suspend),
        (Response(429, b"<html>"), Retry),
        (Response(500, b'{"code": "ErrInvalidRequest"}'), Retry),
        (Response(503, b""), Retry),
        (Response(400, b""), InDoubt),
        (NoResponse(Fault.TIMED_OUT, ""), InDoubt),
        (NoResponse(Fault.LOST, ""), InDoubt),
        (NoResponse(Fault.NOT_SENT, ""), Retry),
        (NoResponse(Fault.FENCED, ""), Retry),
        (NoToken(Response(400, b"")), Suspend),
    ],
)
def test_every_other_answer_says_whether_seen_was_asked_at_all(
    exchange: Response | NoResponse | NoToken, kind: type[Any]
) -> None:
    assert isinstance(sight_videos(exchange, "12345"), kind)


@given(
    st.integers(100, 599),
    st.binary(max_size=50)
    | JSON_VALUES.map(orjson.dumps)
    | st.builds(lambda outputs: orjson.dumps({"id": "12345", "journeyOutputs": outputs}), JSON_VALUES),
)
def test_whatever_comes_has_a_meaning_and_a_metric(status: int, body: bytes) -> None:
    sighting = sight_videos(Response(status, body), "12345")
    assert isinstance(sighting, get_args(VideoSighting))
    assert sighting.reason in ATTEMPT_REASONS[_verdict(sighting)]
