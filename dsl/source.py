"""Source text and places in it."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from dsl.printable import printable

_COMMENT = re.compile(r'("[^"\n]*")|#[^\n]*')


@dataclass(frozen=True)
class SourceText:
    """The text of one charter file.

    `name` identifies it in a bundle; `path` is where a person finds it, if that differs.
    """

    name: str
    text: str
    path: str = ""
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        object.__setattr__(self, "_starts", tuple(starts))

    @property
    def shown(self) -> str:
        """How people are told of the file."""
        return printable(self.path or self.name)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")

    def span(self, start: int, end: int) -> "Span":
        return Span(self, start, end)


@dataclass(frozen=True)
class Span:
    """A stretch of source, from `start` up to but without `end`, in characters."""

    source: SourceText = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def words(self) -> str:
        """The same as people are told of it: in one line, without comments."""
        return " ".join(_COMMENT.sub(lambda match: match[1] or " ", self.text).split())

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the start, both counted from 1."""
        return self.source.position(self.start)


def not_utf8(data: bytes) -> str:
    """What is wrong with bytes that are not UTF-8 text, and how to mend it, in one line.

    Called where decoding them failed.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"this is not UTF-8 text but UTF-16, which some editors call Unicode; {_SAVE}"
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"{\\rtf")):
        return f"this is not UTF-8 text but a document of a word processor; {_SAVE}"
    place = _first_fault(data)
    if place is None or b"\0" in data:
        return f"this is not UTF-8 text: it holds bytes that no text has; {_SAVE}"
    line = data.count(b"\n", 0, place) + 1
    try:
        shown = data[place : place + 1].decode("cp1252")
    except UnicodeDecodeError:
        return f"this is not UTF-8 text: line {line} holds the byte {data[place]:#04x}; {_SAVE}"
    word = _word_around(data, place)
    return (
        f"this is not UTF-8 text: `{printable(shown)}` on line {line}{word} is written as in "
        f"Latin-1 (Windows-1252); {_SAVE}, or run `iconv -f WINDOWS-1252 -t UTF-8`"
    )


_SAVE = "save the file again as plain text, with the encoding UTF-8"


def _first_fault(data: bytes) -> int | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _word_around(data: bytes, place: int) -> str:
    """The word in which a byte stands, if it is a short one of letters."""
    text = data[max(0, place - 20) : place + 20].decode("cp1252", "replace")
    before = min(place, 20)
    if not text[before].isalpha():
        return ""
    start, end = before, before
    while start > 0 and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    return f" (`{text[start:end]}`)" if end - start > 1 else ""
