"""Cedar expressions that hold where a condition is certainly true, and never err.

Every attribute that may be absent is tested with `has` before it is read; the days are
not, for the schema requires them. A day is compared with bounds before anything is added
to it: a sum beyond 64 bits is an error, and Cedar skips a policy with an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

from dsl import cedar_layout as layout
from dsl.cedar_layout import Doc, Text
from dsl.core import (
    And,
    AtLeast,
    Atom,
    Condition,
    Constant,
    FactAtom,
    Holds,
    InForce,
    Known,
    Not,
    NotBefore,
    OneOf,
    Or,
    Touches,
    Within,
)
from dsl.facts import MAX_INTEGER

TODAY = "today "  # and a time zone: the attribute with the day there


def quote(text: str) -> str:
    """A string literal (Cedar policy language reference, "Grammar", `STR`)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if escaped.isprintable():
        return f'"{escaped}"'
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in escaped) + '"'


class Shared(tuple[str, ...]):
    """Values that are not spelled where they are compared with: they are an attribute of the
    resource. A literal set is built anew whenever a policy with it is evaluated, which for
    fifty countries takes longer than all else in the policy."""

    __slots__ = ()

    @property
    def attribute(self) -> str:
        """Its name, which says nothing but which set it is."""
        return f"values {sha256(chr(0).join(self).encode()).hexdigest()[:16]}"


# Smaller sets are spelled.
SPELLED = 4


def with_shared_values(condition: Condition) -> Condition:
    """The condition with every large set of values shared."""
    match condition:
        case And(operands) | Or(operands):
            return type(condition)(tuple(map(with_shared_values, operands)))
        case Not(OneOf() | Within() | Touches() as atom):
            return Not(_with_shared(atom))
        case OneOf() | Within() | Touches():
            return _with_shared(condition)
        case _:
            return condition


def _with_shared(atom: OneOf | Within | Touches) -> OneOf | Within | Touches:
    large = len(atom.values) > SPELLED
    return replace(atom, values=Shared(atom.values)) if large else atom


def certainly(condition: Condition) -> Doc:
    """An expression, never an error, that holds where the condition is certainly true."""
    match condition:
        case And(operands):
            return layout.chain("&&", [_operand(operand) for operand in operands])
        case Or(operands):
            return layout.chain("||", [_operand(operand) for operand in operands])
        case Not(operand):
            return _certainly_not(operand)
        case Constant(value):
            return _truth(value)
        case InForce():
            return layout.chain("&&", list(_bounds(condition, ">=", "<=")))
        case _:
            return _known_and(condition, _affirmed(condition))


def _certainly_not(atom: Atom) -> Doc:
    match atom:
        case Constant(value):
            return _truth(not value)
        case InForce():
            return layout.chain("||", list(_bounds(atom, "<", ">")))
        case Known(path):
            return layout.negation(layout.parenthesised(_has(path)))
        case _:
            return _known_and(atom, _refuted(atom))


def _operand(condition: Condition) -> Doc:
    # A guarded fact is a chain itself; brackets keep the guard with what it guards.
    simple = isinstance(condition, InForce) and None in (condition.first, condition.last)
    expression = certainly(condition)
    return expression if simple else layout.parenthesised(expression)


def _known_and(atom: FactAtom, test: Doc | None) -> Doc:
    """The test behind what must be known before it may be asked."""
    known = [_has(atom.path), *_reckonable(atom)]
    return layout.chain("&&", [*known, *([] if test is None else [test])])


def _has(path: str) -> Doc:
    return layout.has("context", Text(quote(path)))


def _reckonable(atom: FactAtom) -> Iterator[Doc]:
    """Bounds of the day that the atom adds to."""
    if isinstance(atom, NotBefore) and atom.offset:
        today = _today(atom.time_zone)
        yield layout.compared(today, ">=", Text(str(-MAX_INTEGER)))
        yield layout.compared(today, "<=", Text(str(MAX_INTEGER)))


def _affirmed(atom: FactAtom) -> Doc | None:
    """What a known fact must pass for the atom to hold; None where it need only be
    known."""
    if isinstance(atom, Known):
        return None
    key = Text(quote(atom.path))
    fact = layout.index("context", key)
    match atom:
        case NotBefore():
            return layout.compared(fact, ">=", _day(atom))
        case Holds():
            return fact
        case AtLeast(_, bound):
            return layout.compared(fact, ">=", Text(str(bound)))
        case Within(_, ()):
            return layout.call_on_index("context", key, "isEmpty", ())
        case OneOf(_, ()) | Touches(_, ()):
            return Text("false")
        case OneOf(_, (only,)):
            return layout.compared(fact, "==", Text(quote(only)))
        case OneOf(_, values):
            return _call_on_values(values, "contains", fact)
        case Within(_, values):
            return _call_on_values(values, "containsAll", fact)
        case Touches(_, (only,)):
            return layout.call_on_index("context", key, "contains", [Text(quote(only))])
        case Touches(_, values):
            return layout.call_on_index("context", key, "containsAny", [_values(values)])


def _refuted(atom: FactAtom) -> Doc | None:
    """What a known fact must pass for the atom not to hold; None where it need only be
    known."""
    fact = layout.index("context", Text(quote(atom.path)))
    match atom:
        case NotBefore():
            return layout.compared(fact, "<", _day(atom))
        case AtLeast(_, bound):
            return layout.compared(fact, "<", Text(str(bound)))
        case OneOf(_, ()) | Touches(_, ()):
            return None
        case OneOf(_, (only,)):
            return layout.compared(fact, "!=", Text(quote(only)))
        case _:
            affirmed = _affirmed(atom)
            return affirmed and layout.negation(affirmed)


def _truth(value: bool) -> Doc:
    return Text("true" if value else "false")


def _bounds(atom: InForce, first: str, last: str) -> Iterator[Doc]:
    today = _today(atom.time_zone)
    if atom.first is not None:
        yield layout.compared(today, first, Text(str(atom.first)))
    if atom.last is not None:
        yield layout.compared(today, last, Text(str(atom.last)))


def _today(time_zone: str) -> Doc:
    return layout.index("context", Text(quote(TODAY + time_zone)))


def _day(atom: NotBefore) -> Doc:
    """The day a fact is compared with."""
    today = _today(atom.time_zone)
    if atom.offset == 0:
        return today
    return layout.moved(today, "-" if atom.offset < 0 else "+", Text(str(abs(atom.offset))))


def _call_on_values(values: tuple[str, ...], method: str, fact: Doc) -> Doc:
    if isinstance(values, Shared):
        return layout.call_on_index("resource", Text(quote(values.attribute)), method, [fact])
    return layout.call_on_list(_literals(values), method, [fact])


def _values(values: tuple[str, ...]) -> Doc:
    if isinstance(values, Shared):
        return layout.index("resource", Text(quote(values.attribute)))
    return layout.listing(_literals(values))


def _literals(values: Sequence[str]) -> list[Doc]:
    return [Text(quote(value)) for value in values]
