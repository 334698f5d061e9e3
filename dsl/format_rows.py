"""Clauses that stand below each other as the rows of a table: fields, terms, members."""

from collections.abc import Sequence
from dataclasses import dataclass

from lark.lexer import Token

from dsl.format_doc import (
    WIDE,
    WIDTH,
    Align,
    Break,
    Concat,
    Doc,
    Group,
    Line,
    Text,
    flat_text,
    printed,
    shape,
)
from dsl.format_docs import Docs
from dsl.format_read import Branch, Node

INDENT = 2
# Tables may be wider than other text: whoever breaks a row loses the column.
ROOM = WIDE - INDENT
GAP = "  "  # between columns

# Which column a part of a member stands in; its values are in the first.
_COLUMNS = {"basis": 1, "celex": 2, "first": 3, "last": 3}


@dataclass
class _Row:
    """A clause by its columns; `texts` is None where it cannot be a row of the table, and
    `below` is a title that stands in the next line."""

    clause: Branch
    cells: list[Doc | None]
    texts: list[str] | None
    below: Doc | None = None

    @property
    def last(self) -> int:
        return max((n for n, text in enumerate(self.texts or []) if text), default=0)


def rows(docs: Docs, clauses: Sequence[Branch]) -> list[list[Line]]:
    """The lines of each field, term or member of one declaration."""
    table = [_row(docs, clause) for clause in clauses]
    widths = _settle(table)
    return [_lines(docs, row, widths) for row in table]


def _row(docs: Docs, clause: Branch) -> _Row:
    children = clause.children
    if clause.data == "member":
        columns = _member(children)
    else:
        columns = [children[:2], children[2:3], children[3:]]
    cells = [docs.run(nodes) if nodes else None for nodes in columns or []]
    filled = [cell for cell in cells if cell is not None]
    texts = ["" if cell is None else flat_text(cell) for cell in cells]
    commented = any(shape(cell).ends_in_comment for cell in filled[:-1]) or None in texts
    plain = None if commented or not cells else [text or "" for text in texts]
    return _Row(clause, cells, plain)


def _member(children: Sequence[Node]) -> list[list[Node]] | None:
    """The columns of a member; None where its parts are not in the order of the columns."""
    found: list[list[Node]] = [[], [], [], []]
    reached = 0
    for child in children:
        column = 0 if isinstance(child, Token) else _COLUMNS[str(child.data)]
        if column < reached:
            return None
        reached = column
        found[column].append(child)
    return found


def _settle(table: Sequence[_Row]) -> list[int]:
    """The width of each column. A row that is too long in the table puts its title in the
    next line or leaves the table; then the others may draw together."""
    while True:
        widths = _widths(table)
        long = [row for row in table if row.texts is not None and _too_long(row, widths)]
        if not long:
            return widths
        for row in long:
            texts = row.texts or []
            if row.clause.data == "field" and row.last == len(texts) - 1 and row.last > 1:
                row.below = row.cells[row.last]
                row.texts = [*texts[: row.last], ""]
            else:
                row.texts = None


def _widths(table: Sequence[_Row]) -> list[int]:
    """A column is as wide as the widest text that has another to its right."""
    widths = [0] * max((len(row.texts) for row in table if row.texts is not None), default=0)
    for row in table:
        for number, text in enumerate((row.texts or [])[: row.last]):
            widths[number] = max(widths[number], len(text))
    return widths


def _padded(row: _Row, widths: Sequence[int]) -> str:
    texts = (row.texts or [])[: row.last + 1]
    # A column that nobody fills takes no room.
    shown = [text.ljust(width) for text, width in zip(texts, widths, strict=False) if text or width]
    return GAP.join(shown).rstrip()


def _too_long(row: _Row, widths: Sequence[int]) -> bool:
    # Values alone are a list, not a row of a table.
    return len(_padded(row, widths)) > (ROOM if row.last else WIDTH - INDENT)


def _lines(docs: Docs, row: _Row, widths: Sequence[int]) -> list[Line]:
    if row.texts is None:
        return printed(_loose(docs, row.clause), INDENT, 2 * INDENT)
    text = Text(_padded(row, widths))
    if row.below is not None:
        return printed(Concat((text, Break(), row.below)), INDENT, 2 * INDENT)
    return [Line(" " * INDENT + text.text, docs.comment_after(row.clause))]


def _loose(docs: Docs, clause: Branch) -> Doc:
    """A row that is none: the title below a field or term, a member in several lines."""
    children = clause.children
    if clause.data != "member":
        at = 2 if clause.data == "term" else 3
        title = [part for node in children[at:] for part in (Break(), docs.node(node))]
        return Group(Concat((docs.run(children[:at]), *title)))
    word, *rest = children
    values = [child for child in rest if isinstance(child, Token)]
    parts = [child for child in rest if not isinstance(child, Token)]
    below = [part for node in parts for part in (Break(), docs.node(node))]
    inner = Concat((docs.list(values), *below))
    return Concat((docs.node(word), Text(" "), Align(Group(inner) if below else inner)))
