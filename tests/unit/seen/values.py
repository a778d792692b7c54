"""Values for properties to be tried with."""

from __future__ import annotations

from hypothesis import strategies as st

INTEGERS = st.integers(-(2**63), 2**64 - 1)
"""Those that JSON carries without losing digits."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
"""Whatever a JSON document can hold."""
