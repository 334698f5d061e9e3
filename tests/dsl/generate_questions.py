"""Questions about generated charters, as they come off the wire: values hidden, null, of
another type, out of their vocabulary, enlarged; lists partly unknown; days around dates.

Values lie around the bounds that the model compares them with, so that answers turn.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, cast

from dsl import model
from dsl.calculations import Compare
from dsl.core import PROFILE_PATH, DaysBetween, FactType, Kind, ListType, Shift
from dsl.facts import MAX_INTEGER, MAX_TERMS
from dsl.tree import Relation
from tests.dsl.generate_words import SPAN, START_NUMBER, TIME_ZONES
from tests.dsl.naive_facts import EPOCH, Asked

OPEN_TERMS = ("clinic", "bank/eu", "iso-27001", "C5 2020", "Dr. Who", "secnumcloud")
# Around the ends of months, where adding months clips.
ODD_DAYS = ("2026-01-31", "2026-01-29", "2026-01-28", "2024-02-29", "2025-02-28", "0001-01-01")
FAR_DAYS = ("9999-12-31", "1969-12-31")

# What is no value of any fact, or of few.
GARBAGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, 2**53, -(2**53), 10**30),
    *("", "1", "yes", "true", "AT", "nowhere", "AT ", "\ufeffAT", "x" * 300, "SEAL-9", "high "),
    *([], [""], [None], [["AT"]], ["AT", 1], ["AT", None], ["nowhere"], ["AT", "nowhere"]),
    *({}, {"AT": True}, ["AT"] * (MAX_TERMS + 1), [{}]),
)
# What is nearly a value of its kind.
NEARLY: dict[Kind, tuple[Any, ...]] = {
    Kind.TRUTH: (0, 1, "yes", "true", [True], None),
    Kind.TERM: ("", "nowhere", "AT ", "\ufeffAT", "x" * 300, "x" * 256, ["AT"], "clinic\n"),
    Kind.TERMS: ([], ["nowhere"], ["AT", "nowhere"], ["AT", None], "AT", [""], ["x" * 300]),
    Kind.INTEGER: (True, False, -1, 1.0, "1", 2**53, 2**53 - 1, -(2**53), 1 - 2**53, [1]),
    Kind.DAY: (
        *("2026-02-30", "2026-3-1", "20260301", "2026-03-01T00:00:00Z", "\u0662026-03-01"),
        *("2026-03-01 ", "0000-01-01", "+2026-03-01", "2026-W09-1", 20_513, START_NUMBER, True),
    ),
}
DECIMALS = (
    *("+1", "01", "1.", ".5", "1e2", "1,5", "1.234", "-0", "-0.0", "--1", "-1", " 1", "1 ", ""),
    *("9007199254740991", "90071992547409.92", "90071992547409.91", "9" * 20, "\u0661", 1, 1.5),
)


# What engines may get where nobody has joined and checked the facts.
UNFIT: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 1.5, 2**53, 2**63, -(2**63) - 1, 10**30, "", "1", "AT", "nowhere"),
    *("2026-03-01", {}, {"AT": True}, [], [""], [None], [["AT"]], ["AT", 1], ["nowhere"]),
    *(["AT", "nowhere"], ["AT"] * (MAX_TERMS + 1)),
)


class Asking:
    """Draws questions about one model."""

    def __init__(self, checked: model.Model) -> None:
        self._model = checked
        self._bounds = dict[str, set[int]]()
        self._offsets = dict[str, set[int]]()
        for condition in conditions_of(checked):
            self._note(condition)
        for path, derivation in checked.derived.items():
            self._pass_on(path, derivation)
        self._paths = [p for p in checked.facts if p not in checked.derived and p != PROFILE_PATH]
        self._profiles = [profile.name for profile in checked.profiles]

    def question(self, rng: Random) -> Asked:
        """A question of which about a quarter is unknown."""
        day = START_NUMBER + rng.randint(-2, SPAN + 2)
        ahead = rng.choice((0, 0, 1))
        today = {TIME_ZONES[0]: day, TIME_ZONES[1]: day + ahead, "UTC": day}
        # Rather few questions are permitted where as much is unknown as is known.
        known, fit = rng.choice(((0.75, 0.93), (0.95, 1.0), (1.0, 0.98)))
        stated: dict[str, object] = {}
        for path in self._paths:
            if rng.random() < known:
                fact = self._model.facts[path]
                stated[path] = self._stated(rng, path, fact, day, fit)
        lists: dict[str, object] = {}
        for path, kind in self._model.lists.items():
            if rng.random() < known:
                whole = rng.random() < fit
                lists[path] = self._list(rng, kind, day, fit) if whole else _garbage(rng)
        if self._profiles and rng.random() < 0.96:
            names = [*self._profiles, *self._profiles, "no-profile", None]
            stated[PROFILE_PATH] = rng.choice(names)
        return Asked(rng.choice(self._model.actions), stated, lists, today)

    # --- values ----------------------------------------------------------------------

    def _list(self, rng: Random, kind: ListType, day: int, fit: float) -> list[object]:
        name = kind.path.rpartition(".")[2]
        elements: list[object] = [
            {
                field: self._stated(rng, f"{name}.{field}", fact, day, fit)
                for field, fact in kind.fields.items()
                if rng.random() < fit
            }
            for _ in range(rng.choice((0, 1, 1, 2, 2, 3)))
        ]
        if elements and rng.random() > fit:
            elements[0] = _garbage(rng)
        if elements and rng.random() < 0.002:
            elements = elements * (MAX_TERMS + 1)
        return elements

    def _stated(self, rng: Random, path: str, fact: FactType, day: int, fit: float) -> object:
        """A value, or sometimes what is none."""
        if rng.random() < fit:
            return self._value(rng, path, fact, day)
        if rng.random() < 0.5:
            return _garbage(rng)
        nearly = DECIMALS if fact.scale else NEARLY[fact.kind]
        if fact.kind is Kind.TERMS and rng.random() < 0.2:
            return [rng.choice(fact.values or OPEN_TERMS)] * (MAX_TERMS + rng.choice((0, 1)))
        return cast("object", rng.choice(nearly))

    def _value(self, rng: Random, path: str, fact: FactType, day: int) -> object:
        terms = fact.values or OPEN_TERMS
        match fact.kind:
            case Kind.TRUTH:
                return rng.random() < 0.5
            case Kind.TERM:
                return rng.choice(terms)
            case Kind.TERMS:
                return [rng.choice(terms) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
            case Kind.INTEGER:
                return self._number(rng, path, fact)
            case Kind.DAY:
                return self._day(rng, path, day)

    def _number(self, rng: Random, path: str, fact: FactType) -> object:
        bounds = sorted(self._bounds.get(path, ())) or [0, 1, 2450]
        steps = rng.choice(bounds) + rng.choice((-1, 0, 0, 1, 1))
        if rng.random() < 0.06:
            steps = rng.choice((0, MAX_INTEGER, -MAX_INTEGER, 10**13))
        if not fact.may_be_negative:
            steps = abs(steps)
        return decimal(rng, steps, fact.scale) if fact.scale else steps

    def _day(self, rng: Random, path: str, day: int) -> str:
        if rng.random() < 0.05:
            return rng.choice((*ODD_DAYS, *FAR_DAYS))
        near = [day + offset for offset in self._offsets.get(path, ())]
        pool = sorted([*self._bounds.get(path, ()), *near]) or [START_NUMBER, day]
        number = rng.choice(pool) + rng.choice((-1, 0, 0, 1))
        return (EPOCH + timedelta(days=number)).isoformat()

    # --- what the model compares with ------------------------------------------------

    def _note(self, condition: model.Condition | None) -> None:
        match condition:
            case model.And(operands) | model.Or(operands):
                for operand in operands:
                    self._note(operand)
            case model.Not(operand):
                self._note(operand)
            case model.Each(_, tests):
                for test in tests:
                    self._note(test)
            case model.Test():
                self._note_test(condition)
            case _:
                pass

    def _note_test(self, test: model.Test) -> None:
        path = test.fact.path
        if test.days is not None:
            away = -test.days if test.relation is Relation.LAST else test.days
            self._offsets.setdefault(path, set()).update({0, away})
        elif test.bound is not None:
            noted = self._bounds if test.clock is None else self._offsets
            noted.setdefault(path, set()).add(test.bound)

    def _pass_on(self, path: str, derivation: model.Derivation) -> None:
        """What a derived fact is compared with, to what it is derived from."""
        bounds, offsets = self._bounds.get(path, set()), self._offsets.get(path, set())
        match derivation:
            case Shift(start, months, days):
                # At the end of a month several days move to one.
                back = {_back(bound, months, days) + by for bound in bounds for by in (0, 1, 2, 3)}
                self._bounds.setdefault(start, set()).update(back)
                near = {offset - months * 30 - days for offset in offsets}
                self._offsets.setdefault(start, set()).update(near)
            case DaysBetween(first, last, _):
                if first is not None and last is None:
                    self._offsets.setdefault(first, set()).update(-bound for bound in bounds)
                if last is not None and first is None:
                    self._offsets.setdefault(last, set()).update(bounds)
            case Compare():
                pass  # values are few: two facts are equal, or in order, often enough
            case model.Tally():
                name = f"{derivation.list.rpartition('.')[2]}.{derivation.field}"
                parts = {part for bound in bounds for part in (bound, bound // 2)}
                self._bounds.setdefault(name, set()).update(parts)
                self._note(derivation.where)


def conditions_of(checked: model.Model) -> Iterator[model.Condition | None]:
    """Every condition of a model but those of derived facts."""
    for rule in checked.rules:
        yield rule.when
        yield rule.require
        yield from (exception.when for exception in rule.exceptions)
    yield from (permit.when for permit in checked.permits)


def decimal(rng: Random, steps: int, scale: int) -> str:
    """A number of steps of 10**-scale as a decimal, with all of its places or without the
    last that are 0."""
    whole, part = divmod(abs(steps), 10**scale)
    text = f"{whole}.{part:0{scale}}"
    short = text.rstrip("0").rstrip(".")
    return ("-" if steps < 0 else "") + rng.choice((text, short))


def _back(bound: int, months: int, days: int) -> int:
    """A day that, moved, comes close to the bound."""
    day = EPOCH + timedelta(days=bound - days)
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = monthrange(years, month + 1)[1]
    return (date(years, month + 1, min(day.day, last)) - EPOCH).days


def _garbage(rng: Random) -> object:
    return cast("object", rng.choice(GARBAGE))


# --- damage --------------------------------------------------------------------------


def damaged(rng: Random, asked: Asked) -> Asked:
    """The question with one thing that was stated hidden or garbled: a fact, a list, an
    element of a list or a field of one. Nothing that is known becomes something else."""
    stated, lists = dict(asked.stated), dict(asked.lists)
    paths = [*stated, *lists]
    if not paths:
        return asked
    path = rng.choice(paths)
    if path in stated:
        _hide(rng, stated, path)
    elif rng.random() < 0.3 or not lists[path] or not isinstance(lists[path], list):
        _hide(rng, lists, path)
    else:
        elements = list(cast("list[object]", lists[path]))
        place = rng.randrange(len(elements))
        element = elements[place]
        if isinstance(element, dict) and element and rng.random() < 0.8:
            fields = dict(cast("dict[str, object]", element))
            _hide(rng, fields, rng.choice(list(fields)))
            elements[place] = fields
        else:
            elements[place] = rng.choice((None, {}, "AT", []))
        lists[path] = elements
    return replace(asked, stated=stated, lists=lists)


def _hide(rng: Random, stated: dict[str, object], key: str) -> None:
    """Take a value away, or put what no fact is in its place."""
    if rng.random() < 0.4:
        del stated[key]
    else:
        stated[key] = rng.choice((None, 1.5, {}, {"AT": True}, [None], [["AT"]], "\x00"))
