"""What cases show of the rules they run on: which conditions they bring to which value, and
which exceptions they use.

A rule is shown whole where each condition was true, false and unknown, and each exception
was needed: what nobody knows is a third outcome, and the one that is forgotten.

A condition is what its author wrote: each comparison, and each part of `when`, `require`
or an exception between top-level `and`s that is made of several comparisons. Its value is
that of its lowered form under the facts of a case (`dsl.evaluate.truth`). What is counted
is in `RuleCoverage.points`. No verdict depends on this module.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl import core, model, tree
from dsl.evaluate import truth
from dsl.facts import Question
from dsl.fold import fold, without_profiles
from dsl.kleene import Truth, certainly
from dsl.lower_condition import condition as lowered
from dsl.parse import parse
from dsl.possible import can_be_unknown
from dsl.source import SourceText, Span


@dataclass(frozen=True)
class Watched:
    """One condition. `part` is the clause it stands in: `in force`, `when`, `require`, or
    the same of an exception, `except adequacy when`; `text` is as the author wrote it."""

    part: str
    text: str
    span: Span
    condition: core.Condition

    @property
    def can_be_unknown(self) -> bool:
        return can_be_unknown(self.condition)


@dataclass(frozen=True)
class Seen:
    """How many cases brought a condition to each value."""

    watched: Watched
    true: int
    false: int
    unknown: int

    @property
    def points(self) -> int:
        """Three: to be seen true, false and unknown. Two where it cannot be unknown."""
        return 3 if self.watched.can_be_unknown else 2

    @property
    def reached(self) -> int:
        return (self.true > 0) + (self.false > 0) + (self.unknown > 0)


@dataclass(frozen=True)
class ExceptionSeen:
    """How many cases an exception saved: without it the rule would be broken."""

    id: str
    title: str
    used: int

    @property
    def reached(self) -> int:
        return int(self.used > 0)


@dataclass(frozen=True)
class RuleCoverage:
    """One rule. `cases` counts those of its charter on an action it bears on."""

    rule: str
    span: Span
    cases: int
    conditions: tuple[Seen, ...]
    exceptions: tuple[ExceptionSeen, ...]

    @property
    def points(self) -> int:
        """Those of each condition, and one for each exception."""
        return sum(s.points for s in self.conditions) + len(self.exceptions)

    @property
    def reached(self) -> int:
        return sum(s.reached for s in self.conditions) + sum(e.reached for e in self.exceptions)


@dataclass(frozen=True)
class Coverage:
    rules: tuple[RuleCoverage, ...]

    @property
    def points(self) -> int:
        return sum(rule.points for rule in self.rules)

    @property
    def reached(self) -> int:
        return sum(rule.reached for rule in self.rules)

    @property
    def percent(self) -> float:
        return percent(self.reached, self.points)


def percent(reached: int, points: int) -> float:
    """Rounded down to one decimal: only what is whole is 100."""
    return 1000 * reached // points / 10 if points else 100.0


def coverage(
    checked: model.Model,
    program: core.Program,
    sources: Iterable[SourceText],
    asked: Mapping[str, Sequence[Question]],
) -> Coverage:
    """The coverage of every rule whose charter has a key in `asked`, sorted by id.

    Args:
        program: Lowered from `checked`.
        sources: Those that were compiled.
        asked: The questions of the cases that ran on each charter, by its name.
    """
    written = _written(sources)
    # Cases run on charters by themselves; under a profile no exception of theirs would hold.
    notes = {rule.id: rule.exceptions for rule in without_profiles(program).rules}
    found: list[RuleCoverage] = []
    for rule in sorted(checked.rules, key=lambda rule: rule.id):
        if rule.charter in asked:
            questions = [q for q in asked[rule.charter] if q.action in rule.actions]
            conditions = [_seen(w, questions) for w in _watched(rule, written[rule.id])]
            exceptions = [_used(note, questions) for note in notes[rule.id]]
            found.append(
                RuleCoverage(
                    rule.id, rule.span, len(questions), tuple(conditions), tuple(exceptions)
                )
            )
    return Coverage(tuple(found))


def _seen(watched: Watched, questions: Sequence[Question]) -> Seen:
    values = [truth(watched.condition, question) for question in questions]
    return Seen(watched, *(values.count(v) for v in (Truth.TRUE, Truth.FALSE, Truth.UNKNOWN)))


def _used(note: core.ExceptionNote, questions: Sequence[Question]) -> ExceptionSeen:
    used = sum(certainly(truth(note.condition, question)) for question in questions)
    return ExceptionSeen(note.id, note.title, used)


def _written(sources: Iterable[SourceText]) -> dict[str, tree.Rule]:
    """The rules as written, by id. The sources compiled, so they parse."""
    charters = [parsed.charter for parsed in map(parse, sources) if parsed.charter is not None]
    return {
        f"{charter.name.text}/{declared.name.text}": declared
        for charter in charters
        for declared in charter.declarations
        if isinstance(declared, tree.Rule)
    }


# --- conditions as written -----------------------------------------------------------


def _watched(rule: model.Rule, written: tree.Rule) -> Iterator[Watched]:
    yield from _clauses("", rule.in_force, rule.when, rule.require, written.clauses)
    for exception, wrote in zip(rule.exceptions, written.exceptions, strict=True):
        part = f"except {wrote.name.text} "
        yield from _clauses(part, exception.in_force, exception.when, None, wrote.clauses)


def _clauses(
    part: str,
    in_force: core.InForce,
    when: model.Condition | None,
    require: model.Condition | None,
    clauses: Iterable[tree.RuleClause],
) -> Iterator[Watched]:
    for clause in clauses:
        match clause:
            case tree.InForce(_, span):
                text = span.words.removeprefix("in force").strip()
                yield from _unless_constant(Watched(f"{part}in force", text, span, in_force))
            case tree.When(wrote) if when is not None:
                yield from _conjuncts(f"{part}when", when, wrote)
            case tree.Require(wrote) if require is not None:
                yield from _conjuncts(f"{part}require", require, wrote)
            case _:
                pass


def _conjuncts(part: str, typed: model.Condition, wrote: tree.Condition) -> Iterator[Watched]:
    """Each top-level conjunct, followed by its comparisons where it is made of several."""
    for inner, text in _parts(typed, wrote) if isinstance(wrote, tree.And) else [(typed, wrote)]:
        comparisons = list(_comparisons(inner, text))
        if len(comparisons) > 1:
            yield from _unless_constant(_one(part, inner, text))
        for one, place in comparisons:
            yield from _unless_constant(_one(part, one, place))


def _comparisons(
    typed: model.Condition, wrote: tree.Condition
) -> Iterator[tuple[model.Condition, tree.Condition]]:
    parts = _parts(typed, wrote)
    if not parts:
        yield typed, wrote
    for inner, text in parts:
        yield from _comparisons(inner, text)


def _parts(
    typed: model.Condition, wrote: tree.Condition
) -> list[tuple[model.Condition, tree.Condition]]:
    """The operands of a condition, typed and written, where both have the same shape."""
    match typed, wrote:
        case (model.And(many), tree.And(texts)) | (model.Or(many), tree.Or(texts)) if len(
            many
        ) == len(texts):
            return list(zip(many, texts, strict=True))
        case model.Not(one), tree.Not(text):
            return [(one, text)]
        case _:
            return []


def _one(part: str, typed: model.Condition, wrote: tree.Condition) -> Watched:
    return Watched(part, wrote.span.words, wrote.span, lowered(typed))


def _unless_constant(watched: Watched) -> Iterator[Watched]:
    """Nothing where no case could bring the condition to another value."""
    if not isinstance(fold(watched.condition), core.Constant):
        yield watched
