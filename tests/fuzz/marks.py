"""The number of a call, written in white space, so that it changes nothing of what a body means, and is found again in
what was published of that body, whatever that was.
"""

from __future__ import annotations

import re

_DIGITS = b" \t\n\r"
_SIGN = b"\t \n\r\t\r\n "
_LENGTH = 12
_MARK = re.compile(re.escape(_SIGN) + rb"([ \t\n\r]{%d})" % _LENGTH)

MOST = 4**_LENGTH
"""Numbers are below this."""


def mark(number: int) -> bytes:
    """White space that says `number`. Raises ValueError from `MOST` on."""
    if not 0 <= number < MOST:
        raise ValueError(f"no number of a call: {number}")
    places = (number >> 2 * place & 3 for place in reversed(range(_LENGTH)))
    return _SIGN + bytes(_DIGITS[digit] for digit in places)


def marked(content: bytes) -> int | None:
    """The first number that `content` says, None where it says none."""
    found = _MARK.search(content)
    if found is None:
        return None
    number = 0
    for digit in found[1]:
        number = number * 4 + _DIGITS.index(digit)
    return number
