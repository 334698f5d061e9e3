"""Stage 3, conditions: tree → model, with types and units."""

from dsl import model, tree
from dsl.check_region import RegionChecker
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.diagnostics import Fix, Label, quoted
from dsl.facts import MAX_INTEGER
from dsl.found import Found
from dsl.scope import UNITS, Scope
from dsl.source import Span
from dsl.tree import Relation

_NUMBER_WORDS = (Relation.AT_LEAST, Relation.AT_MOST, Relation.MORE_THAN, Relation.LESS_THAN)

_ALLOWED = {
    Kind.TRUTH: (Relation.HOLDS, Relation.IS, Relation.IS_NOT),
    Kind.TERM: (Relation.IS, Relation.IS_NOT, Relation.IN),
    Kind.TERMS: (Relation.HAS, Relation.WITHIN, Relation.TOUCHES),
    Kind.INTEGER: (Relation.IS, Relation.IS_NOT, *_NUMBER_WORDS),
}
IS_A = {
    Kind.TRUTH: "is yes or no",
    Kind.TERM: "is one value",
    Kind.TERMS: "is a set",
    Kind.INTEGER: "is a number",
}
# What the author meant, when the word goes with another kind of fact.
_INSTEAD = {
    (Kind.TERMS, Relation.IS): Relation.HAS,
    (Kind.TERMS, Relation.IN): Relation.WITHIN,
    (Kind.TERM, Relation.HAS): Relation.IS,
    (Kind.TERM, Relation.WITHIN): Relation.IN,
    (Kind.TERM, Relation.TOUCHES): Relation.IN,
}


class ConditionChecker:
    """Checks the conditions of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found
        self._regions = RegionChecker(scope, found)

    def check(self, condition: tree.Condition) -> model.Condition | None:
        """The typed condition, or None where something in it is wrong."""
        match condition:
            case tree.And(operands) | tree.Or(operands):
                checked = [self.check(operand) for operand in operands]
                good = tuple(operand for operand in checked if operand is not None)
                kind = model.And if isinstance(condition, tree.And) else model.Or
                return kind(good) if len(good) == len(checked) else None
            case tree.Not(operand):
                inner = self.check(operand)
                return None if inner is None else model.Not(inner)
            case tree.Test():
                return self._test(condition)

    def fact(self, path: tree.Word) -> FactType | None:
        """The declared fact a path names."""
        fact = self._scope.facts.get(path.text)
        if fact is None:
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._scope.facts)
        return fact

    def _test(self, test: tree.Test) -> model.Test | None:
        fact = self.fact(test.path)
        if fact is None:
            return None
        if test.relation not in _ALLOWED[fact.kind]:
            self._wrong_relation(test, fact)
            return None
        match fact.kind:
            case Kind.TRUTH:
                return self._truth(test, fact)
            case Kind.INTEGER:
                bound = self.number(test.operand, fact)
                return None if bound is None else model.Test(fact, test.relation, bound=bound)
            case _:
                region = self._regions.region(test.operand, fact, test.relation)
                return None if region is None else model.Test(fact, test.relation, region)

    def value(self, literal: tree.Literal, fact: FactType) -> str | None:
        """The value a literal names in the vocabulary of a TERM or TERMS fact."""
        return self._regions.value(literal, fact)

    # --- relations that do not go with the fact ---

    def _wrong_relation(self, test: tree.Test, fact: FactType) -> None:
        if test.relation is Relation.HOLDS:
            self._bare(test, fact)
            return
        operator = _operator_span(test)
        choices = ", ".join(f"`{r.value}`" for r in _ALLOWED[fact.kind] if r is not Relation.HOLDS)
        meant, fix = self._instead(test, fact, operator)
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(test.path.text)} {IS_A[fact.kind]}, and `{test.relation.value}` does not "
            "go with that",
            operator,
            f"write `{meant}`" if meant else f"use {choices}",
            Label(test.path.span, IS_A[fact.kind]),
            fix=fix,
        )

    def _instead(
        self, test: tree.Test, fact: FactType, operator: Span
    ) -> tuple[str | None, Fix | None]:
        operand = test.operand
        is_zone = isinstance(operand, tree.Word) and operand.text in self._scope.zones
        if fact.kind is Kind.TERMS and test.relation in (Relation.IS, Relation.IS_NOT):
            # `countries = EU` is said of all of them, `labels = health` of one of several.
            word = "within" if is_zone else "has"
            if test.relation is Relation.IS:
                return word, Fix(operator, word)
            if isinstance(operand, tree.Word):
                written = f"not {test.path.text} {word} {operand.span.text}"
                return written, Fix(test.span, written)
        instead = _INSTEAD.get((fact.kind, test.relation))
        if is_zone and fact.kind is Kind.TERM:
            instead = Relation.IN
        return (instead.value, Fix(operator, instead.value)) if instead else (None, None)

    def _bare(self, test: tree.Test, fact: FactType) -> None:
        choices = ", ".join(f"`{r.value}`" for r in _ALLOWED[fact.kind])
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(test.path.text)} {IS_A[fact.kind]} and cannot stand alone",
            test.path.span,
            f"go on with {choices}",
            note="only attributes that are yes or no can stand alone",
        )

    def _truth(self, test: tree.Test, fact: FactType) -> model.Test | None:
        if test.relation is Relation.HOLDS:
            return model.Test(fact, Relation.HOLDS)
        operand = test.operand
        if not isinstance(operand, tree.YesNo):
            span = operand.span if operand is not None else test.span
            self.not_yes_or_no(span, fact)
            return None
        negated = operand.value is (test.relation is Relation.IS_NOT)
        return model.Test(fact, Relation.HOLDS, negated_truth=negated)

    def not_yes_or_no(self, span: Span, fact: FactType) -> None:
        """Report a value that should be `yes` or `no`."""
        meant = {"true": "yes", "false": "no", "y": "yes", "n": "no"}.get(span.text.lower())
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(fact.path)} is yes or no, and {quoted(span.text)} is neither",
            span,
            f"write `{meant}`" if meant else "write `yes` or `no`",
            fix=Fix(span, meant) if meant else None,
        )

    # --- numbers ---

    def number(self, operand: object, fact: FactType) -> int | None:
        """The value of a literal in the unit of the fact, or None where it is reported."""
        if not isinstance(operand, tree.Number):
            if isinstance(operand, tree.Word | tree.YesNo | tree.ValueSet):
                self._found.report(
                    Code.TYPE_MISMATCH,
                    f"{quoted(fact.path)} is a number of {fact.unit}, and "
                    f"{quoted(operand.span.text)} is no number",
                    operand.span,
                    f"write a number with its unit, such as `30 {fact.unit}`",
                )
            return None
        if (UNITS.get(operand.unit) if operand.unit else None) != fact.unit:
            self._wrong_unit(operand, fact)
            return None
        if operand.value > MAX_INTEGER:
            self._found.report(
                Code.NUMBER_RANGE,
                f"{quoted(operand.span.text)} is larger than any number a fact can have",
                operand.span,
                f"write a number of at most {MAX_INTEGER}",
            )
            return None
        return operand.value

    def _wrong_unit(self, number: tree.Number, fact: FactType) -> None:
        written = f"{number.value} {fact.unit}"
        what = f"counts {UNITS[number.unit]}" if number.unit else "has no unit"
        self._found.report(
            Code.UNIT_MISMATCH,
            f"{quoted(number.span.text)} {what}, but {quoted(fact.path)} counts {fact.unit}",
            number.span,
            f"write a number of {fact.unit}" if number.unit else f"write `{written}`",
            fix=Fix(number.span, written) if number.unit is None else None,
        )


def _operator_span(test: tree.Test) -> Span:
    if test.operand is None:
        return test.path.span
    source = test.span.source
    between = source.text[test.path.span.end : test.operand.span.start]
    start = test.path.span.end + len(between) - len(between.lstrip())
    return source.span(start, start + len(between.strip()))
