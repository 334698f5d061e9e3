"""Stage 2, derived facts that say how two facts compare."""

from dsl import tree
from dsl.calculations import Compare, Comparison
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.derive import comparable
from dsl.diagnostics import Label, quoted
from dsl.found import Found

# What a relation is made of, whether its sides are swapped, and whether it is denied.
_COMPARISONS = {
    tree.Relation.IS: (Comparison.EQUAL, False, False),
    tree.Relation.IS_NOT: (Comparison.EQUAL, False, True),
    tree.Relation.IN: (Comparison.IN, False, False),
    tree.Relation.HAS: (Comparison.IN, True, False),
    tree.Relation.WITHIN: (Comparison.WITHIN, False, False),
    tree.Relation.TOUCHES: (Comparison.TOUCHES, False, False),
    tree.Relation.AT_LEAST: (Comparison.AT_LEAST, False, False),
    tree.Relation.AT_MOST: (Comparison.AT_LEAST, True, False),
    tree.Relation.MORE_THAN: (Comparison.AT_LEAST, True, True),
    tree.Relation.LESS_THAN: (Comparison.AT_LEAST, False, True),
    tree.Relation.ON_OR_AFTER: (Comparison.AT_LEAST, False, False),
    tree.Relation.ON_OR_BEFORE: (Comparison.AT_LEAST, True, False),
    tree.Relation.AFTER: (Comparison.AT_LEAST, True, True),
    tree.Relation.BEFORE: (Comparison.AT_LEAST, False, True),
}
_IS = {
    Kind.TRUTH: "yes or no",
    Kind.TERM: "one value",
    Kind.TERMS: "a set",
    Kind.INTEGER: "a number",
    Kind.DAY: "a date",
}
_DATE_WORDS = (
    tree.Relation.ON_OR_AFTER,
    tree.Relation.ON_OR_BEFORE,
    tree.Relation.AFTER,
    tree.Relation.BEFORE,
)
_MEANT = "compare attributes of one vocabulary or one unit, with a relation that goes with both"
_MEANT_OF_A_TAXONOMY = "compare with values that are written out, in the condition of a rule"


def read_comparison(
    made: tree.Whether, left: FactType, right: FactType, found: Found
) -> Compare | None:
    """What is compared, or None where these two cannot be compared so."""
    comparison, swapped, negated = _COMPARISONS[made.relation]
    first, second = (right, left) if swapped else (left, right)
    ranks = comparison is Comparison.AT_LEAST
    of_dates = (left.kind is Kind.DAY) is (made.relation in _DATE_WORDS)
    # Of a taxonomy `x in set` would ask for all below the terms of the set, which are not
    # known any more; that the set `has` the term, or one below, can be answered.
    below = made.relation is tree.Relation.IN and bool(left.broader)
    if comparable(comparison, first, second) and not below and (of_dates or not ranks):
        return Compare(comparison, first.path, second.path, negated)
    taxonomy = left.vocabulary if left.broader and left.vocabulary == right.vocabulary else None
    found.report(
        Code.DERIVED_FROM,
        f"`{made.relation.value}` does not compare {quoted(left.path)} with {quoted(right.path)}",
        made.span,
        _MEANT_OF_A_TAXONOMY if taxonomy else _MEANT,
        Label(made.left.span, _about(left)),
        Label(made.right.span, _about(right)),
        note=f"sets of `{taxonomy}` arrive with every broader term" if taxonomy else None,
    )
    return None


def _about(fact: FactType) -> str:
    of = fact.vocabulary or fact.unit
    return f"{_IS[fact.kind]} of `{of}`" if of else _IS[fact.kind]
