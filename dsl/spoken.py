"""Numbers of the core as people write them, for comments and names in emitted code."""

from dsl.core import FactType, Kind
from dsl.facts import FIRST_DAY, LAST_DAY, iso_day, wire_value


def spoken_day(day: int) -> str:
    """A day number as a date; as a number where no calendar has it."""
    return iso_day(day) if FIRST_DAY <= day <= LAST_DAY else f"day {day}"


def spoken_bound(fact: FactType, bound: int) -> str | None:
    """What a bound says where its number does not: `24.10 percent`, `2026-11-22`."""
    if fact.kind is Kind.DAY:
        return spoken_day(bound)
    if not fact.scale:
        return None
    return f"{wire_value(fact, bound)} {fact.unit or ''}".rstrip()
