"""Facts: the one flat document that every engine, the memo and the record see.

A fact is known and fit, or it is not in the document. Absent, null, mistyped,
outside its vocabulary, or an empty set where emptiness says nothing: all of these
are unknown. `fit` is the only door.

Dates and decimals are strings on the wire and whole numbers inside: a day number, a count
of hundredths. `fit` reads the one, `wire_value` writes it again; `settled` checks a value
that should have its inner form already, such as one an engine is given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from dsl.core import FactType, Kind, ListType

MAX_INTEGER = 2**53 - 1  # RFC 8259 section 6: beyond it, parsers disagree
MAX_TERM_LENGTH = 256
MAX_TERMS = 1000
MAX_ELEMENTS = 1000  # of a list
# The days of the years 1 to 9999, counted from 1970-01-01.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896

Value = bool | int | str | tuple[str, ...]
JsonValue = bool | int | str | list[str]
# Of each element of a list its known fields, by their own names.
Elements = tuple[Mapping[str, Value], ...]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")  # RFC 3339 section 5.6, full-date
_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,15}))?")


@dataclass(frozen=True, slots=True)
class Question:
    """What is put to an engine.

    `facts` maps fact paths to fit values; `today` maps every time zone of the program
    to the day number there (days since 1970-01-01).
    """

    action: str
    facts: Mapping[str, Value]
    today: Mapping[str, int]

    def document(self) -> dict[str, object]:
        """The question as JSON: `{"action", "facts", "today"}`; sets are sorted lists."""
        return {
            "action": self.action,
            "facts": {path: to_json(self.facts[path]) for path in sorted(self.facts)},
            "today": {zone: self.today[zone] for zone in sorted(self.today)},
        }


def to_json(value: Value) -> JsonValue:
    return list(value) if isinstance(value, tuple) else value


def fit(fact: FactType, raw: object) -> Value | None:
    """The value if `raw` can be a value of the fact as it stands on the wire, closed upward
    in its taxonomy and in its one form; None, meaning unknown, for anything else."""
    if fact.kind is Kind.DAY:
        return day_of(raw) if isinstance(raw, str) else None
    if fact.kind is Kind.INTEGER and fact.scale:
        return settled(fact, _steps(fact, raw)) if isinstance(raw, str) else None
    return settled(fact, raw)


def settled(fact: FactType, value: object) -> Value | None:
    """As `fit`, of a value in its inner form: dates are day numbers, decimals whole numbers
    of steps. Sets may be lists, and need not be closed yet."""
    match fact.kind:
        case Kind.TRUTH:
            return value if isinstance(value, bool) else None
        case Kind.INTEGER:
            # Nothing can be counted to less than none: an assessment that is -1 days old was
            # never made. What can be less than zero says so.
            return _between(value, -MAX_INTEGER if fact.may_be_negative else 0, MAX_INTEGER)
        case Kind.DAY:
            return _between(value, FIRST_DAY, LAST_DAY)
        case Kind.TERM:
            return value if isinstance(value, str) and _is_term(fact, value) else None
        case Kind.TERMS:
            return _fit_terms(fact, value)


def wire_value(fact: FactType, value: Value) -> JsonValue:
    """A fit value as it stands on the wire; `fit` gives it back. A decimal has all the
    places of its scale."""
    if not isinstance(value, int) or isinstance(value, bool):
        return to_json(value)
    if fact.kind is Kind.DAY:
        return iso_day(value)
    if not fact.scale:
        return value
    whole, part = divmod(abs(value), 10**fact.scale)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{fact.scale}}"


def day_of(text: str) -> int | None:
    """The day number of `YYYY-MM-DD`; None where there is no such day."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None


def iso_day(day: int) -> str:
    """`YYYY-MM-DD` of a day number between `FIRST_DAY` and `LAST_DAY`."""
    return date.fromordinal(day + _EPOCH_ORDINAL).isoformat()


def fit_list(listed: ListType, raw: object) -> Elements | None:
    """The elements of a list, of each the fields that are known and fit; None, meaning
    unknown, for anything that is no list of objects. What is no field is left out."""
    if not isinstance(raw, (list, tuple)):
        return None
    elements = cast("Sequence[object]", raw)
    if len(elements) > MAX_ELEMENTS:
        return None
    fitted: list[Mapping[str, Value]] = []
    for element in elements:
        if not isinstance(element, Mapping):
            return None
        fitted.append(fit_all(listed.fields, cast("Mapping[str, object]", element)))
    return tuple(fitted)


def fit_all(types: Mapping[str, FactType], raw: Mapping[str, object]) -> dict[str, Value]:
    """The known and fit facts among `raw`, by path; undeclared paths are left out."""
    fitted = {path: fit(types[path], value) for path, value in raw.items() if path in types}
    return {path: value for path, value in fitted.items() if value is not None}


def settle_all(types: Mapping[str, FactType], values: Mapping[str, object]) -> dict[str, Value]:
    """As `fit_all`, of values in their inner form."""
    kept = {path: settled(types[path], value) for path, value in values.items() if path in types}
    return {path: value for path, value in kept.items() if value is not None}


def _between(value: object, lowest: int, highest: int) -> int | None:
    # bool is an int in Python: `true` is no number of days.
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if lowest <= value <= highest else None


def _steps(fact: FactType, text: str) -> int | None:
    """`24.1` in steps of 10**-2 is 2410. Exact: more decimals than the scale has are no
    value, never a rounded one."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.group(1), found.group(2), found.group(3) or ""
    if len(part) > fact.scale or (sign and not fact.may_be_negative):
        return None
    return int(f"{sign}{whole}{part.ljust(fact.scale, '0')}")


def _is_term(fact: FactType, raw: str) -> bool:
    if fact.values is not None:
        return raw in fact.values
    return 0 < len(raw) <= MAX_TERM_LENGTH and raw.isprintable()


def _fit_terms(fact: FactType, raw: object) -> tuple[str, ...] | None:
    # One element out of vocabulary makes the whole set unknown: dropping it would
    # let a garbled label slip out of a prohibition.
    if not isinstance(raw, (list, tuple)):
        return None
    elements = cast("Sequence[object]", raw)
    if len(elements) > MAX_TERMS:
        return None
    closed: set[str] = set()
    for element in elements:
        if not isinstance(element, str) or not _is_term(fact, element):
            return None
        closed.add(element)
        closed.update(fact.broader.get(element, ()))
    if not closed and not fact.may_be_empty:
        return None
    return tuple(sorted(closed))
