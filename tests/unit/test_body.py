"""A body that is there already when its headers are looked at."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from connector.inbound import answer
from connector.inbound.body import read_body


@pytest.mark.parametrize(("length", "is_taken"), [(0, True), (10, True), (11, False)])
async def test_the_cap_holds_for_what_came_with_the_headers(length: int, *, is_taken: bool) -> None:
    content = StreamReader(Mock(spec=BaseProtocol), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(b"x" * length)
    content.feed_eof()
    found = await read_body(make_mocked_request("POST", "/", payload=content), 10, 5)
    assert found == (b"x" * length if is_taken else answer.too_large(10))
