"""Where a request ends in what comes over a connection, counted beside the parser.

The parser takes what RFC 9112 lets a recipient ignore: extensions of chunks, and fields after
the last of them. Two readers that ignore them differently see two ends, so both are refused
here, before the parser reads on.
"""

import re
from enum import Enum, auto

_END_OF_HEAD = b"\r\n\r\n"
_MAX_SIZE_LINE = 18  # 16 digits and the end of the line
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")


class FramingError(Exception):
    """The bytes are no body of which every reader sees the same end."""


class Head:
    """Looks for the empty line that ends a head, wherever the bytes are divided."""

    def __init__(self) -> None:
        self._last = b""

    def part(self, data: bytes, at: int) -> tuple[int, bool]:
        """How far the head reaches in the data from `at` on, and whether it ends there."""
        across = (self._last + data[at : at + 3]).find(_END_OF_HEAD)
        if across >= 0:
            end = at + across + len(_END_OF_HEAD) - len(self._last)
        else:
            found = data.find(_END_OF_HEAD, at)
            if found < 0:
                self._last = (self._last + data[at:][-3:])[-3:]
                return len(data), False
            end = found + len(_END_OF_HEAD)
        self._last = b""
        return end, True


class Sized:
    """A body of a number of bytes that its head has told."""

    def __init__(self, size: int) -> None:
        self._left = size

    def part(self, data: bytes, at: int) -> int:
        """How far the body reaches in the data from `at` on."""
        taken = min(self._left, len(data) - at)
        self._left -= taken
        return at + taken


class _Expects(Enum):
    SIZE = auto()
    DATA = auto()
    AFTER_DATA = auto()
    END = auto()


class Chunked:
    """A body in chunks (RFC 9112, section 7.1) without extensions and without trailers."""

    def __init__(self) -> None:
        self._expects = _Expects.SIZE
        self._line = b""
        self._left = 0

    def part(self, data: bytes, at: int) -> int:
        """As of `Sized`.

        Raises:
            FramingError: A line between the chunks is not exactly the one that is needed.
        """
        is_over = False
        while at < len(data) and not is_over:
            if self._expects is _Expects.DATA:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
                if not self._left:
                    self._expects = _Expects.AFTER_DATA
            else:
                end = data.find(b"\n", at, at + _MAX_SIZE_LINE) + 1
                is_whole = end > 0
                end = end or min(len(data), at + _MAX_SIZE_LINE)
                self._line += data[at:end]
                at = end
                if is_whole:
                    is_over = self._read_line()
                elif len(self._line) >= _MAX_SIZE_LINE:
                    raise FramingError
        return at

    def _read_line(self) -> bool:
        """Take the line that is complete; whether the body ends with it."""
        line, self._line = self._line, b""
        if self._expects is not _Expects.SIZE:
            if line != b"\r\n":
                raise FramingError
            is_over = self._expects is _Expects.END
            self._expects = _Expects.SIZE
            return is_over
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise FramingError
        self._left = int(found[1], 16)
        self._expects = _Expects.DATA if self._left else _Expects.END
        return False


Body = Sized | Chunked
