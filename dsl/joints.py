"""What conditions are joined of, in an order in which they can be evaluated, and what their values
can be kept by.

Most of what is joined reads two things: a fact of a place and the day, for zones have members
from a day on. Its values are those of the last question about that place on that day.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import cast

from dsl.core import And, Condition, Constant, InForce, Not, NotBefore, Or
from dsl.facts import Question

Literal = Condition  # an atom, or one denied
Joint = And | Or
Read = tuple[str, str]  # a kind, and the name of a fact or of a day
Reads = tuple[Read, ...]

_KEPT_BY = 2
_WORTH_IT = 4
_SIMPLE = frozenset((bool, int, str))


def reads_of(leaf: Literal) -> tuple[str, str]:
    """What a literal reads: a fact, a day, or both."""
    atom = leaf.operand if isinstance(leaf, Not) else leaf
    match atom:
        case Constant():
            return ("day", "")
        case InForce(time_zone):
            return ("day", time_zone)
        case NotBefore(path):
            return ("both", path)
        case And() | Or():
            raise TypeError("no literal is a conjunction")
        case _:
            return ("fact", atom.path)


def joined_in(conditions: Iterable[Condition]) -> dict[Joint, frozenset[Read]]:
    """What is joined of parts, each behind its parts, with all that it reads."""
    found: dict[Joint, frozenset[Read]] = {}

    def reads(condition: Condition) -> frozenset[Read]:
        if not isinstance(condition, And | Or):
            return frozenset((reads_of(condition),))
        known = found.get(condition)
        if known is None:
            known = frozenset[Read]().union(*map(reads, condition.operands))
            found[condition] = known
        return known

    for condition in conditions:
        reads(condition)
    return found


def in_stretches(joined: Mapping[Joint, frozenset[Read]]) -> Iterator[tuple[Reads, list[Joint]]]:
    """The same with what reads the same two things together, whose values are kept by theirs:
    such as a zone of a place on a day. What reads less has come before, and all else after."""
    alone: list[Joint] = []
    others: list[Joint] = []
    together: dict[frozenset[Read], list[Joint]] = {}
    for condition, reads in joined.items():
        if len(reads) < _KEPT_BY:
            alone.append(condition)
        elif len(reads) == _KEPT_BY and all(kind != "both" for kind, _ in reads):
            together.setdefault(reads, []).append(condition)
        else:
            others.append(condition)
    late = set(others)
    few = {reads for reads, stretch in together.items() if len(stretch) < _WORTH_IT}
    yield (), alone
    for reads, stretch in together.items():
        if reads not in few:
            yield tuple(sorted(reads)), stretch
    # In the order in which they came, so that parts are before what they are parts of.
    yield (), [c for c, reads in joined.items() if reads in few or c in late]


def key_of(reads: Reads, question: Question) -> Hashable | None:
    """What is read, to keep values by; None where there is nothing to keep them by."""
    if not reads:
        return None
    read: list[tuple[type, object]] = []
    for kind, name in reads:
        value: object = (question.today if kind == "day" else question.facts).get(name)
        if isinstance(value, tuple):
            if not are_terms(cast("tuple[object, ...]", value)):
                return None
        elif value is not None and type(value) not in _SIMPLE:
            return None
        # By type as well: true is not 1, though Python takes them for equal.
        read.append((value.__class__, value))
    return tuple(read)


def are_terms(value: tuple[object, ...]) -> bool:
    return all(isinstance(term, str) for term in value)
