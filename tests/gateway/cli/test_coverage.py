"""`charter test --coverage`: what the cases show, for people, logs and programs."""

import json
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter, Ran
from tests.gateway.world import LAW

REFERENCE = ("--engines", "reference")


def run(charter: Charter, project: Path, *arguments: str | Path) -> Ran:
    return charter("test", project, *REFERENCE, *arguments)


def test_every_condition_is_shown_as_written_with_what_it_was_seen_to_be(
    charter: Charter, project: Path
) -> None:
    ran = run(charter, project, "--coverage")
    assert (ran.code, ran.err) == (0, "")
    assert (
        "test.law/eea-only: 10 of 14, 71.4 %, 6 cases\n"
        "    in force\n"
        "  !     from 2026-07-01\n"
        "          true 6, never false\n"
        "    when\n"
        "  !     data.labels has personal\n"
        "          true 4, never false, unknown 2\n"
        "    require\n"
        "  !     destination.countries within EEA\n"
        "          true 2, false 4, never unknown\n"
        "    except tools in force\n"
        "  !     until 2027-01-15\n"
        "          true 6, never false\n"
        "    except tools when\n"
        "        transfer.tool in {clauses, rules}\n"
        "          true 2, false 2, unknown 2\n"
        "    exception tools: used by 2\n"
    ) in ran.out
    total, outcome = ran.out.splitlines()[-2:]
    assert total == "Coverage: 21 of 31 points, 67.7 %"  # 67.74, rounded down
    assert outcome == "OK: 12 cases on reference, 0 failures"


def test_plain_is_one_line_for_each_condition_with_its_place(
    charter: Charter, project: Path
) -> None:
    lines = run(charter, project, "--coverage", "--format", "plain").out.splitlines()
    law = project / "law.charter"
    line = LAW[: LAW.index("data.labels has personal")].count("\n") + 1
    assert f"{law}:{line}: when data.labels has personal: true 4, never false, unknown 2" in lines
    assert "exception test.law/eea-only/tools: used by 2" in lines
    assert all(not text.startswith(" ") for text in lines)


def test_an_example_with_an_unknown_fact_is_the_third_point(
    charter: Charter, project: Path
) -> None:
    unstated = """\
  example "nobody says where" is undetermined
    data.labels = {health}
    transfer.tool = none

rule fresh"""
    (project / "law.charter").write_text(LAW.replace("rule fresh", unstated, 1))
    out = run(charter, project, "--coverage").out
    assert "test.law/eea-only: 11 of 14" in out
    assert "        destination.countries within EEA\n          true 2, false 4, unknown 2\n" in out


def test_an_exception_that_nobody_uses_is_said_so(charter: Charter, project: Path) -> None:
    start = LAW.index('  example "the same with clauses"')
    end = LAW.index("rule fresh")
    (project / "law.charter").write_text(LAW[:start] + LAW[end:])
    assert "  ! exception tools: never used\n" in run(charter, project, "--coverage").out


def test_json_says_the_same_in_the_report_and_in_a_file(charter: Charter, project: Path) -> None:
    file = project / "out" / "coverage.json"
    ran = run(charter, project, "--format", "json", "--coverage-json", file)
    told = json.loads(file.read_text())
    assert json.loads(ran.out)["coverage"] == told
    assert (told["points"], told["reached"], told["percent"]) == (31, 21, 67.7)
    (rule,) = [rule for rule in told["rules"] if rule["rule"] == "test.law/eea-only"]
    assert rule["exceptions"] == [
        {"id": "test.law/eea-only/tools", "title": "A tool covers it", "used": 2}
    ]
    assert rule["conditions"][1] == {
        "part": "when",
        "text": "data.labels has personal",
        "line": 12,
        "true": 4,
        "false": 0,
        "unknown": 2,
        "can_be_unknown": True,
    }
    assert not rule["conditions"][0]["can_be_unknown"]
    assert sum(rule["points"] for rule in told["rules"]) == 31


def test_without_the_option_nothing_is_said(charter: Charter, project: Path) -> None:
    ran = run(charter, project)
    assert "Coverage" not in ran.out
    assert "coverage" not in json.loads(run(charter, project, "--format", "json").out)


@pytest.mark.parametrize(("least", "code"), [("67.7", 0), ("67.8", 2), ("0", 0), ("100", 2)])
def test_too_little_coverage_is_2(charter: Charter, project: Path, least: str, code: int) -> None:
    ran = run(charter, project, "--fail-under", least)
    assert ran.code == code
    assert "Coverage: 21 of 31 points, 67.7 %" in ran.out
    if code:
        assert ran.line == f"charter: coverage is 67.7 %, less than {least} %"


def test_a_case_that_fails_is_2_however_much_is_covered(charter: Charter, project: Path) -> None:
    (project / "law.charter").write_text(
        LAW.replace('"an old one" is denied', '"an old one" is permitted')
    )
    ran = run(charter, project, "--coverage", "--fail-under", "100")
    assert ran.code == 2
    assert "less than" not in ran.err
    assert "Coverage: 21 of 31" in ran.out


def test_a_charter_without_conditions_is_covered(charter: Charter, tmp_path: Path) -> None:
    (tmp_path / "own.charter").write_text("charter own.law\n")
    ran = run(charter, tmp_path, "--coverage", "--fail-under", "100")
    assert ran.out == "Coverage: 0 of 0 points, 100.0 %\nOK: 0 cases on reference, 0 failures\n"


def test_the_pack_is_covered_nearly_whole(charter: Charter) -> None:
    ran = charter("test", *REFERENCE, "--fail-under", "98")
    assert ran.code == 0, ran.out
