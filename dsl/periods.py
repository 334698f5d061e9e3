"""Regions before anything is looked up: values, and the days on which each belongs.

A value maps to its periods; no period at all stands for always. `join` and `without` are
what `+` and `-` mean in a charter.
"""

from collections.abc import Iterable, Mapping
from itertools import islice

from dsl.core import InForce

Periods = tuple[InForce, ...]
Members = Mapping[str, Periods]


class OtherClockError(ValueError):
    """Days of two time zones cannot be taken from each other: they begin at two instants."""

    def __init__(self, value: str, kept: str, taken: str) -> None:
        super().__init__(value)
        self.value = value
        self.kept = kept
        self.taken = taken


def join(left: Members, right: Members) -> dict[str, Periods]:
    """Every value with the periods in which it belongs to one side or the other."""
    joined = dict(left)
    for value, periods in right.items():
        known = joined.get(value)
        if known is None:
            joined[value] = periods
        elif known:
            joined[value] = tuple(dict.fromkeys((*known, *periods))) if periods else ()
    return joined


def without(left: Members, right: Members) -> dict[str, Periods]:
    """The left side less every day on which a value belongs to the right.

    Raises:
        OtherClockError: A value has days of one time zone on one side and of another on the
            other.
    """
    kept: dict[str, Periods] = {}
    for value, periods in left.items():
        if value not in right:
            kept[value] = periods
        elif right[value]:
            rest = _subtract(value, periods, right[value])
            if rest:
                kept[value] = rest
    return kept


def _subtract(value: str, periods: Periods, taken: Periods) -> Periods:
    clock = taken[0].time_zone
    for other in (*periods, *taken):
        if other.time_zone != clock:
            raise OtherClockError(value, other.time_zone, clock)
    rest: list[InForce] = []
    cuts, first = _merged(taken), 0
    # Both are in order, so that no cut is looked at again once it lies behind.
    for period in _merged(periods or (InForce(clock, None, None),)):
        while first < len(cuts) and _ends_before(cuts[first], period):
            first += 1
        left: InForce | None = period
        for cut in islice(cuts, first, None):
            if left is None or _ends_before(left, cut):
                break
            before, left = _cut(left, cut)
            rest += [before] if before is not None else []
        rest += [left] if left is not None else []
    return tuple(rest)


def _ends_before(period: InForce, other: InForce) -> bool:
    return period.last is not None and other.first is not None and period.last < other.first


def _merged(periods: Iterable[InForce]) -> list[InForce]:
    """The same days in as few periods as there can be, in order."""
    merged: list[InForce] = []
    for period in sorted(periods, key=lambda p: -(10**9) if p.first is None else p.first):
        last = merged[-1] if merged else None
        if last is None or not _reaches(last, period):
            merged.append(period)
        elif last.last is not None and (period.last is None or period.last > last.last):
            merged[-1] = InForce(last.time_zone, last.first, period.last)
    return merged


def _reaches(earlier: InForce, later: InForce) -> bool:
    """Whether no day lies between them."""
    if earlier.last is None or later.first is None:
        return True
    return later.first <= earlier.last + 1


def _cut(period: InForce, taken: InForce) -> tuple[InForce | None, InForce | None]:
    """What is left of a period: a piece before what is taken, and a piece after."""
    before = None if taken.first is None else _clipped(period, None, taken.first - 1)
    after = None if taken.last is None else _clipped(period, taken.last + 1, None)
    return before, after


def _clipped(period: InForce, first: int | None, last: int | None) -> InForce | None:
    starts = [day for day in (period.first, first) if day is not None]
    ends = [day for day in (period.last, last) if day is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    if start is not None and end is not None and start > end:
        return None
    return InForce(period.time_zone, start, end)
