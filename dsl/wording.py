"""Conditions of the core in plain words, for people who do not program: "the countries of the
destination" and not `destination.countries`. What the author wrote, with its zones by their
names, is put in words by `dsl.wording_tree`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsl import core
from dsl.core import FactType, InForce, Kind, Program
from dsl.facts import wire_value
from dsl.spoken import spoken_day
from dsl.units import SPOKEN_BARE

SHOWN_VALUES = 6  # of a long list, before "and 27 more"
INLINE = 100  # characters up to which a condition of several parts is one sentence

_PATH = re.compile(r"(?P<record>[^\[]*)\.(?P<field>[^.\[]+)(?:\[(?P<key>.*)\])?")


# --- phrases -------------------------------------------------------------------------


@dataclass(frozen=True)
class AllOf:
    """All of these hold."""

    parts: "tuple[Phrase, ...]"


@dataclass(frozen=True)
class AnyOf:
    """One of these holds, or several do."""

    parts: "tuple[Phrase, ...]"


Phrase = str | AllOf | AnyOf


def sentence(phrase: Phrase, *, inside: bool = False) -> str:
    """A phrase on one line; a part made of parts stands in brackets."""
    match phrase:
        case str():
            return phrase
        case AllOf(parts):
            text = " and ".join(sentence(part, inside=True) for part in parts)
        case AnyOf(parts):
            text = " or ".join(sentence(part, inside=True) for part in parts)
    return f"({text})" if inside else text


def listed(words: Iterable[str], joint: str = "and") -> str:
    """`a, b and c`."""
    *most, last = list(words) or ["nothing"]
    return f"{', '.join(most)} {joint} {last}" if most else last


# --- facts ---------------------------------------------------------------------------


def named(path: str, fact: FactType | None) -> str:
    """What a fact is called: a derived one by its title, for its name is short and only the
    title says what is counted."""
    if fact is None:
        return subject(path)
    return subject(path, fact.kind, title="" if fact.wire else fact.title)


def subject(path: str, kind: Kind | None = None, *, article: str = "the", title: str = "") -> str:
    """What a path speaks of: `the seal of the csf for SOV-2` for `csf.seal[SOV-2]`. Names of
    dates and of what is yes or no are seldom nouns, and stand in quotes, as does `title`
    where it stands for the name."""
    match = _PATH.fullmatch(path)
    if match is None:
        return path
    field = title or _spaced(match["field"])
    match kind:
        case Kind.DAY:
            field = f'{article} date "{field}"'
        case Kind.TRUTH:
            field = f'{"" if article == "the" else f"{article} "}"{field}"'
        case _:
            field = f'"{title}"' if title else f"{article} {field}"
    for_ = f" for {match['key']}" if match["key"] else ""
    return f"{field} of the {_record(match['record'])}{for_}"


def without_key(path: str) -> tuple[str, str | None]:
    """`csf.seal[SOV-2]` as its map and its key; the key is None where it has none."""
    match = _PATH.fullmatch(path)
    key = match["key"] if match else None
    return (path.removesuffix(f"[{key}]"), key) if key else (path, None)


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").replace(".", " ")


def _record(name: str) -> str:
    # Two letters are the initials of something.
    return name.upper() if len(name) <= 2 else _spaced(name)


def plural(path: str) -> bool:
    """Whether the name of a fact reads as many: `labels`, but not `coverage` or `status`."""
    match = _PATH.fullmatch(path)
    field = match["field"] if match else path
    return field.endswith("s") and not field.endswith(("ss", "us", "is"))


def all_among(path: str, verbs: tuple[str, str], among: str, *, negated: bool) -> str:
    """`verbs` are those of many and of one."""
    not_ = "not " if negated else ""
    if plural(path):
        do_not = "do not " if negated and verbs[0] != "are" else not_
        verb = f"are {not_}all" if verbs[0] == "are" else f"{do_not}all {verbs[0]}"
        return f"{subject(path)} {verb} {among}"
    return f"{not_}all of {subject(path)} {verbs[1]} {among}"


def includes(what: str, path: str, among: str, *, negated: bool) -> str:
    many = plural(path)
    if negated:
        return f"{what} {'do' if many else 'does'} not include {among}"
    return f"{what} {'include' if many else 'includes'} {among}"


def holds(path: str, title: str, *, negated: bool) -> str:
    """Of a fact that is yes or no."""
    match = _PATH.fullmatch(path)
    record = _record(match["record"]) if match else path
    what = title or (_spaced(match["field"]) if match else path)
    for_ = f" for {match['key']}" if match and match["key"] else ""
    return f'"{what}" is {"not " if negated else ""}true of the {record}{for_}'


def known(path: str, fact: FactType | None, *, negated: bool) -> str:
    """That a fact is known, whatever it is."""
    not_ = "not " if negated else ""
    if fact is not None and fact.kind is Kind.TRUTH:
        return f"it is {not_}known whether {holds(path, fact.title, negated=False)}"
    return f"{named(path, fact)} is {not_}known"


def value(text: str) -> str:
    """A value of a vocabulary as the author would write it."""
    return f'"{text}"' if " " in text else text


def amount(fact: FactType, bound: int) -> str:
    """A number or date of a fact with its unit: `24.10 percent`, `1 day`, `2026-11-22`."""
    if fact.kind is Kind.DAY:
        return spoken_day(bound)
    number, unit = str(wire_value(fact, bound)), fact.unit or ""
    # The digits of a version are no amount.
    return number if unit in SPOKEN_BARE else counted(grouped(number), unit)


def grouped(digits: str) -> str:
    """`10 000` for `10000`; four digits stay together."""
    whole, point, part = digits.partition(".")
    if len(whole.removeprefix("-")) > 4:
        whole = f"{int(whole):,}".replace(",", " ")
    return f"{whole}{point}{part}"


def counted(number: str, unit: str) -> str:
    """A number with its unit, which is singular after 1."""
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}".rstrip()


def period(in_force: InForce) -> str | None:
    """`from 2018-05-25 until 2030-01-01`; None where it has no end on either side."""
    words: list[str] = []
    if in_force.first is not None:
        words.append(f"from {spoken_day(in_force.first)}")
    if in_force.last is not None:
        words.append(f"until {spoken_day(in_force.last)}")
    return " ".join(words) or None


def due(deadline: core.Due) -> str:
    """`72 hours`, `1 day`, `6 months`."""
    unit = deadline.unit.value
    number = deadline.amount
    for larger, size, smaller in (("hours", 60, "minutes"), ("years", 12, "months")):
        if unit == smaller and number % size == 0:
            unit, number = larger, number // size
    return counted(grouped(str(number)), unit)


# --- core ----------------------------------------------------------------------------


def in_words(condition: core.Condition, program: Program) -> str:
    """A condition of the core on one line, such as `the labels of the data include
    personal and the area of the AI is not none`. Long lists of values are shortened."""
    return sentence(_core(condition, program))


def _core(condition: core.Condition, program: Program) -> Phrase:
    match condition:
        case core.And(operands):
            return AllOf(tuple(_core(operand, program) for operand in operands))
        case core.Or(operands):
            return AnyOf(tuple(_core(operand, program) for operand in operands))
        case core.Not(operand):
            return _atom(operand, program, negated=True)
        case _:
            return _atom(condition, program, negated=False)


def _atom(atom: core.Atom, program: Program, *, negated: bool) -> str:
    match atom:
        case core.Constant(truth):
            return "always" if truth is not negated else "never"
        case InForce(time_zone):
            when = period(atom) or "on any day"
            return f"today, in {time_zone}, is {'not ' if negated else ''}{when}"
        case _:
            return _of_fact(atom, fact_of(program, atom.path), negated=negated)


def fact_of(program: Program, path: str) -> FactType | None:
    """The type of a fact, or of a field of an element where `path` is that of a list."""
    if path in program.facts:
        return program.facts[path]
    name, _, field = path.rpartition(".")
    own = (one for one in program.lists.values() if one.path.rpartition(".")[2] == name)
    return next((one.fields[field] for one in own if field in one.fields), None)


def _of_fact(atom: core.FactAtom, fact: FactType | None, *, negated: bool) -> str:
    what = named(atom.path, fact)
    match atom:
        case core.Holds(path):
            return holds(path, fact.title if fact else "", negated=negated)
        case core.OneOf(_, values):
            return f"{what} is {_one_of(values, negated=negated)}"
        case core.Within(path, values):
            among = f"among {_some(values, 'and')}"
            return all_among(path, ("are", "is"), among, negated=negated)
        case core.Touches(path, values):
            return _touches(path, values, negated=negated)
        case core.AtLeast(_, bound):
            day = fact is not None and fact.kind is Kind.DAY
            words = ("before", "on or after") if day else ("less than", "at least")
            number = amount(fact, bound) if fact is not None else grouped(str(bound))
            return f"{what} is {words[not negated]} {number}"
        case core.NotBefore(_, _, offset):
            return f"{what} is {'before' if negated else 'on or after'} {_today(offset)}"
        case core.Known(path):
            return known(path, fact, negated=negated)


def _one_of(values: Sequence[str], *, negated: bool) -> str:
    if len(values) == 1:
        return f"{'not ' if negated else ''}{value(values[0])}"
    return none_of([value(one) for one in values]) if negated else _some(values, "or")


def none_of(words: Sequence[str]) -> str:
    """`not a`, `neither a nor b`, `none of a, b and c`."""
    match words:
        case [one]:
            return f"not {one}"
        case [one, two]:
            return f"neither {one} nor {two}"
        case _:
            return f"none of {shown(words, 'and')}"


def _touches(path: str, values: Sequence[str], *, negated: bool) -> str:
    any_ = "any of " if negated and len(values) > 1 else ""
    return includes(subject(path), path, f"{any_}{_some(values, 'or')}", negated=negated)


def _some(values: Sequence[str], joint: str) -> str:
    return shown([value(one) for one in values], joint)


def shown(words: Sequence[str], joint: str) -> str:
    """Words listed, those beyond the first few by their number."""
    more = len(words) - SHOWN_VALUES
    if more > 1:
        return f"{', '.join(words[:SHOWN_VALUES])} {joint} {more} more"
    return listed(words, joint)


def _today(offset: int) -> str:
    if offset == 0:
        return "today"
    return f"today {'minus' if offset < 0 else 'plus'} {counted(str(abs(offset)), 'days')}"
