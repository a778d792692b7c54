"""One receiver: what SEEN would refuse is refused before a call is spent, each with its own reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.receiver import ReceiverRules
from connector.types import Reason, Unsendable
from tests.unit.seen.values import JSON_VALUES

ANYONE = ReceiverRules()
SENDS = ReceiverRules(delivery_by_seen=True)
JOHN: dict[str, Any] = {
    "first_name": "John",
    "last_name": "Rowley",
    "email": "john.rowley@seen.io",
    "phone": "+4745860321",
    "customer_id": "100",
    "extra_args": {"gender": "male", "city": "Oslo"},
}


def refusal(fields: dict[str, Any], rules: ReceiverRules = ANYONE) -> Reason:
    found = rules.checked(fields)
    assert isinstance(found, Unsendable), found
    return found.reason


def test_the_documents_example_is_taken_as_it_is() -> None:
    assert ANYONE.checked(JOHN) == JOHN
    assert SENDS.checked(JOHN) == JOHN


def test_a_first_name_is_enough_and_null_is_as_good_as_absent() -> None:
    assert ANYONE.checked({"first_name": "Ada", "phone": None, "email": None}) == {"first_name": "Ada"}


def test_an_integer_customer_id_becomes_its_decimal_string_and_nothing_else_is_coerced() -> None:
    assert ANYONE.checked({"first_name": "Ada", "customer_id": 101}) == {
        "first_name": "Ada",
        "customer_id": "101",
    }
    assert refusal({"first_name": "Ada", "customer_id": True}) is Reason.BAD_FIELD
    assert refusal({"first_name": "Ada", "customer_id": 1.5}) is Reason.BAD_FIELD
    assert refusal({"first_name": 7}) is Reason.BAD_FIELD


def test_regression_an_empty_customer_id_names_nobody_and_is_left_out() -> None:
    assert ANYONE.checked({"first_name": "Ada", "customer_id": ""}) == {"first_name": "Ada"}


@pytest.mark.parametrize("fields", [{}, {"first_name": ""}, {"first_name": None}, {"last_name": "Lovelace"}])
def test_without_a_first_name_it_is_refused(fields: dict[str, Any]) -> None:
    assert refusal(fields) is Reason.NO_FIRST_NAME


@pytest.mark.parametrize("name", ["last-name", "etternavn å", "", "a.b", "navn\n", "٣"])
def test_names_of_fields_are_letters_digits_and_underscores(name: str) -> None:
    assert refusal({**JOHN, name: "x"}) is Reason.BAD_PROPERTY_NAME
    assert refusal({**JOHN, "extra_args": {name: "x"}}) is Reason.BAD_PROPERTY_NAME


@pytest.mark.parametrize(
    "phone",
    [
        "45860321",
        "+47 458 60 321",
        "004745860321",
        "+47",
        "+4745860321x",
        "+1",
        "+999123456789",
        "tel:+4745860321",
    ],
)
def test_a_phone_number_that_is_not_in_the_form_of_e164_is_refused(phone: str) -> None:
    assert refusal({**JOHN, "phone": phone}) is Reason.BAD_PHONE


@pytest.mark.parametrize("phone", ["+4712345678", "+12025550123", "+442079460000", ""])
def test_a_phone_number_in_the_form_of_e164_is_taken(phone: str) -> None:
    assert ANYONE.checked({**JOHN, "phone": phone}) == {**JOHN, "phone": phone}


@pytest.mark.parametrize(
    "email", ["john", "john@", "@seen.io", "john rowley@seen.io", "a@b..c", "john@seen.io\n"]
)
def test_what_is_no_email_address_is_refused_without_repeating_it(email: str) -> None:
    found = ANYONE.checked({**JOHN, "email": email})
    assert isinstance(found, Unsendable)
    assert (found.reason, found.id) == (Reason.BAD_EMAIL, "100")
    assert email not in found.detail.replace("email", "")


def test_an_address_that_is_not_ascii_is_taken() -> None:
    assert not isinstance(ANYONE.checked({**JOHN, "email": "jørgen@blåbær.no"}), Unsendable)


def test_where_seen_sends_the_film_an_address_is_needed_and_either_will_do() -> None:
    nobody = {"first_name": "Ada", "email": "", "phone": None}
    assert refusal(nobody, SENDS) is Reason.NO_ADDRESS
    assert not isinstance(ANYONE.checked(nobody), Unsendable)
    assert not isinstance(SENDS.checked({"first_name": "Ada", "phone": "+4745860321"}), Unsendable)
    assert not isinstance(SENDS.checked({"first_name": "Ada", "email": "ada@seen.io"}), Unsendable)


@pytest.mark.parametrize("extra", [[], "x", 7, True])
def test_extra_args_that_are_no_object_are_refused(extra: object) -> None:
    assert refusal({**JOHN, "extra_args": extra}) is Reason.BAD_FIELD


def test_a_customer_id_has_at_most_1024_bytes() -> None:
    assert not isinstance(ANYONE.checked({**JOHN, "customer_id": "ø" * 512}), Unsendable)
    assert refusal({**JOHN, "customer_id": "ø" * 512 + "x"}) is Reason.ID_TOO_LONG


NAMES = st.sampled_from([*JOHN, "city"]) | st.text(max_size=5)


@given(st.dictionaries(NAMES, JSON_VALUES | st.text(max_size=20), max_size=6), st.booleans())
def test_whatever_comes_is_taken_as_it_is_or_refused_and_never_raises(
    fields: dict[str, Any], delivery_by_seen: bool
) -> None:
    found = ReceiverRules(delivery_by_seen).checked(fields)
    if not isinstance(found, Unsendable):
        same = {name: value for name, value in fields.items() if value is not None and name != "customer_id"}
        assert {name: value for name, value in found.items() if name != "customer_id"} == same
        assert isinstance(found.get("customer_id", ""), str)
