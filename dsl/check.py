"""Stage 3, rules: tree → model. Types, clauses that are missing or written twice, and
what makes a rule one that an auditor can follow: citation, reason, remedy, examples."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.codes import Code
from dsl.core import Citation, FactType, InForce, Kind
from dsl.diagnostics import Diagnostic, Fix, Label, Severity
from dsl.facts import fit
from dsl.resolve import UNITS, Resolved, Scope, day_number, in_force, unknown
from dsl.source import Span

C = TypeVar("C")


def check(resolved: Resolved) -> tuple[model.Model, list[Diagnostic]]:
    """The model of all charters, and everything wrong in their rules. A rule with an error
    is not in the model."""
    found: list[Diagnostic] = []
    rules: list[model.Rule] = []
    facts: dict[str, FactType] = {}
    places: set[model.Place] = set()
    actions: set[str] = set()
    for scope in resolved.scopes:
        facts.update(scope.facts)
        places.update(scope.places.values())
        actions.update(scope.actions)
        rules.extend(_RuleChecker(scope, found).rules())
    checked = model.Model(
        dict(sorted(facts.items())),
        tuple(sorted(places, key=lambda place: place.record)),
        tuple(sorted(actions)),
        resolved.entities,
        tuple(sorted(rules, key=lambda rule: rule.id)),
    )
    return checked, found


class _RuleChecker:
    def __init__(self, scope: Scope, found: list[Diagnostic]) -> None:
        self._scope = scope
        self._found = found
        self._conditions = ConditionChecker(scope, found)

    def rules(self) -> list[model.Rule]:
        declared = [d for d in self._scope.charter.declarations if isinstance(d, tree.Rule)]
        self._report_twice("rule", [rule.name for rule in declared])
        checked = [self._rule(rule) for rule in declared]
        return [rule for rule in checked if rule is not None]

    # --- small helpers ---

    def _report(self, code: str, message: str, span: Span, help_: str, **more: object) -> None:
        severity = more.get("severity", Severity.ERROR)
        assert isinstance(severity, Severity)  # noqa: S101
        self._found.append(Diagnostic(code, message, (Label(span),), help=help_, severity=severity))

    def _report_twice(self, what: str, words: Sequence[tree.Word]) -> None:
        seen: dict[str, tree.Word] = {}
        for word in words:
            if word.text in seen:
                self._found.append(
                    Diagnostic(
                        Code.DECLARED_TWICE,
                        f"the {what} `{word.text}` is declared twice",
                        (Label(word.span), Label(seen[word.text].span, "first declared here")),
                        help="rename one of them, or remove it",
                    )
                )
            seen.setdefault(word.text, word)

    def _one(self, clauses: Iterable[tree.RuleClause], kind: type[C]) -> C | None:
        """The only clause of a kind; a second one is reported."""
        found = [clause for clause in clauses if isinstance(clause, kind)]
        for clause in found[1:]:
            span: Span = clause.span  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            word = span.text.split()[0]
            self._report(
                Code.REPEATED_CLAUSE,
                f"`{word}` is written twice",
                span,
                "join the two, or make a rule of each",
            )
        return found[0] if found else None

    # --- rules ---

    def _rule(self, rule: tree.Rule) -> model.Rule | None:
        errors = len(self._found)
        clauses = rule.clauses
        effect = self._effect(rule)
        when = self._one(clauses, tree.When)
        require = self._one(clauses, tree.Require)
        checked_when = self._conditions.check(when.condition) if when else None
        checked_require = self._conditions.check(require.condition) if require else None
        rule_id = f"{self._scope.charter.name.text}/{rule.name.text}"
        citations = self._citations(rule.name, clauses)
        actions = self._actions(rule)
        self._report_twice("exception", [e.name for e in rule.exceptions])
        made = model.Rule(
            id=rule_id,
            charter=self._scope.charter.name.text,
            effect=effect,
            actions=actions,
            title=rule.title.text,
            citations=citations,
            in_force=self._in_force(clauses),
            when=checked_when,
            require=checked_require,
            exceptions=tuple(filter(None, (self._exception(rule_id, e) for e in rule.exceptions))),
            obliges=self._obliges(clauses),
            because=self._prose(clauses, tree.Because),
            remedies=tuple(c.text for c in clauses if isinstance(c, tree.Remedy)),
            examples=tuple(self._examples(clauses, actions)),
        )
        self._check_reasons(rule, made)
        if any(d.severity is Severity.ERROR for d in self._found[errors:]):
            return None
        self._check_examples(rule, made)
        return made

    def _effect(self, rule: tree.Rule) -> model.Effect:
        kinds = {
            tree.Permit: model.Effect.PERMIT,
            tree.Forbid: model.Effect.FORBID,
            tree.Require: model.Effect.REQUIRE,
        }
        found = [c for c in rule.clauses if isinstance(c, tree.Permit | tree.Forbid | tree.Require)]
        if len({type(clause) for clause in found}) > 1:
            self._report(
                Code.TWO_EFFECTS,
                f"the rule `{rule.name.text}` has two effects",
                found[1].span,
                "keep one of `permit`, `forbid` and `require`, or make a rule of each",
            )
        if found:
            return kinds[type(found[0])]
        if not any(isinstance(clause, tree.Oblige) for clause in rule.clauses):
            self._report(
                Code.NO_EFFECT,
                f"the rule `{rule.name.text}` has no effect",
                rule.name.span,
                "write `permit`, `forbid`, `require` with a condition, or `oblige` with a duty",
            )
        return model.Effect.OBLIGE

    def _actions(self, rule: tree.Rule) -> tuple[str, ...]:
        on = self._one(rule.clauses, tree.On)
        known = self._scope.actions
        if on is None:
            self._report(
                Code.NO_ACTION,
                f"the rule `{rule.name.text}` does not say on which actions it bears",
                rule.name.span,
                f"write `on` and one or more of: {', '.join(sorted(known)) or 'declared actions'}",
            )
            return ()
        for word in on.actions:
            if word.text not in known:
                self._found.append(unknown(Code.UNKNOWN_NAME, "action", word, known))
        return tuple(sorted({word.text for word in on.actions if word.text in known}))

    def _in_force(self, clauses: Iterable[tree.RuleClause]) -> InForce:
        clause = self._one(clauses, tree.InForce)
        period = clause.period if clause else tree.Period(None, None)
        return in_force(period, self._scope.time_zone, self._found)

    def _citations(
        self, owner: tree.Word, clauses: Iterable[tree.RuleClause]
    ) -> tuple[Citation, ...]:
        made: list[Citation] = []
        cites = [clause for clause in clauses if isinstance(clause, tree.Cites)]
        for clause in cites:
            law = self._scope.laws.get(clause.law.text)
            if law is None:
                self._found.append(unknown(Code.UNKNOWN_LAW, "law", clause.law, self._scope.laws))
                continue
            celex = law.celex.text if law.celex else None
            url = law.url.text if law.url else _eur_lex(celex)
            made.append(Citation(law.name.text, law.title.text, clause.locator.text, celex, url))
        if not cites:
            self._report(
                Code.NO_CITATION,
                f"`{owner.text}` cites no law",
                owner.span,
                "write `cites`, the law and the place in it, such as `cites GDPR art 44`",
            )
        return tuple(made)

    def _obliges(self, clauses: Iterable[tree.RuleClause]) -> tuple[model.Oblige, ...]:
        made: list[model.Oblige] = []
        for clause in clauses:
            if not isinstance(clause, tree.Oblige):
                continue
            title = self._scope.obligations.get(clause.obligation.text)
            if title is None:
                known = self._scope.obligations
                self._found.append(
                    unknown(Code.UNKNOWN_NAME, "obligation", clause.obligation, known)
                )
                continue
            made.append(model.Oblige(clause.obligation.text, title, self._due(clause.due)))
        return tuple(made)

    def _due(self, due: tree.Number | None) -> int | None:
        if due is None:
            return None
        if UNITS.get(due.unit or "") != "days" or due.value > 36_500:
            self._report(
                Code.UNIT_MISMATCH,
                f"`{due.span.text}` is not a number of days a duty can wait",
                due.span,
                "write a number of days, such as `within 14 days`",
            )
            return None
        return due.value

    def _prose(self, clauses: Iterable[tree.RuleClause], kind: type[tree.Because]) -> str:
        clause = self._one(clauses, kind)
        return clause.text if clause else ""

    def _exception(self, rule_id: str, declared: tree.Exceptional) -> model.Exceptional | None:
        when = self._one(declared.clauses, tree.When)
        if when is None:
            self._report(
                Code.EXCEPTION_ALWAYS,
                f"the exception `{declared.name.text}` has no condition, so it undoes its rule",
                declared.name.span,
                "write `when` and the condition under which the rule does not hold",
            )
            return None
        condition = self._conditions.check(when.condition)
        citations = self._citations(declared.name, declared.clauses)
        if condition is None:
            return None
        return model.Exceptional(
            id=f"{rule_id}/{declared.name.text}",
            title=declared.title.text,
            citations=citations,
            in_force=self._in_force(declared.clauses),
            when=condition,
            obliges=self._obliges(declared.clauses),
        )

    def _check_reasons(self, rule: tree.Rule, made: model.Rule) -> None:
        if made.effect not in (model.Effect.FORBID, model.Effect.REQUIRE):
            return
        if not made.because:
            self._report(
                Code.NO_REASON,
                f"the rule `{rule.name.text}` refuses without saying why",
                rule.name.span,
                "write `because` and one sentence for the person who is refused",
            )
        if not made.remedies:
            self._report(
                Code.NO_REMEDY,
                f"the rule `{rule.name.text}` refuses without saying what would help",
                rule.name.span,
                "write `remedy` and what the caller can change",
            )

    # --- examples ---

    def _check_examples(self, rule: tree.Rule, made: model.Rule) -> None:
        outcomes = {example.expected for example in made.examples}
        if tree.Expected.PERMITTED not in outcomes:
            self._report(
                Code.NO_PERMITTING_EXAMPLE,
                f"no example shows what the rule `{rule.name.text}` lets through",
                rule.name.span,
                "write an example that `is permitted`",
                severity=Severity.WARNING,
            )
        if tree.Expected.DENIED not in outcomes and made.effect is not model.Effect.OBLIGE:
            self._report(
                Code.NO_DENYING_EXAMPLE,
                f"no example shows what the rule `{rule.name.text}` refuses",
                rule.name.span,
                "write an example that `is denied`",
                severity=Severity.WARNING,
            )

    def _examples(
        self, clauses: Iterable[tree.RuleClause], actions: tuple[str, ...]
    ) -> Iterable[model.Example]:
        examples = [clause for clause in clauses if isinstance(clause, tree.Example)]
        self._report_twice("example", [example.title for example in examples])
        for example in examples:
            day = day_number(example.as_of or self._scope.charter.as_of)
            if day is None:
                self._report(
                    Code.NO_DAY,
                    f'the example "{example.title.text}" happens on no day',
                    example.title.span,
                    "write `as of` and a day here, or in the head of the charter",
                )
                continue
            given: dict[str, object] = {}
            entities: dict[str, str] = {}
            for fact in example.given:
                self._given(fact, given, entities)
            for word in example.obligations:
                if word.text not in self._scope.obligations:
                    known = self._scope.obligations
                    self._found.append(unknown(Code.UNKNOWN_NAME, "obligation", word, known))
            yield model.Example(
                example.title.text,
                example.expected,
                tuple(sorted({word.text for word in example.obligations})),
                given,
                entities,
                day,
                self._example_actions(example, actions),
                example.span,
            )

    def _example_actions(self, example: tree.Example, actions: tuple[str, ...]) -> tuple[str, ...]:
        if example.action is None:
            return actions
        if example.action.text not in actions:
            self._found.append(unknown(Code.UNKNOWN_NAME, "action", example.action, actions))
        return (example.action.text,)

    def _given(self, given: tree.Given, facts: dict[str, object], entities: dict[str, str]) -> None:
        path, value = given.path, given.value
        if path.text in facts or path.text in entities:
            self._report(
                Code.DECLARED_TWICE,
                f"`{path.text}` is given twice in one example",
                path.span,
                "keep one of the two",
            )
        if path.text in self._scope.places:
            if isinstance(value, tree.Word):
                entities[path.text] = value.text
            else:
                self._report(
                    Code.TYPE_MISMATCH,
                    f"`{path.text}` names something in the catalogue",
                    given.span,
                    "write its name, such as `aws/eu-west-1`",
                )
            return
        if "." not in path.text:
            self._found.append(
                unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._known_paths())
            )
            return
        fact = self._conditions.fact(path)
        if fact is not None:
            facts[path.text] = None if value is None else self._raw(given, fact)

    def _known_paths(self) -> list[str]:
        return [*self._scope.facts, *self._scope.places]

    def _raw(self, given: tree.Given, fact: FactType) -> object:
        """The wire value of a literal; what does not fit the fact is reported."""
        value, before = given.value, len(self._found)
        raw: object = None
        match fact.kind, value:
            case Kind.TRUTH, tree.YesNo(answer):
                raw = answer
            case Kind.INTEGER, tree.Number():
                raw = self._conditions.number(value, fact)
            case Kind.TERM, tree.Word():
                raw = self._conditions.value(value, fact)
            case Kind.TERMS, tree.ValueSet(values):
                raw = [self._conditions.value(literal, fact) for literal in values]
            case _:
                pass
        if len(self._found) == before and fit(fact, raw) is None:
            self._report_unfit(given, fact)
        return raw

    def _report_unfit(self, given: tree.Given, fact: FactType) -> None:
        value = given.value
        assert value is not None  # noqa: S101
        wanted = {
            Kind.TRUTH: "`yes` or `no`",
            Kind.INTEGER: f"a number of {fact.unit}",
            Kind.TERM: "one value",
            Kind.TERMS: "a set in braces",
        }[fact.kind]
        braces = fact.kind is Kind.TERMS and isinstance(value, tree.Word)
        self._found.append(
            Diagnostic(
                Code.TYPE_MISMATCH,
                f"`{value.span.text}` is not a value of `{fact.path}`",
                (Label(value.span),),
                help=f"write {wanted}",
                fix=Fix(value.span, f"{{{value.span.text}}}") if braces else None,
            )
        )


def _eur_lex(celex: str | None) -> str | None:
    # The European Legislation Identifier service resolves CELEX numbers in this form.
    return f"https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:{celex}" if celex else None
