"""Stage 1: text → tree. Syntax errors become diagnostics, several per file.

Bounded: a source of more than `MAX_SOURCE_BYTES` and conditions nested deeper than
`MAX_DEPTH` are refused; parsing is linear in the length of the text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import Token
from lark.tree import Tree

from dsl import syntax_errors
from dsl.build_tree import NestingError, build
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Label
from dsl.source import SourceText
from dsl.syntax_errors import Unexpected
from dsl.tree import Charter

MAX_SOURCE_BYTES = 4 * 1024 * 1024
MAX_SYNTAX_ERRORS = 20

_DECLARATION = re.compile(
    r"^[ \t]*(action|enumeration|taxonomy|entity|record|zone|obligation|rule)\b", re.MULTILINE
)


@dataclass(frozen=True)
class Parsed:
    """The tree, or None where there are syntax errors."""

    charter: Charter | None
    diagnostics: tuple[Diagnostic, ...]


@cache
def _grammar() -> Lark:
    text = (files("dsl") / "grammar.lark").read_text(encoding="utf-8")
    # The basic lexer reserves every keyword everywhere: a word means one thing.
    return Lark(text, parser="lalr", lexer="basic", propagate_positions=True)


def _read(text: str) -> Tree[Token]:
    return cast("Any", _grammar()).parse(text)


def parse(source: SourceText) -> Parsed:
    """The tree of a charter file, with everything wrong in its syntax."""
    if len(source.text) > MAX_SOURCE_BYTES:
        return Parsed(None, (_too_large(source),))
    found: list[Diagnostic] = []
    text = source.text
    while len(found) < MAX_SYNTAX_ERRORS:
        try:
            root = _read(text)
        except UnexpectedInput as error:
            unexpected = _unexpected(error, len(text))
            found.append(syntax_errors.explain(source, unexpected))
            rest = _without_declaration(text, unexpected.start)
            if rest is None:
                break
            text = rest
            continue
        if found:
            break
        try:
            return Parsed(build(source, root), ())
        except NestingError as error:
            found.append(error.diagnostic)
            break
    return Parsed(None, tuple(sorted(found, key=Diagnostic.sort_key)))


def _unexpected(error: UnexpectedInput, end: int) -> Unexpected:
    raw = cast("Any", error)  # Lark's errors carry no annotations.
    if isinstance(error, UnexpectedToken):
        token = cast("Token", raw.token)
        expected = frozenset(cast("Iterable[str]", raw.accepts or raw.expected))
        if token.type == "$END" or token.start_pos is None or token.end_pos is None:
            return Unexpected("$END", end, end, expected)
        return Unexpected(token.type, token.start_pos, token.end_pos, expected)
    if isinstance(error, UnexpectedCharacters):
        at = cast("int", raw.pos_in_stream)
        return Unexpected(None, at, at + 1, frozenset())
    return Unexpected("$END", end, end, frozenset())


def _without_declaration(text: str, offset: int) -> str | None:
    """The text with the declaration around `offset` blanked, so that the next parse finds
    the next independent mistake; None when the mistake is in no declaration."""
    starts = [match.start(1) for match in _DECLARATION.finditer(text)]
    before = [start for start in starts if start <= offset]
    if not before:
        return None
    start = before[-1]
    end = min((other for other in starts if other > offset), default=len(text))
    blank = re.sub(r"[^\n]", " ", text[start:end])
    return text[:start] + blank + text[end:]


def _too_large(source: SourceText) -> Diagnostic:
    return Diagnostic(
        Code.TOO_LARGE,
        f"the file is larger than {MAX_SOURCE_BYTES // 1024 // 1024} MiB",
        (Label(source.span(0, 0)),),
        help="split the charter into several files and import them",
    )
