"""The tree: what the author wrote, clause by clause, each with its place.

Nothing is looked up and nothing is left out yet; `dsl.resolve` and `dsl.check` do that.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from dsl.source import SourceText, Span


@dataclass(frozen=True)
class Word:
    """A name, value, string or number as written; `text` is without quotes."""

    text: str
    span: Span
    quoted: bool = False


@dataclass(frozen=True)
class Number:
    value: int
    unit: str | None
    span: Span


@dataclass(frozen=True)
class YesNo:
    value: bool
    span: Span


@dataclass(frozen=True)
class Day:
    day: date
    span: Span


Literal = Word | Number | YesNo


@dataclass(frozen=True)
class Period:
    """First and last day, each None where that end is open."""

    first: Day | None
    last: Day | None


# --- vocabulary ----------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    name: Word
    title: Word
    celex: Word | None
    url: Word | None


@dataclass(frozen=True)
class Action:
    name: Word
    title: Word


@dataclass(frozen=True)
class Enumeration:
    name: Word
    title: Word
    values: tuple[Word, ...]


@dataclass(frozen=True)
class Term:
    name: Word
    title: Word
    under: tuple[Word, ...]


@dataclass(frozen=True)
class Taxonomy:
    name: Word
    title: Word
    terms: tuple[Term, ...]


class Shape(Enum):
    TERM = "term"
    SET = "set"
    SET_OR_NONE = "set or none"
    TRUTH = "yes or no"
    NUMBER = "number"


@dataclass(frozen=True)
class Type:
    """`name` is the type of a term or of a set's elements, or a number's unit."""

    shape: Shape
    name: Word | None
    span: Span


@dataclass(frozen=True)
class Field:
    name: Word
    type: Type
    title: Word | None


@dataclass(frozen=True)
class Entity:
    name: Word
    title: Word
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Record:
    """A record with `fields` of its own, or, where `entity` is set, a place on the wire
    that names an entity of the catalogue and has that entity's fields."""

    name: Word
    title: Word | None
    origin: Word
    wire: Word
    fields: tuple[Field, ...]
    entity: Word | None
    actions: tuple[Word, ...]


@dataclass(frozen=True)
class Member:
    values: tuple[Word, ...]
    basis: Word | None
    celex: Word | None
    period: Period


@dataclass(frozen=True)
class Zone:
    name: Word
    title: Word
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Obligation:
    name: Word
    title: Word


# --- conditions ----------------------------------------------------------------------


class Relation(Enum):
    HOLDS = "holds"
    IS = "="
    IS_NOT = "is not"
    IN = "in"
    HAS = "has"
    WITHIN = "within"
    TOUCHES = "touches"
    AT_LEAST = "at least"
    AT_MOST = "at most"
    MORE_THAN = "more than"
    LESS_THAN = "less than"


@dataclass(frozen=True)
class ValueSet:
    values: tuple[Literal, ...]
    span: Span


@dataclass(frozen=True)
class Region:
    """Zones and sets put together with `+`; a zone is a `Word`."""

    parts: tuple[Word | ValueSet, ...]
    span: Span


@dataclass(frozen=True)
class Test:
    path: Word
    relation: Relation
    operand: Literal | Region | None
    span: Span


@dataclass(frozen=True)
class Not:
    operand: "Condition"
    span: Span


@dataclass(frozen=True)
class And:
    operands: "tuple[Condition, ...]"
    span: Span


@dataclass(frozen=True)
class Or:
    operands: "tuple[Condition, ...]"
    span: Span


Condition = Test | Not | And | Or


# --- rules ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Cites:
    law: Word
    locator: Word
    span: Span


@dataclass(frozen=True)
class InForce:
    period: Period
    span: Span


@dataclass(frozen=True)
class On:
    actions: tuple[Word, ...]
    span: Span


@dataclass(frozen=True)
class When:
    condition: Condition
    span: Span


@dataclass(frozen=True)
class Require:
    condition: Condition
    span: Span


@dataclass(frozen=True)
class Permit:
    span: Span


@dataclass(frozen=True)
class Forbid:
    span: Span


@dataclass(frozen=True)
class Oblige:
    obligation: Word
    due: Number | None
    span: Span


@dataclass(frozen=True)
class Because:
    text: str
    span: Span


@dataclass(frozen=True)
class Remedy:
    text: str
    span: Span


class Expected(Enum):
    PERMITTED = "permitted"
    DENIED = "denied"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Given:
    """`path = value` of an example; the value is None for `unknown`."""

    path: Word
    value: Literal | ValueSet | None
    span: Span


@dataclass(frozen=True)
class Example:
    title: Word
    expected: Expected
    obligations: tuple[Word, ...]
    given: tuple[Given, ...]
    as_of: Day | None
    action: Word | None
    span: Span


RuleClause = (
    Cites | InForce | On | When | Require | Permit | Forbid | Oblige | Because | Remedy | Example
)


@dataclass(frozen=True)
class Exceptional:
    """An exception and the clauses written below it."""

    name: Word
    title: Word
    clauses: tuple[RuleClause, ...]


@dataclass(frozen=True)
class Rule:
    """A rule; `clauses` are those before the first exception, and every `because`,
    `remedy` and `example` wherever it stands."""

    name: Word
    title: Word
    clauses: tuple[RuleClause, ...]
    exceptions: tuple[Exceptional, ...]


Declaration = Action | Enumeration | Taxonomy | Entity | Record | Zone | Obligation | Rule


@dataclass(frozen=True)
class Charter:
    source: SourceText
    name: Word
    title: Word | None
    laws: tuple[Law, ...]
    time_zone: Word | None
    as_of: Day | None
    imports: tuple[Word, ...]
    declarations: tuple[Declaration, ...]
