"""Agreement vectors: questions that show every condition of a program in every value it can
be brought to, with the answer of the definition. Engines are asked them before they serve.

The material is the charters' own examples. An example states what its own charter reads,
so it is also laid over questions that the whole program permits: then its rule decides
alone. Of all candidates those are kept that show something new.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dsl.core import Atom, Condition, Effect, Program, atoms
from dsl.evaluate import Answer, evaluate, truth, verdict
from dsl.facts import Question, Value

# Enough to show each permission in its setting; more only costs time.
_BASES = 3


@dataclass(frozen=True)
class Vector:
    """A question and the answer every engine must give."""

    question: Question
    answer: Answer


def agreement_vectors(program: Program, examples: Iterable[Question]) -> tuple[Vector, ...]:
    """The vectors, in a fixed order.

    Args:
        examples: The questions of the charters' examples.
    """
    known = {_key(question): question for question in examples}
    ordered = [known[key] for key in sorted(known)]
    watched = {action: _Watched.of(program, action) for action in program.actions}
    seen: set[object] = set()
    kept: list[Vector] = []
    for question in _candidates(program, ordered):
        answer = evaluate(program, question)
        shown = watched[question.action].shown(question, answer)
        if not shown <= seen:
            seen |= shown
            kept.append(Vector(question, answer))
    return tuple(kept)


def _candidates(program: Program, examples: list[Question]) -> Iterator[Question]:
    yield from examples
    for action in program.actions:
        asked = [question for question in examples if question.action == action]
        bases = _permitted(program, asked)
        for base in bases:
            for question in asked:
                yield Question(action, {**base.facts, **question.facts}, question.today)
            for path in base.facts:
                yield Question(action, _without(base.facts, path), base.today)


def _permitted(program: Program, asked: list[Question]) -> list[Question]:
    """A few permitted questions: of the examples, or of all that they state together."""
    found = [question for question in asked if evaluate(program, question).permits]
    return found[:: max(1, len(found) // _BASES)][:_BASES]


def _without(facts: Mapping[str, Value], path: str) -> dict[str, Value]:
    return {other: value for other, value in facts.items() if other != path}


@dataclass(frozen=True)
class _Watched:
    """What is watched of one action: its formulas and duties by name, and their atoms."""

    conditions: tuple[tuple[str, Condition], ...]
    atoms: tuple[Atom, ...]
    duties: frozenset[str]

    @staticmethod
    def of(program: Program, action: str) -> "_Watched":
        rules = [rule for rule in program.rules if action in rule.actions]
        formulas = [(r.id, r.formula) for r in rules if r.effect is not Effect.OBLIGE]
        duties = [(duty.id, duty.condition) for rule in rules for duty in rule.duties]
        found = {atom: None for _, part in (*formulas, *duties) for atom in atoms(part)}
        return _Watched((*formulas, *duties), tuple(found), frozenset(name for name, _ in duties))

    def shown(self, question: Question, answer: Answer) -> set[object]:
        """What a question shows: the outcome, and the value of every condition and atom."""
        shown: set[object] = {(question.action, verdict(answer))}
        shown.update((name, truth(part, question)) for name, part in self.conditions)
        shown.update((atom, truth(atom, question)) for atom in self.atoms)
        if answer.permits:
            shown.update((duty, duty in answer.duties) for duty in self.duties)
        return shown


def _key(question: Question) -> str:
    return repr((question.action, sorted(question.facts.items()), sorted(question.today.items())))
