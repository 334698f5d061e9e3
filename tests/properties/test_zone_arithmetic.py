"""Zones put together with `+` and `-` hold on each day what sets put together would.

Everything else takes the periods of a zone's members from the model; this is where those
come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dsl import model
from dsl.codes import Code
from dsl.compile import compile_charters
from dsl.source import SourceText
from tests.dsl import naive

START = date(2026, 3, 1)
DAYS = 8
COUNTRIES = ("AT", "BE", "DE", "NO")
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Member:
    """`first` and `last` are days after the start; None leaves that end open."""

    country: str
    first: int | None
    last: int | None

    def text(self) -> str:
        parts = [f"  member {self.country}"]
        if self.first is not None:
            parts.append(f"from {START + timedelta(days=self.first)}")
        if self.last is not None:
            parts.append(f"until {START + timedelta(days=self.last)}")
        return " ".join(parts)

    def holds_on(self, day: int) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


Zone = tuple[Member, ...]
# Each part of an expression: whether it is taken away, and a zone's number or a set.
Expression = tuple[tuple[bool, int | frozenset[str]], ...]


@st.composite
def members(draw: st.DrawFn) -> Member:
    ends = st.none() | st.integers(0, DAYS - 1)
    first, last = draw(ends), draw(ends)
    if first is not None and last is not None and first > last:
        first, last = last, first
    return Member(draw(st.sampled_from(COUNTRIES)), first, last)


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    """Members that all have dates, or none."""
    listed = draw(st.lists(members(), min_size=1, max_size=4, unique=True))
    dated = tuple(m for m in listed if m.first is not None or m.last is not None)
    if dated and draw(st.integers(0, 3)):
        return dated
    countries = sorted({member.country for member in listed})
    return tuple(Member(country, None, None) for country in countries)


sets_of_countries = st.frozensets(st.sampled_from(COUNTRIES), min_size=1, max_size=2)


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    operands = st.integers(0, 2) | sets_of_countries
    rest = draw(st.lists(st.tuples(st.booleans(), operands), max_size=4))
    return ((False, draw(operands)), *rest)


def _operand(part: int | frozenset[str]) -> str:
    return "{" + ", ".join(sorted(part)) + "}" if isinstance(part, frozenset) else f"Z{part}"


def _region(expression: Expression) -> str:
    text = _operand(expression[0][1])
    return text + "".join(f" {'-' if gone else '+'} {_operand(p)}" for gone, p in expression[1:])


def _source(declared: Sequence[Zone], expression: Expression, *, as_zone: bool) -> str:
    text = 'charter z\n  law ACT "The act" celex 32016R0679\n  time zone UTC\n  as of 2026-03-01\n'
    text += f'action place "P"\nenumeration country "C" of {", ".join(COUNTRIES)}\n'
    text += "record data from request at context.data\n  field country country\n"
    for number, zone in enumerate(declared):
        text += f'zone Z{number} "Z"\n' + "".join(f"{member.text()}\n" for member in zone)
    region = _region(expression)
    if as_zone:
        text += f'zone ALL "All" as {region}\n'
        region = "ALL"
    text += (
        f'rule r "R"\n  cites ACT art 1\n  on place\n  when data.country in {region}\n  permit\n'
    )
    return text + '  because "B."\n'


def _meant(declared: Sequence[Zone], expression: Expression, day: int) -> set[str]:
    held: set[str] = set()
    for gone, part in expression:
        if isinstance(part, frozenset):
            values = set(part)
        else:
            values = {member.country for member in declared[part] if member.holds_on(day)}
        held = held - values if gone else held | values
    return held


@settings(max_examples=300, deadline=None)
@given(st.lists(zones(), min_size=3, max_size=3), expressions(), st.booleans())
def test_a_region_holds_each_day_what_sets_would(
    declared: list[Zone], expression: Expression, as_zone: bool
) -> None:
    meant = {day: _meant(declared, expression, day) for day in range(-2, DAYS + 2)}
    compiled = compile_charters([SourceText("z", _source(declared, expression, as_zone=as_zone))])
    if compiled.errors:
        # What takes away all there is, is an error, even where something comes after it.
        assert {error.code for error in compiled.errors} <= {Code.EMPTY_SET, Code.CONTRADICTION}
        steps = [expression[: n + 1] for n in range(len(expression))]
        assert any(not any(_meant(declared, step, day) for day in meant) for step in steps)
        return
    checked, _ = compiled.require()
    when = checked.rules[0].when
    assert isinstance(when, model.Test)
    assert when.region is not None
    begin = (START - EPOCH).days
    for day, values in meant.items():
        today = {"UTC": begin + day}
        found = {c for c in COUNTRIES if naive.belongs(c, when.region, today)}
        assert found == values, day


@given(zones())
def test_zones_of_the_property_above_are_ordinary_zones(zone: Zone) -> None:
    assume(len(zone) > 1)
    text = _source([zone, zone, zone], ((False, 0),), as_zone=False)
    assert compile_charters([SourceText("z", text)]).errors == ()
