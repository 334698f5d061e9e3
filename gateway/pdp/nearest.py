"""The smallest changes of a request that turn a refusal into a permit.

Every combination of at most two facts is tried, at the values where some rule turns
(`gateway.pdp.candidates`), in a fixed order and within a budget. Only facts that a caller
may state are varied, and never who is asking.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice, product

from dsl.core import Effect, FactType, Kind, Origin
from dsl.derive import inputs
from dsl.evaluate import truth
from dsl.facts import Question, Value
from dsl.kleene import certainly, possibly
from gateway.pdp.candidates import Candidate, Turns, candidates
from gateway.pdp.what_if import WhatIf

MAX_SUGGESTIONS = 6
MAX_CLASSES = 64  # of values of one fact
_MAX_CONFIRMED = 64
_MAX_ALTERNATIVES = 16
_MAX_PER_FACTS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that would be otherwise. Any of `values` would do. Of a number or a date
    with a `span`, `values` holds the nearest, and all between the ends of the span would do;
    an end that is None is open. `before` is None where nobody has stated the fact."""

    fact: FactType
    before: Value | None
    values: tuple[Value, ...]
    span: tuple[int | None, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Changes that together turn the answer into a permit, and the obligations it has."""

    changes: tuple[Change, ...]
    obligations: tuple[str, ...]


class Nearest:
    """The search for one refused request."""

    def __init__(self, what_if: WhatIf) -> None:
        self._if = what_if
        self._turns = Turns.of(what_if.program, what_if.question.action)
        derived = what_if.program.derived.values()
        self._derived_from = frozenset(path for one in derived for path in inputs(one))

    def suggestions(self) -> Iterator[Suggestion]:
        """Smallest first, then those that contradict fewest known facts, then by path."""
        tried = [(one, self._permits((one,))) for one in self._options()]
        singles = list(self._grouped([(one,) for one, permits in tried if permits]))
        rest = [one for one, permits in tried if not permits]
        pairs: list[tuple[Candidate, ...]] = []
        for pair in combinations(rest, 2):
            if self._if.gave_up:
                break
            if pair[0].fact.path != pair[1].fact.path and self._permits(pair):
                pairs.append(pair)
        listed = [*singles, *self._grouped(pairs)]
        listed.sort(key=self._rank)
        yield from listed[:MAX_SUGGESTIONS]

    def _options(self) -> list[Candidate]:
        options: list[Candidate] = []
        question = self._if.question
        for path in sorted(self._turns.paths()):
            fact = self._if.program.facts.get(path)
            if fact is not None and _may_be_stated(fact):
                found = candidates(fact, question, self._turns)
                self._if.gave_up |= len(found) > MAX_CLASSES
                options += found[:MAX_CLASSES]
        return options

    def _permits(self, changes: tuple[Candidate, ...]) -> bool:
        """Whether the request with these facts would be permitted."""
        if not self._could_permit(changes):
            return False
        answer = self._if.with_facts([(one.fact, one.value) for one in changes])
        return answer is not None and answer.permits

    def _could_permit(self, changes: tuple[Candidate, ...]) -> bool:
        """Whether what refuses now would let go; cheap, and right where no derived fact
        depends on the changes."""
        if not self._if.spend():
            return False
        if any(one.fact.path in self._derived_from for one in changes):
            return True
        facts = {**self._if.question.facts, **{one.fact.path: one.value for one in changes}}
        question = Question(self._if.question.action, facts, self._if.question.today)
        if self._if.answer.denied:
            return not any(
                possibly(truth(self._if.rules[rule].formula, question))
                for rule in sorted(self._if.answer.denied)
            )
        return any(
            certainly(truth(rule.formula, question))
            for rule in self._if.rules.values()
            if rule.effect is Effect.PERMIT
        )

    def _grouped(self, found: Iterable[tuple[Candidate, ...]]) -> Iterator[Suggestion]:
        """A few suggestions for each choice of facts, with all values that would do alike."""
        by_facts: dict[tuple[str, ...], list[tuple[Candidate, ...]]] = {}
        for changes in found:
            by_facts.setdefault(tuple(one.fact.path for one in changes), []).append(changes)
        for alternatives in by_facts.values():
            made: list[Suggestion] = []
            for changes in alternatives[:_MAX_ALTERNATIVES]:
                one = self._confirmed(changes)
                if one is not None:
                    made = self._merged(made, one)
            yield from made[:_MAX_PER_FACTS]

    def _confirmed(self, changes: tuple[Candidate, ...]) -> Suggestion | None:
        """The suggestion, of values for each of which it was seen to be a permit with the
        same obligations."""
        made = tuple(
            Change(
                one.fact,
                self._if.question.facts.get(one.fact.path),
                one.alike,
                None if self._moves_with(one, changes) else one.span,
            )
            for one in changes
        )
        duties = self._duties_of_all(made)
        if duties is None:
            made = tuple(replace(change, values=change.values[:1]) for change in made)
            duties = self._duties_of_all(made)
        return None if duties is None else Suggestion(made, duties)

    def _moves_with(self, one: Candidate, changes: tuple[Candidate, ...]) -> bool:
        """Whether another change moves the values at which this fact turns."""
        compared = self._turns.compared.get(one.fact.path, ())
        return any(other.fact.path in compared for other in changes)

    def _merged(self, made: list[Suggestion], new: Suggestion) -> list[Suggestion]:
        """With the new one put together with an earlier one, where the values of both go
        together in every way."""
        for index, old in enumerate(made):
            if old.obligations != new.obligations:
                continue
            pairs = list(zip(old.changes, new.changes, strict=True))
            both = [joined for a, b in pairs if (joined := _joined(a, b)) is not None]
            if len(both) < len(pairs):
                continue
            differ = [(a, b) for a, b in pairs if a != b]
            is_sure = len(differ) == 1 or (
                all(a.span is None and b.span is None for a, b in differ)
                and self._duties_of_all(tuple(both)) == old.obligations
            )
            if is_sure:
                return [*made[:index], Suggestion(tuple(both), old.obligations), *made[index + 1 :]]
        return [*made, new]

    def _duties_of_all(self, changes: tuple[Change, ...]) -> tuple[str, ...] | None:
        """The obligations under each of the values; None where one is no permit, where they
        differ, or where there are too many values to look at."""
        choices = list(islice(product(*(c.values for c in changes)), _MAX_CONFIRMED + 1))
        found: set[tuple[str, ...]] = set()
        for values in choices:
            stated = [(c.fact, value) for c, value in zip(changes, values, strict=True)]
            answer = self._if.with_facts(stated)
            if answer is None or not answer.permits:
                return None
            found.add(self._if.obligations(answer))
        return found.pop() if len(found) == 1 and len(choices) <= _MAX_CONFIRMED else None

    def _rank(self, suggestion: Suggestion) -> tuple[int, int, tuple[str, ...]]:
        overturned = sum(change.before is not None for change in suggestion.changes)
        paths = tuple(change.fact.path for change in suggestion.changes)
        return (len(paths), overturned, paths)


def _joined(one: Change, other: Change) -> Change | None:
    """Both changes of one fact as one; None where they do not meet."""
    if one == other:
        return one
    nearer = one if _distance(one) <= _distance(other) else other
    if one.span is None or other.span is None:
        if one.fact.kind in (Kind.INTEGER, Kind.DAY):
            # Of numbers between which nothing is known, the nearest says enough.
            return nearer
        values = tuple(dict.fromkeys((*one.values, *other.values)))
        return replace(one, values=values) if one.span is other.span else None
    lower, upper = (one, other) if _ends_before(one.span, other.span) else (other, one)
    if lower.span is None or upper.span is None or not _ends_before(lower.span, upper.span):
        return None
    return replace(nearer, span=(lower.span[0], upper.span[1]))


def _ends_before(
    lower: tuple[int | None, int | None], upper: tuple[int | None, int | None]
) -> bool:
    """Whether the second interval begins where the first ends."""
    return lower[1] is not None and upper[0] == lower[1] + 1


def _distance(change: Change) -> int:
    value, before = change.values[0], change.before
    return abs(value - before) if isinstance(value, int) and isinstance(before, int) else 0


def _may_be_stated(fact: FactType) -> bool:
    """Whether a caller may state it, it is not who the caller is, and its values are not
    names that anybody gives: no other name would be the truth."""
    if fact.origin is not Origin.REQUEST or not fact.wire:
        return False
    if fact.kind in (Kind.TERM, Kind.TERMS) and fact.values is None:
        return False
    names_somebody = fact.wire[0] in ("subject", "resource") and len(fact.wire) == 2
    return not names_somebody and fact.wire != ("subject", "properties", "tenant")
