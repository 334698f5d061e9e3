"""Whether a value of a question is exactly one that a fact can have.

An engine that checks types by itself is slow to ask, and one that does not skips what it takes
for an error: so the type is looked at here, as exactly as the vocabulary is.
"""

from collections.abc import Callable, Sequence
from typing import cast

from dsl.core import FactType, Kind
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS

IsFit = Callable[[object], bool]


def is_number(value: object) -> bool:
    """A number as engines have it: true is none, and none is longer than 64 bits."""
    return type(value) is int and -(2**63) <= value < 2**63


def fitness(fact: FactType) -> IsFit:
    """A test that is true of every value `dsl.facts.fit` gives, and of no value of another
    type, out of the vocabulary or not closed in the taxonomy."""
    match fact.kind:
        case Kind.TRUTH:
            return lambda value: value is True or value is False
        case Kind.INTEGER:
            return _range_test(-MAX_INTEGER if fact.may_be_negative else 0, MAX_INTEGER)
        case Kind.DAY:
            return _range_test(FIRST_DAY, LAST_DAY)
        case Kind.TERM:
            return _term_test(fact)
        case Kind.TERMS:
            return _terms_test(fact)


def _range_test(least: int, most: int) -> IsFit:
    return lambda value: type(value) is int and least <= value <= most


def _term_test(fact: FactType) -> IsFit:
    if fact.values is None:
        return lambda value: (
            type(value) is str and 0 < len(value) <= MAX_TERM_LENGTH and value.isprintable()
        )
    vocabulary = frozenset(fact.values)
    return lambda value: type(value) is str and value in vocabulary


def _terms_test(fact: FactType) -> IsFit:
    is_term = _term_test(fact)
    above = {term: frozenset(terms) for term, terms in fact.broader.items() if terms}

    def is_fit(value: object) -> bool:
        if type(value) is not tuple and type(value) is not list:
            return False
        terms = cast("Sequence[str]", value)
        enough = len(terms) > 0 or fact.may_be_empty
        if not enough or len(terms) > MAX_TERMS or not all(is_term(term) for term in terms):
            return False
        return not above or all(above[t].issubset(terms) for t in terms if t in above)

    return is_fit
