"""Documents that know where they may be broken, after P. Wadler, "A prettier printer"
(1998), with comments as parts that nobody may move.

A comment ends its line. So what follows one inside a group breaks the group, and what
cannot be broken goes on below it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WIDTH = 100
WIDE = 120  # for what is read as a table


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Above:
    """Comments that stand on lines of their own, above what follows."""

    comments: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """A comment at the end of the line of what it follows."""

    comment: str


@dataclass(frozen=True)
class Break:
    """A line end where the group around it is broken, a space (or nothing) elsewhere."""

    flat: str = " "


@dataclass(frozen=True)
class Concat:
    parts: "tuple[Doc, ...]"


@dataclass(frozen=True)
class Align:
    """What breaks inside goes on in the column where it began, and `more` to the right."""

    inner: "Doc"
    more: int = 0


@dataclass(frozen=True)
class Group:
    """On one line where it ends within `limit` columns; else every `Break` is a line end."""

    inner: "Doc"
    limit: int = WIDTH
    shape: "Shape" = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape(self.inner))


@dataclass(frozen=True)
class Fill:
    """As many items to a line as fit. Where the whole does not fit on one line, an item in
    `kept` begins a line of its own."""

    items: "tuple[Doc, ...]"
    kept: frozenset[int] = frozenset()
    shape: "Shape" = field(init=False, compare=False)

    def __post_init__(self) -> None:
        spaced = [part for item in self.items for part in (Break(), item)][1:]
        object.__setattr__(self, "shape", shape(Concat(tuple(spaced))))


Doc = Text | Above | Beside | Break | Concat | Align | Group | Fill


@dataclass(frozen=True)
class Shape:
    """How wide a document is on one line, None where a comment forbids that; how wide its
    part before the first place to break is; and whether it ends in a comment."""

    width: int | None
    head: int
    breaks: bool
    ends_in_comment: bool = False


def shape(doc: Doc) -> Shape:
    """The shape of a document."""
    match doc:
        case Text(text):
            return Shape(len(text), len(text), breaks=False)
        case Above():
            return Shape(None, 0, breaks=False)
        case Beside():
            return Shape(0, 0, breaks=False, ends_in_comment=True)
        case Break(flat):
            return Shape(len(flat), 0, breaks=True)
        case Align(inner):
            return shape(inner)
        case Group() | Fill():
            return doc.shape
        case Concat(parts):
            return _shape_of_parts(parts)


def _shape_of_parts(parts: Iterable[Doc]) -> Shape:
    width: int | None = 0
    head, breaks, comment = 0, False, False
    for part in parts:
        one = shape(part)
        if one.width is None or comment:
            width = None
        elif width is not None:
            width += one.width
        head += 0 if breaks else one.head
        breaks = breaks or one.breaks
        comment = one.ends_in_comment
    return Shape(width, head, breaks, comment)


@dataclass
class Line:
    """One line of the result; `comment` stands at its end."""

    text: str
    comment: str = ""


class Printer:
    """Writes documents below each other. `column` is where the next character goes."""

    def __init__(self, indent: int) -> None:
        self.lines: list[Line] = [Line(" " * indent)]
        self._fresh = True

    @property
    def column(self) -> int:
        return len(self.lines[-1].text)

    def _new_line(self, indent: int) -> None:
        self.lines[-1].text = self.lines[-1].text.rstrip()
        self.lines.append(Line(" " * indent))
        self._fresh = True

    def _write(self, text: str, indent: int) -> None:
        if self.lines[-1].comment:
            if not text.strip():
                return
            self._new_line(indent)
        if text:
            self.lines[-1].text += text
            self._fresh = False

    def print(self, doc: Doc, indent: int, *, flat: bool = False, rest: int = 0) -> None:
        """Write a document. `rest` is the width of what follows it without a break."""
        match doc:
            case Text(text):
                self._write(text, indent)
            case Beside(comment):
                self.lines[-1].comment = comment
            case Above(comments):
                self._above(comments, indent)
            case Break(between):
                if flat:
                    self._write(between, indent)
                else:
                    self._new_line(indent)
            case Concat(parts):
                self._parts(parts, indent, flat=flat, rest=rest)
            case Align(inner, more):
                below = indent if self.lines[-1].comment else self.column
                self.print(inner, below + more, flat=flat, rest=rest)
            case Group(inner, limit):
                fits = flat or self._fits(doc.shape, limit, rest)
                self.print(inner, indent, flat=fits, rest=rest)
            case Fill():
                self._fill(doc, indent, flat=flat, rest=rest)

    def _above(self, comments: Sequence[str], indent: int) -> None:
        if not self._fresh:
            self._new_line(indent)
        for comment in comments:
            self.lines[-1].text += comment
            self._new_line(indent)

    def _fits(self, one: Shape, limit: int, rest: int) -> bool:
        return one.width is not None and self.column + one.width + rest <= limit

    def _parts(self, parts: Sequence[Doc], indent: int, *, flat: bool, rest: int) -> None:
        rests: list[int] = []
        after = rest
        for part in reversed(parts):
            rests.append(after)
            if isinstance(part, Break) and not flat:
                after = 0
            else:
                one = shape(part)
                after = one.head + (0 if one.breaks and not flat else after)
        for part, following in zip(parts, reversed(rests), strict=True):
            self.print(part, indent, flat=flat, rest=following)

    def _fill(self, doc: Fill, indent: int, *, flat: bool, rest: int) -> None:
        whole = flat or self._fits(doc.shape, WIDTH, rest)
        last = len(doc.items) - 1
        for number, item in enumerate(doc.items):
            one = shape(item)
            following = rest if number == last else 0
            if number and whole:
                self._write(" ", indent)
            elif number:
                width = one.head if one.width is None else one.width
                fits = self.column + 1 + width + following <= WIDTH
                if number in doc.kept or not fits or self.lines[-1].comment:
                    self._new_line(indent)
                else:
                    self._write(" ", indent)
            self.print(item, indent, flat=whole, rest=following)


def printed(doc: Doc, indent: int, hang: int) -> list[Line]:
    """The lines of a document: the first begins in column `indent`, what breaks in `hang`."""
    printer = Printer(indent)
    printer.print(doc, hang)
    printer.lines[-1].text = printer.lines[-1].text.rstrip()
    return printer.lines


def flat_text(doc: Doc) -> str | None:
    """The document on one line without comments; None where it has some inside."""
    if shape(doc).width is None:
        return None
    printer = Printer(0)
    printer.print(doc, 0, flat=True)
    return printer.lines[0].text
