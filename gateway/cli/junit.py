"""Results of cases as JUnit XML, in the dialect that pytest writes and build servers read."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from gateway.cli.cases import Failed, Result

# What XML 1.0 (section 2.2) cannot hold, not even as a reference.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[Result], engines: Sequence[str], *, at: datetime) -> bytes:
    """One `testsuite` for each charter, one `testcase` for each case and action.

    Args:
        engines: On which each case ran; a case fails if it does on any of them.
        at: When the tests began.
    """
    root = ET.Element("testsuites", {"name": "charter test"})
    charters = dict.fromkeys(result.charter for result in results)
    for charter in charters:
        own = [result for result in results if result.charter == charter]
        suite = ET.SubElement(root, "testsuite", _suite(charter, own, at))
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", {"name": "engines", "value": ", ".join(engines)})
        for result in own:
            _case(suite, result)
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", _seconds(results))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(charter: str, results: Sequence[Result], at: datetime) -> dict[str, str]:
    errors = sum(_is_error(result) for result in results)
    failures = sum(bool(result.failures) for result in results) - errors
    return {
        "name": _safe(charter),
        "tests": str(len(results)),
        "failures": str(failures),
        "errors": str(errors),
        "skipped": "0",
        "time": _seconds(results),
        "timestamp": at.isoformat(timespec="seconds"),
    }


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _safe(result.rule),
            "name": _safe(f"{result.title} [{result.action}]"),
            "file": _safe(result.file),
            "line": str(result.line),
            "time": f"{result.seconds:.3f}",
        },
    )
    if result.failures:
        kind = "error" if _is_error(result) else "failure"
        first = result.failures[0]
        told = ET.SubElement(case, kind, {"message": _safe(_told(first)), "type": kind})
        lines = [_told(failed) for failed in result.failures]
        told.text = _safe("\n".join([*lines, f"at {result.file}:{result.line}"]))


def _is_error(result: Result) -> bool:
    """Whether it is an engine that failed, not the case."""
    return any(failed.is_error for failed in result.failures)


def _told(failed: Failed) -> str:
    return f"{failed.engine}: {failed.why}"


def _seconds(results: Iterable[Result]) -> str:
    return f"{sum(result.seconds for result in results):.3f}"


def _safe(text: str) -> str:
    return _ILLEGAL.sub(lambda match: f"#x{ord(match[0]):02X}", text)
