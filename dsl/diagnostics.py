"""What a policy author is told: a code, the place, plain words, and help that compiles.

Human rendering follows the layout of rustc's diagnostics; plain is one line for screen
readers and logs; JSON is for tools.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dsl.printable import printable
from dsl.source import Span

MAX_QUOTED = 60
MAX_SHOWN = 140  # characters of a source line


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Label:
    """A place that takes part, with what it is or does there; `text` may be empty."""

    span: Span
    text: str = ""


@dataclass(frozen=True)
class Fix:
    """A replacement that mends the mistake: put `text` where `span` stands."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One mistake.

    Attributes:
        code: Stable, such as `CH0201`; its page is `docs/errors/CH0201.md`.
        message: What is wrong, one line that stands alone, lower case, no full stop.
        labels: The places that take part, the one to look at first leading.
        notes: Why it is wrong, when the message does not say it all.
        help: What to do.
        fix: What to do, as an edit; None where the author has to choose.
    """

    code: str
    message: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()
    help: str | None = None
    fix: Fix | None = None
    severity: Severity = Severity.ERROR

    @property
    def span(self) -> Span:
        return self.labels[0].span

    def sort_key(self) -> tuple[str, int, str, str]:
        return (self.span.source.name, self.span.start, self.code, self.message)


def quoted(text: str) -> str:
    """The author's words in backticks, shortened, and printable whatever they hold."""
    line = printable(text)
    return f"`{line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + '…'}`"


def render_human(diagnostics: Sequence[Diagnostic]) -> str:
    """The layout with source lines and carets, one blank line between diagnostics."""
    return "\n".join(_human(diagnostic) for diagnostic in diagnostics)


def _human(diagnostic: Diagnostic) -> str:
    line, column = diagnostic.span.position
    rows = _rows(diagnostic)
    margin = len(str(max(number for number, _ in rows)))
    out = [
        f"{diagnostic.severity.value}[{diagnostic.code}]: {diagnostic.message}",
        f"{' ' * margin}--> {diagnostic.span.source.shown}:{line}:{column}",
        f"{' ' * margin} |",
    ]
    # Labels of another file get their own arrow: a clash can span two charters.
    name = diagnostic.span.source.name
    shown: int | None = None
    for number, label in rows:
        if label.span.source.name != name:
            name = label.span.source.name
            other_line, other_column = label.span.position
            place = f"{label.span.source.shown}:{other_line}:{other_column}"
            out.append(f"{' ' * margin}::: {place}")
            out.append(f"{' ' * margin} |")
            shown = None
        if number != shown:
            if shown is not None and number > shown + 1:
                out.append("...")
            out.append(f"{number:>{margin}} | {_source_line(label, rows)}".rstrip())
            shown = number
        out.append(f"{' ' * margin} | {_carets(label, diagnostic.labels[0], rows)}".rstrip())
    if diagnostic.notes or diagnostic.help:
        out.append(f"{' ' * margin} |")
    out.extend(f"{' ' * margin} = note: {note}" for note in diagnostic.notes)
    if diagnostic.help:
        out.append(f"{' ' * margin} = help: {diagnostic.help}")
    return "\n".join(out) + "\n"


def _rows(diagnostic: Diagnostic) -> list[tuple[int, Label]]:
    primary = diagnostic.span.source.name
    rows = [(label.span.position[0], label) for label in diagnostic.labels]
    return sorted(
        rows,
        key=lambda row: (
            row[1].span.source.name != primary,
            row[1].span.source.name,
            row[1].span.start,
        ),
    )


def _window(label: Label, rows: Sequence[tuple[int, Label]]) -> int:
    """How many characters at the start of a line too long to show are left out; the same
    for all labels of that line."""
    number, _ = label.span.position
    source = label.span.source
    if len(source.line(number)) <= MAX_SHOWN:
        return 0
    first = next(row for row in rows if row[0] == number and row[1].span.source is source)
    return max(0, first[1].span.position[1] - 1 - MAX_SHOWN // 2)


def _source_line(label: Label, rows: Sequence[tuple[int, Label]]) -> str:
    line = label.span.source.line(label.span.position[0])
    start = _window(label, rows)
    before, after = "…" if start else "", "…" if len(line) > start + MAX_SHOWN else ""
    return before + printable(line[start : start + MAX_SHOWN]) + after


def _carets(label: Label, primary: Label, rows: Sequence[tuple[int, Label]]) -> str:
    line, column = label.span.position
    start = _window(label, rows)
    length = len(label.span.source.line(line))
    column -= start
    room = min(length - start, MAX_SHOWN) - column + 1
    width = max(1, min(label.span.end - label.span.start, room))
    mark = "^" if label is primary else "-"
    indent = min(column - 1, MAX_SHOWN) + (1 if start else 0)
    return f"{' ' * indent}{mark * width} {label.text}"


def render_plain(diagnostics: Sequence[Diagnostic]) -> str:
    """One line for each: place, severity, code, message, help."""
    lines: list[str] = []
    for diagnostic in diagnostics:
        line, column = diagnostic.span.position
        place = f"{diagnostic.span.source.shown}:{line}:{column}"
        what = f"{diagnostic.severity.value} {diagnostic.code}: {diagnostic.message}"
        parts = [f"{place}: {what}", *diagnostic.notes]
        if diagnostic.help:
            parts.append(f"help: {diagnostic.help}")
        lines.append(". ".join(parts) + "\n")
    return "".join(lines)


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as JSON; lines and columns count from 1, offsets from 0."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "labels": [{"text": label.text, **_place(label.span)} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "fix": diagnostic.fix and {"text": diagnostic.fix.text, **_place(diagnostic.fix.span)},
    }


def _place(span: Span) -> dict[str, object]:
    line, column = span.position
    return {
        "file": span.source.shown,
        "line": line,
        "column": column,
        "start": span.start,
        "end": span.end,
    }
