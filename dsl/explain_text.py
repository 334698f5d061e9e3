"""An explanation as text for people, as lines for screen readers and logs, and as JSON."""

import textwrap
from collections.abc import Iterator, Sequence

from dsl.explain import Explanation
from dsl.explain_items import Item
from dsl.explain_table import Column, Row, Table
from dsl.kleene import Truth
from dsl.printable import printable
from dsl.wording import listed

WIDTH = 88
GAP = "  "

_WORDS = {Truth.TRUE: "yes", Truth.FALSE: "no", Truth.UNKNOWN: "unknown"}
ANY = "\N{EN DASH}"
_LEGEND = (
    f'"{ANY}" stands where it does not matter; combinations that cannot occur are not left out.'
)


def to_human(one: Explanation) -> str:
    """Paragraphs, wrapped, and the table."""
    lines = [one.rule, one.title, f"({one.place})"]
    for paragraph in one.paragraphs:
        lines += ["", *_wrapped(paragraph.text, "")]
        lines += [line for item in paragraph.items for line in _item(item, "  ")]
    lines += ["", *_table(one.table)]
    return "".join(f"{printable(line)}\n" for line in lines)


def _wrapped(text: str, indent: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent + first,
        subsequent_indent=indent + " " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _item(item: Item, indent: str) -> Iterator[str]:
    yield from _wrapped(item.text, indent, "- ")
    for below in item.items:
        yield from _item(below, f"{indent}  ")


def _table(table: Table) -> Iterator[str]:
    if not table.columns:
        yield f"It does the same whatever is known: {table.rows[0].outcome}."
        return
    yield "What it does, in every combination of what is so, is not so, and is not known:"
    yield ""
    for column in table.columns:
        yield from _wrapped(column.words, "  ", f"{column.letter}  ")
    yield ""
    cells = [_cells(row, table.columns) for row in table.rows]
    head = [column.letter for column in table.columns]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for texts, outcome in [(head, "this rule"), *zip(cells, _outcomes(table), strict=True)]:
        padded = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
        yield f"  {GAP.join(padded)}{GAP}{outcome}"
    yield ""
    yield from _wrapped(f"{_abridged(table)}{_LEGEND}", "")


def _outcomes(table: Table) -> list[str]:
    return [row.outcome for row in table.rows]


def _abridged(table: Table) -> str:
    if not table.together:
        return ""
    return f"The table is abridged: it takes together {listed(table.together)}. "


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    return [_cell(values, column) for values, column in zip(row.cells, columns, strict=True)]


def _cell(values: Sequence[Truth], column: Column) -> str:
    if len(values) == len(column.values):
        return ANY
    return " or ".join(_WORDS[value] for value in values)


def to_plain(one: Explanation) -> str:
    """One line for each sentence, with the paragraph it belongs to."""
    lines = [f"rule {one.rule}: {one.title}", f"place {one.place}"]
    for paragraph in one.paragraphs:
        lines.append(f"{paragraph.key}: {paragraph.text}")
        for number, item in enumerate(paragraph.items, start=1):
            lines += _numbered(paragraph.key, item, str(number))
    table = one.table
    lines += [f"table {column.letter}: {column.words}" for column in table.columns]
    for row in table.rows:
        given = [
            f"{column.letter} {_cell(values, column)}"
            for column, values in zip(table.columns, row.cells, strict=True)
            if len(values) < len(column.values)
        ]
        lines.append(f"table row: {', '.join(given) or 'always'}: {row.outcome}")
    if table.together:
        lines.append(f"table abridged: it takes together {listed(table.together)}")
    return "".join(f"{printable(line)}\n" for line in lines)


def _numbered(key: str, item: Item, number: str) -> Iterator[str]:
    yield f"{key} {number}: {item.text}"
    for below, inner in enumerate(item.items, start=1):
        yield from _numbered(key, inner, f"{number}.{below}")


def to_body(one: Explanation) -> dict[str, object]:
    """The explanation as JSON."""
    return {
        "format": "charter-explanation/v1",
        "rule": one.rule,
        "title": one.title,
        "place": one.place,
        "paragraphs": [
            {
                "key": paragraph.key,
                "text": paragraph.text,
                "items": [_body(item) for item in paragraph.items],
            }
            for paragraph in one.paragraphs
        ],
        "table": {
            "columns": {column.letter: column.words for column in one.table.columns},
            "rows": [
                {
                    "when": {
                        column.letter: [_WORDS[value] for value in values]
                        for column, values in zip(one.table.columns, row.cells, strict=True)
                    },
                    "outcome": row.outcome,
                }
                for row in one.table.rows
            ],
            "together": list(one.table.together),
        },
    }


def _body(item: Item) -> dict[str, object]:
    return {"text": item.text, "items": [_body(below) for below in item.items]}
