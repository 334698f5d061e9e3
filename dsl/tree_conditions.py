"""The tree, its leaves and conditions: literals, periods, citations, comparisons."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from dsl.source import Span


@dataclass(frozen=True)
class Word:
    """A name, value, string or number as written; `text` is without quotes."""

    text: str
    span: Span
    quoted: bool = False


@dataclass(frozen=True)
class Number:
    """A number in steps of 10**-`decimals`: `24.10` is 2410 with 2 decimals. `unit` is the
    word as written."""

    value: int
    unit: str | None
    span: Span
    decimals: int = 0


@dataclass(frozen=True)
class YesNo:
    value: bool
    span: Span


@dataclass(frozen=True)
class Day:
    day: date
    span: Span


@dataclass(frozen=True)
class Today:
    """`today`, or a day that many days after it (before it where negative)."""

    offset: Number | None
    minus: bool
    span: Span


Literal = Word | Number | YesNo | Day


@dataclass(frozen=True)
class Period:
    """First and last day, each None where that end is open."""

    first: Day | None
    last: Day | None


@dataclass(frozen=True)
class Cites:
    law: Word
    locator: Word
    span: Span


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
    BEFORE = "before"
    AFTER = "after"
    ON_OR_BEFORE = "on or before"
    ON_OR_AFTER = "on or after"
    LAST = "within the last"  # `within 30 days` as well
    NEXT = "within the next"
    KNOWN = "is known"
    NOT_KNOWN = "is not known"


@dataclass(frozen=True)
class ValueSet:
    values: tuple[Literal, ...]
    span: Span


@dataclass(frozen=True)
class Region:
    """Zones and sets put together with `+` and `-`, from left to right; a zone is a `Word`.
    `minus` holds the indices of the parts taken away; never the first."""

    parts: tuple[Word | ValueSet, ...]
    span: Span
    minus: frozenset[int] = frozenset()


class Quantifier(Enum):
    EVERY = "every"
    SOME = "some"


@dataclass(frozen=True)
class Test:
    """`path` is without the key of a map; `today` alone stands as path of a test of the
    clock."""

    path: Word
    relation: Relation
    operand: Literal | Region | Today | None
    span: Span
    key: Word | None = None
    quantifier: Quantifier | None = None


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
