"""SEEN's rules for what it is sent: ids, names, sizes, numbers, links of images."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.payload import encode, image_fault, image_host, json_type, same_json, with_string_id
from connector.types import Reason, Unsendable
from tests.unit.seen.values import INTEGERS, JSON_VALUES

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=256)


# Ids


@pytest.mark.parametrize("text", ["1", "0", " ", "null", "false", "id/with?signs#in it", "Ænes", "x" * 1024])
def test_a_string_is_an_id_as_it_is(text: str) -> None:
    assert with_string_id({"id": text, "name": 1}) == {"id": text, "name": 1}


@given(number=INTEGERS)
def test_an_integer_becomes_its_decimal_string(number: int) -> None:
    assert with_string_id({"id": number}) == {"id": f"{number:d}"}


@pytest.mark.parametrize(
    ("properties", "reason", "words"),
    [
        ({}, Reason.ID_MISSING, "absent"),
        ({"ID": "1"}, Reason.ID_MISSING, "absent"),
        ({"id": None}, Reason.ID_MISSING, "null"),
        ({"id": ""}, Reason.ID_MISSING, "empty"),
        ({"id": True}, Reason.ID_NOT_A_STRING, "a boolean"),
        ({"id": False}, Reason.ID_NOT_A_STRING, "a boolean"),
        ({"id": 1.0}, Reason.ID_NOT_A_STRING, "a number"),
        ({"id": 0.0}, Reason.ID_NOT_A_STRING, "a number"),
        ({"id": ["1"]}, Reason.ID_NOT_A_STRING, "an array"),
        ({"id": []}, Reason.ID_NOT_A_STRING, "an array"),
        ({"id": {"id": "1"}}, Reason.ID_NOT_A_STRING, "an object"),
        ({"id": "x" * 1025}, Reason.ID_TOO_LONG, "1025 bytes"),
        ({"id": "é" * 513}, Reason.ID_TOO_LONG, "1026 bytes"),
    ],
)
def test_nothing_else_is_made_an_id(properties: dict[str, Any], reason: Reason, words: str) -> None:
    refused = with_string_id(properties)
    assert isinstance(refused, Unsendable)
    assert refused.reason is reason
    assert words in refused.detail


# The body


@given(properties=st.dictionaries(NAMES, JSON_VALUES, max_size=6))
def test_the_bytes_parse_back_to_the_same_object(properties: dict[str, Any]) -> None:
    body = encode(properties, 1_000_000)
    assert isinstance(body, bytes)
    assert same_json(orjson.loads(body), properties)


@given(properties=st.dictionaries(NAMES, JSON_VALUES, max_size=4))
def test_the_limit_is_in_bytes_and_is_met_exactly(properties: dict[str, Any]) -> None:
    size = len(orjson.dumps(properties))
    assert encode(properties, size) == orjson.dumps(properties)
    refused = encode(properties, size - 1)
    assert isinstance(refused, Unsendable)
    assert refused.reason is Reason.REQUEST_TOO_LARGE
    assert f"{size} bytes" in refused.detail


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "a\x00", "\u2028", "a\u00a0b", "\u200b"])
def test_a_name_is_short_and_can_be_printed(name: str) -> None:
    refused = encode({"id": "1", name: "x"}, 1000)
    assert isinstance(refused, Unsendable)
    assert refused.reason is Reason.BAD_PROPERTY_NAME
    assert repr(name[:40]) in refused.detail


@pytest.mark.parametrize("name", ["x", "x" * 256, "first name", "fornavn-Ø", "名"])
def test_other_names_are_taken(name: str) -> None:
    assert isinstance(encode({"id": "1", name: "x"}, 1000), bytes)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**64, Reason.NUMBER_OUT_OF_RANGE),
        (-(2**63) - 1, Reason.NUMBER_OUT_OF_RANGE),
        (nested(300), Reason.TOO_DEEP),
        ("\ud800", Reason.MAPPING_FAILED),
        (object(), Reason.MAPPING_FAILED),
    ],
    ids=["too large", "too small", "too deep", "half a character", "no JSON"],
)
def test_a_value_that_cannot_be_written_has_a_reason(value: object, reason: Reason) -> None:
    refused = encode({"id": "1", "x": value}, 1000)
    assert isinstance(refused, Unsendable)
    assert refused.reason is reason


@pytest.mark.parametrize("value", [nan, inf, -inf, [1.0, nan], {"a": [{"b": inf}]}])
def test_regression_a_number_that_json_does_not_have_is_not_sent_as_null(value: object) -> None:
    refused = encode({"id": "1", "x": value}, 1000)
    assert isinstance(refused, Unsendable)
    assert refused.reason is Reason.NUMBER_OUT_OF_RANGE


def test_a_null_is_sent_as_null() -> None:
    assert encode({"id": "1", "x": None, "y": [None, 1.5, {"z": None}]}, 1000) == (
        b'{"id":"1","x":null,"y":[null,1.5,{"z":null}]}'
    )


# Links of images


@pytest.mark.parametrize(
    "link",
    [
        "https://a.example/p.png",
        "http://a.example:8080/p.jpg",
        "HTTPS://a.example/some/where/p.jpeg",
        "https://a.example/p.png?size=2#top",
        "https://[::1]/p.png",
        "https://a.example/%20/å.png",
    ],
)
def test_a_link_of_an_image_is_taken(link: str) -> None:
    assert image_fault(link) is None


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (None, "it is null"),
        (7, "it is a number"),
        (["https://a.example/p.png"], "it is an array"),
        ("", "http or https"),
        ("p.png", "http or https"),
        ("//a.example/p.png", "http or https"),
        ("ftp://a.example/p.png", "http or https"),
        ("data:image/png,p.png", "http or https"),
        ("https:///p.png", "http or https"),
        ("https://user:password@a.example/p.png", "credentials"),
        ("https://user@a.example/p.png", "credentials"),
        ("https://@a.example/p.png", "credentials"),
        ("https://a.example/p.PNG", "lower case"),
        ("https://a.example/p.Jpeg", "lower case"),
        ("https://a.example/p.gif", ".jpg, .jpeg, .png"),
        ("https://a.example/p", ".jpg, .jpeg, .png"),
        ("https://a.example/png", ".jpg, .jpeg, .png"),
        ("https://a.example/p.png/", ".jpg, .jpeg, .png"),
        ("https://a.example?p.png", ".jpg, .jpeg, .png"),
        ("https://a.example/#p.png", ".jpg, .jpeg, .png"),
        ("https://[a.example/p.png", "no URL"),
    ],
)
def test_any_other_is_refused_and_the_words_say_why(link: object, words: str) -> None:
    assert words in (image_fault(link) or "")


@pytest.mark.parametrize(
    "link", ["https://user:s\u2100cret@a.example/p.png", "https://a.example:s\u2100cret/p.png"]
)
def test_regression_what_is_wrong_with_a_link_repeats_nothing_of_it(link: str) -> None:
    assert image_fault(link) == "it is no URL"


@pytest.mark.parametrize(
    "link",
    [
        "https://a.example/p.png\n",
        "https://a.example/p.p\tng",
        " https://a.example/p.png",
        "https://a.example/a photo.png",
        "https://a.example\r/p.png",
        "https://a.example:99999/p.png",
        "https://a.example:x/p.png",
    ],
)
def test_regression_a_link_that_no_client_could_fetch_as_it_is_written_is_refused(link: str) -> None:
    assert image_fault(link) is not None


@given(value=JSON_VALUES | st.text().map(lambda text: f"https://{text}"))
def test_any_value_is_either_a_link_or_has_a_fault(value: object) -> None:
    assert image_fault(value) is None or image_fault(value)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("https://Images.example/ada.PNG?X-Signature=secret", "images.example"),
        ("https://ada:secret@images.example:8443/p.png", "images.example"),
        ("ftp://[2001:db8::1]/p.png", "2001:db8::1"),
        ("https://bücher.example/p.png", "bücher.example"),
        ("https://ada:s/ecret@images.example/p.png", None),
        ("https://images.example\\secret", None),
        ("https://images.example secret/p.png", None),
        ("https://" + "secret" * 50 + "/p.png", None),
        ("https://[secret/p.png", None),
        ("ada@images.example", None),
        ("", None),
        (7, None),
    ],
)
def test_the_host_of_a_value_is_named_without_anything_else_of_it(value: object, host: str | None) -> None:
    assert image_host(value) == host


@given(value=JSON_VALUES | st.text().map(lambda text: f"https://{text}"))
def test_any_value_has_a_host_that_may_stand_in_a_log_or_none(value: object) -> None:
    host = image_host(value)
    assert host is None or (0 < len(host) <= 255 and host.isprintable() and not set(host) & set(" @/?#\\"))


# JSON's own types and equality


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0, "a number"),
        (0.5, "a number"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_values_are_called_by_the_names_of_json(value: object, word: str) -> None:
    assert json_type(value) == word


@given(value=JSON_VALUES)
def test_equality_holds_for_a_value_that_was_written_and_read(value: object) -> None:
    assert same_json(value, orjson.loads(orjson.dumps(value)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (True, True, True),
        (True, 1, False),
        (0, False, False),
        (1.0, True, False),
        (None, False, False),
        ("1", 1, False),
        ([], {}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([[True]], [[1]], False),
    ],
)
def test_equality_is_that_of_json_and_goes_both_ways(one: object, other: object, same: bool) -> None:
    assert (same_json(one, other), same_json(other, one)) == (same, same)
