"""Decider: from the answer that all engines gave to a decision with its reasons.

Pure: the same program, facts, answer and day give the same decision.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from dsl.core import (
    PROFILE_PATH,
    Condition,
    DueUnit,
    Duty,
    Effect,
    Level,
    OneOf,
    Origin,
    Program,
    Rule,
    conjuncts,
)
from dsl.derive import inputs
from dsl.evaluate import Answer, Verdict, evaluate, truth, verdict
from dsl.facts import Question
from dsl.kleene import Truth, certainly, possibly
from dsl.prepared import ORDER, Once, Prepared, PreparedProgram, Values
from dsl.residual import Residuals, ValueOf
from gateway.pdp.dates import due_day
from gateway.pdp.decision import (
    OUTCOMES,
    Decision,
    Fact,
    Ground,
    Missing,
    Obligation,
    Outcome,
    Preference,
    Reason,
)
from gateway.pdp.memo import Bounded
from gateway.pdp.refusals import pointer

# Of a permission that would grant if it were enforced.
PERMITTED = "permitted"


# Conditions that are evaluated to hold an answer to the definition, at the cost of one.
CONDITIONS_EACH = 1000


# Permits that are kept, by what they follow from.
MAX_PERMITS = 1024


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is prepared of one action: exceptions of prohibitions, with what is said of them
    and their numbers, in the program and among themselves; and the program."""

    exceptions: Prepared
    grounds: tuple[tuple[int, int, Ground], ...]
    program: PreparedProgram

    @staticmethod
    def of(program: Program, action: str) -> "_Asked":
        notes = [
            note
            for rule in program.rules
            if action in rule.actions
            and rule.effect is Effect.FORBID
            and rule.level is Level.ENFORCE
            for note in rule.exceptions
        ]
        conditions = [note.condition for note in notes]
        exceptions, whole = Prepared(conditions), PreparedProgram(program, action, conditions)
        grounds = tuple(
            (
                whole.prepared.number(note.condition),
                exceptions.number(note.condition),
                Ground(note.id, note.title, note.citations),
            )
            for note in notes
        )
        return _Asked(exceptions, grounds, whole)


class Decider:
    """Turns answers into decisions for one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._asked = {action: _Asked.of(program, action) for action in program.actions}
        self._residuals = Residuals()
        self._turn = 0
        # The last question that an answer was held to the definition of, and its values.
        self._valued: tuple[Question, Values] | None = None
        self._permits: Bounded[object, Decision] = Bounded(MAX_PERMITS)
        self._rules = {rule.id: rule for rule in program.rules}
        self._duties = {duty.id: duty for rule in program.rules for duty in rule.duties}

    def defined(self, answer: Answer, question: Question) -> bool:
        """Whether an answer that all engines gave is the one that is defined, with every rule
        looked at: engines are asked slices, and what is wrong with a slice could be wrong
        with all of them. Of a large program not every answer is looked at, but a share."""
        asked = self._asked.get(question.action)
        if asked is None:
            return answer == evaluate(self._program, question)
        self._turn += 1
        if self._turn % (1 + asked.program.size // CONDITIONS_EACH):
            return True
        values = asked.program.prepared.values(question)
        self._valued = (question, values)
        return answer == asked.program.answer(values)

    def decide(
        self,
        answer: Answer,
        question: Question,
        origins: Mapping[str, Origin],
        *,
        today: date,
        tenant: str | None = None,
    ) -> Decision:
        """The decision of an answer that all engines gave. Deadlines in minutes are left
        open, for `Decision.at`.

        Args:
            origins: The origin of every fact of the question.
            today: The day from which deadlines count.
            tenant: Who asks: what is kept for one tenant is not for another.
        """
        found = verdict(answer)
        if found is Verdict.PERMIT and not answer.noted:
            return self._permit(answer, question, today, tenant)
        of = self._values_of(question)
        noted = [self._rules[rule] for rule in sorted(answer.noted)]
        warnings, shadow = (
            tuple(self._noted(rule, question, origins, of) for rule in noted if rule.level is level)
            for level in (Level.WARN, Level.SHADOW)
        )
        if found is Verdict.PERMIT:
            duties = [self._duties[duty] for duty in sorted(answer.duties)]
            return Decision(
                Outcome.PERMIT,
                (),
                (),
                tuple(Obligation(duty, _due(duty, today)) for duty in duties),
                (*self._granting(answer), *self._excepting(question)),
                tuple(Preference(self._rules[rule]) for rule in sorted(answer.preferred)),
                warnings,
                shadow,
            )
        asked = self._in_the_way(answer, question)
        reasons = tuple(
            Reason(rule, status, self._facts(rule.formula, question, origins, of))
            for rule, status in asked
        )
        lacking = self._missing([rule for rule, _ in asked], question, of)
        return Decision(OUTCOMES[found], reasons, lacking, (), warnings=warnings, shadow=shadow)

    def _values_of(self, question: Question) -> ValueOf:
        """The values of the program's conditions, those that the answer was held to where it
        was."""
        if self._valued is None or self._valued[0] is not question:
            return Once(question)
        return self._asked[question.action].program.prepared.truths_of(self._valued[1])

    def _noted(
        self, rule: Rule, question: Question, origins: Mapping[str, Origin], of: ValueOf
    ) -> Reason:
        """What a rule would do if it were enforced."""
        status = Verdict.UNDETERMINED.value
        if of(rule.formula) is Truth.TRUE:
            status = Verdict.FORBIDDEN.value if rule.effect is Effect.FORBID else PERMITTED
        return Reason(rule, status, self._facts(rule.formula, question, origins, of))

    def _permit(
        self, answer: Answer, question: Question, today: date, tenant: str | None
    ) -> Decision:
        """A permit of which no fact is a part: one for all questions whose answer and grounds
        are the same, so that whoever spells it knows it again."""
        grounds = self._excepting(question)
        key = (tenant, answer, tuple([ground.rule for ground in grounds]), today)
        kept = self._permits.get(key)
        if kept is None:
            duties = [self._duties[duty] for duty in sorted(answer.duties)]
            kept = Decision(
                Outcome.PERMIT,
                (),
                (),
                tuple(Obligation(duty, _due(duty, today)) for duty in duties),
                (*self._granting(answer), *grounds),
                tuple(Preference(self._rules[rule]) for rule in sorted(answer.preferred)),
            )
            self._permits.put(key, kept)
        return kept

    def _granting(self, answer: Answer) -> Iterator[Ground]:
        for rule_id in sorted(answer.granted):
            rule = self._rules[rule_id]
            yield Ground(rule.id, rule.title, rule.citations)

    def _excepting(self, question: Question) -> list[Ground]:
        """The exceptions that certainly hold."""
        asked = self._asked.get(question.action)
        if asked is None:
            return []
        if self._valued is not None and self._valued[0] is question:
            values = self._valued[1]
            return [g for number, _, g in asked.grounds if certainly(ORDER[values[number]])]
        values = asked.exceptions.values(question)
        return [g for _, number, g in asked.grounds if certainly(ORDER[values[number]])]

    def _in_the_way(self, answer: Answer, question: Question) -> list[tuple[Rule, str]]:
        forbidden = [(self._rules[r], Verdict.FORBIDDEN.value) for r in sorted(answer.broken)]
        unclear = sorted(answer.denied - answer.broken)
        undetermined = [(self._rules[r], Verdict.UNDETERMINED.value) for r in unclear]
        if answer.denied:
            return forbidden + undetermined
        if answer.open:
            return [(self._rules[r], Verdict.UNDETERMINED.value) for r in sorted(answer.open)]
        return [
            (rule, Verdict.UNCOVERED.value)
            for rule in self._program.rules
            if self._enforced(rule, Effect.PERMIT)
            and question.action in rule.actions
            and _is_in_profile(rule, question)
        ]

    @staticmethod
    def _enforced(rule: Rule, effect: Effect) -> bool:
        return rule.effect is effect and rule.level is Level.ENFORCE

    def _facts(
        self, formula: Condition, question: Question, origins: Mapping[str, Origin], of: ValueOf
    ) -> tuple[Fact, ...]:
        paths = sorted(self._residuals.deciding(formula, question, of))
        types = self._program.facts
        return tuple(Fact(types[path], question.facts[path], origins[path]) for path in paths)

    def _missing(
        self, rules: Iterable[Rule], question: Question, of: ValueOf
    ) -> tuple[Missing, ...]:
        by_path: dict[str, dict[str, None]] = {}
        for rule in rules:
            unknown = self._residuals.missing(rule.formula, question, of)
            unknown |= self._residuals.wanting(rule.formula, question, of)
            for path in (stated for p in unknown for stated in self._to_state(p, question)):
                by_path.setdefault(path, {})[rule.id] = None
        return tuple(self._lacking(path, tuple(by_path[path])) for path in sorted(by_path))

    def _to_state(self, path: str, question: Question) -> Iterator[str]:
        """What somebody would have to state for a fact to be known: of a derived fact what
        it is computed from, as far as that is not known."""
        derivation = self._program.derived.get(path)
        read = inputs(derivation) if derivation is not None else ()
        unknown = [p for p in read if p not in question.facts]
        yield from unknown or [path]

    def _lacking(self, path: str, rules: tuple[str, ...]) -> Missing:
        listed = self._program.lists.get(path)
        if listed is not None:
            return Missing(path, listed.origin, None, rules)
        fact = self._program.facts[path]
        is_stated = fact.origin is Origin.REQUEST and fact.wire
        return Missing(path, fact.origin, pointer(fact.wire) if is_stated else None, rules)


def _is_in_profile(rule: Rule, question: Question) -> bool:
    """Whether the caller's profile has the rule in force."""
    named = (p for p in conjuncts(rule.formula) if isinstance(p, OneOf) and p.path == PROFILE_PATH)
    return all(possibly(truth(condition, question)) for condition in named)


def _due(duty: Duty, today: date) -> date | None:
    due = duty.due
    return None if due is None or due.unit is DueUnit.MINUTES else due_day(due, today)
