"""Source text and places in it."""

from bisect import bisect_right
from dataclasses import dataclass, field

from dsl.printable import printable


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
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
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
    def position(self) -> tuple[int, int]:
        """Line and column of the start, both counted from 1."""
        return self.source.position(self.start)
