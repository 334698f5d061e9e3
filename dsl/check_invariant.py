"""Stage 3, invariants: tree → model. What a bundle claims never to permit."""

from dsl import model, tree
from dsl.check_clauses import ClauseChecker
from dsl.check_condition import ConditionChecker
from dsl.check_together import check_itself
from dsl.codes import Code
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.scope import Scope, each


def check_invariants(scope: Scope, found: Found) -> list[model.Invariant]:
    """The invariants of one charter, without those that have a mistake."""
    declared = [invariant for _, invariant in each([scope.charter], tree.Invariant)]
    found.twice("invariant", [invariant.name for invariant in declared])
    clauses, conditions = ClauseChecker(scope, found), ConditionChecker(scope, found)
    made: list[model.Invariant] = []
    for invariant in declared:
        actions = _actions(invariant, scope, found)
        citations = clauses.cited(invariant.cites)
        condition = conditions.check(invariant.condition)
        check_itself(invariant.condition, condition, found)
        if condition is not None:
            invariant_id = f"{scope.charter.name.text}/{invariant.name.text}"
            title = invariant.title.text
            made.append(model.Invariant(invariant_id, title, actions, condition, citations))
    return made


def _actions(invariant: tree.Invariant, scope: Scope, found: Found) -> tuple[str, ...]:
    known = scope.actions
    if not invariant.actions:
        some = ", ".join(f"`{name}`" for name in sorted(known)[:6])
        found.report(
            Code.NO_ACTION,
            f"the invariant {quoted(invariant.name.text)} does not say on which actions it bears",
            invariant.name.span,
            f"write `on` and one or more of {some}" if some else "write `on` and an action",
        )
    for word in invariant.actions:
        if word.text not in known:
            found.unknown(Code.UNKNOWN_NAME, "action", word, known)
    return tuple(sorted({word.text for word in invariant.actions if word.text in known}))
