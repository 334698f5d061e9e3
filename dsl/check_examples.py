"""Stage 3, examples: what is given, when, on which actions, and what must come out."""

from collections.abc import Sequence
from dataclasses import replace

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.check_duties import DutyChecker
from dsl.check_outcomes import OutcomeChecker
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.diagnostics import Fix, quoted
from dsl.facts import fit, wire_value
from dsl.found import Found
from dsl.scope import Scope, day_number

_WANTED = {
    Kind.TRUTH: "`yes` or `no`",
    Kind.TERM: "one value",
    Kind.TERMS: "a set in braces",
    Kind.DAY: "a day such as `2027-01-12`",
}


class ExampleChecker:
    """Checks the examples of one charter; mistakes go to `found`."""

    def __init__(
        self,
        scope: Scope,
        conditions: ConditionChecker,
        duties: DutyChecker,
        found: Found,
    ) -> None:
        self._scope = scope
        self._conditions = conditions
        self._outcomes = OutcomeChecker(scope, duties, found)
        self._found = found
        self._assumed: model.Assumed | None = None

    def examples(
        self, rule: tree.Rule, actions: tuple[str, ...], effect: model.Effect
    ) -> tuple[model.Example, ...]:
        """The typed examples of a rule that bears on `actions`."""
        examples = [clause for clause in rule.clauses if isinstance(clause, tree.Example)]
        self._found.twice("example", [example.title for example in examples])
        made = [self._example(example, rule, actions, effect) for example in examples]
        return tuple(example for example in made if example is not None)

    def check_outcomes(self, rule: tree.Rule, made: model.Rule) -> None:
        """Warn of examples that show only one side of a rule, or nothing."""
        self._outcomes.check_sides(rule, made)
        self._outcomes.check_facts_given(rule, made)

    def _example(
        self,
        example: tree.Example,
        rule: tree.Rule,
        actions: tuple[str, ...],
        effect: model.Effect,
    ) -> model.Example | None:
        given: dict[str, object] = {}
        entities: dict[str, str] = {}
        for fact in self._without_repeats(example.given):
            self._given(fact, given, entities)
        expected = self._outcomes.expected(example, rule, effect)
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
            title=example.title.text,
            expected=example.expected,
            obligations=expected.obligations,
            advice=expected.advice,
            by=expected.by,
            given=given,
            entities=entities,
            day=day,
            actions=self._actions(example, actions),
            span=example.span,
            assumed=self.assumed(),
        )

    def assumed(self) -> model.Assumed:
        """What every example of the charter takes for granted; mistakes in it are told once."""
        if self._assumed is None:
            blocks = self._scope.charter.declarations
            given = [g for block in blocks if isinstance(block, tree.Assume) for g in block.given]
            facts: dict[str, object] = {}
            entities: dict[str, str] = {}
            for fact in self._without_repeats(given):
                self._given(fact, facts, entities)
            self._assumed = model.Assumed(facts, entities)
        return self._assumed

    def _without_repeats(self, given: Sequence[tree.Given]) -> list[tree.Given]:
        """What is given, `every` key of a map before single keys, which win."""
        seen: dict[tuple[str, str | None, bool], tree.Word] = {}
        kept: list[tree.Given] = []
        for fact in given:
            key = (fact.path.text, fact.key and fact.key.text, fact.every)
            earlier = seen.setdefault(key, fact.path)
            if earlier is not fact.path:
                shown = f"{fact.path.text}[{fact.key.text}]" if fact.key else fact.path.text
                word = replace(fact.path, text=shown)
                self._found.repeats("attribute", word, earlier, verb="given")
            else:
                kept.append(fact)
        return sorted(kept, key=lambda fact: not fact.every)

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
        path = given.path
        if path.text in self._scope.places and given.key is None:
            self._entity(given, entities)
            return
        if "." not in path.text:
            known = [*self._scope.attributes, *self._scope.places]
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, known)
            return
        if path.text in self._scope.lists:
            self._list(path)
            return
        named = self._named(given)
        if named:
            # All keys of a map have values of one type.
            raw = None if given.value is None else self._raw(given.value, named[0])
            facts.update((fact.path, raw) for fact in named)

    def _named(self, given: tree.Given) -> tuple[FactType, ...]:
        paths = self._conditions.paths
        if given.every:
            return paths.all(given.path, "every", given.span) or ()
        fact = paths.fact(given.path) if given.key is None else paths.one(given.path, given.key)
        return () if fact is None else (fact,)

    def _list(self, path: tree.Word) -> None:
        record = path.text.partition(".")[0]
        self._found.report(
            Code.LIST_AS_FACT,
            f"{quoted(path.text)} is a list, and an example cannot write one down",
            path.span,
            f"name something in the fixture catalogue after `{record} =`, or give the derived "
            "fact itself",
        )

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
                steps = self._conditions.number(value, fact)
                raw = None if steps is None else wire_value(fact, steps)
            case Kind.DAY, tree.Day() as day:
                raw = day.day.isoformat()
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
