"""What authors are told of their mistakes, word for word.

`REWRITE=1 pytest tests/dsl/test_mistakes.py` writes the expected files anew; they are then
read, as a compliance officer would, before they are committed.
"""

import os
import re
from typing import Any, cast

import pytest

from dsl import codes
from dsl.compile import compile_charters
from dsl.diagnostics import Diagnostic, Severity, render_human, render_plain, to_json
from tests.dsl import mistake_files as mistakes
from tests.dsl import pages
from tests.project import ROOT

NAMES = mistakes.names()
CODES = {value for name, value in vars(codes.Code).items() if name.isupper()}
# Mistakes that no file shows, with the test that does.
SHOWN_ELSEWHERE = {
    "CH0109": "tests/dsl/test_hostile.py",
    **dict.fromkeys(
        ("CH0233", "CH0235", "CH0319", "CH0320", "CH0323", "CH0325"), "tests/dsl/test_cautions.py"
    ),
}
OUR_WORDS = re.compile(r"\b(Span|Token|Tree|Word|tree\.|model\.|__ANON|None|Kind|FactType)\b")


def diagnostics() -> list[tuple[str, Diagnostic]]:
    return [(name, d) for name in NAMES for d in mistakes.compiled(name).diagnostics]


ALL = diagnostics()


@pytest.mark.parametrize("name", NAMES)
def test_the_author_is_told(name: str) -> None:
    told = render_human(mistakes.compiled(name).diagnostics)
    path = mistakes.FOLDER / f"{name}.expected"
    if os.environ.get("REWRITE"):
        path.write_bytes(told.encode("utf-8"))
    assert told == path.read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_leaves_no_program(name: str) -> None:
    compiled = mistakes.compiled(name)
    assert compiled.errors
    assert compiled.program is None
    assert compiled.model is None


def test_there_are_no_expectations_without_a_mistake() -> None:
    kept = {path.stem for path in mistakes.FOLDER.glob("*.expected")}
    assert kept == set(NAMES)
    assert len(NAMES) >= 60


# More than one error only where there is more than one mistake.
SEVERAL = {
    "dates-impossible-twice": 2,
    "mistakes-in-two-files": 2,
    "two-words-misspelt-in-two-rules": 2,
    "value-where-zone-goes": 2,
    "example-without-day": 2,
    "mistakes-all-over-the-head": 6,
}


@pytest.mark.parametrize("name", NAMES)
def test_one_cause_gives_one_message(name: str) -> None:
    assert len(mistakes.compiled(name).errors) == SEVERAL.get(name, 1)


FIXES = [(name, n) for name in NAMES for n, d in enumerate(mistakes.compiled(name).errors) if d.fix]


@pytest.mark.parametrize(("name", "number"), FIXES)
def test_a_fix_mends_its_mistake_and_makes_no_new_one(name: str, number: int) -> None:
    before = mistakes.compiled(name).errors
    files = mistakes.mended(mistakes.sources(name), before[number])
    after = compile_charters(files).errors
    assert len(after) == len(before) - 1
    known = {(d.code, d.message) for d in before}
    assert [d.message for d in after if (d.code, d.message) not in known] == []


def test_most_mistakes_have_a_fix() -> None:
    assert len(FIXES) >= len(NAMES) // 3


@pytest.mark.parametrize(("name", "diagnostic"), ALL)
def test_messages_keep_the_house_style(name: str, diagnostic: Diagnostic) -> None:
    message = diagnostic.message
    assert message[0] in "`" or message[0].islower() or message.startswith("U+")
    assert not message.endswith(".")
    assert "\n" not in message
    assert message.count("`") % 2 == 0
    assert not OUR_WORDS.search(message + (diagnostic.help or "") + " ".join(diagnostic.notes))
    assert diagnostic.help
    assert not diagnostic.help.endswith(".")
    assert "__" not in diagnostic.help


@pytest.mark.parametrize(("name", "diagnostic"), ALL)
def test_a_diagnostic_points_into_its_file(name: str, diagnostic: Diagnostic) -> None:
    for label in diagnostic.labels:
        assert 0 <= label.span.start <= label.span.end <= len(label.span.source.text)
    assert diagnostic.span.source.name != "base.charter"


@pytest.mark.parametrize("name", NAMES)
def test_plain_rendering_is_one_line_each(name: str) -> None:
    found = mistakes.compiled(name).diagnostics
    lines = render_plain(found).splitlines()
    assert len(lines) == len(found)
    assert all(re.match(r".+:\d+:\d+: (error|warning) CH\d{4}: .+", line) for line in lines)


def test_json_says_where_the_fix_goes() -> None:
    found = mistakes.compiled("zone-misspelt").diagnostics[0]
    shown = to_json(found)
    assert shown["code"] == "CH0204"
    assert shown["severity"] == "error"
    fix = cast("dict[str, Any]", shown["fix"])
    assert fix["text"] == "EEA"
    text = found.span.source.text
    assert text[fix["start"] : fix["end"]] == "EAA"
    assert (fix["line"], fix["column"]) == (13, 40)


def test_every_error_code_is_shown_by_a_mistake() -> None:
    shown = {d.code for _, d in ALL}
    assert sorted(CODES - shown - set(SHOWN_ELSEWHERE)) == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_page(code: str) -> None:
    page = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    assert headings[0].startswith(f"{code}: ")
    assert headings[1:] == ["Avoid", "Prefer", "Rationale"]


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_a_page_avoids_is_that_mistake_and_no_other(code: str) -> None:
    page = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    (avoided,) = pages.blocks(pages.section(page, "Avoid"))
    found = compile_charters([*pages.vocabularies(), pages.whole(avoided)])
    told = found.errors or [d for d in found.diagnostics if d.code == code]
    assert {d.code for d in told} == {code}


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_a_page_prefers_compiles(code: str) -> None:
    page = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    (preferred,) = pages.blocks(pages.section(page, "Prefer"))
    found = compile_charters([*pages.vocabularies(), pages.whole(preferred)])
    assert found.errors == ()
    assert code not in {d.code for d in found.diagnostics}


def test_no_page_is_left_of_a_code_that_is_gone() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "errors").glob("CH*.md")}
    assert pages == CODES


def test_warnings_stand_beside_a_program() -> None:
    files = mistakes.sources("rule-without-because")
    text = files[1].text.replace("  remedy", '  because "A safeguard is missing."\n  remedy')
    start = text.index('  example "patient')
    files[1] = type(files[1])(files[1].name, text[:start])
    compiled = compile_charters(files)
    assert compiled.errors == ()
    assert {d.severity for d in compiled.diagnostics} == {Severity.WARNING}
    assert sorted(d.code for d in compiled.diagnostics) == ["CH0309", "CH0310"]
    assert compiled.program is not None
