"""Parts of HTTP that are broken, or that one server reads in another way than the next."""

from __future__ import annotations

ENCODINGS = (
    b"xchunked",
    b"chunked, identity",
    b"identity, chunked",
    b"gzip, chunked",
    b"gzip",
    b"CHUNKED",
    b"chunked;q=1",
    b'"chunked"',
    b"\x0bchunked",
    b"chunked\x0b",
    b"chunk\xc3\xa9d",
    b" chunked ",
    b"",
    b"identity",
    b"chunked, chunked",
    b"chunked\x00",
    b",",
)
"""Values of Transfer-Encoding."""

LINES = (
    b"NoColon",
    b": no name",
    b" Folded: 1",
    b"X: 1\r\n folded",
    b"X\x00: 1",
    b"X: \x00",
    b"X: \x7f",
    b"X : 1",
    b"X\t: 1",
    b"\xff: 1",
    b"X: a\rb",
    b"X: a\nAuthorization: Bearer x",
    b"X(1): 1",
    b"Expect: 100-continue, 100-continue",
    b"Expect: \xff",
    b"Connection: \xff",
    b"X" * 10_000 + b": 1",
    b"X: " + b"x" * 10_000,
    b"\r\nX: 1",
    b"Content-Length\x20: 5",
    b"Host: a b\xff",
    b"Content-Type: \x01",
)
"""Lines of a head."""

STARTS = (
    b"POST http://localhost%s HTTP/1.1",
    b"POST https://evil.example%s HTTP/1.1",
    b"POST http://[::1%s HTTP/1.1",
    b"POST //evil%s HTTP/1.1",
    b"POST http://a:b@c:99999%s HTTP/1.1",
    b"POST http://x:y%s HTTP/1.1",
    b"POST *%s HTTP/1.1",
    b"CONNECT localhost:80 HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"POST %s",
    b"POST %s HTTP/1.0",
    b"POST %s HTTP/2.0",
    b"POST %s HTTP/0.9",
    b"POST %s HTTP/1.10",
    b"POST %s http/1.1",
    b"POST %s HTTP/1.1 ",
    b"POST  %s HTTP/1.1",
    b" POST %s HTTP/1.1",
    b"\r\n\r\nPOST %s HTTP/1.1",
    b"POST\t%s\tHTTP/1.1",
    b"P\x00ST %s HTTP/1.1",
    b"POST %s\x00 HTTP/1.1",
    b"POST %s%%00 HTTP/1.1",
    b"POST %s\xff HTTP/1.1",
    b"POST /x?%s HTTP/1.1",
    b"POST x%s HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"POST %s#/../../open HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01",
    b"POST http://%s HTTP/1.1",
    b"POST ?%s HTTP/1.1",
    b"POST %s HTTP/9" + b"9" * 500,
    b"M" * 500 + b" %s HTTP/1.1",
)
"""First lines; `%s` is the path."""

UPGRADES = (
    (
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
    ),
    (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    (b"Connection: upgrade", b"Upgrade: \xff"),
    (b"Connection: close, keep-alive", b"Upgrade: tcp"),
)
"""Headers that ask for another protocol."""


def lengths(size: int) -> tuple[bytes, ...]:
    """Values of Content-Length for a body of `size` bytes."""
    return (
        b"-1",
        b"+%d" % size,
        b"%d, %d" % (size, size),
        b"%d,%d" % (size, size + 1),
        b"0x%x" % size,
        b"1e3",
        b"",
        b" ",
        b"9" * 25,
        b"9" * 5_000,
        b"18446744073709551616",
        b"4294967296",
        b"%d " % size,
        b"\t%d" % size,
        b"%d\x00" % size,
        b"%d.0" % size,
        b"\xc2\xb2",
        "\N{ARABIC-INDIC DIGIT FIVE}".encode(),
        b"00%d" % size,
        b"%d;x" % size,
        b"1_0",
        b"-0",
        b"1",
    )


def chunk_bodies(content: bytes) -> tuple[bytes, ...]:
    """`content`, in chunks that are none."""
    size = b"%x" % len(content)
    whole = size + b"\r\n" + content + b"\r\n0\r\n\r\n"
    return (
        b"-1\r\n" + content,
        b"0x" + whole,
        b"+" + whole,
        b" " + whole,
        b"f" * 17 + b"\r\n" + content,
        b"g\r\n" + content,
        b"\r\n" + content,
        size + b"\n" + content + b"\n0\n\n",
        size + b"\r" + content,
        whole[:-4],
        whole[:-2],
        whole[: len(whole) // 2],
        b"0\r\n",
        size + b"\r\n" + content + b"XX0\r\n\r\n",
        size + b";" + b"x" * 20_000 + b"\r\n" + content,
        size + b";\n\r\n" + content,
        b"1\r\n" + content + b"\r\n0\r\n\r\n",
        b"%x\r\n" % (len(content) + 100) + content + b"\r\n0\r\n\r\n",
        b"1\r\n{\r\n" * 5_000,
        whole[:-2] + b"X: " + b"t" * 20_000 + b"\r\n\r\n",
        whole[:-2] + b"Content-Length: 5\r\n\r\n",
        whole[:-2] + b" folded\r\n\r\n",
        whole[:-2] + b"T: 1\r\n" * 1_000 + b"\r\n",
        size + b"_\r\n" + content + b"\r\n0\r\n\r\n",
        b"\xff\r\n",
        size + b"\x00\r\n" + content,
    )
