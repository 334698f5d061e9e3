"""What is wrong with a value that does not fit its fact, and what to write instead.

Words for callers and for those who keep a catalogue; whether a value fits is said by
`dsl.facts.fit` alone.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import cast

from dsl.core import FactType, Kind
from dsl.facts import MAX_INTEGER
from dsl.near import nearest

_SHOWN = 64  # characters of a value that a message repeats
_LISTED = 12  # values of a vocabulary that a message lists
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?", re.ASCII)


def complaint(fact: FactType, value: object) -> str:
    """One sentence, without a full stop, that names the fact."""
    match fact.kind:
        case Kind.DAY:
            return f"`{fact.path}` {_of_day(value)}"
        case Kind.INTEGER:
            number = _of_decimal(fact, value) if fact.scale else _of_whole(fact, value)
            return f"`{fact.path}` {number}"
        case Kind.TRUTH:
            return f"`{fact.path}` must be true or false"
        case Kind.TERM | Kind.TERMS:
            strange = _strange(fact, value)
            if strange is not None:
                word = f"`{short(strange)}` is no {fact.vocabulary}"
                return f"in `{fact.path}`, {word}{_instead(fact, strange)}"
            wanted = "one string" if fact.kind is Kind.TERM else "a list of strings"
            return f"`{fact.path}` must be {wanted}"


def short(text: str) -> str:
    """A text of which a message repeats the beginning."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _of_day(value: object) -> str:
    wanted = 'must be a day as a string, such as "2026-11-22"'
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-.*T", value)):
        return f"{wanted}, without a time"
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            date.fromisoformat(value)
        except ValueError:
            return f"cannot be {value}: there is no such day"
    return wanted


def _of_whole(fact: FactType, value: object) -> str:
    least = "" if fact.may_be_negative else ", 0 or more"
    wanted = f"must be a whole number of {fact.unit}{least}"
    if isinstance(value, str):
        return f"{wanted}, without quotes"
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > MAX_INTEGER:
            return f"{wanted}, and not beyond 2^53 - 1"
        if value < 0:
            return f"cannot be less than nought: it is a number of {fact.unit}"
    return wanted


def _of_decimal(fact: FactType, value: object) -> str:
    places = f"{fact.scale} decimal" + ("s" if fact.scale > 1 else "")
    example = f'"24.{"1".ljust(fact.scale, "0")}"'
    wanted = f"must be a number of {fact.unit} as a string with at most {places}, such as {example}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{wanted}: put it in quotes"
    written = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return wanted
    sign, whole, decimals = written[1], written[2], written[3] or ""
    if len(decimals) > fact.scale:
        return (
            f"has {len(decimals)} decimals, and at most {places} can be stated; nothing is rounded"
        )
    if len(whole) > 1 and whole.startswith("0"):
        return f"{wanted}, without leading noughts"
    if sign and not fact.may_be_negative:
        return f"cannot be less than nought: it is a number of {fact.unit}"
    return f"{wanted}, and not beyond 2^53 - 1 steps of its last decimal"


def _strange(fact: FactType, value: object) -> str | None:
    """The first word outside the vocabulary, where all else about the value is right."""
    right = isinstance(value, list) if fact.kind is Kind.TERMS else isinstance(value, str)
    if fact.values is None or not right:
        return None
    words: Sequence[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    strange = [w for w in words if isinstance(w, str) and w not in fact.values]
    return strange[0] if strange and all(isinstance(word, str) for word in words) else None


def _instead(fact: FactType, strange: str) -> str:
    values = fact.order or fact.values or ()
    guess = nearest(strange, values)
    if guess:
        return f"; did you mean `{guess}`?"
    return f"; write one of: {', '.join(values)}" if len(values) <= _LISTED else ""
