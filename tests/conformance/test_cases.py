"""The cases as data: strict in two ways that agree, in pairs, and each with its clause."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from conformance.case import build_case, read_case
from conformance.errors import ShapeError, SuiteError
from conformance.shape import difference
from conformance.suite import HERE, load_suite

SUITE = load_suite()
CASES = {case.id: case for case in SUITE.cases}
FILES = sorted(HERE.glob("cases/*/*/case.json"))
SCHEMA = json.loads((HERE / "case.schema.json").read_text(encoding="utf-8"))
VALIDATOR: Any = Draft202012Validator(SCHEMA)
SAMPLE = "CT-GDPR-0005-002"
PROTOCOL = (HERE / "PROTOCOL.md").read_text(encoding="utf-8")

Json = Any


def test_there_are_ten_cases_in_five_pairs() -> None:
    assert len(FILES) == len(CASES) == 10
    assert len({frozenset({case.id, case.twin}) for case in SUITE.cases}) == 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_case_is_of_the_schema(file: Path) -> None:
    VALIDATOR.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(file.read_bytes()))


@pytest.mark.parametrize("case_id", CASES)
def test_twins_differ_in_one_leaf_and_expect_the_opposite(case_id: str) -> None:
    case = CASES[case_id]
    twin = CASES[case.twin]
    ours, theirs = case.steps[0], twin.steps[0]
    assert len(difference(ours.request, theirs.request)) == 1
    outcomes = {ours.expect.decision, theirs.expect.decision}
    assert "permit" in outcomes
    assert len(outcomes) == 2


def test_the_five_pairs_turn_on_five_things() -> None:
    turned = {
        tuple(difference(case.steps[0].request, CASES[case.twin].steps[0].request))
        for case in SUITE.cases
    }
    assert turned == {
        ("/resource/id",),
        ("/context/transfer/mechanism",),
        ("/context/supplier/risk_assessment",),
        ("/context/data/labels/0",),
    }
    hidden = CASES[SAMPLE].steps[0].request
    assert "mechanism" not in cast("Json", hidden)["context"]["transfer"]


@pytest.mark.parametrize("case_id", CASES)
def test_a_case_cites_a_requirement_that_lists_it(case_id: str) -> None:
    rows = SUITE.requirements_of(CASES[case_id])
    assert rows != []
    assert all(case_id in row.cases for row in rows)


@pytest.mark.parametrize("row", SUITE.requirements.rows, ids=lambda row: row.id)
def test_a_requirement_has_cases_that_cite_it_or_says_why_not(row: Any) -> None:
    for case_id in row.cases:
        assert row.clause in [citation.clause for citation in CASES[case_id].citations]
    assert bool(row.cases) != bool(row.gap)


def test_the_clauses_without_a_case_are_these() -> None:
    assert {row.id for row in SUITE.without_case} == {
        "REQ-GDPR-28-1",
        "REQ-GDPR-45-3",
        "REQ-GDPR-46-2-B",
        "REQ-NIS2-21-2-C",
        "REQ-CER-13-1-D",
        "REQ-AIA-12-1",
        "REQ-AIA-19-1",
        "REQ-BEARER",
    }


def test_the_protocol_names_every_rule_site_and_duty_of_the_cases() -> None:
    for case in SUITE.cases:
        for step in case.steps:
            expect, request = step.expect, cast("Json", step.request)
            named = {*expect.reasons_all, *expect.obligations_at_least, *expect.missing_all}
            if "resource" in request:
                named.add(request["resource"]["id"])
            for name in named:
                assert f"`{name}`" in PROTOCOL


# --- damage ---


def damaged(damage: Callable[[Json], object]) -> Json:
    content = copy.deepcopy(cast("Json", CASES[SAMPLE].content))
    damage(content)
    return content


def put(*path: str | int, value: Json) -> Callable[[Json], object]:
    def damage(content: Json) -> None:
        for part in path[:-1]:
            content = content[part]
        content[path[-1]] = value

    return damage


def drop(*path: str | int) -> Callable[[Json], object]:
    def damage(content: Json) -> None:
        for part in path[:-1]:
            content = content[part]
        del content[path[-1]]

    return damage


STEP = ("steps", 0)
EXPECT = (*STEP, "expect")
DAMAGES: dict[str, Callable[[Json], object]] = {
    "another-format": put("format", value="1.1"),
    "format-a-number": put("format", value=1.0),
    "id-of-another-shape": put("id", value="GDPR-1"),
    "id-with-a-line-break": put("id", value="CT-GDPR-0005-002\n"),
    "revision-zero": put("revision", value=0),
    "revision-true": put("revision", value=True),
    "unknown-status": put("status", value="ready"),
    "no-title": put("title", value=""),
    "no-purpose": drop("purpose"),
    "no-citation": put("citations", value=[]),
    "citation-without-locator": drop("citations", 0, "locator"),
    "citation-of-a-page": put("citations", 0, "instrument", value="GDPR"),
    "citation-of-an-article-by-number": put("citations", 0, "locator", value="5(2)"),
    "citation-of-no-day": put("citations", 0, "text_as_of", value="2026"),
    "citation-of-unknown-class": put("citations", 0, "class", value="opinion"),
    "citation-with-more": put("citations", 0, "page", value="1"),
    "no-profile": put("profiles", value=[]),
    "profile-twice": put("profiles", value=["decision-core", "decision-core"]),
    "unknown-level": put("level", value="nice"),
    "no-requires": drop("requires"),
    "no-twin": drop("twin"),
    "vary-what-cannot-vary": put("vary", value=["site"]),
    "no-steps": put("steps", value=[]),
    "steps-an-object": put("steps", value={}),
    "unknown-member": put("expected", value="deny"),
    "step-with-more": put(*STEP, "wait", value=1),
    "unknown-call": put(*STEP, "call", value="shell"),
    "request-a-string": put(*STEP, "request", value="{}"),
    "no-expect": drop(*STEP, "expect"),
    "decision-maybe": put(*EXPECT, "decision", value="maybe"),
    "200-without-decision": drop(*EXPECT, "decision"),
    "http-301": put(*EXPECT, "http", value=301),
    "http-a-list-with-200": put(*EXPECT, "http", value=[200]),
    "refusals-with-a-decision": put(*EXPECT, "http", value=[400]),
    "no-refusal-at-all": put("steps", 1, "expect", value={"http": []}),
    "refusal-with-500": put("steps", 1, "expect", value={"http": [422, 500]}),
    "one-refusal-twice": put("steps", 1, "expect", value={"http": [422, 422]}),
    "reasons-that-ask-nothing": put(*EXPECT, "reasons", value={}),
    "reasons-with-an-empty-list": put(*EXPECT, "reasons", "all_of", value=[]),
    "reasons-a-list": put(*EXPECT, "reasons", value=["a/b"]),
    "reasons-of-all": put(*EXPECT, "reasons", "all", value=["a/b"]),
    "reason-without-charter": put(*EXPECT, "reasons", "all_of", value=["protected"]),
    "cites-prose": put(*EXPECT, "cites", "any_of", value=["GDPR"]),
    "obligations-that-ask-nothing": put(*EXPECT, "obligations", value={"at_least": []}),
    "missing-without-record": put(*EXPECT, "missing", "all_of", value=["mechanism"]),
    "expect-with-more": put(*EXPECT, "max_ms", value=5),
    "notes-a-list": put("notes", value=[]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_case_is_refused_by_the_schema_and_by_the_loader(name: str) -> None:
    content = damaged(DAMAGES[name])
    # A pattern of JSON Schema lets `$` stand before a final line break in Python.
    assert name == "id-with-a-line-break" or not VALIDATOR.is_valid(content)
    with pytest.raises(ShapeError):
        build_case(content)


ONLY_THE_LOADER_SEES: dict[str, tuple[Callable[[Json], object], str]] = {
    "no-day-of-the-calendar": (put("citations", 0, "text_as_of", value="2026-02-30"), "calendar"),
    "its-own-twin": (put("twin", value=SAMPLE), "own twin"),
    "two-steps-of-one-id": (put("steps", 1, "id", value="ask"), "one id"),
    "first-step-is-a-refusal": (put("steps", 0, "expect", value={"http": [400]}), "first step"),
    "a-placeholder-inside-a-string": (
        put(*STEP, "request", "subject", "id", value="x-{{subject}}"),
        "/steps/0/request/subject/id",
    ),
    "a-placeholder-nobody-fills": (
        put(*STEP, "request", "subject", "id", value="{{tenant}}"),
        "/vary",
    ),
    "varied-and-not-used": (put("vary", value=["subject"]), "/vary"),
}


@pytest.mark.parametrize("name", ONLY_THE_LOADER_SEES)
def test_the_loader_sees_more_than_the_schema(name: str) -> None:
    damage, said = ONLY_THE_LOADER_SEES[name]
    content = damaged(damage)
    VALIDATOR.validate(content)
    with pytest.raises(ShapeError, match=said):
        build_case(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"format": "1.0", "format": "1.0"}', "two members of one name"),
        (b'{"revision": NaN}', "NaN"),
        (b'{"title": "\\ud800"}', "surrogate"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "deep"),
        (b"format: '1.0'", "not JSON"),
        (b"[]", "must be an object, is a list"),
        (b"", "not JSON"),
    ],
)
def test_a_file_that_is_no_case_is_named(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "case.json"
    file.write_bytes(text)
    with pytest.raises(SuiteError, match=said) as caught:
        read_case(file)
    assert str(file) in str(caught.value)


# --- the suite as a whole ---


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    folder.mkdir()
    shutil.copy(HERE / "requirements.toml", folder)
    shutil.copytree(HERE / "cases", folder / "cases")
    return folder


def rewrite(folder: Path, case_id: str, damage: Callable[[Json], object]) -> None:
    (file,) = (f for f in folder.glob("cases/*/*/case.json") if case_id in f.read_text()[:80])
    content = json.loads(file.read_text())
    damage(content)
    file.write_text(json.dumps(content))


def test_a_copy_is_the_same_suite(copied: Path) -> None:
    assert load_suite(copied).digest == SUITE.digest


def test_any_change_of_a_case_changes_the_digest(copied: Path) -> None:
    rewrite(copied, SAMPLE, put("notes", value="Other words."))
    assert load_suite(copied).digest != SUITE.digest


TARGET = ("steps", 0, "request")
SUITE_DAMAGES: dict[str, tuple[Callable[[Json], object], str]] = {
    "a-second-difference": (
        put(*TARGET, "context", "supplier", "assessment_age", value=31),
        "differs from its twin in /context/supplier/assessment_age, /context/transfer/mechanism",
    ),
    "no-difference": (
        put(*TARGET, "context", "transfer", "mechanism", value="scc-m2"),
        "differs from its twin in nothing",
    ),
    "same-answer": (
        put("steps", 0, "expect", value={"http": 200, "decision": "permit"}),
        "does not expect the opposite",
    ),
    "a-difference-of-type": (
        put(*TARGET, "context", "ai", "for_public_authority", value=0),
        "/context/ai/for_public_authority",
    ),
    "a-twin-that-is-not-there": (put("twin", value="CT-GDPR-0005-009"), "is not there"),
    "a-twin-with-another-twin": (put("twin", value="CT-GDPR-0044-001"), "another twin"),
    "another-level": (put("level", value="optional"), "another level"),
    "an-id-taken": (put("id", value="CT-GDPR-0044-001"), "is also in"),
    "a-folder-that-says-otherwise": (
        put("steps", 0, "expect", "decision", value="deny"),
        "must end in _deny",
    ),
    "a-clause-nobody-requires": (
        put("citations", 0, "locator", value="art 6"),
        "no requirement lists the case",
    ),
    "a-clause-that-lists-others": (
        put("citations", 0, "locator", value="art 44"),
        "no requirement lists the case",
    ),
    "a-listed-clause-not-cited": (drop("citations", 1), "does not cite 32016R0679 art 46"),
}


@pytest.mark.parametrize("name", SUITE_DAMAGES)
def test_a_suite_that_contradicts_itself_is_refused(name: str, copied: Path) -> None:
    damage, said = SUITE_DAMAGES[name]
    rewrite(copied, SAMPLE, damage)
    with pytest.raises(SuiteError, match=said.replace("(", r"\(")):
        load_suite(copied)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('cases = ["CT-GDPR-0046-002"]', "cases = []", "cases or a `gap`"),
        ('gap = "not written yet"', "", "cases or a `gap`"),
        ('"CT-NIS2-0021-002"]', '"CT-NIS2-0021-009"]', "no requirement lists the case"),
        ('cases = ["CT-GDPR-0046-002"]', 'cases = ["CT-GDPR-0046-001"]', "which does not cite"),
        ('id = "REQ-GDPR-5-2"', 'id = "REQ-GDPR-44"', "one id"),
        ('locator = "art 5(2)"', 'locator = "art 44"', "one clause"),
        ('"32022L2557" = "CER"', "", "no short name"),
        ('level = "mandatory"', 'level = "nice"', "level"),
        ('level = "mandatory"', 'grade = "mandatory"', "`level` is missing"),
        ('case_set = "0.1.0"', 'case_set = "new"', "case_set"),
        ('case_set = "0.1.0"', "case_set =", "requirements.toml"),
    ],
)
def test_a_damaged_table_of_requirements_is_refused(
    copied: Path, old: str, new: str, said: str
) -> None:
    file = copied / "requirements.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(SuiteError, match=said):
        load_suite(copied)


def test_a_suite_without_cases_is_refused(copied: Path) -> None:
    shutil.rmtree(copied / "cases")
    with pytest.raises(SuiteError, match="there is no case"):
        load_suite(copied)


def test_a_folder_without_a_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"requirements\.toml: cannot be read"):
        load_suite(tmp_path)
