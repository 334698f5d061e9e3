"""The report for people: a table on a terminal, or plain sentences, made of the report
alone. Failures first; no colour without a word."""

from collections.abc import Iterable, Iterator
from typing import Any

_FIRST = ("error", "fail", "inconclusive", "warn", "pass")
_COLOURS = {"error": "35", "fail": "31", "inconclusive": "33", "warn": "33", "pass": "32"}
_HEAD = ("VERDICT", "CLAUSE", "CASE", "EXPECTED", "GOT")

RESULTS = {
    "conforms": "conforms: every mandatory case of the profiles claimed holds",
    "does-not-conform": "does not conform",
    "partial": "the cases asked for hold; the others were not run, so this says no more",
    "could-not-run": "could not run: this says nothing of the gateway",
}
Report = dict[str, Any]


def human(report: Report, *, colour: bool) -> str:
    """A table for a terminal."""
    cases = _failures_first(report)
    rows = [_row(case) for case in cases]
    widths = [max(len(row[n]) for row in (_HEAD, *rows)) for n in range(len(_HEAD))]
    lines = [*_about(report), "", _line(_HEAD, widths)]
    for case, row in zip(cases, rows, strict=True):
        text = _line(row, widths)
        lines.append(_coloured(text, case["verdict"], widths[0]) if colour else text)
        lines += [f"    {sentence}" for sentence in _details(case)]
    return "\n".join([*lines, "", *_summary(report)]) + "\n"


def plain(report: Report) -> str:
    """Sentences, one a line, for screen readers and logs."""
    lines = list(_about(report))
    for case in _failures_first(report):
        verdict, clause, case_id, expected, got = _row(case)
        lines.append(f"{verdict}: {case_id}, {clause}: expected {expected}, got {got}")
        lines += [f"{case_id}: {sentence}" for sentence in _details(case)]
    return "\n".join([*lines, *_summary(report)]) + "\n"


def printable(text: str) -> str:
    """A text with what could move the cursor, hide or reorder other text written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _about(report: Report) -> Iterator[str]:
    target, suite = report["target"], report["suite"]
    profiles = ", ".join(report["parameters"]["profiles"])
    yield printable(f"gateway   {target['base_url']}, protection: {target['protection']}")
    yield f"suite     {suite['case_set']}, {suite['digest']}"
    yield f"profiles  {profiles}, seed {report['seed']}"


def _row(case: Report) -> tuple[str, ...]:
    shown = _telling_step(case)
    expected, got = _expected_and_got(shown)
    cells = (case["verdict"].upper(), case["clauses"][0], case["id"], expected, got)
    return tuple(_short(printable(cell)) for cell in cells)


def _telling_step(case: Report) -> Report:
    """The step that made the verdict."""
    return next(step for step in case["steps"] if step["verdict"] == case["verdict"])


def _expected_and_got(step: Report) -> tuple[str, str]:
    expected, got = step["expected"], step["got"]
    if step["misses"] and step["misses"][0]["what"] != "decision":
        miss = step["misses"][0]
        return f"{miss['what']}: {miss['expected']}", miss["got"]
    if "decision" not in expected:
        return " or ".join(str(status) for status in expected["http"]), str(got["http"])
    duties = expected.get("obligations", {})
    wanted = _decision(expected["decision"], duties.get("exactly") or duties.get("at_least"))
    return wanted, _decision(got["decision"], got["obligations"])


def _decision(outcome: str, duties: list[str] | None) -> str:
    return f"{outcome} with {', '.join(duties)}" if duties else outcome


def _details(case: Report) -> Iterator[str]:
    for step in case["steps"]:
        for miss in step["misses"]:
            yield printable(
                f"step {step['id']}: {miss['verdict']}: {miss['what']}: "
                f"expected {miss['expected']}; got {miss['got']}"
            )
    if case["verdict"] in ("fail", "error", "inconclusive"):
        yield printable(f"{case['title']}. Twin: {case['twin']}.")


def _summary(report: Report) -> Iterator[str]:
    counts = {name: number for name, number in report["counts"].items() if number}
    total = len(report["cases"])
    yield f"{total} cases: " + ", ".join(f"{n} {name}" for name, n in counts.items())
    yield from _not_run(report)
    for gap in report["clauses_without_case"]:
        yield f"no case for {gap['clause']}: {gap['why']}"
    if len(report["target"]["bundles"]) > 1:
        yield "note: the answers name more than one bundle; the rules changed during the run"
    if not report["target"]["protected"]:
        yield f"warning: protection of the exchange: {report['target']['protection']}"
    yield f"result: {RESULTS[report['result']]}"


def _failures_first(report: Report) -> list[Report]:
    run = (case for case in report["cases"] if case["steps"])
    return sorted(run, key=lambda case: (_FIRST.index(case["verdict"]), case["id"]))


def _not_run(report: Report) -> Iterator[str]:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for case in report["not_run"]:
        by_reason.setdefault((case["verdict"], case["why"]), []).append(case["id"])
    for (verdict, why), ids in by_reason.items():
        yield f"not run, {verdict}, {why}: {', '.join(ids)}"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True)).rstrip()


def _coloured(text: str, verdict: str, width: int) -> str:
    code = _COLOURS.get(verdict)
    return f"\x1b[{code}m{text[:width]}\x1b[0m{text[width:]}" if code else text


def _short(text: str) -> str:
    return text if len(text) <= 48 else f"{text[:47]}…"
