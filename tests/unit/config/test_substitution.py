from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config.substitution import substitute

ENVIRON = {"HOST": "kafka", "PORT": "9092", "EMPTY": "", "TRICKY": "${HOST} $${HOST}"}
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${HOST}", "kafka"),
        ("${HOST}:${PORT}", "kafka:9092"),
        ("${NOWHERE:-localhost}", "localhost"),
        ("${NOWHERE:-}", ""),
        ("${EMPTY:-localhost}", "localhost"),
        ("${EMPTY:-}", ""),
        ("${HOST:-localhost}", "kafka"),
        ("${NOWHERE:-a:-b}", "a:-b"),
        ("$${HOST}", "${HOST}"),
        ("$HOST costs $5 or $$", "$HOST costs $5 or $$"),
        ("${TRICKY}", "${HOST} $${HOST}"),
    ],
)
def test_references_are_replaced(text: str, expected: str) -> None:
    substituted = substitute(text, ENVIRON)
    assert (substituted.text, substituted.mistakes) == (expected, ())


def test_every_missing_variable_of_a_text_is_named() -> None:
    assert substitute("${A}${HOST}${EMPTY}", ENVIRON).mistakes == (
        "the environment variable A is not set",
        "the environment variable EMPTY is empty",
    )


@pytest.mark.parametrize("text", ["${", "${HOST", "${}", "${1}", "${HO ST}", "${HOST-x}"])
def test_what_is_no_reference_is_a_mistake_and_says_how_to_write_it(text: str) -> None:
    (message,) = substitute(text, ENVIRON).mistakes
    assert "write '$${'" in message


@given(st.text())
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    substituted = substitute(text.replace("${", "$${"), {})
    assert (substituted.text, substituted.mistakes) == (text, ())


@given(
    NAMES,
    st.text(min_size=1),
    st.text(st.characters(exclude_characters="$")),
    st.text(st.characters(exclude_characters="$")),
)
def test_a_value_is_put_in_untouched(name: str, value: str, before: str, after: str) -> None:
    substituted = substitute(f"{before}${{{name}}}{after}", {name: value})
    assert (substituted.text, substituted.mistakes) == (before + value + after, ())


@given(st.text(), NAMES, st.text(min_size=1))
def test_no_mistake_holds_a_value(text: str, name: str, value: str) -> None:
    mark = f"canary{value}"
    for message in substitute(f"${{{name}}}{text}${{", {name: mark}).mistakes:
        assert mark not in message
