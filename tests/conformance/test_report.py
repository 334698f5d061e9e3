"""The report: the same bytes again, no secrets, and nothing that could fool a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from conformance.errors import CannotRunError
from conformance.render import human, plain, printable
from conformance.report import write_report
from conformance.suite import load_suite
from tests.conformance.minimal_gateway import Body, minimal
from tests.conformance.serving import TOKEN, App, serve
from tests.conformance.wrong_gateways import DECIDE_WRONGLY, only_decided

SUITE = load_suite()


def run(app: App, folder: Path, *more: str) -> bytes:
    with serve(app, folder) as gateway:
        gateway.run("--report", str(folder / "report.json"), *more)
    return (folder / "report.json").read_bytes()


def steady(content: bytes, *, keep_address: bool = False) -> dict[str, Any]:
    report = json.loads(content)
    del report["run"]
    if not keep_address:  # a test takes whatever port is free
        del report["target"]["base_url"]
    return report


def test_two_runs_give_the_same_bytes_but_for_the_run_itself(tmp_path: Path) -> None:
    counter = iter(range(10_000))

    def busy(content: Body, asked: Body) -> Body:
        return {**content, "id": f"d-{next(counter)}", "decided_at": f"{next(counter)}"}

    with serve(minimal(only_decided(busy)), tmp_path) as gateway:
        reports: list[bytes] = []
        for _ in range(2):
            assert gateway.run("--report", str(tmp_path / "r.json")) == 0
            reports.append((tmp_path / "r.json").read_bytes())
    first, second = (steady(report, keep_address=True) for report in reports)
    assert rfc8785.dumps(first) == rfc8785.dumps(second)
    ids = {json.loads(report)["run"]["id"] for report in reports}
    assert len(ids) == 2


def test_another_seed_changes_only_seed_and_order(tmp_path: Path) -> None:
    first = steady(run(minimal(), tmp_path, "--seed", "1"))
    second = steady(run(minimal(), tmp_path, "--seed", "2"))
    assert first["order"] != second["order"]
    for report in (first, second):
        assert sorted(report.pop("order")) == [case.id for case in SUITE.cases]
        del report["seed"]
    assert first == second


@pytest.mark.parametrize("app", [minimal(), DECIDE_WRONGLY["always-permits"][0]])
def test_the_report_is_canonical(app: App, tmp_path: Path) -> None:
    content = run(app, tmp_path)
    assert content == rfc8785.dumps(json.loads(content)) + b"\n"


def test_the_report_says_what_was_tested_with_what(tmp_path: Path) -> None:
    report = json.loads(run(minimal(), tmp_path, "--seed", "9"))
    assert report["suite"] == {
        "case_format": "1.0",
        "case_set": SUITE.requirements.case_set,
        "runner": "0.1.0",
        "digest": SUITE.digest,
    }
    assert report["seed"] == 9
    assert report["target"]["bundles"] == ["sha256:0000"]
    assert {gap["clause"] for gap in report["clauses_without_case"]} >= {"GDPR art 45(3)"}
    assert {row["id"] for row in report["requirements"]} == {
        row.id for row in SUITE.requirements.rows
    }


def test_a_miss_says_both_sides(tmp_path: Path) -> None:
    report = json.loads(run(DECIDE_WRONGLY["permits-on-unknown"][0], tmp_path))
    (case,) = (case for case in report["cases"] if case["verdict"] == "fail")
    assert case["id"] == "CT-GDPR-0005-002"
    step = case["steps"][0]
    assert step["got"]["decision"] == "permit"
    assert step["misses"][0] == {
        "verdict": "fail",
        "what": "decision",
        "expected": "indeterminate",
        "got": "permit",
    }
    failed = {row["id"] for row in report["requirements"] if row["verdict"] == "fail"}
    assert failed == {"REQ-GDPR-5-2", "REQ-GDPR-46-1"}


def hostile(content: Body, asked: Body) -> Body:
    text = "\x1b[2J\x1b]0;owned\x07\u202epass\r\nresult: conforms"
    reason: Body = {"rule": text, "status": "forbidden", "citations": []}
    return {**content, "decision": "deny", "reasons": [reason], "obligations": []}


@pytest.mark.parametrize("form", ["human", "plain"])
def test_an_answer_cannot_speak_to_the_terminal(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(minimal(only_decided(hostile)), tmp_path, "--format", form)
    printed = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(printed)
    assert [line for line in printed.splitlines() if line.startswith("result:")] == [
        "result: does not conform"
    ]


def test_what_cannot_be_printed_is_written_out() -> None:
    assert printable("a\x1b[1m\u202e\u200b\ud800é") == "a\\x1b[1m\\u202e\\u200b\\ud800é"


def test_the_token_is_in_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def leaks(content: Body, asked: Body) -> Body:
        reason: Body = {"rule": TOKEN, "status": "uncovered", "citations": []}
        return {**content, "reasons": [reason]}

    content = run(minimal(only_decided(leaks)), tmp_path)
    assert TOKEN.encode() not in content
    printed = capsys.readouterr()
    assert TOKEN not in printed.out + printed.err
    assert json.loads(content)["counts"]["fail"] == 10


def test_the_table_puts_failures_first_and_has_no_colour_without_a_word(tmp_path: Path) -> None:
    report = json.loads(run(DECIDE_WRONGLY["permits-on-unknown"][0], tmp_path))
    table = human(report, colour=True)
    rows = [line for line in table.splitlines() if "CT-" in line and "Twin" not in line]
    assert len(rows) == 10
    assert rows[0].startswith("\x1b[31mFAIL")
    assert all("PASS" in row for row in rows[1:])
    for word in ("GDPR art 5(2)", "CT-GDPR-0005-002", "indeterminate", "permit"):
        assert word in rows[0]
    bare = human(report, colour=False)
    assert "\x1b" not in bare
    assert "no case for GDPR art 45(3): " in bare
    assert bare.endswith("result: does not conform\n")


def test_plain_says_the_same_in_sentences(tmp_path: Path) -> None:
    report = json.loads(run(DECIDE_WRONGLY["permits-on-unknown"][0], tmp_path))
    lines = plain(report).splitlines()
    wanted = "FAIL: CT-GDPR-0005-002, GDPR art 5(2): expected indeterminate, got permit"
    assert wanted in lines
    assert sum(line.startswith("PASS: ") for line in lines) == 9


def test_json_on_the_screen_is_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = run(minimal(), tmp_path, "--format", "json")
    assert capsys.readouterr().out.encode() == content


def test_what_was_not_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(minimal(), tmp_path, "--case", "CT-GDPR-0044-001")
    printed = capsys.readouterr().out
    (line,) = (line for line in printed.splitlines() if line.startswith("not run"))
    assert all(case.id in line for case in SUITE.cases if case.id != "CT-GDPR-0044-001")
    assert "the others were not run" in printed


def test_a_report_replaces_an_older_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(b"old" * 1000)
    write_report(file, b"new\n")
    assert file.read_bytes() == b"new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(CannotRunError, match="cannot be written"):
        write_report(tmp_path / "report.json", b"new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
