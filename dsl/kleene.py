"""Three-valued logic: the tables that every engine must agree with.

Strong Kleene logic (S. C. Kleene, "Introduction to Metamathematics", 1952,
section 64). A fact nobody could establish is `UNKNOWN`; it is never taken for
`FALSE`, so that nothing unknown can open the gate.
"""

from collections.abc import Iterable
from enum import Enum


class Truth(Enum):
    """A truth value; use `is_true`, there is deliberately no `bool()`."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        # A three-valued result used as a condition would let "unknown" pass for "true".
        raise TypeError("a Truth has three values; compare it with `is`")

    @staticmethod
    def of(value: bool) -> "Truth":
        return Truth.TRUE if value else Truth.FALSE


def negate(value: Truth) -> Truth:
    """`not a`."""
    if value is Truth.UNKNOWN:
        return Truth.UNKNOWN
    return Truth.FALSE if value is Truth.TRUE else Truth.TRUE


def conjoin(values: Iterable[Truth]) -> Truth:
    """`a and b and ...`: false wins over unknown; the empty conjunction is true."""
    result = Truth.TRUE
    for value in values:
        if value is Truth.FALSE:
            return Truth.FALSE
        if value is Truth.UNKNOWN:
            result = Truth.UNKNOWN
    return result


def disjoin(values: Iterable[Truth]) -> Truth:
    """`a or b or ...`: true wins over unknown; the empty disjunction is false."""
    return negate(conjoin(negate(value) for value in values))


def certainly(value: Truth) -> bool:
    """Whether the value is true whatever the unknown facts turn out to be."""
    return value is Truth.TRUE


def possibly(value: Truth) -> bool:
    """Whether the value could be true: `not certainly(not a)`."""
    return value is not Truth.FALSE
