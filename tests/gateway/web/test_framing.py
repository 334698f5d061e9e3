"""Where a body ends does not depend on how its bytes are divided, and what two readers could
end in two places has no end at all."""

import pytest

from gateway.web.framing import Chunked, FramingError, Head, Sized

WHOLE = b"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n"


def ends(body: Chunked | Sized, data: bytes, step: int) -> int:
    """Where the body ends in the data, given in pieces of so many bytes."""
    at = 0
    while at < len(data):
        piece = data[at : at + step]
        taken = body.part(piece, 0)
        at += taken
        if taken < len(piece):
            return at
    return at


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_chunks_end_where_the_last_of_them_does(step: int) -> None:
    body, at = Chunked(), 0
    rest = WHOLE + b"GET / HTTP/1.1\r\n"
    while at < len(WHOLE):
        at += body.part(rest[at : at + step], 0)
    assert at == len(WHOLE)


def test_a_body_of_a_size_ends_after_that_many_bytes() -> None:
    body = Sized(10)
    assert (body.part(b"1234", 0), body.part(b"xx567890GET", 2), body.part(b"GET", 0)) == (4, 8, 0)


@pytest.mark.parametrize("step", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "chunks",
    [
        b"5;x=1\r\nhello\r\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n\n", b"0;x\r\n\r\n",
        b"\r\n", b"x\r\n", b"-5\r\n", b"+5\r\n", b"0x5\r\n", b"5\r\r\n", b"\n", b"\x00\r\n",
        b"11111111111111111\r\n", b"5" * 40, b"5\r\nhello\r\n0\r\nA", b"5_0\r\n",
        b"\xef\xbc\x95\r\n",
    ],
)  # fmt: skip
def test_chunks_with_anything_besides_have_no_end(chunks: bytes, step: int) -> None:
    with pytest.raises(FramingError):
        ends(Chunked(), chunks + b"\r\n" * 20, step)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 100])
def test_a_head_ends_with_its_empty_line_however_it_is_divided(step: int) -> None:
    data = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    head, at = Head(), 0
    rest = data + b"body"
    while True:
        taken, is_whole = head.part(rest[at : at + step], 0)
        at += taken
        if is_whole:
            break
    assert at == len(data)
    assert head.part(data, 0) == (len(data), True)


def test_what_only_resembles_an_empty_line_is_none() -> None:
    for data in (b"a\r\n\n", b"a\n\n", b"a\r\r\n", b"a\r\n", b"a\r\n \r\n", b"\r\n"):
        assert Head().part(data, 0) == (len(data), False)
