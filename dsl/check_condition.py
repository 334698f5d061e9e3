"""Stage 3, conditions: tree → model, with types and units."""

from dataclasses import replace

from dsl import model, tree
from dsl.check_date import TODAY, DateChecker
from dsl.check_path import PathChecker
from dsl.check_range import warn_always
from dsl.check_region import RegionChecker
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.diagnostics import Fix, Label, quoted
from dsl.found import Found
from dsl.quantities import QuantityReader
from dsl.scope import Scope
from dsl.source import Span
from dsl.tree import Relation

_NUMBER_WORDS = (Relation.AT_LEAST, Relation.AT_MOST, Relation.MORE_THAN, Relation.LESS_THAN)
_DATE_WORDS = (Relation.BEFORE, Relation.AFTER, Relation.ON_OR_BEFORE, Relation.ON_OR_AFTER)
_KNOWN = (Relation.KNOWN, Relation.NOT_KNOWN)

_ALLOWED = {
    Kind.TRUTH: (Relation.HOLDS, Relation.IS, Relation.IS_NOT),
    Kind.TERM: (Relation.IS, Relation.IS_NOT, Relation.IN),
    Kind.TERMS: (Relation.HAS, Relation.WITHIN, Relation.TOUCHES),
    Kind.INTEGER: (Relation.IS, Relation.IS_NOT, *_NUMBER_WORDS),
    Kind.DAY: (Relation.IS, Relation.IS_NOT, *_DATE_WORDS, Relation.LAST, Relation.NEXT),
}
IS_A = {
    Kind.TRUTH: "is yes or no",
    Kind.TERM: "is one value",
    Kind.TERMS: "is a set",
    Kind.INTEGER: "is a number",
    Kind.DAY: "is a date",
}
# What the author meant, when the word goes with another kind of fact.
_INSTEAD = {
    (Kind.TERMS, Relation.IS): Relation.HAS,
    (Kind.TERMS, Relation.IN): Relation.WITHIN,
    (Kind.TERM, Relation.HAS): Relation.IS,
    (Kind.TERM, Relation.WITHIN): Relation.IN,
    (Kind.TERM, Relation.TOUCHES): Relation.IN,
    (Kind.DAY, Relation.AT_LEAST): Relation.ON_OR_AFTER,
    (Kind.DAY, Relation.AT_MOST): Relation.ON_OR_BEFORE,
    (Kind.DAY, Relation.MORE_THAN): Relation.AFTER,
    (Kind.DAY, Relation.LESS_THAN): Relation.BEFORE,
    (Kind.INTEGER, Relation.ON_OR_AFTER): Relation.AT_LEAST,
    (Kind.INTEGER, Relation.ON_OR_BEFORE): Relation.AT_MOST,
    (Kind.INTEGER, Relation.AFTER): Relation.MORE_THAN,
    (Kind.INTEGER, Relation.BEFORE): Relation.LESS_THAN,
    (Kind.INTEGER, Relation.LAST): Relation.AT_MOST,
    (Kind.INTEGER, Relation.NEXT): Relation.AT_MOST,
}


class ConditionChecker:
    """Checks the conditions of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found
        self._regions = RegionChecker(scope, found)
        self._paths = PathChecker(scope, found)
        self._dates = DateChecker(scope, found)
        self._quantities = QuantityReader(found)

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
                before = self._found.errors
                made = self._test(condition)
                if made is None and self._found.errors == before:
                    # A condition that is lost in silence would widen its rule.
                    self._no_sense(condition)
                return made

    @property
    def paths(self) -> PathChecker:
        return self._paths

    def _test(self, test: tree.Test) -> model.Condition | None:
        if test.path.text == TODAY:
            return self._dates.today(test)
        if test.quantifier is None:
            path, key = test.path, test.key
            fact = self._paths.fact(path) if key is None else self._paths.one(path, key)
            return None if fact is None else self._of_fact(test, fact)
        facts = self._paths.all(test.path, test.quantifier.value, test.span)
        if facts is None:
            return None
        # All keys have values of one type: what is wrong is wrong for all of them.
        first = self._of_fact(test, facts[0])
        if first is None:
            return None
        every = test.quantifier is tree.Quantifier.EVERY
        return model.Each(every, tuple(replace(first, fact=fact) for fact in facts))

    def _of_fact(self, test: tree.Test, fact: FactType) -> model.Test | None:
        if test.relation in _KNOWN:
            return model.Test(fact, test.relation)
        ordered = bool(fact.order) and test.relation in _NUMBER_WORDS
        if test.relation not in _ALLOWED[fact.kind] and not ordered:
            self._wrong_relation(test, fact)
            return None
        made = self._typed(test, fact)
        if made is not None:
            warn_always(test, made, self._found)
        return made

    def _typed(self, test: tree.Test, fact: FactType) -> model.Test | None:
        match fact.kind:
            case Kind.TRUTH:
                return self._truth(test, fact)
            case Kind.INTEGER:
                bound = self.number(test.operand, fact)
                return None if bound is None else model.Test(fact, test.relation, bound=bound)
            case Kind.DAY:
                return self._dates.test(test, fact)
            case _:
                region = self._regions.region(test.operand, fact, test.relation)
                return None if region is None else model.Test(fact, test.relation, region)

    def value(self, literal: tree.Literal, fact: FactType) -> str | None:
        """The value a literal names in the vocabulary of a TERM or TERMS fact."""
        return self._regions.value(literal, fact)

    def _no_sense(self, test: tree.Test) -> None:
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(test.span.words)} compares what cannot be compared",
            test.span,
            f"write another comparison of {quoted(test.path.text)}",
        )

    # --- relations that do not go with the fact ---

    def _wrong_relation(self, test: tree.Test, fact: FactType) -> None:
        if test.relation is Relation.HOLDS:
            self._bare(test, fact)
            return
        if fact.kind in (Kind.TERM, Kind.TERMS) and test.relation in _NUMBER_WORDS:
            self._unordered(test, fact)
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

    def _unordered(self, test: tree.Test, fact: FactType) -> None:
        """Order words where nothing says what is more and what is less."""
        operator = _operator_span(test)
        choices = ", ".join(f"`{r.value}`" for r in _ALLOWED[fact.kind])
        note = None
        if fact.vocabulary is not None:
            note = f"only `levels` have an order, and `{fact.vocabulary}` is not declared so"
        self._found.report(
            Code.UNORDERED,
            f"the values of {quoted(fact.path)} have no order, and `{test.relation.value}` asks "
            "for one",
            operator,
            f"use {choices}",
            Label(test.path.span, IS_A[fact.kind]),
            note=note,
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
        if instead is not None and _sample_of(fact, operand):
            return f"{instead.value} {_sample_of(fact, operand)}", None
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
            f"{quoted(fact.path)} is yes or no, and {quoted(span.words)} is neither",
            span,
            f"write `{meant}`" if meant else "write `yes` or `no`",
            fix=Fix(span, meant) if meant else None,
        )

    def number(self, operand: object, fact: FactType, *, bare: bool = False) -> int | None:
        """The value of a literal in steps of the fact, or None where it is reported."""
        return self._quantities.number(operand, fact, bare=bare)


def _sample_of(fact: FactType, operand: object) -> str:
    """What to compare a number or a date with, where the operand is the one for the other."""
    if fact.kind is Kind.INTEGER and not isinstance(operand, tree.Number):
        return f"30 {fact.unit}"
    is_day = isinstance(operand, tree.Day | tree.Today)
    return "2027-01-12" if fact.kind is Kind.DAY and not is_day else ""


def _operator_span(test: tree.Test) -> Span:
    if test.operand is None:
        return test.path.span
    source = test.span.source
    start = test.path.span.end
    if test.key is not None:
        start = source.text.index("]", test.key.span.end) + 1
    between = source.text[start : test.operand.span.start]
    start += len(between) - len(between.lstrip())
    return source.span(start, start + len(between.strip()))
