"""What records become: every rule of the mapping, every bad record's own reason, and an answer to any bytes at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jmespath
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.outbound.mapping import Mapping, parse
from connector.seen.payload import same_json
from connector.seen.receiver import ReceiverRules
from connector.types import Event, ImageLinks, Reason, Record, Skipped, Unsendable
from tests.unit.seen.values import INTEGERS, JSON_VALUES

if TYPE_CHECKING:
    from typing import Literal

MAX_RECORD, MAX_REQUEST = 524_288, 262_144


def mapping(
    *,
    where: str | None = None,
    properties: dict[str, str] | None = None,
    tombstones: Literal["reject", "skip"] = "reject",
    images: tuple[str, ...] = (),
    on_bad_image: Literal["reject", "drop"] = "reject",
    fetch_images: bool = False,
) -> Mapping:
    """As the configuration makes it."""
    return Mapping(
        where=None if where is None else jmespath.compile(where),
        properties=None
        if properties is None
        else tuple((name, jmespath.compile(path)) for name, path in properties.items()),
        tombstones=tombstones,
        images=images,
        on_bad_image=on_bad_image,
        max_record_bytes=MAX_RECORD,
        max_request_bytes=MAX_REQUEST,
        fetch_images=fetch_images,
    )


def record(value: object, key: bytes | None = b"key") -> Record:
    """A record with these bytes, or with this value as JSON; None is a null value."""
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return Record("events", 0, 7, 0, key, raw, (("source", b"crm"),))


def sent(become: Event | Unsendable | Skipped) -> Any:
    """What SEEN gets."""
    assert isinstance(become, Event), become
    return orjson.loads(become.body)


def refusal(become: Event | Unsendable | Skipped) -> Unsendable:
    assert isinstance(become, Unsendable), become
    return become


# Bad records


BAD: dict[str, tuple[bytes | None, bytes | None, Reason, str]] = {
    # kind: key, value; its reason and a word of the detail
    "tombstone": (b"k", None, Reason.TOMBSTONE, "null"),
    "neither key nor value": (None, None, Reason.EMPTY_RECORD, "neither key nor value"),
    "nothing": (b"k", b"", Reason.NOT_JSON, "no JSON"),
    "words": (b"k", b"hello", Reason.NOT_JSON, "line 1 column 1"),
    "bytes": (b"k", b"\xff\xfe\x00", Reason.NOT_JSON, "no JSON"),
    "half a character of UTF-8": (b"k", b'{"id": "\xc3"}', Reason.NOT_JSON, "no JSON"),
    "two documents": (b"k", b'{"id": "1"}{"id": "2"}', Reason.NOT_JSON, "no JSON"),
    "a comma too many": (b"k", b'{"id": "1",}', Reason.NOT_JSON, "no JSON"),
    "a byte order mark": (b"k", b'\xef\xbb\xbf{"id": "1"}', Reason.NOT_JSON, "no JSON"),
    "NaN": (b"k", b'{"id": "1", "age": NaN}', Reason.NOT_JSON, "NaN and Infinity"),
    "Infinity": (b"k", b'{"id": "1", "age": -Infinity}', Reason.NOT_JSON, "NaN and Infinity"),
    "half a surrogate pair": (
        b"k",
        b'{"id": "1", "name": "\\ud800"}',
        Reason.NOT_JSON,
        "half of a surrogate pair",
    ),
    "the other half": (b"k", b'{"id": "1", "name": "\\udc00"}', Reason.NOT_JSON, "half of a surrogate pair"),
    "array": (b"k", b'[{"id": "1"}]', Reason.NOT_AN_OBJECT, "an array"),
    "string": (b"k", b'"1"', Reason.NOT_AN_OBJECT, "a string"),
    "number": (b"k", b"1", Reason.NOT_AN_OBJECT, "a number"),
    "null": (b"k", b"null", Reason.NOT_AN_OBJECT, "null"),
    "5,000 levels": (b"k", b'{"id":"1","a":' + b"[" * 5000 + b"]" * 5000 + b"}", Reason.TOO_DEEP, "nested"),
    "5,000 levels of objects": (b"k", b'{"a":' * 5000 + b"1" + b"}" * 5000, Reason.TOO_DEEP, "nested"),
    "1 MB": (b"k", b'{"id":"1","a":"' + b"x" * 1_000_000 + b'"}', Reason.RECORD_TOO_LARGE, "524288"),
    "a number beyond floats": (b"k", b'{"id": "1", "a": 1e999}', Reason.NUMBER_OUT_OF_RANGE, "too large"),
    "a number beyond 64 bits": (
        b"k",
        b'{"id": "1", "a": 18446744073709551616}',
        Reason.NUMBER_OUT_OF_RANGE,
        "64",
    ),
    "no id": (b"k", b'{"name": "Kari"}', Reason.ID_MISSING, "id"),
    "an id that is an object": (b"k", b'{"id": {"crm": 1}}', Reason.MAPPING_FAILED, "flat"),
    "an id that is a fraction": (b"k", b'{"id": 1.5}', Reason.ID_NOT_A_STRING, "a number"),
    "not flat": (b"k", b'{"id": "1", "tags": []}', Reason.MAPPING_FAILED, "'tags' is an array"),
    "a name with a line break": (b"k", b'{"id": "1", "a\\nb": 1}', Reason.BAD_PROPERTY_NAME, r"a\nb"),
    "a request too large": (
        b"k",
        b'{"id": "1", "a": "' + b"x" * 300_000 + b'"}',
        Reason.REQUEST_TOO_LARGE,
        "max_request_bytes is 262144",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_every_kind_of_bad_record_has_its_own_reason_in_words(kind: str) -> None:
    key, value, reason, word = BAD[kind]
    refused = refusal(mapping().read(record(value, key)))
    assert refused.reason is reason
    assert word in refused.detail


def test_the_limit_of_a_record_is_met_exactly_and_what_is_over_it_is_not_parsed() -> None:
    def padded(size: int) -> bytes:
        return b'{"id": "1"}'.ljust(size)

    assert sent(mapping().read(record(padded(MAX_RECORD)))) == {"id": "1"}
    refused = refusal(mapping().read(record(b"[" * (MAX_RECORD + 1))))
    assert refused.reason is Reason.RECORD_TOO_LARGE
    assert f"{MAX_RECORD + 1} bytes" in refused.detail


def test_a_tombstone_is_skipped_where_the_configuration_says_so() -> None:
    assert mapping(tombstones="skip").read(record(None)) == Skipped(Reason.TOMBSTONE)


def test_a_record_with_neither_key_nor_value_is_no_tombstone() -> None:
    assert refusal(mapping(tombstones="skip").read(record(None, None))).reason is Reason.EMPTY_RECORD


# Numbers


@given(
    number=st.one_of(INTEGERS, st.integers(), st.integers(2**63 - 9, 2**64 + 9), st.integers(-(2**63) - 9, 9))
)
def test_an_integer_arrives_digit_by_digit_or_not_at_all(number: int) -> None:
    become = mapping().read(record(b'{"id": "1", "a": %d}' % number))
    if -(2**63) <= number < 2**64:
        assert isinstance(become, Event)
        assert become.body == b'{"id":"1","a":%d}' % number
    else:
        assert refusal(become).reason is Reason.NUMBER_OUT_OF_RANGE


@pytest.mark.parametrize(
    "value",
    [
        rb'{"id": "99999999999999999999999"}',
        rb'{"id": "1", "a": "say \" 99999999999999999999999"}',
        rb'{"id": "1", "99999999999999999999999": "\\"}',
        b'{"id": "1", "a": 1234567890123456789.5}',
        b'{"id": "1", "a": 99999999999999999999999e-5}',
        b'{"id": "1", "a": 0.12345678901234567890123}',
    ],
)
def test_long_rows_of_digits_that_are_no_integers_are_taken(value: bytes) -> None:
    assert sent(mapping().read(record(value))) == orjson.loads(value)


def test_an_integer_that_is_too_long_is_found_wherever_it_is() -> None:
    for value in (
        rb'{"id": "\\", "a": 99999999999999999999}',
        rb'{"id": "a\"b", "a": {"b": [0, -99999999999999999999]}}',
        b'{"id":99999999999999999999}',
        b'{"id": "1", "a": %s}' % (b"9" * 300),
    ):
        assert (
            refusal(mapping(properties={"id": "id"}).read(record(value))).reason is Reason.NUMBER_OUT_OF_RANGE
        )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("to_number(a)", "NaN"),
        ("to_number(a)", "-inf"),
        ("to_number(a)", "1e999"),
        ("sum(a)", [1e308, 1e308]),
    ],
)
def test_regression_a_number_that_a_function_makes_infinite_or_none_is_no_null(
    expression: str, value: object
) -> None:
    become = mapping(properties={"id": "id", "a": expression}).read(record({"id": "1", "a": value}))
    assert refusal(become).reason is Reason.NUMBER_OUT_OF_RANGE


# where


@pytest.mark.parametrize(
    ("where", "value", "is_taken"),
    [
        ("type == 'signed_up'", {"id": "1", "type": "signed_up"}, True),
        ("type == 'signed_up'", {"id": "1", "type": "left"}, False),
        ("type == 'signed_up'", {"id": "1"}, False),
        ("flag", {"id": "1", "flag": True}, True),
        ("flag", {"id": "1", "flag": False}, False),
        ("flag", {"id": "1", "flag": 0}, True),
        ("flag", {"id": "1", "flag": 0.0}, True),
        ("flag", {"id": "1", "flag": ""}, False),
        ("flag", {"id": "1", "flag": "false"}, True),
        ("flag", {"id": "1", "flag": []}, False),
        ("flag", {"id": "1", "flag": [None]}, True),
        ("flag", {"id": "1", "flag": {}}, False),
        ("flag", {"id": "1", "flag": {"a": None}}, True),
        ("flag", {"id": "1", "flag": None}, False),
        ("flag", {"id": "1"}, False),
    ],
)
def test_what_where_finds_false_or_empty_is_skipped(where: str, value: object, is_taken: bool) -> None:
    become = mapping(where=where, properties={"id": "id"}).read(record(value))
    assert isinstance(become, Event) if is_taken else become == Skipped(Reason.FILTERED)


def test_what_is_not_meant_for_seen_need_not_obey_its_rules() -> None:
    assert mapping(where="type == 'signed_up'").read(record({"tags": []})) == Skipped(Reason.FILTERED)


def test_where_does_not_hide_what_is_no_event() -> None:
    assert refusal(mapping(where="a").read(record(b"[]"))).reason is Reason.NOT_AN_OBJECT
    assert refusal(mapping(where="a").read(record(None))).reason is Reason.TOMBSTONE


def test_a_where_that_fails_on_a_record_refuses_it() -> None:
    refused = refusal(mapping(where="length(name) > `3`").read(record({"id": "1", "name": 7})))
    assert refused.reason is Reason.MAPPING_FAILED
    assert refused.detail.startswith("`where` failed: ")


# properties


def test_properties_say_what_is_sent_and_nothing_else_is() -> None:
    event = {"customer": {"id": "12345", "name": {"first": "Kari"}, "tags": ["a", {"b": None}]}, "secret": 1}
    become = mapping(
        properties={
            "id": "customer.id",
            "first_name": "customer.name.first",
            "tags": "customer.tags",
            "one": "`1`",
        }
    ).read(record(event))
    assert sent(become) == {"id": "12345", "first_name": "Kari", "tags": ["a", {"b": None}], "one": 1}


def test_a_path_that_leads_nowhere_or_to_null_sends_nothing() -> None:
    become = mapping(properties={"id": "id", "a": "a.b.c", "b": "b", "c": "c", "d": "d"}).read(
        record({"id": "1", "b": None, "c": False, "d": ""})
    )
    assert sent(become) == {"id": "1", "c": False, "d": ""}


def test_a_path_for_the_id_that_leads_nowhere_is_a_missing_id() -> None:
    assert (
        refusal(mapping(properties={"id": "customer.id"}).read(record({"id": "1"}))).reason
        is Reason.ID_MISSING
    )


@pytest.mark.parametrize(
    "expression",
    ["length(a)", "sort(a)", "join(',', a)", "max_by(@, &a)", "floor(to_number('inf'))", "abs(a)"],
)
def test_an_expression_that_fails_on_a_record_refuses_it_and_names_the_property(expression: str) -> None:
    refused = refusal(
        mapping(properties={"id": "id", "wrong": expression}).read(record({"id": "1", "a": True}))
    )
    assert refused.reason is Reason.MAPPING_FAILED
    assert "'wrong'" in refused.detail


def test_an_expression_that_cannot_cope_with_depth_refuses_the_record() -> None:
    deep = b'{"id": "1", "a": ' + b"[" * 1000 + b"]" * 1000 + b"}"
    refused = refusal(mapping(properties={"id": "id", "a": "to_string(a)"}).read(record(deep)))
    assert refused.reason is Reason.MAPPING_FAILED


def test_what_can_be_read_and_not_be_written_is_too_deep_and_its_id_is_known() -> None:
    deep = b'{"id": "1", "a": ' + b"[" * 1000 + b"]" * 1000 + b"}"
    refused = refusal(mapping(properties={"id": "id", "a": "a"}).read(record(deep)))
    assert (refused.reason, refused.id) == (Reason.TOO_DEEP, "1")


def test_without_properties_a_flat_object_is_sent_as_it_is() -> None:
    flat = {"id": "1", "text": "ø", "number": 1.5, "truth": True, "nothing": None, "empty": ""}
    become = mapping().read(record(flat))
    assert sent(become) == flat
    assert isinstance(become, Event)
    assert list(orjson.loads(become.body)) == list(flat)


SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=256).filter(
    lambda n: n != "id"
)


@given(
    values=st.dictionaries(NAMES, SCALARS, max_size=6),
    key=st.integers(0, 2**64 - 1) | st.text(min_size=1, max_size=200),
)
def test_nothing_is_coerced_but_an_integer_id(values: dict[str, object], key: int | str) -> None:
    become = mapping().read(record({**values, "id": key}))
    assert isinstance(become, Event)
    assert become.id == str(key)
    assert same_json(orjson.loads(become.body), {**values, "id": str(key)})


# Ids and order keys


def test_an_event_carries_its_record_its_id_and_its_key() -> None:
    given_record = record({"id": 12345})
    assert mapping().read(given_record) == Event(
        record=given_record, id="12345", order_key=b"key", body=b'{"id":"12345"}'
    )


@pytest.mark.parametrize(("key", "order_key"), [(None, "Ås".encode()), (b"", b""), (b"\xff", b"\xff")])
def test_the_order_key_is_the_records_key_and_without_one_the_id(key: bytes | None, order_key: bytes) -> None:
    become = mapping().read(record({"id": "Ås"}, key))
    assert isinstance(become, Event)
    assert become.order_key == order_key


# Images


GOOD, WRONG = "https://a.example/p.png", "https://a.example/p.PNG"


def test_good_images_are_sent_and_absent_ones_are_not_missed() -> None:
    become = mapping(images=("photo", "logo")).read(record({"id": "1", "photo": GOOD, "other": WRONG}))
    assert sent(become) == {"id": "1", "photo": GOOD, "other": WRONG}


@pytest.mark.parametrize("link", [WRONG, "", 7, True])
def test_a_bad_image_refuses_the_event_or_is_left_out_as_configured(link: object) -> None:
    event = record({"id": "1", "photo": link, "logo": GOOD, "name": "Kari"})
    refused = refusal(mapping(images=("logo", "photo")).read(event))
    assert (refused.reason, refused.id) == (Reason.BAD_IMAGE, "1")
    assert "'photo'" in refused.detail
    kept = mapping(images=("logo", "photo"), on_bad_image="drop").read(event)
    assert sent(kept) == {"id": "1", "logo": GOOD, "name": "Kari"}
    assert isinstance(kept, Event)
    (dropped,) = kept.dropped
    assert dropped.name == "photo"
    assert dropped.host == ("a.example" if link == WRONG else None)
    assert refused.detail.endswith(dropped.detail)


def test_images_are_those_of_the_mapped_names() -> None:
    one = mapping(properties={"id": "id", "photo": "links[0]"}, images=("photo",))
    assert sent(one.read(record({"id": "1", "links": [GOOD]}))) == {"id": "1", "photo": GOOD}
    assert refusal(one.read(record({"id": "1", "links": [[GOOD]]}))).reason is Reason.BAD_IMAGE
    assert sent(one.read(record({"id": "1", "links": []}))) == {"id": "1"}


def looked_at(become: Event | Unsendable | Skipped) -> ImageLinks | None:
    assert isinstance(become, Event), become
    return become.images


def test_only_where_they_are_fetched_and_there_are_images_to_be_looked_at() -> None:
    event = record({"id": "1", "photo": GOOD, "logo": GOOD + "?2", "name": "Kari"})
    names = ("logo", "photo", "absent")
    assert looked_at(mapping(images=names).read(event)) is None
    assert looked_at(mapping(images=("absent",), fetch_images=True).read(event)) is None
    expected = (("logo", GOOD + "?2"), ("photo", GOOD))
    assert looked_at(mapping(images=names, fetch_images=True).read(event)) == ImageLinks(expected, drop=False)


def test_an_image_with_a_bad_name_is_refused_or_dropped_and_not_looked_at() -> None:
    event = record({"id": "1", "photo": WRONG, "logo": GOOD})
    fetched = mapping(images=("logo", "photo"), fetch_images=True)
    assert refusal(fetched.read(event)).reason is Reason.BAD_IMAGE
    dropping = replace(fetched, on_bad_image="drop")
    become = dropping.read(event)
    assert looked_at(become) == ImageLinks((("logo", GOOD),), drop=True)
    assert isinstance(become, Event)
    assert [each.name for each in become.dropped] == ["photo"]


# Any bytes at all


MAPPINGS = [
    mapping(),
    mapping(where="a", tombstones="skip"),
    mapping(properties={"id": "id", "a": "a.b", "all": "@", "n": "to_number(a)"}),
    mapping(where="length(a) > `0`", properties={"id": "id || a", "s": "sum(b)", "j": "join(',', b)"}),
    mapping(images=("a", "b"), on_bad_image="drop"),
    mapping(properties={"id": "to_string(@)", "a": "sort_by(b, &id)", "r": "reverse(a)"}, images=("a",)),
]
EVENTS = st.dictionaries(
    st.sampled_from(["id", "a", "b", "c"]) | st.text(max_size=5), JSON_VALUES, max_size=5
)
DOCUMENTS = (EVENTS | JSON_VALUES).map(orjson.dumps)
DAMAGED = st.tuples(DOCUMENTS, st.integers(0, 200), st.binary(max_size=4)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)


@given(
    one=st.sampled_from(MAPPINGS),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary() | DOCUMENTS | DAMAGED,
)
@example(one=MAPPINGS[2], key=None, value=b'{"id":' + b"9" * 5000 + b"}")
@example(one=MAPPINGS[3], key=None, value=b'{"id":"1","a":"' + b"\\u0000" * 50_000 + b'"}')
def test_any_record_at_all_becomes_something(one: Mapping, key: bytes | None, value: bytes | None) -> None:
    given_record = record(value, key)
    become = one.read(given_record)
    match become:
        case Event():
            body = orjson.loads(become.body)
            assert become.record is given_record
            assert body["id"] == become.id != ""
            assert become.order_key == (become.id.encode() if key is None else key)
            assert len(become.body) <= MAX_REQUEST
        case Unsendable():
            assert become.detail
        case Skipped():
            assert become.reason in (Reason.FILTERED, Reason.TOMBSTONE)


@given(value=st.binary() | DOCUMENTS | DAMAGED)
def test_a_value_is_parsed_as_the_object_that_it_is_or_has_a_reason(value: bytes) -> None:
    parsed = parse(value)
    if isinstance(parsed, Unsendable):
        assert parsed.reason in (
            Reason.NOT_JSON,
            Reason.NOT_AN_OBJECT,
            Reason.TOO_DEEP,
            Reason.NUMBER_OUT_OF_RANGE,
        )
    else:
        assert parsed == orjson.loads(value)


def test_a_record_that_could_not_be_decoded_is_refused_and_never_taken_for_an_empty_one() -> None:
    found = mapping(tombstones="skip").read(replace(record(None, None), unreadable="no UTF-8"))
    assert (refusal(found).reason, refusal(found).detail) == (Reason.UNREADABLE, "no UTF-8")


# Receivers


def receivers(**settings: Any) -> Mapping:
    fields = {"first_name": "name", "customer_id": "id", "phone": "phone"}
    return replace(mapping(properties=fields), receiver=ReceiverRules(), **settings)


def compiled(**paths: str) -> Any:
    return tuple((name, jmespath.compile(path)) for name, path in paths.items())


def test_a_receiver_has_its_fields_and_in_extra_args_what_else_the_film_uses() -> None:
    reader = receivers(extra_args=compiled(city="address.city", age="age", nothing="not.there"))
    become = reader.read(record({"name": "Ada", "id": 7, "address": {"city": "Oslo"}, "age": 36}))
    assert sent(become) == {
        "first_name": "Ada",
        "customer_id": "7",
        "extra_args": {"city": "Oslo", "age": 36},
    }
    assert isinstance(become, Event)
    assert (become.id, become.order_key) == ("7", b"key")


def test_a_receiver_without_a_customer_id_is_in_no_ones_way() -> None:
    become = receivers().read(record({"name": "Ada"}, key=None))
    assert isinstance(become, Event)
    assert (become.id, become.order_key) == ("", b"events/0/7")
    assert refusal(receivers().read(record({"phone": "1"}))).id is None


def test_a_receiver_as_it_is_may_nest_in_extra_args_alone() -> None:
    as_it_is = replace(receivers(), properties=None)
    event = {"first_name": "Ada", "extra_args": {"city": "Oslo"}}
    assert sent(as_it_is.read(record(event))) == event
    assert refusal(as_it_is.read(record(event | {"email": ["x"]}))).reason is Reason.MAPPING_FAILED
    assert refusal(mapping().read(record({"id": "1", **event}))).reason is Reason.MAPPING_FAILED


@pytest.mark.parametrize("on_bad_image", ["reject", "drop"])
def test_an_image_of_a_receiver_may_stand_in_extra_args(on_bad_image: Literal["reject", "drop"]) -> None:
    reader = receivers(
        extra_args=compiled(photo="photo", city="city"), images=("photo",), on_bad_image=on_bad_image
    )
    good = {"name": "Ada", "photo": "https://images.example.com/a.png", "city": "Oslo"}
    fetching = replace(reader, fetch_images=True).read(record(good))
    assert isinstance(fetching, Event)
    assert fetching.images is not None
    assert fetching.images.links == (("photo", good["photo"]),)
    bad = reader.read(record(good | {"photo": "https://images.example.com/a.gif"}))
    if on_bad_image == "reject":
        assert refusal(bad).reason is Reason.BAD_IMAGE
    else:
        assert sent(bad) == {"first_name": "Ada", "extra_args": {"city": "Oslo"}}
        assert isinstance(bad, Event)
        assert [(each.name, each.host) for each in bad.dropped] == [("photo", "images.example.com")]


def test_regression_an_image_that_is_null_is_none_and_is_sent_as_it_came() -> None:
    event = record({"id": "1", "photo": None})
    for on_bad_image in ("reject", "drop"):
        become = mapping(images=("photo",), on_bad_image=on_bad_image, fetch_images=True).read(event)
        assert isinstance(become, Event)
        assert (become.body, become.images, become.dropped) == (b'{"id":"1","photo":null}', None, ())
