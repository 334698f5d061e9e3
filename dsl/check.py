"""Stage 3, rules: tree → model. Types, clauses that are missing or written twice, and
what makes a rule one that an auditor can follow: citation, reason, remedy, examples."""

from collections.abc import Iterable

from dsl import model, tree
from dsl.check_clauses import ClauseChecker
from dsl.check_condition import ConditionChecker
from dsl.check_examples import ExampleChecker
from dsl.codes import Code
from dsl.core import FactType
from dsl.diagnostics import Label, quoted
from dsl.found import Found
from dsl.resolve import Resolved
from dsl.scope import Scope


def check(resolved: Resolved, found: Found) -> model.Model:
    """The model of all charters; what is wrong in their rules goes to `found`, and a rule
    with an error is not in the model."""
    rules: list[model.Rule] = []
    facts: dict[str, FactType] = {}
    places: set[model.Place] = set()
    actions: set[str] = set()
    for scope in resolved.scopes:
        facts.update(scope.facts)
        places.update(scope.places.values())
        actions.update(scope.actions)
        rules.extend(_RuleChecker(scope, found).rules())
    return model.Model(
        dict(sorted(facts.items())),
        tuple(sorted(places, key=lambda place: place.record)),
        tuple(sorted(actions)),
        resolved.entities,
        tuple(sorted(rules, key=lambda rule: rule.id)),
    )


class _RuleChecker:
    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found
        self._clauses = ClauseChecker(scope, found)
        self._conditions = ConditionChecker(scope, found)
        self._examples = ExampleChecker(scope, self._conditions, found)

    def rules(self) -> list[model.Rule]:
        declared = [d for d in self._scope.charter.declarations if isinstance(d, tree.Rule)]
        self._found.twice("rule", [rule.name for rule in declared])
        checked = [self._rule(rule) for rule in declared]
        return [rule for rule in checked if rule is not None]

    def _rule(self, rule: tree.Rule) -> model.Rule | None:
        before = self._found.errors
        clauses = rule.clauses
        rule_id = f"{self._scope.charter.name.text}/{rule.name.text}"
        actions = self._actions(rule)
        self._found.twice("exception", [e.name for e in rule.exceptions])
        made = model.Rule(
            id=rule_id,
            charter=self._scope.charter.name.text,
            effect=self._effect(rule),
            actions=actions,
            title=rule.title.text,
            citations=self._clauses.citations("rule", rule.name, clauses),
            in_force=self._clauses.in_force(clauses),
            when=self._condition(clauses, tree.When),
            require=self._condition(clauses, tree.Require),
            exceptions=tuple(filter(None, (self._exception(rule_id, e) for e in rule.exceptions))),
            obliges=self._clauses.obliges(clauses),
            because=self._because(clauses),
            remedies=tuple(c.text for c in clauses if isinstance(c, tree.Remedy) and c.text),
            examples=self._examples.examples(clauses, actions),
            span=rule.name.span,
        )
        self._check_reasons(rule, made)
        if self._found.errors > before:
            return None
        self._examples.check_outcomes(rule, made)
        return made

    # --- clauses ---

    def _condition(
        self, clauses: Iterable[tree.RuleClause], kind: type[tree.When] | type[tree.Require]
    ) -> model.Condition | None:
        clause = self._clauses.one(clauses, kind)
        return self._conditions.check(clause.condition) if clause else None

    def _effect(self, rule: tree.Rule) -> model.Effect:
        kinds = {
            tree.Permit: model.Effect.PERMIT,
            tree.Forbid: model.Effect.FORBID,
            tree.Require: model.Effect.REQUIRE,
        }
        name = quoted(rule.name.text)
        found = [c for c in rule.clauses if isinstance(c, tree.Permit | tree.Forbid | tree.Require)]
        self._clauses.one(found, tree.Permit)
        self._clauses.one(found, tree.Forbid)
        other = next((clause for clause in found if type(clause) is not type(found[0])), None)
        if other is not None:
            self._found.report(
                Code.TWO_EFFECTS,
                f"the rule {name} has two effects",
                other.span,
                "keep one of `permit`, `forbid` and `require`, or make a rule of each",
                Label(found[0].span, "the first effect"),
            )
        if found:
            return kinds[type(found[0])]
        if not any(isinstance(clause, tree.Oblige) for clause in rule.clauses):
            self._found.report(
                Code.NO_EFFECT,
                f"the rule {name} has no effect",
                rule.name.span,
                "write `permit`, `forbid`, `require` with a condition, or `oblige` with a duty",
            )
        return model.Effect.OBLIGE

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

    def _because(self, clauses: Iterable[tree.RuleClause]) -> str:
        clause = self._clauses.one(clauses, tree.Because)
        return clause.text if clause else ""

    def _exception(self, rule_id: str, declared: tree.Exceptional) -> model.Exceptional | None:
        citations = self._clauses.citations("exception", declared.name, declared.clauses)
        period = self._clauses.in_force(declared.clauses)
        obliges = self._clauses.obliges(declared.clauses)
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
