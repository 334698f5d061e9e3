"""Agreement vectors: questions that show every condition of a program in every value it can
be brought to, with the answer of the definition. Engines are asked them before they serve.

The material is the charters' own examples. An example states what its own charter reads,
so it is also laid over questions that the whole program permits: then its rule decides
alone. Numbers and days are moved to both sides of every bound, each fact is hidden, and
every profile asks. Of all candidates those are kept that show something new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Atom,
    Condition,
    Constant,
    Effect,
    InForce,
    Known,
    Level,
    NotBefore,
    OneOf,
    Program,
    Rule,
    atoms,
    conjuncts,
)
from dsl.evaluate import Answer, verdict
from dsl.facts import Question, settled
from dsl.kleene import Truth
from dsl.prepared import ORDER, PreparedProgram

# Enough to show each permission in its setting; more only costs time.
_BASES = 3
# The last value below a bound, the bound, and the first above it.
_GAPS = (-1, 0, 1)


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
    for question in _candidates(program, watched, ordered, seen, kept):
        answer, shown = watched[question.action].shown(question)
        if not shown <= seen:
            seen |= shown
            kept.append(Vector(question, answer))
    return tuple(kept)


def _candidates(
    program: Program,
    watched: Mapping[str, "_Watched"],
    examples: list[Question],
    seen: Set[object],
    kept: Sequence[Vector],
) -> Iterator[Question]:
    """Questions that may show something new; `seen` is what the vectors `kept` until now
    show."""
    yield from _with_profiles(program, examples)
    for action in program.actions:
        own = [question for question in examples if question.action == action]
        asked = _with_profiles(program, own)
        bases = _permitted(watched[action], asked)
        for base in bases:
            for question in own:
                yield Question(action, {**base.facts, **question.facts}, question.today)
            for path in base.facts:
                yield _without(base, path)
        for atom in watched[action].atoms:
            wanted = _sides(atom)
            for question in [*bases, *asked]:
                if wanted <= seen:
                    break
                yield from _around(program, atom, question)
        for rule in program.rules:
            if action in rule.actions and rule.level is not Level.ENFORCE:
                yield from _beside(rule, action, seen, list(kept))
    if program.profiles:
        shown = [vector.question for vector in kept]
        yield from _with_profiles(program, shown)
        yield from (_without(question, PROFILE_PATH) for question in shown)


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
            for day in _turns(atom):
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


def _permitted(watched: "_Watched", asked: list[Question]) -> list[Question]:
    """A few permitted questions: of the examples, or of all that they state together."""
    found = [question for question in asked if watched.answer(question).permits]
    return found[:: max(1, len(found) // _BASES)][:_BASES]


def _without(question: Question, path: str) -> Question:
    facts = {other: value for other, value in question.facts.items() if other != path}
    return Question(question.action, facts, question.today)


@dataclass(frozen=True)
class _Part:
    """A formula or the condition of a duty, by name and number. `profile` and `rest` are the
    numbers of what asks for the caller's profile and of all else, where something does."""

    name: str
    number: int
    profile: int | None
    rest: int | None


@dataclass(frozen=True)
class _Watched:
    """What is watched of one action: its formulas and duties by name, their atoms, and what
    only a permit shows: duties and preferences."""

    parts: tuple[_Part, ...]
    atoms: Mapping[Atom, int]
    on_permits: frozenset[str]
    program: PreparedProgram

    @staticmethod
    def of(program: Program, action: str) -> "_Watched":
        rules = [rule for rule in program.rules if action in rule.actions]
        formulas = [(r.id, r.formula) for r in rules if r.effect is not Effect.OBLIGE]
        enforced = [rule for rule in rules if rule.level is Level.ENFORCE]
        duties = [(duty.id, duty.condition) for rule in enforced for duty in rule.duties]
        conditions = [(name, part, _beside_profile(part)) for name, part in (*formulas, *duties)]
        found = {atom: None for _, part, _ in conditions for atom in atoms(part)}
        preferences = (rule.id for rule in enforced if rule.effect is Effect.PREFER)
        beside = [part for _, _, pair in conditions for part in pair or ()]
        asked = PreparedProgram(program, action, [*found, *beside])
        number = asked.prepared.number
        return _Watched(
            tuple(
                _Part(name, number(part), *(map(number, pair) if pair else (None, None)))
                for name, part, pair in conditions
            ),
            {atom: number(atom) for atom in found},
            frozenset(name for name, _ in duties).union(preferences),
            asked,
        )

    def answer(self, question: Question) -> Answer:
        return self.program.answer(self.program.prepared.values(question))

    def shown(self, question: Question) -> tuple[Answer, set[object]]:
        """The answer to a question, and what it shows: the outcome, what is noted beside it,
        the value of every condition and atom, and of what lies at its bound on which side."""
        values = self.program.prepared.values(question)
        answer = self.program.answer(values)
        shown: set[object] = {(question.action, verdict(answer))}
        shown.update((answer.permits, name) for name in answer.noted)
        for part in self.parts:
            shown.add((part.name, ORDER[values[part.number]]))
            if part.profile is not None and part.rest is not None:
                shown.add((part.name, values[part.profile], values[part.rest]))
        for atom, number in self.atoms.items():
            shown.add((atom, ORDER[values[number]]))
            place = _place(atom, question)
            if place is not None:
                shown.add((atom, place))
        if answer.permits:
            found = answer.duties | answer.preferred
            shown.update((name, name in found) for name in self.on_permits)
        return answer, shown


def _beside_profile(condition: Condition) -> tuple[Condition, Condition] | None:
    """What asks whether it is in force for the caller's profile, and all else in it; None
    where it asks for no profile."""
    first, *rest = conjuncts(condition)
    if not isinstance(first, OneOf) or first.path != PROFILE_PATH:
        return None
    return first, And(tuple(rest))


def _sides(atom: Atom) -> set[object]:
    """What questions around an atom can show of it."""
    match atom:
        case InForce():
            return {(atom, day) for day in _turns(atom)}
        case AtLeast() | NotBefore():
            return {(atom, gap) for gap in _GAPS}
        case Known():
            return {(atom, Truth.TRUE), (atom, Truth.FALSE)}
        case _:
            return set()


def _turns(atom: InForce) -> tuple[int, ...]:
    """The days on both sides of both ends."""
    first = () if atom.first is None else (atom.first - 1, atom.first)
    return first if atom.last is None else (*first, atom.last, atom.last + 1)


def _place(atom: Atom, question: Question) -> int | None:
    """Where today lies among the days on which something turns, or a fact among the values
    around its bound; None where it lies elsewhere."""
    match atom:
        case InForce(zone):
            today = question.today[zone]
            return today if today in _turns(atom) else None
        case AtLeast(path, bound):
            lowest = bound
        case NotBefore(path, zone, offset):
            lowest = question.today[zone] + offset
        case _:
            return None
    value = question.facts.get(path)
    gap = value - lowest if isinstance(value, int) else None
    return gap if gap in _GAPS else None


def _key(question: Question) -> str:
    return repr((question.action, sorted(question.facts.items()), sorted(question.today.items())))
