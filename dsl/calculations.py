"""Core, derived facts that are computed from one or two other facts.

What they mean: `dsl.derive`. They are part of `dsl.core`, which names them.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Shift:
    """A DAY fact moved by whole months, clipped to the end of the month, and then by days."""

    path: str
    months: int
    days: int


@dataclass(frozen=True, slots=True)
class DaysBetween:
    """The number of days from one DAY fact to another; None stands for today in
    `time_zone`. Negative where the second lies before the first."""

    first: str | None
    last: str | None
    time_zone: str


class Comparison(Enum):
    """How two facts of one kind and vocabulary, or unit and scale, are compared."""

    EQUAL = "equal"  # TRUTH, TERM, INTEGER, DAY
    IN = "in"  # a TERM and a TERMS
    WITHIN = "within"  # TERMS: every element of the left is one of the right
    TOUCHES = "touches"  # TERMS: some element of the left is one of the right
    AT_LEAST = "at-least"  # INTEGER, DAY, and TERM of ordered levels


@dataclass(frozen=True, slots=True)
class Compare:
    """A TRUTH: whether `left` compares so with `right`, or, `negated`, does not."""

    comparison: Comparison
    left: str
    right: str
    negated: bool = False
