"""Dates: when something dated changes, and until when a duty is due."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from dsl.core import Atom, DaysBetween, Due, DueUnit, InForce, NotBefore, Program

_EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - _EPOCH).days


def day_of(number: int) -> date:
    """The calendar day of a day number."""
    return _EPOCH + timedelta(days=number)


def midnight(day: date, zone: tzinfo) -> datetime:
    """The instant at which a day begins, in UTC. Where clocks jump over midnight, it is the
    instant of the jump."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


@lru_cache(maxsize=64)
def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boundaries(program: Program) -> dict[str, tuple[int, ...]]:
    """The days on which something dated changes, by time zone, sorted. Between two of them
    the same facts get the same answer, but in the zones of `daily_zones`."""
    days: dict[str, set[int]] = {}
    for atom in _atoms(program):
        if isinstance(atom, InForce):
            known = days.setdefault(atom.time_zone, set())
            if atom.first is not None:
                known.add(atom.first)
            # Nothing changes after the last day of the calendar, a common way to say
            # "for ever".
            if atom.last is not None and atom.last < LAST_DAY:
                known.add(atom.last + 1)
    return {zone: tuple(sorted(known)) for zone, known in days.items()}


def daily_zones(program: Program) -> frozenset[str]:
    """The time zones in which every midnight can change an answer: something counts days
    from today there."""
    zones = {atom.time_zone for atom in _atoms(program) if isinstance(atom, NotBefore)}
    for derivation in program.derived.values():
        if isinstance(derivation, DaysBetween) and None in (derivation.first, derivation.last):
            zones.add(derivation.time_zone)
    return frozenset(zones)


def _atoms(program: Program) -> Iterator[Atom]:
    yield from program.atoms()
    yield from program.atoms_of_derived()


def due_day(due: Due, day: date) -> date:
    """The last day of a deadline in days or months that counts from `day`: months by the
    calendar, to the last day of a shorter one. Never beyond the last day of the calendar."""
    try:
        if due.unit is DueUnit.DAYS:
            return day + timedelta(days=due.amount)
        year, month = divmod(day.year * 12 + day.month - 1 + due.amount, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):  # a year beyond 9999
        return date.max


def due_instant(due: Due, now: datetime) -> datetime:
    """The end of a deadline in minutes that counts from `now`."""
    try:
        return now + timedelta(minutes=due.amount)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
