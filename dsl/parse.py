"""Stage 1: text → tree. Syntax errors become diagnostics, several per file.

Bounded: longer sources, deeper brackets and longer runs of `not` are refused before Lark
sees them; parsing is linear in the length of the text.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import Token

from dsl import syntax_errors
from dsl.after_mistake import without_mistake
from dsl.build_condition import MAX_DEPTH
from dsl.build_tree import build
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label
from dsl.read_pieces import PieceReader
from dsl.read_text import read_charter
from dsl.source import SourceText
from dsl.syntax_errors import Unexpected
from dsl.tree import Charter
from dsl.uncollected import uncollected
from dsl.words import SOFT

# Some six hundred rules of ordinary size.
MAX_SOURCE_CHARACTERS = 768 * 1024
MAX_SYNTAX_ERRORS = 20
# After each syntax error the text is read again without the declaration it is in.
MAX_REREAD_CHARACTERS = 1024 * 1024
# A tree takes some twenty times the room of its text.
MAX_REMEMBERED_CHARACTERS = 4 * 1024 * 1024

_SOFT = frozenset(word.upper() for word in SOFT)
# Control characters, halves of surrogate pairs and non-characters cannot be shown or
# written to a file; bidirectional controls show a rule as another than it is (CVE-2021-42574).
# A carriage return alone ends a line for most editors and none here: a rule below a remark
# would be shown as a rule and read as part of the remark.
_FORBIDDEN = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufffe\uffff]"
)
_NESTING = re.compile(rf'"[^"\n]*"|#[^\n]*|(?P<nots>(?:\bnot\s+){{{MAX_DEPTH + 1},}})|[()]')


@dataclass(frozen=True)
class Parsed:
    """The tree, or None where there are syntax errors."""

    charter: Charter | None
    diagnostics: tuple[Diagnostic, ...]


class _Remembered:
    """What the files that were read last came to. A tree never changes, so that compiling
    again after an edit reads only the file that was edited."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parsed: OrderedDict[SourceText, Parsed] = OrderedDict()
        self._characters = 0

    def get(self, source: SourceText) -> Parsed | None:
        with self._lock:
            if source not in self._parsed:
                return None
            self._parsed.move_to_end(source)
            return self._parsed[source]

    def put(self, source: SourceText, parsed: Parsed) -> None:
        with self._lock:
            if source not in self._parsed:
                self._characters += len(source.text)
            self._parsed[source] = parsed
            while self._characters > MAX_REMEMBERED_CHARACTERS:
                old, _ = self._parsed.popitem(last=False)
                self._characters -= len(old.text)

    def forget(self) -> None:
        with self._lock:
            self._parsed.clear()
            self._characters = 0


_REMEMBERED = _Remembered()
_PIECES = PieceReader(MAX_REMEMBERED_CHARACTERS)


def forget() -> None:
    """Forget the files that were read, as a new process would."""
    _REMEMBERED.forget()
    _PIECES.forget()


def parse(source: SourceText) -> Parsed:
    """The tree of a charter file, with everything wrong in its syntax."""
    parsed = _REMEMBERED.get(source)
    if parsed is None:
        parsed = _parse(source)
        _REMEMBERED.put(source, parsed)
    return parsed


@uncollected()
def _parse(source: SourceText) -> Parsed:
    refused = _refusal(source)
    if refused is not None:
        return Parsed(None, (refused,))
    charter = _PIECES.read(source, _text(source))
    if charter is not None:
        return Parsed(charter, ())
    return _parse_whole(source, _text(source))


def parse_whole(source: SourceText) -> Parsed:
    """The same read at once, with nothing remembered: what reading piece by piece must come
    to."""
    refused = _refusal(source)
    return Parsed(None, (refused,)) if refused else _parse_whole(source, _text(source))


def _text(source: SourceText) -> str:
    # Some editors begin every UTF-8 file with a byte order mark.
    return source.text.replace("\ufeff", " ", 1) if source.text[:1] == "\ufeff" else source.text


def _parse_whole(source: SourceText, text: str) -> Parsed:
    found: list[Diagnostic] = []
    rereads = max(1, MAX_REREAD_CHARACTERS // max(1, len(text)))
    for _ in range(min(MAX_SYNTAX_ERRORS, rereads)):
        try:
            root = read_charter(text)
        except UnexpectedInput as error:
            unexpected = _unexpected(error, len(text))
            found.append(syntax_errors.explain(source, unexpected))
            rest = without_mistake(text, unexpected)
            if rest is None:
                break
            text = rest
            continue
        charter = build(source, root, found)
        if not found:
            return Parsed(charter, ())
        break
    return Parsed(None, tuple(sorted(found, key=Diagnostic.sort_key)))


def _refusal(source: SourceText) -> Diagnostic | None:
    """Why the text is not even read."""
    if len(source.text) > MAX_SOURCE_CHARACTERS:
        return Diagnostic(
            Code.TOO_LARGE,
            f"the file is longer than {MAX_SOURCE_CHARACTERS:,} characters",
            (Label(source.span(0, 0)),),
            help="split the charter into several files and import them",
        )
    forbidden = _FORBIDDEN.search(source.text)
    if forbidden is not None:
        span = source.span(*forbidden.span())
        return Diagnostic(
            Code.CHARACTER,
            f"the file contains the invisible character U+{ord(forbidden[0]):04X}",
            (Label(span),),
            ("what is shown and what is meant could differ",),
            "end the line with a line feed, as on Unix, or with both, as on Windows"
            if forbidden[0] == "\r"
            else "remove it, and save the file as UTF-8 text",
            Fix(span, "\n" if forbidden[0] == "\r" else ""),
        )
    return _too_deep(source)


def _too_deep(source: SourceText) -> Diagnostic | None:
    depth = 0
    for match in _NESTING.finditer(source.text):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth > MAX_DEPTH or match["nots"]:
            return Diagnostic(
                Code.NESTING,
                f"the condition is nested more than {MAX_DEPTH} deep",
                (Label(source.span(match.start(), match.start() + 1)),),
                help="split the rule into several",
            )
        depth = max(depth, 0)
    return None


def _unexpected(error: UnexpectedInput, end: int) -> Unexpected:
    raw = cast("Any", error)  # Lark's errors carry no annotations.
    if isinstance(error, UnexpectedToken):
        token = cast("Token", raw.token)
        expected = frozenset(cast("Iterable[str]", raw.accepts or raw.expected))
        # Words that may name something as well would only lengthen what could be written.
        expected = expected - _SOFT if expected >= _SOFT and "NAME" in expected else expected
        if token.type == "$END" or token.start_pos is None or token.end_pos is None:
            return Unexpected("$END", end, end, expected)
        return Unexpected(token.type, token.start_pos, token.end_pos, expected)
    if isinstance(error, UnexpectedCharacters):
        at = cast("int", raw.pos_in_stream)
        return Unexpected(None, at, at + 1, frozenset())
    return Unexpected("$END", end, end, frozenset())
