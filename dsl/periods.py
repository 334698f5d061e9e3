"""Regions before anything is looked up: values, and the days on which each belongs.

A value maps to its periods; no period at all stands for always. `join` and `without` are
what `+` and `-` mean in a charter.
"""

from collections.abc import Iterable, Mapping, Sequence

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
    rest = _merged(periods or (InForce(clock, None, None),))
    for period in taken:
        rest = [part for one in rest for part in _cut(one, period)]
    return tuple(rest)


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


def _cut(period: InForce, taken: InForce) -> Sequence[InForce]:
    """What is left of a period: nothing, a piece before, a piece after, or both."""
    rest: list[InForce] = []
    if taken.first is not None:
        rest.append(_clipped(period, None, taken.first - 1))
    if taken.last is not None:
        rest.append(_clipped(period, taken.last + 1, None))
    return [one for one in rest if one.first is None or one.last is None or one.first <= one.last]


def _clipped(period: InForce, first: int | None, last: int | None) -> InForce:
    starts = [day for day in (period.first, first) if day is not None]
    ends = [day for day in (period.last, last) if day is not None]
    return InForce(period.time_zone, max(starts, default=None), min(ends, default=None))
