"""Where the text of a charter can be cut, so that reading it piece by piece comes to the same
as reading it whole.

A cut is at a word that begins a declaration where it is the first of its line. No string and
no remark is longer than a line, so that no token stands across a cut but a phrase of several
words; of those only `time zone` has such a word after its first, and is never cut. The lexer
knows no context. Hence the tokens of the pieces are those of the whole, and where the first
piece is a head and every other a row of declarations, the whole is what the grammar, which is
free of conflicts, makes of head and declarations. Where a piece is anything else (a word at
the beginning of a line was the name of a value) nothing is known of the whole.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from functools import cache
from operator import attrgetter
from typing import TypeVar, cast

from dsl.source import SourceText, Span
from dsl.words import DECLARATIONS

_CUT = re.compile(rf"^[ \t]*({'|'.join(DECLARATIONS)})(?![\w.-])", re.MULTILINE)
# What is nowhere in particular, and most of a tree.
_PLACELESS = frozenset({str, int, bool, type(None), date, frozenset})
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    start: int
    text: str


def cut(text: str) -> tuple[Piece, ...]:
    """The pieces of a text, which put together are the text; the first is the head."""
    starts = [0]
    starts.extend(found.start(1) for found in _CUT.finditer(text) if not _in_phrase(text, found))
    ends = [*starts[1:], len(text)]
    return tuple(Piece(start, text[start:end]) for start, end in zip(starts, ends, strict=True))


def _in_phrase(text: str, found: re.Match[str]) -> bool:
    """Whether the word may be the second of `time zone`."""
    if found[1] != "zone":
        return False
    end = found.start()
    while end > 0 and text[end - 1] in " \t\r\n":
        end -= 1
    return text.endswith("time", 0, end)


def moved(part: T, source: SourceText, by: int) -> T:
    """A part of a tree as it is where the same text stands `by` characters further on, in
    `source`."""
    return cast("T", _Mover(source, by).moved(part))


class _Mover:
    def __init__(self, source: SourceText, by: int) -> None:
        self._source = source
        self._by = by

    def moved(self, part: object) -> object:
        kind = type(part)
        if kind is Span:
            span = cast("Span", part)
            return Span(self._source, span.start + self._by, span.end + self._by)
        if kind is tuple:
            return tuple([self.moved(one) for one in cast("tuple[object, ...]", part)])
        values = _values(kind)
        if values is None:
            return part
        return kind(*[one if type(one) in _PLACELESS else self.moved(one) for one in values(part)])


@cache
def _values(kind: type) -> Callable[[object], Sequence[object]] | None:
    """What a node of this kind is made of, in order; None for what has no place."""
    if not is_dataclass(kind):
        return None
    names = [field.name for field in fields(kind)]
    if len(names) == 1:
        return lambda node: (getattr(node, names[0]),)
    return attrgetter(*names)
