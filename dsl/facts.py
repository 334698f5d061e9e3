"""Facts: the one flat document that every engine, the memo and the record see.

A fact is known and fit, or it is not in the document. Absent, null, mistyped,
outside its vocabulary, or an empty set where emptiness says nothing: all of these
are unknown. `fit` is the only door.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard, cast

from dsl.core import FactType, Kind

MAX_INTEGER = 2**53 - 1  # RFC 8259 section 6: beyond it, parsers disagree
MAX_TERM_LENGTH = 256
MAX_TERMS = 1000

Value = bool | int | str | tuple[str, ...]
JsonValue = bool | int | str | list[str]


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
    """The value if it can be a value of the fact, closed upward in its taxonomy and in
    its one form; None, meaning unknown, for anything else."""
    match fact.kind:
        case Kind.TRUTH:
            return raw if isinstance(raw, bool) else None
        case Kind.INTEGER:
            return raw if _is_count(raw) else None
        case Kind.TERM:
            return raw if isinstance(raw, str) and _is_term(fact, raw) else None
        case Kind.TERMS:
            return _fit_terms(fact, raw)


def _is_count(raw: object) -> TypeGuard[int]:
    # bool is an int in Python: `true` is no number of days. And nothing can be counted to
    # less than none: an assessment that is -1 days old was never made.
    return isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= MAX_INTEGER


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


def fit_all(types: Mapping[str, FactType], raw: Mapping[str, object]) -> dict[str, Value]:
    """The known and fit facts among `raw`, by path; undeclared paths are left out."""
    fitted = {path: fit(types[path], value) for path, value in raw.items() if path in types}
    return {path: value for path, value in fitted.items() if value is not None}
