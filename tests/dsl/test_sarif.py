"""Diagnostics as SARIF: every member is one the standard has, and leads to the right place.

The shapes below are those of SARIF 2.1.0 with errata 01, for the members that are written;
anything else in a log is refused.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator

from dsl.compile import compile_charters
from dsl.diagnostics import Diagnostic, Fix, Label, Severity
from dsl.sarif import SCHEMA, sarif_log
from dsl.source import SourceText
from dsl.titles import TITLES
from tests.project import ROOT

BASE = "file:///home/officer/charters/"


def _object(required: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": required.split(),
        "additionalProperties": False,
    }


def _array(items: Any, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


TEXT = {"type": "string", "minLength": 1}
ONE = {"type": "integer", "minimum": 1}
NONE = {"type": "integer", "minimum": 0}
MESSAGE = _object("text", text=TEXT)  # 3.11
ARTIFACT_LOCATION = _object(  # 3.4
    "uri", uri={"type": "string", "pattern": r"^[A-Za-z0-9._~:/%-]+$"}, uriBaseId=TEXT
)
REGION = _object(  # 3.30
    "startLine startColumn endLine endColumn charOffset charLength",
    startLine=ONE,
    startColumn=ONE,
    endLine=ONE,
    endColumn=ONE,
    charOffset=NONE,
    charLength=NONE,
)
LOCATION = _object(  # 3.28, 3.29
    "physicalLocation",
    id=NONE,
    message=MESSAGE,
    physicalLocation=_object(
        "artifactLocation region", artifactLocation=ARTIFACT_LOCATION, region=REGION
    ),
)
REPLACEMENT = _object(  # 3.57, 3.3
    "deletedRegion insertedContent",
    deletedRegion=REGION,
    insertedContent=_object("text", text={"type": "string"}),
)
FIX = _object(  # 3.55, 3.56
    "description artifactChanges",
    description=MESSAGE,
    artifactChanges=_array(
        _object(
            "artifactLocation replacements",
            artifactLocation=ARTIFACT_LOCATION,
            replacements=_array(REPLACEMENT, 1),
        ),
        1,
    ),
)
RESULT = _object(  # 3.27
    "ruleId ruleIndex level message locations partialFingerprints",
    ruleId=TEXT,
    ruleIndex=NONE,
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations=_array(LOCATION, 1),
    relatedLocations=_array(LOCATION, 1),
    fixes=_array(FIX, 1),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
RULE = _object(  # 3.49, 3.12
    "id name shortDescription help",
    id=TEXT,
    name={"type": "string", "pattern": "^[A-Z][A-Za-z0-9]+$"},
    shortDescription=MESSAGE,
    help=_object("text", text=TEXT, markdown=TEXT),
    helpUri={"type": "string", "pattern": "^[a-z]+://"},
    properties={"type": "object"},
)
LOG = _object(  # 3.13, 3.14, 3.18, 3.19, 3.20
    "$schema version runs",
    **{"$schema": {"const": SCHEMA}},
    version={"const": "2.1.0"},
    runs=_array(
        _object(
            "tool results columnKind",
            tool=_object(
                "driver",
                driver=_object(
                    "name version rules",
                    name=TEXT,
                    fullName=TEXT,
                    version=TEXT,
                    rules=_array(RULE),
                ),
            ),
            invocations=_array(
                _object("executionSuccessful", executionSuccessful={"type": "boolean"})
            ),
            originalUriBaseIds={
                "type": "object",
                "additionalProperties": _object("uri", uri={"type": "string", "pattern": "/$"}),
            },
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results=_array(RESULT),
        ),
        1,
    ),
)

SOURCE = SourceText(
    "deep/own law.charter",
    'charter own.law\r\n  title "Ωmega 😀" lables\n  law HOUSE "x"\n',
    "/home/officer/charters/deep/own law.charter",
)
OTHER = SourceText("other.charter", "charter other\n", "/srv/ö/other.charter")


def diagnostic(**changes: Any) -> Diagnostic:
    start = SOURCE.text.index("lables")
    span = SOURCE.span(start, start + len("lables"))
    known: dict[str, Any] = {
        "code": "CH0201",
        "message": "there is no attribute `lables`",
        "labels": (Label(span, "here"), Label(OTHER.span(8, 13), "and `there`")),
        "notes": ("a note",),
        "help": "write `labels`",
        "fix": Fix(span, "labels"),
    }
    return Diagnostic(**{**known, **changes})


def log(*diagnostics: Diagnostic, pages: str | None = None) -> Any:
    made: Any = sarif_log(diagnostics, version="1.2.3", base=BASE, pages=pages)
    Draft202012Validator(LOG).validate(made)  # pyright: ignore[reportUnknownMemberType]
    (run,) = made["runs"]
    return run


def result(**changes: Any) -> Any:
    found: list[Any] = log(diagnostic(**changes))["results"]
    assert len(found) == 1
    return found[0]


def text_at(region: dict[str, Any], source: SourceText) -> str:
    """The text of a region, found by its lines and columns alone."""
    lines = source.text.split("\n")
    assert region["startLine"] == region["endLine"]
    first, last = int(region["startColumn"]), int(region["endColumn"])
    return lines[int(region["startLine"]) - 1][first - 1 : last - 1]


# --- one result ----------------------------------------------------------------------


def test_a_region_is_the_authors_text_by_line_and_by_offset() -> None:
    region = result()["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (2, 19)
    assert text_at(region, SOURCE) == "lables"
    offset = region["charOffset"]
    assert SOURCE.text[offset : offset + region["charLength"]] == "lables"


def test_a_region_of_several_lines_ends_where_its_text_does() -> None:
    whole = SOURCE.span(0, len(SOURCE.text))
    region = result(labels=(Label(whole),))["locations"][0]["physicalLocation"]["region"]
    assert (region["endLine"], region["endColumn"]) == (4, 1)


def test_an_empty_region_is_an_insertion() -> None:
    place = SOURCE.span(5, 5)
    deleted = result(fix=Fix(place, "x"))["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert deleted["deletedRegion"]["charLength"] == 0
    assert deleted["deletedRegion"]["startColumn"] == deleted["deletedRegion"]["endColumn"] == 6


def test_the_first_label_is_the_location_and_the_others_are_related() -> None:
    found = result()
    (first,), (second,) = found["locations"], found["relatedLocations"]
    assert first["message"] == {"text": "here"}
    assert second["message"] == {"text": "and `there`"}
    assert text_at(second["physicalLocation"]["region"], OTHER) == "other"
    assert "relatedLocations" not in result(labels=diagnostic().labels[:1])


def test_files_below_the_base_are_relative_to_it_and_others_are_not() -> None:
    found = result()
    inside = found["locations"][0]["physicalLocation"]["artifactLocation"]
    outside = found["relatedLocations"][0]["physicalLocation"]["artifactLocation"]
    assert inside == {"uri": "deep/own%20law.charter", "uriBaseId": "%SRCROOT%"}
    assert set(outside) == {"uri"}
    assert unquote(urlsplit(str(outside["uri"])).path) == "/srv/ö/other.charter"
    assert log()["originalUriBaseIds"] == {"%SRCROOT%": {"uri": BASE}}


def test_a_relative_path_stays_relative() -> None:
    source = SourceText("a b.charter", "charter x\n", "policies/a b.charter")
    place = result(labels=(Label(source.span(0, 7)),))["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "policies/a%20b.charter",
        "uriBaseId": "%SRCROOT%",
    }


def test_the_message_is_all_that_a_viewer_shows() -> None:
    said = result()["message"]["text"]
    assert said == "There is no attribute `lables`. A note. Help: write `labels`."
    assert result(notes=(), help=None, fix=None)["message"]["text"].endswith("`lables`.")


@pytest.mark.parametrize("severity", Severity)
def test_the_level_is_the_severity(severity: Severity) -> None:
    assert result(severity=severity)["level"] == severity.value


def test_a_fix_mends_the_text() -> None:
    (fix,) = result()["fixes"]
    (change,) = fix["artifactChanges"]
    (replacement,) = change["replacements"]
    region, new = replacement["deletedRegion"], replacement["insertedContent"]["text"]
    start, end = region["charOffset"], region["charOffset"] + region["charLength"]
    mended = SOURCE.text[:start] + new + SOURCE.text[end:]
    assert "😀" + '" labels\n' in mended
    assert "fixes" not in result(fix=None)


def test_a_fix_without_help_still_says_what_it_does() -> None:
    assert result(help=None)["fixes"][0]["description"]["text"] == "replace it by `labels`"


# --- the run -------------------------------------------------------------------------


def test_a_result_points_to_its_rule() -> None:
    run = log(diagnostic(), diagnostic(code="CH0309"), diagnostic(code="CH9999"))
    rules = run["tool"]["driver"]["rules"]
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]
    assert [rule["id"] for rule in rules] == sorted({*TITLES, "CH9999"})


def test_help_is_the_page_of_the_code_and_its_uri_is_absolute_where_there_is_one() -> None:
    rules = log()["tool"]["driver"]["rules"]
    for rule in rules:
        page = rule["properties"]["page"]
        assert (ROOT / PurePosixPath(page)).is_file(), page
        assert page in rule["help"]["text"]
        assert "helpUri" not in rule
    (first, *_) = log(pages="https://example.eu/errors/")["tool"]["driver"]["rules"]
    assert first["helpUri"] == "https://example.eu/errors/CH0101.md"


def test_titles_are_those_of_the_pages() -> None:
    pages = sorted((ROOT / "docs" / "errors").glob("CH*.md"))
    heads = [re.match(r"# (CH\d+): (.+)\n", page.read_text(encoding="utf-8")) for page in pages]
    assert {head[1]: head[2] for head in heads if head is not None} == TITLES


def test_fingerprints_tell_results_apart_and_stay_when_lines_move() -> None:
    def marks(*diagnostics: Diagnostic) -> list[str]:
        found = log(*diagnostics)["results"]
        return [one["partialFingerprints"]["diagnostic/v1"] for one in found]

    moved = SourceText(SOURCE.name, "# new\n" + SOURCE.text, SOURCE.path)
    same = diagnostic(labels=(Label(moved.span(0, 3)),))
    assert marks(diagnostic()) == marks(same)
    assert len({*marks(diagnostic(), diagnostic(), diagnostic(message="another"))}) == 3


def test_every_diagnostic_of_the_mistakes_has_a_log() -> None:
    seen = 0
    for path in sorted((ROOT / "tests" / "dsl" / "mistakes").rglob("*.charter")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found = compile_charters([SourceText(path.name, text, str(Path("m") / path.name))])
        seen += len(log(*found.diagnostics)["results"])
    assert seen > 10
