"""Stage 3, rules: tree → model. Types, clauses that are missing or written twice, and
what makes a rule one that an auditor can follow: citation, reason, remedy, examples."""

from collections.abc import Iterable

from dsl import model, tree
from dsl.check_clauses import ClauseChecker
from dsl.check_condition import ConditionChecker
from dsl.check_duties import DutyChecker
from dsl.check_effect import EffectChecker
from dsl.check_examples import ExampleChecker
from dsl.check_whole import check_whole
from dsl.codes import Code
from dsl.core import Level
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.polarity import Place, check_known
from dsl.scope import Scope


class RuleChecker:
    """Checks the rules of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found
        self._clauses = ClauseChecker(scope, found)
        self._conditions = ConditionChecker(scope, found)
        self._duties = DutyChecker(scope, self._conditions, found)
        self._effects = EffectChecker(self._clauses, found)
        self._examples = ExampleChecker(scope, self._conditions, self._duties, found)

    def rules(self) -> list[model.Rule]:
        """The rules without those that have a mistake."""
        declared = [d for d in self._scope.charter.declarations if isinstance(d, tree.Rule)]
        self._found.twice("rule", [rule.name for rule in declared])
        checked = [self._rule(rule) for rule in declared]
        return [rule for rule in checked if rule is not None]

    def _rule(self, rule: tree.Rule) -> model.Rule | None:
        before = self._found.errors
        clauses = rule.clauses
        rule_id = f"{self._scope.charter.name.text}/{rule.name.text}"
        actions = self._actions(rule)
        effect = self._effects.effect(rule)
        self._check_known(rule, effect)
        self._found.twice("exception", [e.name for e in rule.exceptions])
        made = model.Rule(
            id=rule_id,
            charter=self._scope.charter.name.text,
            effect=effect,
            actions=actions,
            title=rule.title.text,
            citations=self._clauses.citations("rule", rule.name, clauses),
            in_force=self._clauses.in_force(clauses),
            when=self._condition(clauses, tree.When),
            require=self._condition(clauses, tree.Require),
            exceptions=tuple(filter(None, (self._exception(rule_id, e) for e in rule.exceptions))),
            obliges=self._duties.duties(clauses),
            because=self._because(clauses),
            remedies=tuple(c.text for c in clauses if isinstance(c, tree.Remedy) and c.text),
            examples=self._examples.examples(rule, actions, effect),
            span=rule.name.span,
            level=self._level(clauses),
            weight=self._effects.weight(rule),
        )
        self._check_reasons(rule, made)
        if self._found.errors > before:
            return None
        check_whole(rule, made, self._found)
        if self._found.errors > before:
            return None
        self._examples.check_outcomes(rule, made)
        return made

    def _check_known(self, rule: tree.Rule, effect: model.Effect) -> None:
        """`is known` only where hiding a fact cannot help the caller."""
        for clause in rule.clauses:
            if isinstance(clause, tree.When):
                check_known(clause.condition, _place(rule, effect), self._found)
            elif isinstance(clause, tree.Require):
                check_known(clause.condition, Place.REQUIRES, self._found)
        for exception in rule.exceptions:
            for clause in exception.clauses:
                if isinstance(clause, tree.When):
                    check_known(clause.condition, Place.EXCEPTION, self._found)

    # --- clauses ---

    def _condition(
        self, clauses: Iterable[tree.RuleClause], kind: type[tree.When] | type[tree.Require]
    ) -> model.Condition | None:
        clause = self._clauses.one(clauses, kind)
        return self._conditions.check(clause.condition) if clause else None

    def _actions(self, rule: tree.Rule) -> tuple[str, ...]:
        on = self._clauses.one(rule.clauses, tree.On)
        known = self._scope.actions
        if on is None:
            some = ", ".join(f"`{name}`" for name in sorted(known)[:6])
            self._found.report(
                Code.NO_ACTION,
                f"the rule {quoted(rule.name.text)} does not say on which actions it bears",
                rule.name.span,
                f"write `on` and one or more of {some}" if some else "write `on` and an action",
            )
            return ()
        for word in on.actions:
            if word.text not in known:
                self._found.unknown(Code.UNKNOWN_NAME, "action", word, known)
        return tuple(sorted({word.text for word in on.actions if word.text in known}))

    def _level(self, clauses: Iterable[tree.RuleClause]) -> Level:
        clause = self._clauses.one(clauses, tree.LevelClause)
        return Level(clause.word) if clause else Level.ENFORCE

    def _because(self, clauses: Iterable[tree.RuleClause]) -> str:
        clause = self._clauses.one(clauses, tree.Because)
        return clause.text if clause else ""

    def _exception(self, rule_id: str, declared: tree.Exceptional) -> model.Exceptional | None:
        citations = self._clauses.citations("exception", declared.name, declared.clauses)
        period = self._clauses.in_force(declared.clauses)
        obliges = self._duties.duties(declared.clauses)
        when = self._clauses.one(declared.clauses, tree.When)
        if when is None:
            self._found.report(
                Code.EXCEPTION_ALWAYS,
                f"the exception {quoted(declared.name.text)} has no condition, so it undoes "
                "its rule",
                declared.name.span,
                "write `when` and the condition under which the rule does not hold",
            )
            return None
        condition = self._conditions.check(when.condition)
        if condition is None:
            return None
        return model.Exceptional(
            id=f"{rule_id}/{declared.name.text}",
            title=declared.title.text,
            citations=citations,
            in_force=period,
            when=condition,
            obliges=obliges,
        )

    def _check_reasons(self, rule: tree.Rule, made: model.Rule) -> None:
        if made.effect not in (model.Effect.FORBID, model.Effect.REQUIRE):
            return
        if not made.because:
            self._report_missing(
                Code.NO_REASON, rule, "why", "`because` and one sentence for who is refused"
            )
        if not made.remedies:
            self._report_missing(
                Code.NO_REMEDY, rule, "what would help", "`remedy` and what the caller can change"
            )

    def _report_missing(self, code: str, rule: tree.Rule, what: str, help_: str) -> None:
        message = f"the rule {quoted(rule.name.text)} refuses without saying {what}"
        self._found.report(code, message, rule.name.span, f"write {help_}")


def _place(rule: tree.Rule, effect: model.Effect) -> Place:
    """Where the `when` of a rule stands."""
    match effect:
        case model.Effect.FORBID | model.Effect.REQUIRE:
            return Place.REFUSES
        case model.Effect.OBLIGE:
            return Place.OBLIGES
        case model.Effect.PREFER:
            return Place.PREFERS
        case model.Effect.PERMIT:
            clauses = [*rule.clauses, *(c for e in rule.exceptions for c in e.clauses)]
            has_duty = any(isinstance(clause, tree.Oblige) for clause in clauses)
            return Place.GRANTS_WITH_DUTY if has_duty else Place.GRANTS
