"""Charters that nobody wrote, as text: every construct of the grammar, in any nesting.

All of them compile without an error. Dates and values are few, so that conditions turn
often; the days of a question lie around the dates.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from dsl.core import FactType, Kind, Program
from dsl.facts import Question, fit_all
from dsl.source import SourceText

START = date(2026, 3, 1)
START_NUMBER = START.toordinal() - date(1970, 1, 1).toordinal()
SPAN = 6  # days
COUNTRIES = ("AT", "BE", "BR", "DE", "GB", "NO", "US")
TOOLS = ("none", "scc-m1", "scc-m2", '"other tool"')
LABELS = ("public", "personal", "special-category", "health", "genetic")
TIME_ZONES = ("Europe/Brussels", "Pacific/Kiritimati")

VOCABULARY = f"""charter generated.words
  title "Words of generated charters"
  time zone Pacific/Kiritimati

action place "Run a workload at a site"
action flow "Move data"

enumeration country "Country" of {", ".join(COUNTRIES)}
enumeration tool "Tool of a transfer" of {", ".join(TOOLS)}

taxonomy label "Kinds of data"
  term public "Published"
  term personal "Personal data"
  term special-category "Special" under personal
  term health "Health" under special-category
  term genetic "Genetic" under special-category, personal

entity site "A site"
  field countries set of country "Where it is"
  field seat country
  field marks set of identifier or none

record destination "Where to" is site from catalogue at resource on place, flow
record origin is site from catalogue at context.origin on flow

record data "Its data" from request at context.data
  field labels set of label
  field kind label
  field owner identifier
  field sealed yes or no

record transfer from request at context.transfer
  field tool tool
  field age number of days

zone FIXED "Without dates"
  member AT, BE
  member DE

obligation keep-record "Keep a record"
obligation tell-officer "Tell the officer"
"""


@st.composite
def days(draw: st.DrawFn) -> date:
    return START + timedelta(days=draw(st.integers(0, SPAN)))


@st.composite
def periods(draw: st.DrawFn) -> str:
    """`from`, `until` or both, in either order, never empty."""
    first, last = sorted([draw(days()), draw(days())])
    parts = draw(
        st.sampled_from([[f"from {first}"], [f"until {last}"], [f"from {first}", f"until {last}"]])
    )
    return " ".join(draw(st.permutations(parts)))


def some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


@st.composite
def zones(draw: st.DrawFn, name: str) -> str:
    lines = [f'zone {name} "Dated"']
    seen: set[tuple[str, str]] = set()
    for country in draw(st.lists(st.sampled_from(COUNTRIES), min_size=1, max_size=5)):
        period = draw(periods())
        key = (country, " ".join(sorted(period.split())))
        if key not in seen:
            seen.add(key)
            basis = draw(st.sampled_from(["", ' cites "A decision"', " celex 32026D0179"]))
            lines.append(f"  member {country}{basis} {period}")
    return "\n".join(lines)


# --- conditions ----------------------------------------------------------------------


def _braces(values: Sequence[str]) -> str:
    return "{" + ", ".join(values) + "}"


@st.composite
def regions(draw: st.DrawFn) -> str:
    """Zones and sets of countries put together."""
    part = st.sampled_from(["FIXED", "EARLY", "LATE"]) | some(COUNTRIES).map(_braces)
    return " + ".join(draw(st.lists(part, min_size=1, max_size=3)))


# A set of labels arrives closed upward, so what it is within has to be closed too.
CLOSED_LABELS = (
    "{personal}",
    "{public}",
    "{personal, public}",
    "{personal, special-category}",
    "{health, special-category, personal}",
)

_NUMBER_WORDS = ("=", "is not", "at least", "at most", "more than", "less than")


@st.composite
def tests(draw: st.DrawFn) -> str:
    """One comparison."""
    match draw(st.integers(0, 13)):
        case 0:
            return "data.sealed" + draw(st.sampled_from(["", " = yes", " = no", " is not no"]))
        case 1:
            sign = draw(st.sampled_from(["=", "is not"]))
            return f"transfer.tool {sign} {draw(st.sampled_from(TOOLS))}"
        case 2:
            return f"transfer.tool in {_braces(draw(some(TOOLS)))}"
        case 3:
            return f"destination.seat in {draw(regions())}"
        case 4:
            sign = draw(st.sampled_from(["=", "is not"]))
            return f"destination.seat {sign} {draw(st.sampled_from(COUNTRIES))}"
        case 5:
            return f"destination.countries has {draw(st.sampled_from(COUNTRIES))}"
        case 6 | 7:
            return f"destination.countries within {draw(regions())}"
        case 8:
            return f"{draw(st.sampled_from(['destination', 'origin']))}.countries touches " + draw(
                regions()
            )
        case 9:
            return f"data.labels has {draw(st.sampled_from(LABELS))}"
        case 10:
            if draw(st.booleans()):
                return f"data.labels touches {_braces(draw(some(LABELS)))}"
            return f"data.labels within {draw(st.sampled_from(CLOSED_LABELS))}"
        case 11:
            sign = draw(st.sampled_from(["=", "is not", "in"]))
            value = draw(st.sampled_from(LABELS))
            return f"data.kind {sign} " + (_braces([value]) if sign == "in" else value)
        case 12:
            return draw(
                st.sampled_from(
                    [
                        "destination.marks within {iso-27001, secnumcloud}",
                        'destination.marks touches {iso-27001, "C5 2020"}',
                        "destination.marks has secnumcloud",
                        "data.owner = clinic",
                        "data.owner in {clinic, bank/eu}",
                    ]
                )
            )
        case _:
            words = draw(st.sampled_from(_NUMBER_WORDS))
            count = draw(st.integers(0, 4))
            unit = draw(st.sampled_from(["day", "days"]))
            return f"transfer.age {words} {count} {unit}"


def _joined(word: str, parts: list[str]) -> str:
    return "(" + f" {word} ".join(parts) + ")"


def _nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    words = st.sampled_from(["and", "or"])
    joined = st.builds(_joined, words, st.lists(inner, min_size=2, max_size=3))
    return joined | inner.map(lambda text: f"not {text}") | inner.map(lambda text: f"({text})")


conditions = st.recursive(tests(), _nest, max_leaves=6)


# --- rules ---------------------------------------------------------------------------


def _line(text: str) -> str:
    return f"  {text}\n"


@st.composite
def clauses(draw: st.DrawFn, *, conditional: bool) -> str:
    """What a rule and an exception share."""
    text = _line(f"cites {draw(st.sampled_from(CITATIONS))}")
    if draw(st.booleans()):
        text += _line(f"in force {draw(periods())}")
    if conditional or draw(st.integers(0, 3)):
        text += _line(f"when {draw(conditions)}")
    for obligation in draw(st.lists(st.sampled_from(OBLIGATIONS), max_size=2, unique=True)):
        due = draw(st.sampled_from(["", " within 1 day", " within 30 days"]))
        text += _line(f"oblige {obligation}{due}")
    return text


CITATIONS = ("ACT art 1", "ACT art 46(2)(c)", "ACT annex III point 4.2", "DECISION recital 7")
OBLIGATIONS = ("keep-record", "tell-officer")
EFFECTS = ("permit", "forbid", "require", "require", "oblige")


@st.composite
def rules(draw: st.DrawFn, number: int) -> str:
    effect = draw(st.sampled_from(EFFECTS))
    shared = draw(clauses(conditional=False))
    effects = {
        "require": _line(f"require {draw(conditions)}"),
        # A rule that only obliges has no word for it.
        "oblige": "" if "  oblige" in shared else _line("oblige keep-record"),
    }
    text = f'rule rule-{number} "Rule {number}"\n{shared}'
    text += _line("on " + ", ".join(draw(some(["place", "flow"]))))
    text += effects.get(effect, _line(effect))
    for exception in range(draw(st.integers(0, 2))):
        text += _line(f'except way-{exception} "Way {exception}"')
        text += draw(clauses(conditional=True))
    text += _line('because "The act says so," "and it says why."')
    return text + _line('remedy "Choose another site."')


@st.composite
def sources(draw: st.DrawFn) -> list[SourceText]:
    """A vocabulary with two dated zones, and a charter of rules that imports it."""
    words = VOCABULARY + draw(zones("EARLY")) + "\n" + draw(zones("LATE")) + "\n"
    count = draw(st.integers(1, 4))
    body = "\n".join(draw(rules(number)) for number in range(count))
    if draw(st.booleans()):
        body += '\nrule anything "Anything"\n  cites ACT art 1\n  on place, flow\n  permit\n'
    head = (
        'charter generated.rules\n  law ACT "The act" celex 32016R0679\n'
        '  law DECISION "The decision" url "https://example.org/decision"\n'
        f"  time zone {TIME_ZONES[0]}\n  as of {START}\nimport generated.words\n\n"
    )
    return [SourceText("words.charter", words), SourceText("rules.charter", head + body)]


# --- questions -----------------------------------------------------------------------


def values(fact: FactType) -> st.SearchStrategy[Any]:
    known = st.sampled_from(fact.values or ("clinic", "bank/eu", "iso-27001", "C5 2020"))
    match fact.kind:
        case Kind.TRUTH:
            return st.booleans()
        case Kind.INTEGER:
            return st.integers(-1, 5)
        case Kind.TERM:
            return known
        case Kind.TERMS:
            return st.lists(known, max_size=3)


@st.composite
def questions(draw: st.DrawFn, program: Program) -> Question:
    """Facts of which about a quarter are unknown, and a day around the dates."""
    raw = {
        path: draw(values(fact)) for path, fact in program.facts.items() if draw(st.integers(0, 3))
    }
    day = START_NUMBER + draw(st.integers(-2, SPAN + 2))
    today = {TIME_ZONES[0]: day, TIME_ZONES[1]: day + draw(st.integers(0, 1)), "UTC": day}
    action = draw(st.sampled_from(["place", "flow"]))
    return Question(action, fit_all(program.facts, raw), today)
