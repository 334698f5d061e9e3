"""The one layout of charters. `format_text` writes a charter anew; what it says, and every
comment in it, stays.

Two spaces a level; words of clauses in a column; one clause, field, term, member or fact a
line; conditions broken before `and` and `or`; one empty line between declarations and
between the paragraphs of a rule. Texts in quotes are never broken. What an author laid out
on purpose stays where the layout has no opinion: groups of members, imports and items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dsl.diagnostics import Diagnostic
from dsl.errors import DslError
from dsl.format_blocks import Element, Gap, elements
from dsl.format_doc import Line
from dsl.format_read import Comment, Note, Read, read, spelled, tokens
from dsl.parse import MAX_SOURCE_CHARACTERS, parse
from dsl.source import SourceText

MARGIN = 2  # spaces between a line and the comment at its end


class FormatError(DslError):
    """The layout would change what the charter says, or make the file too long to be read;
    nothing was written."""


@dataclass(frozen=True)
class Formatted:
    """The text in the one layout, or None where it has syntax errors."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]


def format_text(source: SourceText) -> Formatted:
    """Lay a charter out.

    Raises:
        FormatError: The result would be longer than any charter may be, or (a fault of ours)
            not the same charter.
    """
    parsed = parse(source)
    if parsed.charter is None:
        return Formatted(None, parsed.diagnostics)
    before = read(source.text.removeprefix("\ufeff"))
    text = _text(before)
    if len(text) > MAX_SOURCE_CHARACTERS:
        raise FormatError(f"{source.shown}: laid out, this would be too long; split the file")
    after = read(text)
    if _words(before) != _words(after) or _comments(before) != _comments(after):
        raise FormatError(f"{source.shown}: laid out, this would not be the same charter")
    return Formatted(text, ())


def _words(one: Read) -> list[tuple[str, str]]:
    return [(token.type, spelled(token)) for token in tokens(one.root)]


def _comments(one: Read) -> list[str]:
    """Every comment, in order."""
    found: list[str] = []
    for start in sorted(one.notes):
        note = one.notes[start]
        found.extend(comment.text for comment in note.above)
        if note.beside is not None:
            found.append(note.beside)
    return found + [comment.text for comment in one.below]


# --- lines ---------------------------------------------------------------------------


def _text(one: Read) -> str:
    listed = elements(one)
    lines: list[Line] = []
    above: Sequence[Comment] = ()
    for number, element in enumerate(listed):
        note = one.notes[element.token.start_pos or 0]
        inside, above = ((), note.above)
        if number:
            inside, above = _divided(listed[number - 1], element, note.above, note.column)
            _write(lines, inside, listed[number - 1].indent, Gap.KEPT)
        _element(lines, element, above, note)
    last = listed[-1].indent
    inside = _leading(one.below, 0) if last else []
    _write(lines, inside, last, Gap.KEPT)
    _write(lines, one.below[len(inside) :], 0, Gap.KEPT)
    return "".join(f"{line}\n" for line in _with_comments(lines))


def _divided(
    previous: Element, element: Element, comments: Sequence[Comment], column: int
) -> tuple[Sequence[Comment], Sequence[Comment]]:
    """Comments that stand deeper than what follows belong to the block before it."""
    if previous.indent <= element.indent:
        return (), comments
    inside = _leading(comments, column)
    return inside, comments[len(inside) :]


def _leading(comments: Sequence[Comment], column: int) -> list[Comment]:
    inside: list[Comment] = []
    for comment in comments:
        if comment.column <= column:
            break
        inside.append(comment)
    return inside


def _element(lines: list[Line], element: Element, above: Sequence[Comment], note: Note) -> None:
    _write(lines, above, element.indent, element.gap)
    blank = note.blank if above else _blank(element.gap, note.blank)
    if blank and lines:
        lines.append(Line(""))
    lines.extend(element.lines)


def _write(lines: list[Line], comments: Sequence[Comment], indent: int, gap: Gap) -> None:
    for number, comment in enumerate(comments):
        blank = comment.blank if number else _blank(gap, comment.blank)
        if blank and lines:
            lines.append(Line(""))
        lines.append(Line(" " * indent + comment.text))


def _blank(gap: Gap, left: bool) -> bool:
    return gap is Gap.ONE or (gap is Gap.KEPT and left)


def _with_comments(lines: Sequence[Line]) -> list[str]:
    """The lines as text: comments at their ends form a column where they stand close."""
    columns: list[int] = []
    for number, line in enumerate(lines):
        close = number and lines[number - 1].comment and line.comment
        columns.append(max(columns[-1], len(line.text)) if close else len(line.text))
    for number, follower in reversed(list(enumerate(lines))[1:]):
        if follower.comment and lines[number - 1].comment:
            columns[number - 1] = columns[number]
    return [
        f"{line.text.ljust(column + MARGIN)}{line.comment}" if line.comment else line.text.rstrip()
        for line, column in zip(lines, columns, strict=True)
    ]
