"""The suite is tested: every wrong gateway fails, by the cases meant for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.suite import load_suite
from tests.conformance.minimal_gateway import answer, minimal
from tests.conformance.serving import App, Handler, send, serve
from tests.conformance.wrong_gateways import (
    DECIDE_WRONGLY,
    FAIL_EVERYWHERE,
    INCONCLUSIVE,
    failing_once,
)

# Where the data go, safeguard, supplier, label, known and hidden; 1 permits.
NAMES = {
    "T1": "CT-GDPR-0044-001",
    "T2": "CT-GDPR-0044-002",
    "L1": "CT-GDPR-0044-003",
    "L2": "CT-GDPR-0044-004",
    "S1": "CT-GDPR-0046-001",
    "S2": "CT-GDPR-0046-002",
    "K1": "CT-GDPR-0005-001",
    "K2": "CT-GDPR-0005-002",
    "N1": "CT-NIS2-0021-001",
    "N2": "CT-NIS2-0021-002",
}
CASES = {case.id: case for case in load_suite().cases}


def verdicts(app: App, folder: Path, *more: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Exit code, verdict of each case, and the report."""
    file = folder / "report.json"
    with serve(app, folder) as gateway:
        code = gateway.run("--report", str(file), *more)
    report = json.loads(file.read_bytes())
    return code, {case["id"]: case["verdict"] for case in report["cases"]}, report


def failed(found: dict[str, str]) -> set[str]:
    return {case for case, verdict in found.items() if verdict == "fail"}


def test_the_second_gateway_conforms(tmp_path: Path) -> None:
    code, found, report = verdicts(minimal(), tmp_path)
    assert found == dict.fromkeys(CASES, "pass")
    assert (code, report["result"], report["conforms"]) == (0, "conforms", True)


@pytest.mark.parametrize("name", DECIDE_WRONGLY)
def test_a_wrong_decision_fails_the_cases_meant_for_it(name: str, tmp_path: Path) -> None:
    app, meant = DECIDE_WRONGLY[name]
    code, found, report = verdicts(app, tmp_path)
    wanted = {NAMES[short] for short in meant.split()}
    assert failed(found) == wanted
    assert {found[case] for case in found.keys() - wanted} <= {"pass"}
    assert (code, report["result"]) == (2, "does-not-conform")


@pytest.mark.parametrize("constant", ["always-permits", "always-denies"])
def test_a_constant_answer_fails_half_of_every_pair(constant: str, tmp_path: Path) -> None:
    _, found, _ = verdicts(DECIDE_WRONGLY[constant][0], tmp_path)
    for case in CASES.values():
        assert "fail" in {found[case.id], found[case.twin]}


@pytest.mark.parametrize("name", FAIL_EVERYWHERE)
def test_an_answer_of_no_use_fails_every_case(name: str, tmp_path: Path) -> None:
    code, found, report = verdicts(FAIL_EVERYWHERE[name], tmp_path)
    assert found == dict.fromkeys(CASES, "fail")
    assert (code, report["result"]) == (2, "does-not-conform")


@pytest.mark.parametrize("name", INCONCLUSIVE)
def test_what_is_unclear_is_not_passed(name: str, tmp_path: Path) -> None:
    app, why = INCONCLUSIVE[name]
    code, found, report = verdicts(
        app, tmp_path, "--timeout", "0.2", "--case", "CT-GDPR-0044-001", "--case", NAMES["S1"]
    )
    assert found["CT-GDPR-0044-001"] == found[NAMES["S1"]] == "inconclusive"
    misses = [miss for case in report["cases"] for step in case["steps"] for miss in step["misses"]]
    assert {miss["what"] for miss in misses} == {why}
    assert (code, report["result"]) == (2, "does-not-conform")


def test_a_redirect_to_a_good_gateway_is_not_followed(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as good:

        def redirect(handler: Handler, _: bytes) -> None:
            handler.send_response(307)
            handler.send_header("Location", f"{good.base_url}/v1/decisions")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        code, found, _ = verdicts(redirect, tmp_path)
        assert found == dict.fromkeys(CASES, "fail")
        assert code == 2
        assert good.paths == []


def test_an_answer_is_never_asked_for_again(tmp_path: Path) -> None:
    code, found, _ = verdicts(failing_once(minimal()), tmp_path)
    assert len(failed(found)) == 1
    assert code == 2


def test_a_refusal_without_a_problem_document_is_a_warning_and_conforms(tmp_path: Path) -> None:
    def plain_refusals(handler: Handler, body: bytes) -> None:
        status, content = answer(body)
        send(handler, status, json.dumps(content).encode(), "application/json")

    code, found, report = verdicts(plain_refusals, tmp_path)
    warned = {case for case, verdict in found.items() if verdict == "warn"}
    assert warned == {NAMES["T2"], NAMES["L1"], NAMES["L2"]}
    assert (code, report["conforms"]) == (0, True)
    assert {row["verdict"] for row in report["requirements"] if row["id"] == "REQ-PROBLEM"} == {
        "warn"
    }
