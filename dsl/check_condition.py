"""Stage 3, conditions: tree → model, with types and units."""

from dsl import model, tree
from dsl.codes import Code
from dsl.core import FactType, InForce, Kind
from dsl.diagnostics import Diagnostic, Fix, Label
from dsl.facts import MAX_INTEGER
from dsl.resolve import UNITS, Scope, Vocabulary, unknown
from dsl.tree import Relation

_NUMBER_WORDS = (Relation.AT_LEAST, Relation.AT_MOST, Relation.MORE_THAN, Relation.LESS_THAN)

_ALLOWED = {
    Kind.TRUTH: (Relation.HOLDS, Relation.IS, Relation.IS_NOT),
    Kind.TERM: (Relation.IS, Relation.IS_NOT, Relation.IN),
    Kind.TERMS: (Relation.HAS, Relation.WITHIN, Relation.TOUCHES),
    Kind.INTEGER: (Relation.IS, Relation.IS_NOT, *_NUMBER_WORDS),
}
_IS_A = {
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


def day_zone(region: "model.Region | None") -> bool:
    """Whether membership in the region depends on the day."""
    return region is not None and any(region.members.values())


class ConditionChecker:
    """Checks the conditions of one charter; mistakes are added to `found`."""

    def __init__(self, scope: Scope, found: list[Diagnostic]) -> None:
        self._scope = scope
        self._found = found

    def check(self, condition: tree.Condition) -> model.Condition | None:
        """The typed condition, or None where something in it is wrong."""
        match condition:
            case tree.And(operands):
                checked = [self.check(operand) for operand in operands]
                return None if None in checked else model.And(tuple(filter(None, checked)))
            case tree.Or(operands):
                checked = [self.check(operand) for operand in operands]
                return None if None in checked else model.Or(tuple(filter(None, checked)))
            case tree.Not(operand):
                inner = self.check(operand)
                return None if inner is None else model.Not(inner)
            case tree.Test():
                return self._test(condition)

    def fact(self, path: tree.Word) -> FactType | None:
        """The declared fact a path names."""
        fact = self._scope.facts.get(path.text)
        if fact is None:
            self._found.append(
                unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._scope.facts)
            )
        return fact

    def _test(self, test: tree.Test) -> model.Test | None:
        fact = self.fact(test.path)
        if fact is None:
            return None
        if test.relation not in _ALLOWED[fact.kind]:
            self._wrong_relation(test, fact)
            return None
        if fact.kind is Kind.TRUTH:
            return self._truth(test, fact)
        if fact.kind is Kind.INTEGER:
            bound = self.number(test.operand, fact)
            return None if bound is None else model.Test(fact, test.relation, bound=bound)
        region = self._region(test.operand, fact, test.relation)
        return None if region is None else model.Test(fact, test.relation, region)

    def _wrong_relation(self, test: tree.Test, fact: FactType) -> None:
        operator = _operator_span(test)
        word = "this" if test.relation is Relation.HOLDS else f"`{test.relation.value}`"
        instead = _INSTEAD.get((fact.kind, test.relation))
        choices = ", ".join(f"`{r.value}`" for r in _ALLOWED[fact.kind] if r is not Relation.HOLDS)
        self._found.append(
            Diagnostic(
                Code.TYPE_MISMATCH,
                f"`{test.path.text}` {_IS_A[fact.kind]}, and {word} does not go with that",
                (Label(operator), Label(test.path.span, _IS_A[fact.kind]))
                if operator != test.path.span
                else (Label(operator),),
                help=f"write `{instead.value}`" if instead else f"use {choices}",
                fix=Fix(operator, instead.value) if instead else None,
            )
        )

    def _truth(self, test: tree.Test, fact: FactType) -> model.Test | None:
        if test.relation is Relation.HOLDS:
            return model.Test(fact, Relation.HOLDS)
        if not isinstance(test.operand, tree.YesNo):
            self._mismatch(test, fact, "`yes` or `no`")
            return None
        negated = test.operand.value is (test.relation is Relation.IS_NOT)
        return model.Test(fact, Relation.HOLDS, negated_truth=negated)

    def _mismatch(self, test: tree.Test, fact: FactType, wanted: str) -> None:
        operand = test.operand
        span = operand.span if operand is not None else test.span
        self._found.append(
            Diagnostic(
                Code.TYPE_MISMATCH,
                f"`{test.path.text}` {_IS_A[fact.kind]}, and `{span.text}` is not",
                (Label(span), Label(test.path.span, _IS_A[fact.kind])),
                help=f"write {wanted}",
            )
        )

    # --- numbers ---

    def number(self, operand: object, fact: FactType) -> int | None:
        """The value of a literal in the unit of the fact, or None with a diagnostic."""
        if not isinstance(operand, tree.Number):
            if isinstance(operand, tree.Word | tree.YesNo | tree.ValueSet):
                self._found.append(
                    Diagnostic(
                        Code.TYPE_MISMATCH,
                        f"`{fact.path}` is a number of {fact.unit}, and `{operand.span.text}` "
                        "is not a number",
                        (Label(operand.span),),
                        help=f"write a number with its unit, such as `30 {fact.unit}`",
                    )
                )
            return None
        unit = UNITS.get(operand.unit) if operand.unit else None
        if unit != fact.unit:
            self._found.append(_wrong_unit(operand, fact))
            return None
        if operand.value >= MAX_INTEGER:
            self._found.append(
                Diagnostic(
                    Code.NUMBER_RANGE,
                    f"`{operand.span.text}` is larger than any number a fact can have",
                    (Label(operand.span),),
                    help=f"write a number below {MAX_INTEGER}",
                )
            )
            return None
        return operand.value

    # --- values and regions ---

    def value(self, literal: tree.Literal, fact: FactType) -> str | None:
        """The value a literal names in the vocabulary of a TERM or TERMS fact."""
        if not isinstance(literal, tree.Word):
            self._found.append(
                Diagnostic(
                    Code.TYPE_MISMATCH,
                    f"`{literal.span.text}` is not a value of `{fact.path}`",
                    (Label(literal.span),),
                    help=f"write one of: {', '.join((fact.values or ())[:8])}",
                )
            )
            return None
        if fact.values is not None and literal.text not in fact.values:
            what = f"{fact.vocabulary}"
            self._found.append(unknown(Code.UNKNOWN_VALUE, what, literal, fact.values))
            return None
        return literal.text

    def _region(self, operand: object, fact: FactType, relation: Relation) -> model.Region | None:
        parts: tuple[object, ...]
        parts = operand.parts if isinstance(operand, tree.Region) else (operand,)
        members: dict[str, list[InForce] | None] = {}
        good = True
        for part in parts:
            for value, periods in self._part(part, fact):
                if value is None:
                    good = False
                    continue
                for one in self._narrower(value, fact, relation):
                    _join(members, one, periods)
        if not good:
            return None
        return model.Region(
            {value: tuple(periods or ()) for value, periods in sorted(members.items())}
        )

    def _part(self, part: object, fact: FactType) -> "list[tuple[str | None, tuple[InForce, ...]]]":
        if isinstance(part, tree.ValueSet):
            if not part.values:
                self._found.append(
                    Diagnostic(
                        Code.EMPTY_SET,
                        "nothing can be in an empty set",
                        (Label(part.span),),
                        help="write at least one value between the braces",
                    )
                )
                return [(None, ())]
            return [(self.value(literal, fact), ()) for literal in part.values]
        if isinstance(part, tree.Word) and not _is_literal_word(part, fact, self._scope):
            return self._zone(part, fact)
        assert isinstance(part, tree.Word | tree.Number | tree.YesNo)  # noqa: S101
        return [(self.value(part, fact), ())]

    def _zone(
        self, word: tree.Word, fact: FactType
    ) -> "list[tuple[str | None, tuple[InForce, ...]]]":
        zone = self._scope.zones.get(word.text)
        if zone is None:
            self._found.append(unknown(Code.UNKNOWN_ZONE, "zone", word, self._scope.zones))
            return [(None, ())]
        if zone.vocabulary != fact.vocabulary:
            self._found.append(
                Diagnostic(
                    Code.TYPE_MISMATCH,
                    f"`{word.text}` is a zone of {zone.vocabulary}, but `{fact.path}` "
                    f"holds {fact.vocabulary or 'identifiers'}",
                    (Label(word.span),),
                    help=f"name a zone of {fact.vocabulary or 'identifiers'}",
                )
            )
            return [(None, ())]
        return list(zone.members.items())

    def _narrower(self, value: str, fact: FactType, relation: Relation) -> tuple[str, ...]:
        # Sets arrive closed upward, so a broader term is found in them as it is; for one
        # value, and for "all of them are", the terms below have to be named.
        if not fact.broader or relation in (Relation.HAS, Relation.TOUCHES):
            return (value,)
        vocabulary = Vocabulary(fact.vocabulary or "", fact.values or (), fact.broader)
        return vocabulary.with_narrower(value)


def _join(
    members: dict[str, list[InForce] | None], value: str, periods: tuple[InForce, ...]
) -> None:
    """Add the periods of one part; None stands for always, which absorbs every period."""
    if not periods:
        members[value] = None
        return
    known = members.setdefault(value, [])
    if known is not None:
        known.extend(period for period in periods if period not in known)


def _is_literal_word(word: tree.Word, fact: FactType, scope: Scope) -> bool:
    # In a region a bare capital word is a zone; elsewhere the word is a value.
    return (
        not word.text[:1].isupper()
        or word.quoted
        or (word.text not in scope.zones and (fact.values is not None and word.text in fact.values))
    )


def _operator_span(test: tree.Test) -> "tree.Span":
    if test.operand is None:
        return test.path.span
    source = test.span.source
    between = source.text[test.path.span.end : test.operand.span.start]
    start = test.path.span.end + len(between) - len(between.lstrip())
    return source.span(start, start + len(between.strip()))


def _wrong_unit(number: tree.Number, fact: FactType) -> Diagnostic:
    written = f"{number.value} {fact.unit}"
    what = f"counts {number.unit}" if number.unit else "has no unit"
    return Diagnostic(
        Code.UNIT_MISMATCH,
        f"`{number.span.text}` {what}, but `{fact.path}` counts {fact.unit}",
        (Label(number.span),),
        help=f"write it in {fact.unit}, such as `{written}`",
        fix=Fix(number.span, written) if number.unit is None else None,
    )
