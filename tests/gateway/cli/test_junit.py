"""`charter test --junit`: what a build server reads."""

import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway.cli.cases import Failed, Result
from gateway.cli.junit import junit_xml
from tests.gateway.cli.commands import Charter
from tests.gateway.cli.test_case_files import CASE, GIVEN, HEAD
from tests.gateway.world import LAW

AT = datetime.fromisoformat("2026-11-22T09:30:15.250+00:00")
# What pytest itself writes of a suite and of a case; `line` and `file` as its older dialect.
SUITE = {"name", "errors", "failures", "skipped", "tests", "time", "timestamp"}
TEST = {"classname", "name", "time", "file", "line"}


def result(title: str = "a case", *failures: Failed, charter: str = "own.law") -> Result:
    return Result(
        "name", charter, f"{charter}/rule", title, "place", "own.charter", 7, 3, 0.0126, failures
    )


def parsed(*results: Result) -> ET.Element:
    root = ET.fromstring(junit_xml(results, ["cedar", "rego"], at=AT))  # noqa: S314 - our own
    check(root)
    return root


def check(root: ET.Element) -> None:
    """The shape that pytest's own report has, with numbers that are right."""
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == SUITE
        cases = suite.findall("testcase")
        assert [child.tag for child in suite] == ["properties", *["testcase"] * len(cases)]
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", suite.attrib["timestamp"])
        for case in cases:
            assert set(case.attrib) == TEST
            assert re.fullmatch(r"\d+\.\d{3}", case.attrib["time"])
            assert len(case) <= 1
            for told in case:
                assert told.tag in ("failure", "error")
                assert told.attrib["message"]
                assert told.text


def test_the_dialect_is_that_of_pytest(tmp_path: Path, pytester_report: ET.Element) -> None:
    (suite,) = pytester_report
    assert pytester_report.tag == "testsuites"
    assert set(suite.attrib) - {"hostname"} == SUITE
    for case in suite.findall("testcase"):
        assert TEST - {"file", "line"} <= set(case.attrib)
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "message" in failure.attrib


@pytest.fixture
def pytester_report(tmp_path: Path) -> ET.Element:
    """What pytest writes of one test that passes and one that fails."""
    import subprocess
    import sys

    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): assert 0\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=out.xml"]
    subprocess.run(asked, cwd=tmp_path, check=False, capture_output=True)
    return ET.fromstring((tmp_path / "out.xml").read_bytes())  # noqa: S314 - pytest's own


# --- from the command line -----------------------------------------------------------


def test_one_suite_a_charter_and_one_test_a_case_and_action(
    charter: Charter, project: Path
) -> None:
    (project / "law.cases.toml").write_text(HEAD + CASE + GIVEN)
    file = project / "out" / "report.xml"
    assert charter("test", project, "--engines", "reference", "--junit", file).code == 0
    root = ET.fromstring(file.read_bytes())  # noqa: S314 - our own
    check(root)
    assert {suite.get("name"): suite.get("tests") for suite in root} == {
        "test.baseline": "4",
        "test.law": "9",
    }
    names = [case.get("name") for case in root.iter("testcase")]
    assert "health data to the US without a tool [flow]" in names
    assert "health data to the US without a tool [place]" in names
    (own,) = [case for case in root.iter("testcase") if case.get("name") == "x [purge]"]
    assert (own.get("classname"), own.get("file")) == ("test.law/law.cases.toml", "law.cases.toml")
    assert root.get("tests") == "13"


def test_a_case_that_fails_is_a_failure_with_its_place(charter: Charter, project: Path) -> None:
    (project / "law.charter").write_text(
        LAW.replace('"an old one" is denied', '"an old one" is permitted')
    )
    file = project / "report.xml"
    assert charter("test", project, "--junit", file).code == 2
    root = ET.fromstring(file.read_bytes())  # noqa: S314 - our own
    check(root)
    (failure,) = root.iter("failure")
    assert failure.get("message") == ("cedar: expected permitted, got forbidden by test.law/fresh")
    text = failure.text or ""
    assert "rego: expected permitted" in text
    assert "reference: expected permitted" in text
    line = LAW[: LAW.index('example "an old one"')].count("\n") + 1
    assert f"at law.charter:{line}" in text


# --- what may stand in it ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<b> & \"quotes\" 'single' ]]>", "<b> & \"quotes\" 'single' ]]>"),
        ("\x1b[31m", "#x1B[31m"),
        ("\x00\x0b\ufffe", "#x00#x0B#xFFFE"),
        ("\ud800", "#xD800"),
        ("Ω 😀", "Ω 😀"),
    ],
)
def test_any_text_is_well_formed(text: str, read: str) -> None:
    root = parsed(result(text, Failed("cedar", text)))
    (case,) = root.iter("testcase")
    (failure,) = root.iter("failure")
    assert case.get("name") == f"{read} [place]"
    assert failure.get("message") == f"cedar: {read}"
    assert (failure.text or "").startswith(f"cedar: {read}")


def test_an_engine_that_fails_is_an_error_and_no_failure() -> None:
    root = parsed(result("a", Failed("cedar", "cedar: it failed", is_error=True)), result("b"))
    assert (root.get("errors"), root.get("failures"), root.get("tests")) == ("1", "0", "2")


def test_times_add_up() -> None:
    root = parsed(result("a"), result("b", charter="own.other"), result("c"))
    assert [suite.get("time") for suite in root] == ["0.025", "0.013"]
    assert root.get("time") == "0.038"
    assert [suite.get("name") for suite in root] == ["own.law", "own.other"]


def test_nothing_is_an_empty_report() -> None:
    assert list(parsed()) == []
