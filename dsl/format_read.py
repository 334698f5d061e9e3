"""Source text → concrete tree with every token, and the comments between the tokens."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark
from lark.lexer import Token
from lark.tree import Tree

Branch = Tree[Token]
Node = Branch | Token


@dataclass(frozen=True)
class Comment:
    """A comment on a line of its own. `blank` says whether an empty line is above it."""

    text: str
    column: int
    blank: bool


@dataclass(frozen=True)
class Note:
    """What surrounds a token: comments above it and at the end of its line, whether an empty
    line is right above it, whether it is the first on its line, and in which column it
    begins."""

    above: tuple[Comment, ...] = ()
    beside: str | None = None
    blank: bool = False
    first: bool = False
    column: int = 0


@dataclass(frozen=True)
class Read:
    """A concrete tree, the note of each token by where it begins, and the comments that
    stand below everything."""

    root: Branch
    notes: Mapping[int, Note]
    below: tuple[Comment, ...]


@cache
def _grammar() -> Lark:
    text = (files("dsl") / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", propagate_positions=True, keep_all_tokens=True)


def read(text: str) -> Read:
    """The tree of a text that `dsl.parse` reads without a mistake."""
    root = cast("Branch", cast("Any", _grammar()).parse(text))
    notes: dict[int, Note] = {}
    end = 0
    previous: int | None = None
    for token in tokens(root):
        start = token.start_pos or 0
        gap = text[end:start]
        beside, above, blank = _comments(gap, at_line_start=previous is None)
        if previous is not None and beside is not None:
            notes[previous] = _beside(notes[previous], beside)
        column = start - (text.rfind("\n", 0, start) + 1)
        first = previous is None or "\n" in gap
        notes[start] = Note(above, None, blank, first, column)
        previous, end = start, token.end_pos or 0
    beside, below, _ = _comments(text[end:], at_line_start=False)
    if previous is not None and beside is not None:
        notes[previous] = _beside(notes[previous], beside)
    return Read(root, notes, below)


def _beside(note: Note, comment: str) -> Note:
    return Note(note.above, comment, note.blank, note.first, note.column)


def _comments(gap: str, *, at_line_start: bool) -> tuple[str | None, tuple[Comment, ...], bool]:
    """The comment that ends the line before the gap, those on lines of their own, and
    whether an empty line comes last."""
    head, *lines = gap.split("\n")
    if at_line_start:
        head, lines = "", [head, *lines]
    found: list[Comment] = []
    blank = False
    # What follows the last line end is the indentation of the next token, or a comment
    # that ends the file.
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            found.append(Comment(text, len(line) - len(line.lstrip()), blank))
        blank = not text and (blank or number < len(lines))
    return head.strip() or None, tuple(found), blank


def tokens(node: Node) -> Iterator[Token]:
    """Every token of a tree, from left to right; without recursion, whatever the depth."""
    open_nodes: list[Node] = [node]
    while open_nodes:
        current = open_nodes.pop()
        if isinstance(current, Token):
            yield current
        else:
            open_nodes.extend(current.children[::-1])


def first_token(node: Node) -> Token:
    while not isinstance(node, Token):
        node = node.children[0]
    return node


def last_token(node: Node) -> Token:
    while not isinstance(node, Token):
        node = node.children[-1]
    return node


def spelled(token: Token) -> str:
    """A token with its white space made single; texts in quotes as they are."""
    return str(token) if token.type == "STRING" else re.sub(r"\s+", " ", token)
