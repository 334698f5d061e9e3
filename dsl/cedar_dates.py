"""Conditions in an order that costs Cedar less: one date settles many.

A zone whose members joined over the years is a chain of dates, all of which are past on most
days: `(a or x) and (b or y) and ...`, where `a` and `b` are dates and `x` and `y` are about the
country. Whatever `x` and `y` are, that is `(a and b) or ((a or x) and (b or y))`, in Kleene's
logic as well, for a date is never unknown; and all dates together are one interval of days.
The evaluator still compares the days by itself, and comes to the chain where it must.
"""

from collections.abc import Sequence

from dsl.core import And, Condition, InForce, Not, Or, atoms

# Fewer dates cost little by themselves.
GUARDED = 3


def with_dates_first(condition: Condition) -> Condition:
    """A condition of the same value, in which chains of dates come after what settles them."""
    match condition:
        case And(operands):
            return And(_guarded(tuple(map(with_dates_first, operands)), denied=False))
        case Or(operands):
            return Or(_guarded(tuple(map(with_dates_first, operands)), denied=True))
        case _:
            return condition


def _guarded(operands: Sequence[Condition], *, denied: bool) -> tuple[Condition, ...]:
    """The operands of a conjunction with its dated alternatives in one; or, `denied`, those of
    an alternative with its conjunctions that a date denies in one."""
    by_zone: dict[str, dict[Condition, InForce]] = {}
    for operand in operands:
        date = _date(operand, denied=denied)
        if date is not None:
            by_zone.setdefault(date.time_zone, {})[operand] = date
    instead: dict[Condition, Condition] = {}
    for dates in by_zone.values():
        all_days = _intersection(tuple(dates.values()))
        if len(dates) >= GUARDED and all_days is not None:
            chain = tuple(dates)
            together = And((Not(all_days), Or(chain))) if denied else Or((all_days, And(chain)))
            instead |= dict.fromkeys(dates, together)
    kept = dict.fromkeys(instead.get(operand, operand) for operand in operands)
    return tuple(sorted(kept, key=_size))


def _size(condition: Condition) -> int:
    return sum(1 for _ in atoms(condition))


def _date(operand: Condition, *, denied: bool) -> InForce | None:
    """The date that settles an alternative as true; or a conjunction, where it is denied, as
    false."""
    if denied:
        parts = operand.operands if isinstance(operand, And) else ()
        found = (p.operand for p in parts if isinstance(p, Not) and isinstance(p.operand, InForce))
    else:
        parts = operand.operands if isinstance(operand, Or) else ()
        found = (part for part in parts if isinstance(part, InForce))
    return next(found, None)


def _intersection(dates: Sequence[InForce]) -> InForce | None:
    """The days on which all are in force; None where there are none."""
    first = max((date.first for date in dates if date.first is not None), default=None)
    last = min((date.last for date in dates if date.last is not None), default=None)
    if first is not None and last is not None and first > last:
        return None
    return InForce(dates[0].time_zone, first, last)
