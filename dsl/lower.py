"""Stage 4: model → core. Exceptions, dated zones and spelling are compiled away.

One formula a rule: `in force and when and not require and not e1 and not e2 ...`, in
negation normal form. A dated zone needs no set union in the engines: `within` becomes
"every element is a member at some time, and each group of members with the same dates
is in force or untouched".
"""

from collections.abc import Iterable

from dsl import core, model
from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    FactType,
    Holds,
    InForce,
    Not,
    OneOf,
    Or,
    Touches,
    Within,
    opposite,
)
from dsl.tree import Relation


def lower(checked: model.Model) -> core.Program:
    """The program of a model; rules sorted by id, facts by path."""
    return core.Program(
        facts=checked.facts,
        places=checked.places,
        actions=checked.actions,
        rules=tuple(_rule(rule) for rule in sorted(checked.rules, key=lambda r: r.id)),
    )


_EFFECTS = {
    model.Effect.PERMIT: core.Effect.PERMIT,
    model.Effect.FORBID: core.Effect.FORBID,
    model.Effect.REQUIRE: core.Effect.FORBID,
    model.Effect.OBLIGE: core.Effect.OBLIGE,
}


def _rule(rule: model.Rule) -> core.Rule:
    reach = [rule.in_force, *([] if rule.when is None else [condition(rule.when)])]
    broken = reach + ([] if rule.require is None else [opposite(condition(rule.require))])
    excepted = [conjunction([e.in_force, condition(e.when)]) for e in rule.exceptions]
    formula = conjunction([*broken, *(opposite(holds) for holds in excepted)])
    # A refusal that is excepted still leaves its duty to those it reaches. A permission or
    # a mere duty that is excepted is as if it were not there.
    refuses = _EFFECTS[rule.effect] is core.Effect.FORBID
    owed = conjunction(reach) if refuses else formula
    duties = [_duty(rule.id, rule.id, o, owed, rule.citations) for o in rule.obliges]
    notes: list[core.ExceptionNote] = []
    for exception, holds in zip(rule.exceptions, excepted, strict=True):
        # The duty of an exception binds whoever needs the exception: the rule would
        # otherwise be broken, and the exception is what saves.
        needed = conjunction([*broken, holds])
        notes.append(core.ExceptionNote(exception.id, exception.title, exception.citations, needed))
        duties.extend(
            _duty(rule.id, exception.id, oblige, needed, exception.citations)
            for oblige in exception.obliges
        )
    return core.Rule(
        id=rule.id,
        effect=_EFFECTS[rule.effect],
        actions=rule.actions,
        formula=formula,
        title=rule.title,
        citations=rule.citations,
        because=rule.because,
        remedies=rule.remedies,
        exceptions=tuple(notes),
        duties=tuple(duties),
    )


def _duty(
    rule: str,
    source: str,
    oblige: model.Oblige,
    holds: Condition,
    citations: tuple[core.Citation, ...],
) -> core.Duty:
    return core.Duty(
        id=f"{source}#{oblige.obligation}",
        obligation=oblige.obligation,
        title=oblige.title,
        rule=rule,
        condition=holds,
        citations=citations,
        due_days=oblige.due_days,
    )


# --- conditions ----------------------------------------------------------------------


def condition(typed: model.Condition) -> Condition:
    """A typed condition in core terms, in negation normal form."""
    match typed:
        case model.And(operands):
            return conjunction(condition(operand) for operand in operands)
        case model.Or(operands):
            return disjunction(condition(operand) for operand in operands)
        case model.Not(operand):
            return opposite(condition(operand))
        case model.Test():
            return _test(typed)


def _test(test: model.Test) -> Condition:
    path = test.fact.path
    if test.relation is Relation.HOLDS:
        return Not(Holds(path)) if test.negated_truth else Holds(path)
    if test.bound is not None:
        return _number(path, test.relation, test.bound)
    assert test.region is not None  # noqa: S101 - the checker gives one to every other relation
    match test.relation:
        case Relation.IS | Relation.IN:
            return _dated(test.fact, test.region, OneOf)
        case Relation.IS_NOT:
            return opposite(_dated(test.fact, test.region, OneOf))
        case Relation.WITHIN:
            return _dated(test.fact, test.region, Within)
        case _:
            return _touches(path, test.region)


def _number(path: str, relation: Relation, bound: int) -> Condition:
    match relation:
        case Relation.AT_LEAST:
            return AtLeast(path, bound)
        case Relation.MORE_THAN:
            return AtLeast(path, bound + 1)
        case Relation.AT_MOST:
            return Not(AtLeast(path, bound + 1))
        case Relation.LESS_THAN:
            return Not(AtLeast(path, bound))
        case Relation.IS_NOT:
            return disjunction([Not(AtLeast(path, bound)), AtLeast(path, bound + 1)])
        case _:
            return conjunction([AtLeast(path, bound), Not(AtLeast(path, bound + 1))])


def _groups(region: model.Region) -> list[tuple[tuple[InForce, ...], tuple[str, ...]]]:
    """Dated members by the periods they share, in a fixed order."""
    groups: dict[tuple[InForce, ...], list[str]] = {}
    for value, periods in region.members.items():
        if periods:
            groups.setdefault(periods, []).append(value)
    return [(periods, tuple(sorted(groups[periods]))) for periods in sorted(groups, key=_dates)]


def _dates(periods: tuple[InForce, ...]) -> list[tuple[str, int, int]]:
    far = 10**9
    return [
        (p.time_zone, -far if p.first is None else p.first, far if p.last is None else p.last)
        for p in periods
    ]


def _dated(fact: FactType, region: model.Region, atom: type[OneOf] | type[Within]) -> Condition:
    path = fact.path
    inside: list[Condition] = [atom(path, tuple(sorted(region.members)))]
    for periods, values in _groups(region):
        untouched = Not(OneOf(path, values) if atom is OneOf else Touches(path, values))
        inside.append(disjunction([disjunction(periods), untouched]))
    return conjunction(inside)


def _touches(path: str, region: model.Region) -> Condition:
    always = tuple(sorted(value for value, periods in region.members.items() if not periods))
    parts: list[Condition] = [Touches(path, always)] if always else []
    for periods, values in _groups(region):
        parts.append(conjunction([disjunction(periods), Touches(path, values)]))
    return disjunction(parts)


# --- the one form --------------------------------------------------------------------


def conjunction(operands: Iterable[Condition]) -> Condition:
    """`And`, flat, without repeats and constants; never of one operand."""
    flat = _flat(operands, And, neutral=True)
    if flat is None:
        return Constant(value=False)
    return flat[0] if len(flat) == 1 else And(tuple(flat)) if flat else Constant(value=True)


def disjunction(operands: Iterable[Condition]) -> Condition:
    """`Or`, flat, without repeats and constants; never of one operand."""
    flat = _flat(operands, Or, neutral=False)
    if flat is None:
        return Constant(value=True)
    return flat[0] if len(flat) == 1 else Or(tuple(flat)) if flat else Constant(value=False)


def _flat(
    operands: Iterable[Condition], kind: type[And] | type[Or], *, neutral: bool
) -> list[Condition] | None:
    """The operands in order; None where one of them alone decides."""
    flat: dict[Condition, None] = {}
    for operand in operands:
        for part in operand.operands if isinstance(operand, kind) else (operand,):
            known = _constant(part)
            if known is None:
                flat[part] = None
            elif known is not neutral:
                return None
    return list(flat)


def _constant(part: Condition) -> bool | None:
    match part:
        case Constant(value):
            return value
        case InForce(_, None, None):
            return True
        case Not(InForce(_, None, None)):
            return False
        case _:
            return None
