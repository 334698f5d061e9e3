"""Stage 3, derived facts: tree → model, with the conditions of aggregations."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.check_together import check_itself
from dsl.codes import Code
from dsl.derivations import Derived
from dsl.diagnostics import Fix, quoted
from dsl.found import Found
from dsl.polarity import Place, check_known
from dsl.scope import Scope


def check_derived(
    scope: Scope, derived: Iterable[Derived], found: Found
) -> dict[str, model.Derivation]:
    """The derivations of one charter, by path of the derived fact."""
    made: dict[str, model.Derivation] = {}
    for one in derived:
        derivation = one.derivation
        if one.where is not None and isinstance(derivation, model.Tally):
            where = _where(scope, one, one.where, derivation, found)
            derivation = replace(derivation, where=where)
        made[one.fact.path] = derivation
    return made


def _where(
    scope: Scope,
    derived: Derived,
    written: tree.Condition,
    tally: model.Tally,
    found: Found,
) -> model.Condition | None:
    """The condition on an element, which reads the fields of elements and nothing else."""
    before = found.errors
    for path in _paths(written):
        if path.text in scope.attributes or path.text.startswith(f"{tally.list}."):
            _report_other(path, derived, tally, found)
    if found.errors > before:
        return None
    inner = replace(
        scope, facts=derived.elements, maps={}, lists={}, places={}, derived=frozenset()
    )
    where = ConditionChecker(inner, found).check(written)
    check_known(written, Place.DERIVE, found)
    check_itself(written, where, found)
    return where


def _report_other(path: tree.Word, derived: Derived, tally: model.Tally, found: Found) -> None:
    meant = path.text.removeprefix(tally.list.rpartition(".")[0] + ".")
    fields = ", ".join(f"`{one}`" for one in list(derived.elements)[:6])
    known = meant in derived.elements
    found.report(
        Code.DERIVED_FROM,
        f"{quoted(path.text)} is no field of an element of {quoted(tally.list)}",
        path.span,
        f"write `{meant}`" if known else f"ask for the fields of an element: {fields}",
        fix=Fix(path.span, meant) if known else None,
        note=None if known else "a condition after `where` chooses elements, one by one",
    )


def _paths(condition: tree.Condition) -> Iterator[tree.Word]:
    match condition:
        case tree.And(operands) | tree.Or(operands):
            for operand in operands:
                yield from _paths(operand)
        case tree.Not(operand):
            yield from _paths(operand)
        case tree.Test(path):
            yield path
