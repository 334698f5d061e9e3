"""Agreement vectors: questions that show every condition of a program in every value it can
be brought to, with the answer of the definition. Engines are asked them before they serve.

The material is the charters' own examples. An example states what its own charter reads,
so it is also laid over questions that the whole program permits: then its rule decides
alone. Numbers and days are moved to both sides of every bound, of an example that hangs on it
where there is one; each fact is hidden, and every profile asks. Of all candidates those are
kept that show something new.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from dsl.core import (
    PROFILE_PATH,
    AtLeast,
    Atom,
    Constant,
    InForce,
    Known,
    Level,
    NotBefore,
    Program,
    Rule,
    atoms,
)
from dsl.evaluate import Answer, truth
from dsl.facts import Question, settled
from dsl.kleene import Truth
from dsl.prepared import ORDER
from dsl.shown import GAPS, Shown, Watched, turns

# Enough to show each permission in its setting; more only costs time.
_BASES = 3
# Formulas and duties that are looked at for one atom, and examples for each of these.
_TRIED = 4


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
    shown = Shown(program)
    kept: list[Vector] = []
    for question in _candidates(program, shown, ordered, kept):
        answer = shown.anew(question)
        if answer is not None:
            kept.append(Vector(question, answer))
    return tuple(kept)


def _candidates(
    program: Program, shown: Shown, examples: list[Question], kept: Sequence[Vector]
) -> Iterator[Question]:
    """Questions that may show something new; `shown` is what the vectors `kept` until now
    show."""
    yield from _with_profiles(program, examples)
    for action in program.actions:
        watched = shown.watched[action]
        own = [question for question in examples if question.action == action]
        asked = _with_profiles(program, own)
        bases = _permitted(watched, asked)
        for base in bases:
            for question in own:
                yield Question(action, {**base.facts, **question.facts}, question.today)
            for path in base.facts:
                yield _without(base, path)
        hangs = _Hanging(program, watched, asked)
        for atom in watched.atoms:
            wanted = _sides(atom)
            if wanted <= shown.seen:
                continue
            for question in [*hangs.on(atom), *bases, *asked]:
                if wanted <= shown.seen:
                    break
                yield from _around(program, atom, question)
        for rule in program.rules:
            if action in rule.actions and rule.level is not Level.ENFORCE:
                yield from _beside(rule, action, shown.seen, list(kept))
    if program.profiles:
        questions = [vector.question for vector in kept]
        yield from _with_profiles(program, questions)
        yield from (_without(question, PROFILE_PATH) for question in questions)


class _Hanging:
    """Examples in which a formula or a duty hangs on one atom: moved to the other side of its
    bound, it changes the value of the whole. There an engine that has the bound wrong answers
    otherwise; and most rules are settled by another fact."""

    def __init__(self, program: Program, watched: Watched, asked: Sequence[Question]) -> None:
        self._program = program
        self._by_atom: dict[Atom, list[str]] = {}
        for name, condition in watched.conditions.items():
            for atom in dict.fromkeys(atoms(condition)):
                self._by_atom.setdefault(atom, []).append(name)
        self._conditions = watched.conditions
        self._open: dict[str, list[Question]] = {}
        for question in asked:
            values = watched.values(question)
            for name in watched.conditions:
                if values[watched.ordered[name][1]] != ORDER.index(Truth.FALSE):
                    self._open.setdefault(name, []).append(question)

    def on(self, atom: Atom) -> Iterator[Question]:
        """At most one example for each of a few formulas and duties."""
        for name in self._by_atom[atom][:_TRIED]:
            for question in self._open.get(name, ())[:_TRIED]:
                sides = _around(self._program, atom, question)
                if len({truth(self._conditions[name], side) for side in sides}) > 1:
                    yield question
                    break


def _with_profiles(program: Program, examples: list[Question]) -> list[Question]:
    """The examples as every profile asks them; they know of none."""
    if not program.profiles:
        return examples
    return [
        Question(q.action, {**q.facts, PROFILE_PATH: profile.name}, q.today)
        for profile in program.profiles
        for q in examples
    ]


def _around(program: Program, atom: Atom, question: Question) -> Iterator[Question]:
    """The question with what an atom reads moved to both sides of its bound, or hidden."""
    match atom:
        case InForce(zone):
            for day in turns(atom):
                yield Question(question.action, question.facts, {**question.today, zone: day})
        case AtLeast(path, bound):
            yield from _moved(program, question, path, bound)
        case NotBefore(path, zone, offset):
            yield from _moved(program, question, path, question.today[zone] + offset)
        case Known(path) if path in question.facts:
            yield _without(question, path)
        case _:
            pass


def _moved(program: Program, question: Question, path: str, bound: int) -> Iterator[Question]:
    for number in (bound - 1, bound, bound + 1):
        value = settled(program.facts[path], number)
        if value is not None:
            yield Question(question.action, {**question.facts, path: value}, question.today)


def _beside(
    rule: Rule, action: str, seen: Set[object], kept: Sequence[Vector]
) -> Iterator[Question]:
    """Questions in which a rule that is not enforced is noted, permitted and refused."""
    read = {atom.path for atom in atoms(rule.formula) if not isinstance(atom, InForce | Constant)}
    asked = [vector for vector in kept if vector.question.action == action]
    noting = next((v.question for v in asked if rule.id in v.answer.noted), None)
    if noting is None:
        return
    for vector in asked:
        if {(True, rule.id), (False, rule.id)} <= seen:
            break
        others = {p: value for p, value in vector.question.facts.items() if p not in read}
        same = {p: value for p, value in noting.facts.items() if p in read}
        yield Question(action, {**others, **same}, noting.today)


def _permitted(watched: Watched, asked: list[Question]) -> list[Question]:
    """A few permitted questions: of the examples, or of all that they state together."""
    found = [
        question for question in asked if watched.program.answer(watched.values(question)).permits
    ]
    return found[:: max(1, len(found) // _BASES)][:_BASES]


def _without(question: Question, path: str) -> Question:
    facts = {other: value for other, value in question.facts.items() if other != path}
    return Question(question.action, facts, question.today)


def _sides(atom: Atom) -> set[object]:
    """What questions around an atom can show of it."""
    match atom:
        case InForce():
            return {(atom, day) for day in turns(atom)}
        case AtLeast() | NotBefore():
            return {(atom, gap) for gap in GAPS}
        case Known():
            return {(atom, Truth.TRUE), (atom, Truth.FALSE)}
        case _:
            return set()


def _key(question: Question) -> str:
    return repr((question.action, sorted(question.facts.items()), sorted(question.today.items())))
