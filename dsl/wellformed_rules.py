"""What every rule of a core program keeps to; part of `dsl.wellformed`.

The polarity of `Known` is what keeps a hidden fact from helping: it is false where its fact
is hidden, never unknown. So it may only widen what is refused or owed when false (`Not`
before it), and only narrow what is permitted or preferred.
"""

from collections.abc import Iterator

from dsl.core import (
    And,
    Condition,
    Due,
    DueUnit,
    Duty,
    Effect,
    Invariant,
    Known,
    Level,
    Not,
    Or,
    Program,
    Rule,
)
from dsl.facts import MAX_INTEGER
from dsl.wellformed_atoms import ascending, problems_of_condition

MAX_WEIGHT = 1_000
# A thousand years; a deadline beyond has no date.
MAX_DUE = {DueUnit.MINUTES: 525_600_000, DueUnit.DAYS: 365_000, DueUnit.MONTHS: 12_000}

_ENFORCED_OR_NOT = (Effect.PERMIT, Effect.FORBID)


def problems_of_rule(program: Program, rule: Rule) -> Iterator[str]:
    """What is wrong with a rule, one sentence each."""
    name = f"rule `{rule.id}`"
    if not rule.actions or not set(rule.actions) <= set(program.actions):
        yield f"{name} has no action or an undeclared one"
    if rule.level is not Level.ENFORCE and rule.effect not in _ENFORCED_OR_NOT:
        yield f"{name} has a level, which only a prohibition or a permission may have"
    if not _has_its_weight(rule):
        yield f"{name} has a weight out of range, or one that it cannot have"
    for condition in conditions_of(rule):
        yield from (f"{name} {p}" for p in problems_of_condition(program.facts, condition))
    for duty in rule.duties:
        yield from _problems_of_duty(rule, duty)
    yield from _problems_of_polarity(rule)


def problems_of_invariant(program: Program, invariant: Invariant) -> Iterator[str]:
    """What is wrong with an invariant, one sentence each."""
    name = f"invariant `{invariant.id}`"
    if not invariant.actions or not set(invariant.actions) <= set(program.actions):
        yield f"{name} has no action or an undeclared one"
    problems = problems_of_condition(program.facts, invariant.condition)
    yield from (f"{name} {problem}" for problem in problems)


def conditions_of(rule: Rule) -> tuple[Condition, ...]:
    """The formula of a rule and the conditions of its exceptions and duties."""
    notes = (note.condition for note in rule.exceptions)
    return (rule.formula, *notes, *(duty.condition for duty in rule.duties))


def _has_its_weight(rule: Rule) -> bool:
    if rule.effect is Effect.PREFER:
        return 1 <= rule.weight <= MAX_WEIGHT
    return rule.weight == 0


def _problems_of_duty(rule: Rule, duty: Duty) -> Iterator[str]:
    if duty.rule != rule.id:
        yield f"duty `{duty.id}` belongs to another rule"
    if not ascending([name for name, _ in duty.parameters]):
        yield f"duty `{duty.id}` has parameters that are not sorted, or one of them twice"
    for name, value in duty.parameters:
        if not name or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            yield f"duty `{duty.id}` has a parameter that does not fit on the wire"
    if duty.due is not None and not _can_be_met(duty.due):
        yield f"duty `{duty.id}` has a deadline out of range"


def _can_be_met(due: Due) -> bool:
    return 0 <= due.amount <= MAX_DUE[due.unit]


# --- polarity ------------------------------------------------------------------------


def _problems_of_polarity(rule: Rule) -> Iterator[str]:
    narrows = rule.effect in (Effect.PERMIT, Effect.PREFER)
    for condition in (rule.formula, *(note.condition for note in rule.exceptions)):
        yield from _wrongly_known(rule, condition, denied=not narrows)
    for duty in rule.duties:
        # Where a permission is not given, its duty is not missed; the rest of the duties
        # bind whoever is permitted by anything.
        yield from _wrongly_known(rule, duty.condition, denied=rule.effect is not Effect.PERMIT)


def _wrongly_known(rule: Rule, condition: Condition, *, denied: bool) -> Iterator[str]:
    for path, negated in _known(condition):
        if negated is not denied:
            yield f"rule `{rule.id}` would help whoever hides `{path}`"


def _known(condition: Condition) -> Iterator[tuple[str, bool]]:
    """Of every `Known` its path, and whether `Not` stands before it."""
    match condition:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _known(operand)
        case Known(path):
            yield path, False
        case Not(Known(path)):
            yield path, True
        case _:
            pass
