"""Which conditions can be unknown at all.

A condition that looks at the day, or asks whether a fact `is known`, is always true or
false. One that reads a fact can be unknown, unless it asks of the same fact whether it is
known in a way that settles it: `tool is not known or tool = none`.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import product

from dsl.core import And, Condition, Constant, InForce, Known, Not, Or, atoms
from dsl.kleene import Truth, conjoin, disjoin, negate

_EITHER = frozenset({Truth.TRUE, Truth.FALSE})

# Facts asked about with `is known` in one condition, up to which all ways to know some of
# them are gone through; their number doubles with each.
_MANY = 8


def can_be_unknown(condition: Condition) -> bool:
    """Whether some facts leave the condition unknown (strong Kleene logic, see `dsl.kleene`).

    Never wrong with "no". With "yes" it can be, for comparisons count as independent of each
    other: `tool = none and not tool = none` next to a fact that is unknown.
    """
    asked = sorted({atom.path for atom in atoms(condition) if isinstance(atom, Known)})
    if len(asked) > _MANY:
        return any(not isinstance(atom, Known | InForce | Constant) for atom in atoms(condition))
    # Facts that nobody asks about are best left unknown: to know more of them never turns
    # what is true or false into unknown.
    return any(Truth.UNKNOWN in _values(condition, known) for known in _subsets(asked))


def _subsets(paths: list[str]) -> Iterator[frozenset[str]]:
    for kept in product((False, True), repeat=len(paths)):
        yield frozenset(path for path, keep in zip(paths, kept, strict=True) if keep)


def _values(condition: Condition, known: frozenset[str]) -> frozenset[Truth]:
    """The values it can have where exactly the facts in `known` are known."""
    match condition:
        case Constant(value):
            return frozenset({Truth.of(value)})
        case InForce():
            return _EITHER
        case Known(path):
            return frozenset({Truth.of(path in known)})
        case Not(operand):
            return frozenset(map(negate, _values(operand, known)))
        case And(operands):
            return _together(operands, known, every=True)
        case Or(operands):
            return _together(operands, known, every=False)
        case _:
            return _EITHER if condition.path in known else frozenset({Truth.UNKNOWN})


def _together(
    operands: Iterable[Condition], known: frozenset[str], *, every: bool
) -> frozenset[Truth]:
    join = conjoin if every else disjoin

    def joined(before: frozenset[Truth], operand: Condition) -> frozenset[Truth]:
        return frozenset(join(pair) for pair in product(before, _values(operand, known)))

    return reduce(joined, operands, frozenset({Truth.of(every)}))
