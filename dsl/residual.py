"""What a value rests on: the facts that decided, and the facts that are missing.

Explanations only; no verdict depends on this module. Who asks several things of one
question can give a function that remembers values.
"""

from collections.abc import Callable, Collection

from dsl.core import And, Condition, Constant, InForce, Known, Not, Or, atoms
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.prepared import Once

# Gives the value of a condition, or of a part of it, under a question.
ValueOf = Callable[[Condition], Truth]


def missing(condition: Condition, question: Question, of: ValueOf | None = None) -> frozenset[str]:
    """The unknown facts that keep the condition from being true or false.

    The residual of the condition: parts that the known facts settle drop out, and what is
    left names its facts. Empty exactly where the value is known.
    """
    of = of or Once(question)
    if of(condition) is not Truth.UNKNOWN:
        return frozenset()
    match condition:
        case And(operands) | Or(operands):
            return frozenset[str]().union(*(missing(part, question, of) for part in operands))
        case Not(operand):
            return missing(operand, question, of)
        case Constant() | InForce():
            return frozenset()
        case _:
            return frozenset({condition.path})


def deciding(condition: Condition, question: Question, of: ValueOf | None = None) -> frozenset[str]:
    """The known facts on which the value rests: with these alone known, the condition has
    the value it has. Of an `or` that is true, and an `and` that is false, the first part
    that settles it is enough. That a fact is not known decides too, and names nothing."""
    of = of or Once(question)
    value = of(condition)
    match condition:
        case And(operands) | Or(operands):
            settles = Truth.FALSE if isinstance(condition, And) else Truth.TRUE
            if value is settles:
                part = next(p for p in operands if of(p) is settles)
                return deciding(part, question, of)
            return frozenset[str]().union(*(deciding(part, question, of) for part in operands))
        case Not(operand):
            return deciding(operand, question, of)
        case Constant() | InForce():
            return frozenset()
        case _:
            known = condition.path in question.facts
            return frozenset({condition.path}) if known else frozenset()


def wanting(condition: Condition, question: Question, of: ValueOf | None = None) -> frozenset[str]:
    """The hidden facts that a `Known` asks for, where knowing them can change the value.

    Of the formula of a prohibition that is not clear, they are what must be known to clear
    it; of that of a permission that does not grant, what must be known for it to grant.
    Where there are none, a value that is true or false stays so whatever else gets known.
    """
    of = of or Once(question)
    match condition:
        case And(operands) | Or(operands):
            value = of(condition)
            settles = Truth.FALSE if isinstance(condition, And) else Truth.TRUE
            parts = operands
            if value is settles:
                # Every part that settles it must give way.
                parts = tuple(p for p in operands if of(p) is settles)
                if not all(wanting(part, question, of) for part in parts):
                    return frozenset()
            return frozenset[str]().union(*(wanting(part, question, of) for part in parts))
        case Known(path) | Not(Known(path)):
            return frozenset() if path in question.facts else frozenset({path})
        case _:
            return frozenset()


class Residuals:
    """The same of the conditions of one program, about many questions: what a condition reads
    is looked up once, and a part that can add nothing is passed by. Zones with a date for each
    member are a hundred parts about one fact."""

    def __init__(self) -> None:
        # By identity; with the condition, so that no other has it meanwhile.
        self._reads: dict[int, tuple[Condition, frozenset[str], bool]] = {}

    def missing(self, condition: Condition, question: Question, of: ValueOf) -> frozenset[str]:
        found = set[str]()
        if of(condition) is Truth.UNKNOWN:
            self._missing(condition, question, of, found)
        return frozenset(found)

    def deciding(self, condition: Condition, question: Question, of: ValueOf) -> frozenset[str]:
        found = set[str]()
        self._deciding(condition, question.facts, of, found)
        return frozenset(found)

    def wanting(self, condition: Condition, question: Question, of: ValueOf) -> frozenset[str]:
        asks_for_known = self._read_by(condition)[1]
        return wanting(condition, question, of) if asks_for_known else frozenset()

    def _missing(
        self, condition: Condition, question: Question, of: ValueOf, found: set[str]
    ) -> None:
        """Of a condition that is unknown."""
        if not isinstance(condition, And | Or):
            found |= missing(condition, question, of)
            return
        for part in condition.operands:
            if not self._read_by(part)[0] <= found and of(part) is Truth.UNKNOWN:
                self._missing(part, question, of, found)

    def _deciding(
        self, condition: Condition, known: Collection[str], of: ValueOf, found: set[str]
    ) -> None:
        read = self._read_by(condition)[0]
        if read <= found:
            return
        if not isinstance(condition, And | Or):
            found.update(path for path in read if path in known)
            return
        settles = Truth.FALSE if isinstance(condition, And) else Truth.TRUE
        if of(condition) is settles:
            part = next(part for part in condition.operands if of(part) is settles)
            self._deciding(part, known, of, found)
            return
        for part in condition.operands:
            self._deciding(part, known, of, found)

    def _read_by(self, condition: Condition) -> tuple[frozenset[str], bool]:
        """The facts that a condition reads, and whether it asks if one is known."""
        kept = self._reads.get(id(condition))
        if kept is None:
            read = [atom for atom in atoms(condition) if not isinstance(atom, Constant | InForce)]
            paths = frozenset(atom.path for atom in read)
            kept = (condition, paths, any(isinstance(atom, Known) for atom in read))
            self._reads[id(condition)] = kept
        return kept[1], kept[2]
