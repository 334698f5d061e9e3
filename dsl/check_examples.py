"""Stage 3, examples: what is given, when, on which actions, and what must come out."""

from collections.abc import Iterable

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.diagnostics import Fix, Severity, quoted
from dsl.facts import fit
from dsl.found import Found
from dsl.scope import Scope, day_number

_WANTED = {Kind.TRUTH: "`yes` or `no`", Kind.TERM: "one value", Kind.TERMS: "a set in braces"}


class ExampleChecker:
    """Checks the examples of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, conditions: ConditionChecker, found: Found) -> None:
        self._scope = scope
        self._conditions = conditions
        self._found = found

    def examples(
        self, clauses: Iterable[tree.RuleClause], actions: tuple[str, ...]
    ) -> tuple[model.Example, ...]:
        """The typed examples of a rule that bears on `actions`."""
        examples = [clause for clause in clauses if isinstance(clause, tree.Example)]
        self._found.twice("example", [example.title for example in examples])
        made = [self._example(example, actions) for example in examples]
        return tuple(example for example in made if example is not None)

    def check_outcomes(self, rule: tree.Rule, made: model.Rule) -> None:
        """Warn of a rule whose examples show only one side of it."""
        outcomes = {example.expected for example in made.examples}
        name = quoted(rule.name.text)
        if tree.Expected.PERMITTED not in outcomes:
            self._found.report(
                Code.NO_PERMITTING_EXAMPLE,
                f"no example shows what the rule {name} lets through",
                rule.name.span,
                "write an example that `is permitted`",
                severity=Severity.WARNING,
            )
        if tree.Expected.DENIED not in outcomes and made.effect is not model.Effect.OBLIGE:
            self._found.report(
                Code.NO_DENYING_EXAMPLE,
                f"no example shows what the rule {name} refuses",
                rule.name.span,
                "write an example that `is denied`",
                severity=Severity.WARNING,
            )

    def _example(self, example: tree.Example, actions: tuple[str, ...]) -> model.Example | None:
        given: dict[str, object] = {}
        entities: dict[str, str] = {}
        seen: dict[str, tree.Word] = {}
        for fact in example.given:
            earlier = seen.setdefault(fact.path.text, fact.path)
            if earlier is not fact.path:
                self._found.repeats("attribute", fact.path, earlier, verb="given")
                continue
            self._given(fact, given, entities)
        obligations = self._obligations(example)
        day = day_number(example.as_of or self._scope.charter.as_of)
        if day is None:
            self._found.report(
                Code.NO_DAY,
                f"the example {quoted(example.title.text)} happens on no day",
                example.title.span,
                "write `as of` and a day here, or in the head of the charter",
            )
            return None
        return model.Example(
            example.title.text,
            example.expected,
            obligations,
            given,
            entities,
            day,
            self._actions(example, actions),
            example.span,
        )

    def _obligations(self, example: tree.Example) -> tuple[str, ...]:
        known = self._scope.obligations
        for word in example.obligations:
            if word.text not in known:
                self._found.unknown(Code.UNKNOWN_NAME, "obligation", word, known)
        return tuple(sorted({word.text for word in example.obligations}))

    def _actions(self, example: tree.Example, actions: tuple[str, ...]) -> tuple[str, ...]:
        word = example.action
        if word is None:
            return actions
        if word.text not in self._scope.actions:
            self._found.unknown(Code.UNKNOWN_NAME, "action", word, self._scope.actions)
        elif actions and word.text not in actions:
            self._found.report(
                Code.UNKNOWN_NAME,
                f"the rule of this example does not bear on {quoted(word.text)}",
                word.span,
                f"choose one of its actions: {', '.join(actions)}",
            )
        return (word.text,)

    # --- given facts ---

    def _given(self, given: tree.Given, facts: dict[str, object], entities: dict[str, str]) -> None:
        path, value = given.path, given.value
        if path.text in self._scope.places:
            self._entity(given, entities)
            return
        if "." not in path.text:
            known = [*self._scope.facts, *self._scope.places]
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, known)
            return
        fact = self._conditions.fact(path)
        if fact is not None:
            facts[path.text] = None if value is None else self._raw(value, fact)

    def _entity(self, given: tree.Given, entities: dict[str, str]) -> None:
        value = given.value
        if isinstance(value, tree.Word):
            entities[given.path.text] = value.text
        elif value is not None:
            self._found.report(
                Code.TYPE_MISMATCH,
                f"{quoted(given.path.text)} names something in the catalogue",
                value.span,
                "write its name, such as `aws/eu-west-1`",
            )

    def _raw(self, value: tree.Literal | tree.ValueSet, fact: FactType) -> object:
        """The wire value of a literal; what does not fit the fact is reported."""
        before = self._found.errors
        raw: object = None
        match fact.kind, value:
            case Kind.TRUTH, tree.YesNo(answer):
                raw = answer
            case Kind.INTEGER, _:
                raw = self._conditions.number(value, fact)
            case Kind.TERM, tree.Word() if not _is_null(value):
                raw = self._conditions.value(value, fact)
            case Kind.TERMS, tree.ValueSet(values):
                raw = [self._conditions.value(literal, fact) for literal in values]
            case Kind.TRUTH, tree.Word() if not _is_null(value):
                self._conditions.not_yes_or_no(value.span, fact)
            case _:
                pass
        if self._found.errors == before and fit(fact, raw) is None:
            self._report_unfit(value, fact)
        return raw

    def _report_unfit(self, value: tree.Literal | tree.ValueSet, fact: FactType) -> None:
        written = quoted(value.span.text)
        help_ = f"write {_WANTED.get(fact.kind, f'a number of {fact.unit}')}"
        meant: str | None = None
        if _is_null(value):
            meant = "unknown"
        elif fact.kind is Kind.TERMS and isinstance(value, tree.Word):
            meant = f"{{{value.span.text}}}"
        elif isinstance(value, tree.ValueSet) and not value.values:
            help_ = "write at least one value, or `unknown`"
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{written} is no value of {quoted(fact.path)}",
            value.span,
            f"write `{meant}`" if meant else help_,
            fix=Fix(value.span, meant) if meant else None,
        )


def _is_null(value: object) -> bool:
    """What other languages write for a value that is not known. A vocabulary may have a
    `none` of its own, which is then a value."""
    return isinstance(value, tree.Word) and not value.quoted and value.text in ("null", "nil")
