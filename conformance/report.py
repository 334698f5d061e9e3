"""report.json: the master from which everything else is made.

The same gateway state and seed give the same bytes but for the member `run`, which holds
the run id, times and attempts.
"""

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from conformance.case import FORMAT
from conformance.client import BODY_CAP, Target
from conformance.errors import CannotRunError
from conformance.requirements import Requirement
from conformance.run import CaseResult, Outcome, StepResult
from conformance.strict_json import canonical
from conformance.verdict import NOT_RUN, Verdict

REPORT_FORMAT = "1.0"
RUNNER_VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Run:
    """What is different in every run. Times in UTC."""

    id: str
    started_at: datetime
    finished_at: datetime


def build_report(outcome: Outcome, target: Target, run: Run) -> dict[str, Any]:
    """The report as a JSON object."""
    suite, plan = outcome.suite, outcome.plan
    by_id = sorted(outcome.cases, key=lambda result: result.case.id)
    return {
        "format": REPORT_FORMAT,
        "result": outcome.result,
        "conforms": outcome.result == "conforms",
        "run": _run(run, by_id),
        "suite": {
            "case_format": FORMAT,
            "case_set": suite.requirements.case_set,
            "runner": RUNNER_VERSION,
            "digest": suite.digest,
        },
        "seed": plan.seed,
        "order": [result.case.id for result in outcome.cases if result.steps],
        "target": {
            "base_url": target.base_url,
            "protection": target.protection,
            "protected": target.protected,
            "bundles": outcome.bundles,
        },
        "parameters": {
            "profiles": sorted(plan.profiles),
            "only": sorted(plan.only),
            "without": sorted(plan.without),
            "timeout_s": f"{target.timeout_s:g}",
            "body_cap_bytes": BODY_CAP,
        },
        "counts": _counts(by_id),
        "cases": [_case(outcome, result) for result in by_id],
        "not_run": [
            {"id": result.case.id, "verdict": result.verdict.value, "why": result.why}
            for result in by_id
            if result.verdict in NOT_RUN
        ],
        "requirements": [_requirement(outcome, row) for row in suite.requirements.rows],
        "clauses_without_case": [
            {"requirement": row.id, "clause": suite.requirements.name(row.clause), "why": row.gap}
            for row in suite.without_case
        ],
    }


def _run(run: Run, results: list[CaseResult]) -> dict[str, Any]:
    steps = {
        f"{result.case.id}/{step.step.id}": {
            "elapsed_ms": step.elapsed_ms,
            "attempts": step.attempts,
        }
        for result in results
        for step in result.steps
    }
    return {
        "id": run.id,
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "finished_at": run.finished_at.isoformat(timespec="seconds"),
        "steps": steps,
    }


def _counts(results: list[CaseResult]) -> dict[str, int]:
    found = Counter(result.verdict for result in results)
    return {verdict.value: found[verdict] for verdict in Verdict}


def _case(outcome: Outcome, result: CaseResult) -> dict[str, Any]:
    case = result.case
    requirements = outcome.suite.requirements
    return {
        "id": case.id,
        "revision": case.revision,
        "title": case.title,
        "level": case.level,
        "profiles": sorted(case.profiles),
        "twin": case.twin,
        "clauses": [requirements.name(citation.clause) for citation in case.citations],
        "citations": [
            {"instrument": c.clause.instrument, "locator": c.clause.locator} for c in case.citations
        ],
        "verdict": result.verdict.value,
        "why": result.why,
        "steps": [_step(step) for step in result.steps],
    }


def _step(result: StepResult) -> dict[str, Any]:
    got: dict[str, Any] = {"http": result.status}
    if result.decision is not None:
        got |= result.decision.body()
    return {
        "id": result.step.id,
        "verdict": result.verdict.value,
        "expected": dict(result.step.written),
        "got": got,
        "misses": [
            {
                "verdict": miss.verdict.value,
                "what": miss.what,
                "expected": miss.expected,
                "got": miss.got,
            }
            for miss in result.misses
        ],
    }


def _requirement(outcome: Outcome, row: Requirement) -> dict[str, Any]:
    return {
        "id": row.id,
        "clause": outcome.suite.requirements.name(row.clause),
        "level": row.level,
        "cases": list(row.cases),
        "verdict": outcome.verdict_of(row.cases).value if row.cases else "no-case",
    }


def report_bytes(report: dict[str, Any]) -> bytes:
    """The report in RFC 8785 form, with a final line feed."""
    return canonical(report) + b"\n"


def write_report(path: Path, content: bytes) -> None:
    """Write the file whole or not at all.

    Raises:
        CannotRunError: The place cannot be written to.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise CannotRunError(f"{path}: cannot be written: {error.strerror}") from error
