"""Hostile input: refused or handled in bounded time, with diagnostics and nothing else."""

import random
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compile import Compiled, compile_charters
from dsl.diagnostics import render_human, render_plain, to_json
from dsl.found import MAX_DIAGNOSTICS
from dsl.near import nearest
from dsl.source import SourceText
from dsl.syntax_errors import KEYWORDS
from tests.dsl import generate
from tests.dsl.mistake_files import BASE

MEGABYTE = 1_000_000
HALF = 250_000  # below the limit, so that it is read
LIMIT_S = 5.0
HEAD = (
    'charter test.hostile\n  law GDPR "G"\nimport base\n'
    'rule r "R"\n  cites GDPR art 1\n  on place\n  permit\n  when '
)


def noise(characters: int) -> str:
    return random.Random(4).randbytes(characters).decode("latin-1")  # noqa: S311 - only noise


def chain(length: int, *, closed: bool) -> list[SourceText]:
    last = "import c0\n" if closed else ""
    texts = [f"charter c{n}\nimport c{n + 1}\n" for n in range(length)]
    texts.append(f"charter c{length}\n{last}")
    return [SourceText(f"{n}.charter", text) for n, text in enumerate(texts)]


def taxonomy(length: int, *, closed: bool) -> str:
    terms = [f'  term t{n} "T" under t{n + 1}\n' for n in range(length)]
    under = " under t0" if closed else ""
    return f'charter t\ntaxonomy deep "Deep"\n{"".join(terms)}  term t{length} "T"{under}\n'


def members(count: int, each: str) -> str:
    return 'charter z\nimport base\nzone Z "Z"\n  member ' + ", ".join([each] * count) + "\n"


def renewed(name: str, begins: str, ends: str, count: int = 4_000) -> str:
    years = (f"{year:04}" for year in range(1, count))
    periods = [f"  member GB from {year}-{begins} until {year}-{ends}\n" for year in years]
    return f'zone {name} "Z"\n{"".join(periods)}'


TEXTS: dict[str, Callable[[], str]] = {
    "a megabyte of open brackets": lambda: HEAD + "(" * MEGABYTE,
    "brackets up to the limit of a file": lambda: HEAD + "(" * HALF,
    "closing brackets up to the limit": lambda: HEAD + ")" * HALF,
    "brackets that are closed": lambda: HEAD + "(" * 9999 + "transfer.assessed" + ")" * 9999,
    "a megabyte of not": lambda: HEAD + "not " * (MEGABYTE // 4),
    "not up to the limit": lambda: HEAD + "not " * (HALF // 4) + "transfer.assessed",
    "not and brackets in turn": lambda: HEAD + "not (" * (HALF // 5),
    "a megabyte of quotes": lambda: HEAD + '"' * MEGABYTE,
    "quotes up to the limit": lambda: HEAD + '"' * HALF,
    "texts up to the limit": lambda: HEAD + "transfer.assessed because " + '""' * (HALF // 2),
    "a megabyte of and": lambda: HEAD + "and " * (MEGABYTE // 4),
    "and up to the limit": lambda: HEAD + "transfer.assessed" + " and transfer.assessed" * 11_000,
    "one condition, many times different": lambda: (
        HEAD + " or ".join(f"transfer.assessment_age = {n} days" for n in range(6_000))
    ),
    "ten thousand unknown attributes": lambda: (
        HEAD + " and ".join(f"data.label{n}" for n in range(14_000))
    ),
    "unknown values in one set": lambda: (
        HEAD
        + "data.owner = x and data.labels touches {"
        + ", ".join(f"persona{n}" for n in range(17_000))
        + "}"
    ),
    "identifiers in one set": lambda: (
        HEAD + "data.owner in {" + ", ".join(f"o{n}" for n in range(32_000)) + "}"
    ),
    "a deep taxonomy": lambda: taxonomy(5_000, closed=False),
    "a taxonomy of many levels": lambda: taxonomy(33, closed=False),
    "a taxonomy of just enough levels": lambda: taxonomy(31, closed=False),
    "a circle of terms": lambda: taxonomy(1_500, closed=True),
    "a broad taxonomy": lambda: (
        'charter t\ntaxonomy broad "B"\n'
        + "".join(f'  term t{n} "T"{f" under t{n - 1}" if n % 30 else ""}\n' for n in range(2_000))
    ),
    "a zone of one member": lambda: members(120_000, "AT"),
    "a zone of one member up to the limit": lambda: members(60_000, "AT"),
    "a zone of strangers up to the limit": lambda: (
        'charter z\nimport base\nzone Z "Z"\n  member AT'
        + "".join(f", X{n}" for n in range(30_000))
        + "\n"
    ),
    "a zone of strangers": lambda: (
        'charter z\nimport base\nzone Z "Z"\n  member AT'
        + "".join(f", X{n}" for n in range(50_000))
        + "\n"
    ),
    "thousands of periods taken from thousands": lambda: (
        "charter z\nimport base\n"
        + renewed("A", "01-01", "06-01")
        + renewed("B", "03-01", "04-01")
        + 'zone C "C" as A - B\n'
    ),
    "an enumeration too long": lambda: (
        'charter e\nenumeration e "E" of ' + ", ".join(f"v{n}" for n in range(50_000))
    ),
    "many rules with one mistake each": lambda: (
        "charter r\nimport base\n" + "".join(f'rule r{n} "R"\n  permitt\n' for n in range(10_000))
    ),
    "many rules with nothing in them": lambda: (
        "charter r\nimport base\n" + "".join(f'rule r{n} "R"\n' for n in range(20_000))
    ),
    "a long name": lambda: HEAD + "a" * HALF,
    "a long path": lambda: HEAD + "a." * (HALF // 2) + "a",
    "a long number": lambda: HEAD + "transfer.assessment_age at least " + "9" * HALF + " days",
    "a long value": lambda: HEAD + 'data.owner = "' + "x" * HALF + '"',
    "a long comment": lambda: HEAD + "#" * HALF,
    "a long line of blanks": lambda: HEAD + " " * HALF,
    "phrases cut in half": lambda: HEAD + "is " * (HALF // 3),
    "dashes": lambda: HEAD + "a-" * (HALF // 2),
    "dots and digits": lambda: HEAD + "1." * (HALF // 2),
    "sections": lambda: HEAD + "transfer.assessed cites GDPR" + " art 1" * (HALF // 6),
    "null bytes": lambda: "\0" * HALF,
    "a null byte in a text": lambda: HEAD + 'data.owner = "a\0b"',
    "half a surrogate pair": lambda: HEAD + 'data.owner = "\ud800"',
    "half a surrogate pair alone": lambda: "\udfff",
    "four mebibytes of noise": lambda: noise(4 * 1024 * 1024),
    "noise up to the limit": lambda: noise(HALF),
    "noise after a head": lambda: HEAD + noise(HALF),
    "printable noise": lambda: HEAD + "".join(c for c in noise(HALF) if c.isprintable()),
    "curly quotes": lambda: HEAD + "“" * HALF,
    "equal signs": lambda: HEAD + "=" * HALF,
}


def bounded(sources: list[SourceText]) -> Compiled:
    # The time of this process: others share the machine.
    start = time.process_time()
    compiled = compile_charters(sources)
    shown = render_human(compiled.diagnostics) + render_plain(compiled.diagnostics)
    assert time.process_time() - start < LIMIT_S
    assert shown.isascii() or shown.encode("utf-8")
    assert len(compiled.diagnostics) <= MAX_DIAGNOSTICS
    assert len(shown) < 1_000_000
    return compiled


FINE = {
    "and up to the limit",
    "identifiers in one set",
    "a broad taxonomy",
    "thousands of periods taken from thousands",
    "a taxonomy of just enough levels",
    "texts up to the limit",
    "sections",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_handled_in_bounded_time(name: str) -> None:
    compiled = bounded([BASE, SourceText("hostile.charter", TEXTS[name]())])
    assert (compiled.program is not None) is (name in FINE)
    assert bool(compiled.errors) is (name not in FINE)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a megabyte of open brackets", "CH0109"),
        ("brackets up to the limit of a file", "CH0104"),
        ("not up to the limit", "CH0104"),
        ("a deep taxonomy", "CH0109"),
        ("a taxonomy of many levels", "CH0109"),
        ("a circle of terms", "CH0211"),
        ("an enumeration too long", "CH0109"),
        ("a long name", "CH0101"),
        ("a long path", "CH0109"),
        ("a long number", "CH0215"),
        ("a long value", "CH0218"),
        ("null bytes", "CH0102"),
        ("half a surrogate pair", "CH0102"),
        ("four mebibytes of noise", "CH0109"),
        ("one condition, many times different", "CH0109"),
    ],
)
def test_a_hostile_text_is_refused_for_what_it_is(name: str, code: str) -> None:
    compiled = compile_charters([BASE, SourceText("hostile.charter", TEXTS[name]())])
    assert {d.code for d in compiled.errors} == {code}


def test_ten_thousand_charters_in_a_chain_compile() -> None:
    compiled = bounded(chain(10_000, closed=False))
    assert compiled.diagnostics == ()


def test_ten_thousand_charters_in_a_circle_are_one_mistake() -> None:
    compiled = bounded(chain(10_000, closed=True))
    assert [d.code for d in compiled.diagnostics] == ["CH0209"]
    assert len(compiled.diagnostics[0].message) < 200


def test_a_chain_whose_end_cannot_be_read_is_one_mistake() -> None:
    sources = chain(10_000, closed=False)
    sources[-1] = SourceText("last.charter", "charter c10000\nzoen")
    assert [d.code for d in bounded(sources).diagnostics] == ["CH0107"]


def test_the_stack_is_not_needed() -> None:
    """What is handled on a deep stack is handled where little of it is left, too."""
    text = HEAD + "(" * 60 + "not " * 60 + "transfer.assessed" + ")" * 60
    assert compile_charters([BASE, SourceText("a.charter", text)]).errors == ()
    assert sys.getrecursionlimit() == 1000


def test_a_name_is_not_compared_with_everything() -> None:
    start = time.process_time()
    assert nearest("x" * 100_000, ["abc"]) is None
    assert nearest("abcd", [f"name-{n}" for n in range(50_000)]) is None
    assert nearest("NAME_7", [f"name-{n}" for n in range(50_000)]) == "name-7"
    assert time.process_time() - start < 1


# --- any text at all -----------------------------------------------------------------

PIECES = [
    *KEYWORDS,
    "in force",
    "at least",
    "is not",
    "a.b",
    "EEA",
    "{",
    "}",
    "(",
    ")",
    "+",
    "=",
    ",",
    '"text"',
    '"',
    "2026-01-01",
    "30 days",
    "46(2)(c)",
    "7",
    "#",
    "\n",
    "é",
    "—",
]


def nothing_raised(text: str) -> None:
    compiled = compile_charters([BASE, SourceText("any.charter", text)])
    assert bool(compiled.errors) is (compiled.program is None)
    render_human(compiled.diagnostics).encode("utf-8")
    for diagnostic in compiled.diagnostics:
        assert to_json(diagnostic)["code"]


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_is_compiled_or_explained(text: str) -> None:
    nothing_raised(text)
    nothing_raised(HEAD + text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join), st.booleans())
def test_any_words_are_compiled_or_explained(text: str, within_a_rule: bool) -> None:
    nothing_raised(HEAD + text if within_a_rule else "charter a " + text)


@settings(max_examples=200, deadline=None)
@given(generate.sources(), st.data())
def test_a_damaged_charter_is_compiled_or_explained(
    sources: list[SourceText], data: st.DataObject
) -> None:
    which = data.draw(st.integers(0, 1))
    text = sources[which].text
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 12))
        put = data.draw(st.sampled_from(["", *PIECES]))
        text = text[:at] + put + text[at + gone :]
    damaged = [*sources]
    damaged[which] = SourceText(sources[which].name, text)
    compiled = compile_charters(damaged)
    assert bool(compiled.errors) is (compiled.program is None)
    render_human(compiled.diagnostics).encode("utf-8")
