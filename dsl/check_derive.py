"""Stage 3, derived facts: tree → model, with the conditions of aggregations."""

from collections.abc import Iterable
from dataclasses import replace

from dsl import model
from dsl.check_condition import ConditionChecker
from dsl.check_together import check_itself
from dsl.derivations import Derived
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
            # An aggregation sees the fields of its elements, and nothing else.
            inner = replace(
                scope, facts=one.elements, maps={}, lists={}, places={}, derived=frozenset()
            )
            where = ConditionChecker(inner, found).check(one.where)
            check_known(one.where, Place.DERIVE, found)
            check_itself(one.where, where, found)
            derivation = replace(derivation, where=where)
        made[one.fact.path] = derivation
    return made
