"""Conditions prepared to be asked about many questions, each condition once for each.

What `dsl.evaluate` defines, in the same three values, and faster: equal conditions are one
condition, atoms are asked of the definition and kept by the value of their fact, and a
conjunction is the least of its parts (Kleene's order: false, unknown, true).

Nothing is permitted on the word of this module: it explains, chooses vectors, and refuses
where engines say otherwise. Tests hold it equal to the definition.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from dsl.core import And, Condition, Effect, Level, Not, Or, Program
from dsl.evaluate import Answer, truth
from dsl.facts import Question
from dsl.joints import Joint, Literal, are_terms, in_stretches, joined_in, key_of, reads_of
from dsl.kleene import Truth, conjoin, disjoin

# From the least to the greatest; a condition's value is kept as its place here.
ORDER = (Truth.FALSE, Truth.UNKNOWN, Truth.TRUE)
_PLACE = {value: place for place, value in enumerate(ORDER)}
_FALSE, _TRUE = 0, 2
MAX_KEPT = 4096

# Of what is joined of the same two, each of their values.
MAX_KEPT_JOINED = 1024

Values = list[int]
_Joined = tuple[Callable[[Sequence[int]], int], Callable[[Values], Any]]


class Prepared:
    """Some conditions, with all their parts, each of them numbered once."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        listed = tuple(conditions)
        leaves: dict[Condition, None] = {}
        for condition in listed:
            _collect(condition, leaves)
        ordered = sorted(leaves, key=reads_of)  # those that read one thing stand together
        self._leaves = tuple(_stretches(ordered))
        joined = list(in_stretches(joined_in(listed)))
        everything = [*ordered, *(condition for _, stretch in joined for condition in stretch)]
        self._numbers: dict[Condition, int] = {part: n for n, part in enumerate(everything)}
        self._by_id: dict[int, int] = {}
        self._kept_alive = listed
        for condition in listed:
            self._name(condition)
        self._joined = tuple(
            (reads, tuple(map(self._join, stretch)), dict[Hashable, Values]())
            for reads, stretch in joined
        )
        self._leaf_values: dict[Hashable, Values] = {}

    @property
    def size(self) -> int:
        """How many different conditions there are."""
        return len(self._numbers)

    def number(self, condition: Condition) -> int:
        """Where the value of a condition, or a part of one, stands among the values. Only
        the objects that were given to be prepared are known, and their parts."""
        return self._by_id[id(condition)]

    def values(self, question: Question) -> Values:
        """The value of every condition under the facts of a question, by number."""
        values: Values = []
        for read, leaves in self._leaves:
            values += self._values_of(read, leaves, question)
        append = values.append
        for reads, joined, kept in self._joined:
            key = key_of(reads, question)
            known = None if key is None else kept.get(key)
            if known is not None:
                values += known
                continue
            first = len(values)
            for choose, operands_of in joined:
                append(choose(operands_of(values)))
            if key is not None:
                if len(kept) >= MAX_KEPT_JOINED:
                    kept.clear()
                kept[key] = values[first:]
        return values

    def truths(self, question: Question) -> Callable[[Condition], Truth]:
        """A function that gives the value of a condition, or a part, under the question."""
        return self.truths_of(self.values(question))

    def truths_of(self, values: Values) -> Callable[[Condition], Truth]:
        """The same of the values of a question."""
        by_id = self._by_id
        return lambda condition: ORDER[values[by_id[id(condition)]]]

    def _values_of(
        self, read: tuple[str, str], leaves: Sequence[Literal], question: Question
    ) -> Values:
        """The values of the literals that read one fact, or one day, and nothing else."""
        kind, name = read
        if kind == "both":
            return [_PLACE[truth(leaf, question)] for leaf in leaves]
        # Nobody has looked at the value yet.
        value: object = (question.today if kind == "day" else question.facts).get(name)
        try:
            # By type as well: true is not 1, though Python takes them for equal.
            key = (kind, name, value.__class__, value)
            known = self._leaf_values.get(key)
        except TypeError:  # no fit value, and none that can be a key
            return [_PLACE[truth(leaf, question)] for leaf in leaves]
        if known is None:
            known = [_PLACE[truth(leaf, question)] for leaf in leaves]
            if len(self._leaf_values) >= MAX_KEPT:
                self._leaf_values.clear()
            if not isinstance(value, tuple) or are_terms(cast("tuple[object, ...]", value)):
                self._leaf_values[key] = known
        return known

    def _name(self, condition: Condition) -> None:
        """Have a condition and its parts known as the objects that they are."""
        if id(condition) in self._by_id:
            return
        self._by_id[id(condition)] = self._numbers[condition]
        if isinstance(condition, And | Or):
            for part in condition.operands:
                self._name(part)
        elif isinstance(condition, Not):
            # An explanation looks at the atom as well.
            self._by_id[id(condition.operand)] = self._numbers[condition.operand]

    def _join(self, condition: Joint) -> _Joined:
        operands = tuple(dict.fromkeys(self._numbers[part] for part in condition.operands))
        return _joined(_FALSE if isinstance(condition, And) else _TRUE, operands)


def _joined(settles: int, operands: Sequence[int]) -> _Joined:
    """How to get the value of a conjunction, which one false part settles, or of an
    alternative, which one true part settles, out of its operands."""
    # An item getter is what takes them out fastest; of one it gives no sequence.
    match len(operands):
        case 0:
            return (lambda _: _TRUE - settles), (lambda _: ())
        case 1:
            return max, itemgetter(slice(operands[0], operands[0] + 1))
        case _:
            return (min if settles == _FALSE else max), itemgetter(*operands)


def _collect(condition: Condition, leaves: dict[Condition, None]) -> None:
    match condition:
        case And(operands) | Or(operands):
            for part in operands:
                _collect(part, leaves)
        case Not(operand):
            leaves[operand] = None
            leaves[condition] = None
        case _:
            leaves[condition] = None


def _stretches(
    ordered: Sequence[Literal],
) -> Iterable[tuple[tuple[str, str], tuple[Literal, ...]]]:
    together: dict[tuple[str, str], list[Literal]] = {}
    for leaf in ordered:
        together.setdefault(reads_of(leaf), []).append(leaf)
    return ((read, tuple(leaves)) for read, leaves in together.items())


class Once:
    """The values of conditions under one question, each object evaluated once."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._known: dict[int, tuple[Condition, Truth]] = {}

    def __call__(self, condition: Condition) -> Truth:
        known = self._known.get(id(condition))
        if known is None:
            # With the condition, so that no other can get its identity meanwhile.
            known = self._known[id(condition)] = (condition, self._value(condition))
        return known[1]

    def _value(self, condition: Condition) -> Truth:
        match condition:
            case And(operands):
                return conjoin(map(self, operands))
            case Or(operands):
                return disjoin(map(self, operands))
            case _:
                return truth(condition, self._question)


class PreparedProgram:
    """A program prepared to be asked often about one action."""

    def __init__(self, program: Program, action: str, others: Iterable[Condition] = ()) -> None:
        asked = [rule for rule in program.rules if action in rule.actions]
        enforced = [rule for rule in asked if rule.level is Level.ENFORCE]
        noted = [rule for rule in asked if rule.level is not Level.ENFORCE]
        duties = [duty for rule in enforced for duty in rule.duties]
        conditions = [rule.formula for rule in asked] + [duty.condition for duty in duties]
        self.prepared = prepared = Prepared([*conditions, *others])

        def numbered(rules: Iterable[tuple[str, Condition]]) -> tuple[tuple[str, int], ...]:
            return tuple((name, prepared.number(condition)) for name, condition in rules)

        by_effect: Mapping[Effect, tuple[tuple[str, int], ...]] = {
            effect: numbered((r.id, r.formula) for r in enforced if r.effect is effect)
            for effect in Effect
        }
        self._prohibitions = by_effect[Effect.FORBID]
        self._permissions = by_effect[Effect.PERMIT]
        self._preferences = by_effect[Effect.PREFER]
        self._duties = numbered((duty.id, duty.condition) for duty in duties)
        self._noted_possible = numbered(
            (r.id, r.formula) for r in noted if r.effect is Effect.FORBID
        )
        self._noted_certain = numbered(
            (r.id, r.formula) for r in noted if r.effect is Effect.PERMIT
        )

    @property
    def size(self) -> int:
        """How many conditions are evaluated for a question."""
        return self.prepared.size

    def answer(self, values: Values) -> Answer:
        """The answer of `dsl.evaluate.evaluate`, of the values of a question."""

        def certain(rules: tuple[tuple[str, int], ...]) -> frozenset[str]:
            return frozenset(name for name, number in rules if values[number] == _TRUE)

        def possible(rules: tuple[tuple[str, int], ...]) -> frozenset[str]:
            return frozenset(name for name, number in rules if values[number] != _FALSE)

        denied, granted = possible(self._prohibitions), certain(self._permissions)
        noted = possible(self._noted_possible) | certain(self._noted_certain)
        if denied or not granted:
            return Answer(
                denied,
                frozenset(),
                broken=certain(self._prohibitions),
                open=possible(self._permissions),
                noted=noted,
            )
        return Answer(
            denied,
            granted,
            duties=possible(self._duties),
            preferred=certain(self._preferences),
            noted=noted,
        )
