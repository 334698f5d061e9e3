"""The layout of `cedar format`: line breaks as that formatter would put them.

A pretty printer after P. Wadler, "A prettier printer" (2003), with the few constructs
of Cedar that the compiler emits. The shape of each construct is that of the
cedar-policy-formatter crate 4.14 (`src/pprint/doc.rs`), so that formatting emitted
policies changes nothing. (Before 4.14 it put the arguments of a call that does not fit on
one line below the name of the method.)
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 80
INDENT = 2


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line break, or `flat` where its group fits on one line."""

    flat: str


@dataclass(frozen=True, slots=True)
class Join:
    parts: "tuple[Doc, ...]"


@dataclass(frozen=True, slots=True)
class Nest:
    columns: int
    doc: "Doc"


@dataclass(frozen=True, slots=True)
class Group:
    doc: "Doc"


Doc = Text | Line | Join | Nest | Group

SPACE_OR_BREAK = Line(" ")
NOTHING_OR_BREAK = Line("")


# --- constructs ----------------------------------------------------------------------


def index(target: str, key: Doc) -> Doc:
    """`target[key]`."""
    return Group(Join((Text(target), Nest(INDENT, _key(key)))))


def has(target: str, key: Doc) -> Doc:
    """`target has key`."""
    words = (Text(target), SPACE_OR_BREAK, Text("has"), SPACE_OR_BREAK, Nest(INDENT, key))
    return Group(Join(words))


def call_on_list(items: Sequence[Doc], method: str, arguments: Sequence[Doc]) -> Doc:
    """`[a, b].method(arguments)`; list and call break together."""
    accesses = (Text("." + method), _arguments(arguments))
    return Group(Join((_brackets(items), Nest(INDENT, Join(accesses)))))


def call_on_index(target: str, key: Doc, method: str, arguments: Sequence[Doc]) -> Doc:
    """`target[key].method(arguments)`."""
    called = (Text("." + method), _arguments(arguments))
    accesses = (_key(key), NOTHING_OR_BREAK, *called)
    return Group(Join((Text(target), Nest(INDENT, Join(accesses)))))


def listing(items: Sequence[Doc]) -> Doc:
    """`[a, b, c]`."""
    return Group(_brackets(items))


def compared(left: Doc, operator: str, right: Doc) -> Doc:
    return Join((left, Text(f" {operator} "), right))


def moved(left: Doc, operator: str, right: Doc) -> Doc:
    """`left + right` or `left - right`; the right side may go to the next line."""
    return Group(Join((left, Text(f" {operator}"), SPACE_OR_BREAK, right)))


def negation(operand: Doc) -> Doc:
    return Join((Text("!"), operand))


def chain(operator: str, operands: Sequence[Doc]) -> Doc:
    """`a && b && c`; each on a line of its own where they do not fit on one."""
    return Join(_separated(operands, f" {operator}"))


def parenthesised(doc: Doc) -> Doc:
    return Group(Join((Text("("), Nest(1, doc), Text(")"))))


def condition(word: str, expression: Doc) -> Doc:
    """`when { expression }` or `unless { expression }`."""
    body = Nest(INDENT, Join((SPACE_OR_BREAK, Group(expression))))
    braces = Group(Join((Text("{"), body, SPACE_OR_BREAK, Text("}"))))
    return Group(Join((Text(word), SPACE_OR_BREAK, braces)))


def ended(doc: Doc) -> Doc:
    """The last condition of a policy, with the semicolon that counts for its width."""
    return Join((doc, Text(";")))


def scope_list(operator: str, items: Sequence[str]) -> Doc:
    """The action in a policy's head, with its comma: `action in [A, B],`."""
    head = Group(Join((Text("action"), SPACE_OR_BREAK, Text(operator))))
    if operator == "==":
        right: Doc = Text(items[0])
    else:
        right = listing([Text(item) for item in items])
    scope = Group(Join((head, Nest(INDENT, Join((SPACE_OR_BREAK, right))))))
    return Join((scope, Text(",")))


def _key(key: Doc) -> Doc:
    return Join((Text("["), key, Text("]")))


def _brackets(items: Sequence[Doc]) -> Doc:
    return Join((Text("["), Nest(1, Join(_separated(items, ","))), Text("]")))


def _arguments(arguments: Sequence[Doc]) -> Doc:
    inner = (Text("("), NOTHING_OR_BREAK, *_separated(arguments, ","))
    return Join((Nest(INDENT, Join(inner)), NOTHING_OR_BREAK, Text(")")))


def _separated(docs: Sequence[Doc], separator: str) -> tuple[Doc, ...]:
    parts: list[Doc] = []
    for number, doc in enumerate(docs):
        if number:
            parts += (Text(separator), SPACE_OR_BREAK)
        parts.append(doc)
    return tuple(parts)


# --- printing ------------------------------------------------------------------------


def _columns(text: str) -> int:
    """Columns as the formatter counts them: wide characters take two, marks none (Unicode
    Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


_Task = tuple[int, bool, Doc]  # indentation, whether broken, what


def render(doc: Doc, *, indent: int = 0) -> str:
    """The document as lines of at most `WIDTH` columns where its groups allow it."""
    out: list[str] = []
    column = indent
    tasks: list[_Task] = [(indent, True, doc)]
    while tasks:
        depth, broken, current = tasks.pop()
        match current:
            case Text(text):
                out.append(text)
                column += _columns(text)
            case Line(flat):
                if broken:
                    out.append("\n" + " " * depth)
                    column = depth
                else:
                    out.append(flat)
                    column += len(flat)
            case Join(parts):
                tasks += ((depth, broken, part) for part in reversed(parts))
            case Nest(columns, inner):
                tasks.append((depth + columns, broken, inner))
            case Group(inner):
                breaks = broken and not _fits(inner, tasks, WIDTH - column)
                tasks.append((depth, breaks, inner))
    return "".join(out)


def _fits(doc: Doc, rest: Sequence[_Task], room: int) -> bool:
    """Whether the document fits flat, with all that follows up to the next break."""
    following = len(rest)
    pending: list[tuple[bool, Doc]] = [(False, doc)]
    while room >= 0:
        if not pending:
            if not following:
                return True
            following -= 1
            pending.append((True, rest[following][2]))
        broken, current = pending.pop()
        match current:
            case Text(text):
                room -= _columns(text)
            case Line(flat):
                if broken:
                    return True
                room -= len(flat)
            case Join(parts):
                pending += ((broken, part) for part in reversed(parts))
            case Nest(_, inner) | Group(inner):
                pending.append((broken, inner))
    return False
