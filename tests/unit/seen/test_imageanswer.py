"""What the answer of an image's host means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from connector.seen.imageanswer import LARGEST_BYTES, ImageFinding, judge, judge_size
from connector.types import ImageResult

PNG = {"content-type": "image/png", "content-length": "1000"}


def judged(method: str, status: int, **headers: str) -> ImageResult | None:
    """Names of headers are written with `_` for `-`."""
    names = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    found = judge(method, status, names, wall=1_800_000_000.0)
    return None if found is None else found.result


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "image/jpg", "IMAGE/PNG", "image/png; charset=x"]
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_allowed_type_of_a_size_that_seen_takes_is_good(method: str, kind: str) -> None:
    assert judged(method, 200, content_type=kind, content_length="1000") is ImageResult.GOOD


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "image/webp",
        "image/gif",
        "image/svg+xml",
        "image/pngx",
        "image",
        "",
        "image/png, text/html",
    ],
)
def test_another_type_is_bad_but_only_get_says_so(kind: str) -> None:
    assert judged("HEAD", 200, content_type=kind, content_length="1000") is None
    assert judged("GET", 200, content_type=kind, content_length="1000") is ImageResult.WRONG_TYPE


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_every_redirect_is_bad(method: str, status: int) -> None:
    assert judged(method, status, location="https://a.example/q.png") is ImageResult.REDIRECTED


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (401, ImageResult.NEEDS_AUTHENTICATION),
        (403, ImageResult.NEEDS_AUTHENTICATION),
        (407, ImageResult.NEEDS_AUTHENTICATION),
        (404, ImageResult.MISSING),
        (410, ImageResult.MISSING),
        (400, ImageResult.REFUSED),
        (405, ImageResult.REFUSED),
        (416, ImageResult.REFUSED),
        (204, ImageResult.REFUSED),
    ],
)
def test_a_refusal_of_head_is_asked_again_and_one_of_get_is_bad(status: int, result: ImageResult) -> None:
    assert judged("HEAD", status, **PNG) is None
    assert judged("GET", status, **PNG) is result


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_says_nothing_of_the_image_is_passing(method: str, status: int) -> None:
    assert judged(method, status, **PNG) is ImageResult.UNAVAILABLE


def test_a_host_that_does_not_know_head_is_asked_again() -> None:
    assert judged("HEAD", 501) is None
    assert judged("GET", 501) is ImageResult.UNAVAILABLE


def test_a_host_says_when_to_come_again() -> None:
    found = judge("HEAD", 503, CIMultiDict({"Retry-After": "7"}), wall=0.0)
    assert found is not None
    assert found.is_passing
    assert found.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("size", "result"),
    [
        (LARGEST_BYTES, ImageResult.GOOD),
        (LARGEST_BYTES + 1, ImageResult.TOO_LARGE),
        (3_000_000, ImageResult.TOO_LARGE),
    ],
)
def test_the_size_is_the_length_or_the_total_of_a_range(size: int, result: ImageResult) -> None:
    assert judged("HEAD", 200, content_type="image/png", content_length=str(size)) is result
    assert judged("GET", 200, content_type="image/png", content_length=str(size)) is result
    total = f"bytes 0-0/{size}"
    assert judged("GET", 206, content_type="image/png", content_length="1", content_range=total) is result
    assert judge_size(size).result is result


def test_head_that_says_zero_is_asked_again_and_get_that_says_it_is_bad() -> None:
    assert judged("HEAD", 200, content_type="image/png", content_length="0") is None
    assert judged("GET", 200, content_type="image/png", content_length="0") is ImageResult.EMPTY


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"content_length": "many"},
        {"content_length": "-1"},
        {"content_length": "9" * 5000},
        {"content_length": "10", "transfer_encoding": "chunked"},
    ],
)
def test_a_size_that_is_not_said_clearly_is_left_open(said: dict[str, str]) -> None:
    assert judged("HEAD", 200, content_type="image/png", **said) is None
    assert judged("GET", 200, content_type="image/png", **said) is None


@pytest.mark.parametrize("total", ["bytes 0-0/*", "bytes */5", "items 0-0/5", "", "5"])
def test_a_range_without_a_total_is_left_open_whatever_the_length_of_the_part(total: str) -> None:
    assert judged("GET", 206, content_type="image/png", content_length="1", content_range=total) is None


def test_what_is_compressed_in_spite_of_us_has_no_size_that_is_known() -> None:
    assert judged("HEAD", 200, **PNG, content_encoding="gzip") is None
    assert judged("GET", 200, **PNG, content_encoding="gzip") is ImageResult.COMPRESSED
    assert judged("HEAD", 200, **PNG, content_encoding="identity") is ImageResult.GOOD


def test_a_strange_content_type_is_not_repeated() -> None:
    found = judge("GET", 200, CIMultiDict({"Content-Type": "\x1b[31m" + "x" * 500}), wall=0.0)
    assert found is not None
    assert "x" not in found.detail.replace("text", "")


@given(
    st.sampled_from(["HEAD", "GET"]),
    st.integers(100, 999),
    st.dictionaries(
        st.sampled_from(
            "Content-Type Content-Length Content-Range Content-Encoding Transfer-Encoding Retry-After".split()
        ),
        st.text() | st.sampled_from(["image/png", "1", "bytes 0-0/1", "gzip", "chunked"]),
    ),
)
def test_every_answer_is_judged(method: str, status: int, headers: dict[str, str]) -> None:
    found = judge(method, status, CIMultiDict(headers), wall=0.0)
    assert found is None or isinstance(found, ImageFinding)
    if found is not None and found.is_good:
        assert status in (200, 206)
        assert headers["Content-Type"].startswith("image/png")
