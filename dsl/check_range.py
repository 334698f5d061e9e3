"""Stage 3, comparisons that their own fact decides: always so, or never."""

from dsl import model, tree
from dsl.codes import Code
from dsl.core import FactType, Kind
from dsl.diagnostics import Severity, quoted
from dsl.found import Found
from dsl.tree import Relation


def warn_always(test: tree.Test, made: model.Test, found: Found) -> None:
    """Warn of a comparison with the least or the greatest value that a fact can have, where
    it can only come out one way."""
    always = _always(made)
    if always is None:
        return
    path = quoted(made.fact.path)
    span = test.operand.span if test.operand is not None else test.span
    least, greatest = _ends(made.fact)
    end = "is never below" if made.relation in _AT_LEAST else "is never above"
    limit = least if made.relation in _AT_LEAST else greatest
    found.report(
        Code.ALWAYS_SO,
        f"`{made.relation.value} {span.words}` is {'always' if always else 'never'} so, because "
        f"{path} {end} {limit}",
        span,
        "write another bound, or remove the comparison",
        severity=Severity.WARNING,
    )


_AT_LEAST = (Relation.AT_LEAST, Relation.LESS_THAN)
_AT_MOST = (Relation.AT_MOST, Relation.MORE_THAN)


def _ends(fact: FactType) -> tuple[str, str]:
    return (fact.order[0], fact.order[-1]) if fact.order else ("zero", "")


def _always(made: model.Test) -> bool | None:
    """Whether the test is true (or false) whatever the value; None where it depends."""
    fact, relation = made.fact, made.relation
    if fact.kind is Kind.INTEGER and not fact.may_be_negative and made.bound == 0:
        return {Relation.AT_LEAST: True, Relation.LESS_THAN: False}.get(relation)
    if not fact.order or made.region is None:
        return None
    level = next(iter(made.region.members))
    if level == fact.order[0] and relation in _AT_LEAST:
        return relation is Relation.AT_LEAST
    if level == fact.order[-1] and relation in _AT_MOST:
        return relation is Relation.AT_MOST
    return None
