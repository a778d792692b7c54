"""What Braze posts, sound and faulty: objects, arrays of receivers, and what is hardly either."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.fuzz import bodies
from tests.fuzz.bodies import CUSTOMER
from tests.fuzz.marks import mark

if TYPE_CHECKING:
    from random import Random

_WHO = CUSTOMER.decode()
_VALUES = (
    b"7",
    b"-0.5",
    b"1e3",
    b"true",
    b"null",
    b'""',
    b'"\\ud83d\\ude00"',
    '"å\N{SNOWMAN}"'.encode(),
    b'"{[,"',
)
_FAULTY_OBJECTS = (
    b"{}",
    b'{"id":null}',
    b'{"id":""}',
    b'{"id":1.5}',
    b'{"id":true}',
    b'{"id":["1"]}',
    b'{"id":"%s"}' % (b"i" * 1_025),
    b'{"id":"1","":1}',
    b'{"id":"1","%s":1}' % (b"n" * 257),
    b'{"id":"1","a\\u0000":1}',
    b'{"id":"1","x":{}}',
    b'{"id":"1","x":[1]}',
    b'{"id":"1","id":null}',
    b'{"id":"1","x":18446744073709551616000}{',
    b"7",
    b"[]",
    b'[{"id":"1"}]',
    b"",
)
_FAULTY_RECEIVERS = (
    b"{}",
    b'{"customer_id":"1"}',
    b'{"first_name":""}',
    b'{"first_name":null}',
    b'{"first_name":7}',
    b'{"first_name":"A","phone":"0047"}',
    b'{"first_name":"A","email":"no address"}',
    b'{"first_name":"A","customer_id":1.5}',
    b'{"first_name":"A","customer_id":"%s"}' % (b"i" * 1_025),
    b'{"first_name":"A","a b":1}',
    b'{"first_name":"A","extra_args":[]}',
    b'{"first_name":"A","extra_args":{"a.b":1}}',
    b'{"first_name":"A","x":{}}',
    b"7",
    b"null",
    b'"]"',
    b"[]",
    b'[{"first_name":"A"}]',
)
_MOST_OF_AN_ARRAY = 1_000
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


class Posted(NamedTuple):
    """A body. `items` are the parts of it of which a record each may come; `sound` says which of them SEEN takes, None where
    nobody knows.
    """

    content: bytes
    items: tuple[bytes, ...]
    sound: tuple[bool, ...] | None = None


def sound(rng: Random, number: int, *, is_array: bool) -> Posted:
    """A body that must be taken."""
    if is_array:
        return _array(rng, number, [(_receiver(rng, number), True)])
    return _object(number, _data(rng, number), is_sound=True)


def posted(rng: Random, number: int, pool: list[bytes], *, is_array: bool) -> Posted:
    """A body of all kinds; each object in it has the `number` at its beginning."""
    chance = rng.random()
    if is_array and chance < 0.6:
        size = rng.choice((1, 1, 1, 2, 3, 10)) if chance < 0.59 else rng.choice((200, _MOST_OF_AN_ARRAY))
        faulty = rng.choice((0.0, 0.0, 0.3, 1.0))
        items = [
            (rng.choice(_FAULTY_RECEIVERS), False)
            if rng.random() < faulty
            else (_receiver(rng, number), True)
            for _ in range(size)
        ]
        return _array(rng, number, items)
    if is_array:
        return of_any(
            number, bodies.body(rng, number, pool) if chance < 0.8 else _hardly(rng, number), is_array=True
        )
    if chance < 0.35:
        return sound(rng, number, is_array=False)
    if chance < 0.6:
        return _object(number, rng.choice(_FAULTY_OBJECTS), is_sound=False)
    return of_any(number, bodies.body(rng, number, pool), is_array=False)


def of_any(number: int, content: bytes, *, is_array: bool) -> Posted:
    """`content` with the number in it; what stands in it is found by reading it."""
    if is_array and (split := _split(content)):
        items = tuple(_numbered(each, number) for each in split)
        return Posted(mark(number) + b"[" + b",".join(items) + b"]", items)
    marked = content + mark(number) if content[:1] in (b"\xef", b"\xff") else mark(number) + content
    return Posted(marked, () if is_array else (marked,))


def _data(rng: Random, number: int) -> bytes:
    id_ = rng.choice((b'"%d"' % number, b"%d" % number, b'"c%d"' % (number % 7)))
    more = b"".join(b',"p%d":%s' % (place, rng.choice(_VALUES)) for place in range(rng.randrange(4)))
    return b'{"id":%s,"first_name":"%s"%s}' % (id_, CUSTOMER, more)


def _receiver(rng: Random, number: int) -> bytes:
    fields: dict[str, object] = {"first_name": _WHO}
    if rng.random() < 0.8:
        fields["customer_id"] = rng.choice((str(number), number, f"c{rng.randrange(7)}", None, ""))
    if rng.random() < 0.5:
        fields |= rng.choice(
            ({"email": f"{_WHO}@example.com"}, {"phone": "+4791234567"}, {"email": None}, {"phone": ""})
        )
    if rng.random() < 0.3:
        fields["extra_args"] = {"colour": "] , [", "n": rng.random()}
    return json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode()


def _object(number: int, text: bytes, *, is_sound: bool) -> Posted:
    content = mark(number) + text
    return Posted(content, (content,), (is_sound,))


def _array(rng: Random, number: int, each: list[tuple[bytes, bool]]) -> Posted:
    items = tuple(_numbered(text, number) for text, _ in each)
    comma = rng.choice((b",", b" ,\n\t"))
    content = mark(number) + rng.choice((b"[", b" [\r\n")) + comma.join(items) + rng.choice((b"]", b"\t] \n"))
    return Posted(content, items, tuple(is_sound for _, is_sound in each))


def _hardly(rng: Random, number: int) -> bytes:
    """Hardly an array."""
    one = _receiver(rng, number)
    many = b"[" + b",".join([one] * (_MOST_OF_AN_ARRAY + 1)) + b"]"
    nested = b'[{"first_name":"A","extra_args":{"x":%s1%s}}]' % (b"[" * 1_018, b"]" * 1_018)
    forms = (
        b"[]",
        b"[%s",
        b"%s",
        b"[%s,]",
        b"[,%s]",
        b"[%s]]",
        b"[%s] [%s]",
        b"[%s %s]",
        b'{"a":[%s]}',
        b"[[%s]]",
        b"\xef\xbb\xbf[%s]",
    )
    return rng.choice((*(form.replace(b"%s", one) for form in forms), many, nested))


def _numbered(item: bytes, number: int) -> bytes:
    return b"{" + mark(number) + item[1:] if item[:1] == b"{" else item


def _split(content: bytes) -> list[bytes]:
    """The items of an array; none of what is no array, and of what it would take a parser to tell."""
    items: list[bytes] = []
    try:
        text = content.decode().strip(" \t\n\r")
        if text[:1] != "[" or text[-1:] != "]":
            return []
        place = 1
        while place < len(text):
            start = _after_space(text, place)
            _, end = _DECODER.raw_decode(text, start)
            items.append(text[start:end].encode())
            place = _after_space(text, end) + 1
            if text[place - 1] not in (",", "]") or (text[place - 1] == "]" and place != len(text)):
                return []
    except (ValueError, RecursionError, IndexError):
        return []
    return items


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()
