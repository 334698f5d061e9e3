"""Diagnostics as a log for code scanning: SARIF 2.1.0 (OASIS, with errata 01).

Sections named below are those of that standard. Columns and offsets count Unicode code
points (3.14.17), lines and columns from 1, offsets from 0; a region ends before its
`endColumn` (3.30.8).
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from urllib.parse import quote

from dsl.diagnostics import Diagnostic, Fix, Label
from dsl.source import SourceText, Span
from dsl.titles import TITLES

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
PAGES = "docs/errors/"
_ROOT = "%SRCROOT%"

Json = dict[str, object]


def sarif_log(
    diagnostics: Sequence[Diagnostic], *, version: str, base: str, pages: str | None = None
) -> Json:
    """The log of one run (3.13, 3.14).

    Args:
        version: Of the tool.
        base: URI of the folder to which places of files are relative; ends in `/`.
        pages: URI of the folder in which every code has its page, where it is published:
            a `helpUri` has to be absolute (3.49.12). The help text names the page anyhow.
    """
    codes = sorted({diagnostic.code for diagnostic in diagnostics} | TITLES.keys())
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "charter",
                        "fullName": "Charter policy language",
                        "version": version,
                        "rules": [_rule(code, pages) for code in codes],
                    }
                },
                # A file that has errors was read all the same (3.20.14).
                "invocations": [{"executionSuccessful": True}],
                "originalUriBaseIds": {_ROOT: {"uri": base}},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(diagnostic, codes.index(diagnostic.code), base, mark)
                    for diagnostic, mark in zip(
                        diagnostics, _fingerprints(diagnostics), strict=True
                    )
                ],
            }
        ],
    }


def _rule(code: str, pages: str | None) -> Json:
    """A reportingDescriptor (3.49)."""
    title = TITLES.get(code, code)
    page = f"{PAGES}{code}.md"
    words = f"{title[0].upper()}{title[1:]}"
    rule: Json = {
        "id": code,
        "name": "".join(part.capitalize() for part in _words(title)),
        "shortDescription": {"text": f"{words}."},
        "help": {
            "text": f"{words}: see {page}.",
            "markdown": f"{words}: see [{code}]({page}).",
        },
        "properties": {"page": page},
    }
    return rule if pages is None else {**rule, "helpUri": f"{pages}{code}.md"}


def _words(title: str) -> Iterable[str]:
    return "".join(char if char.isalnum() else " " for char in title).split()


def _result(diagnostic: Diagnostic, index: int, base: str, fingerprint: str) -> Json:
    """A result (3.27)."""
    first, *others = diagnostic.labels
    result: Json = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": diagnostic.severity.value,
        "message": {"text": _message(diagnostic)},
        "locations": [_location(first, base)],
        "partialFingerprints": {"diagnostic/v1": fingerprint},
    }
    if others:
        result["relatedLocations"] = [
            {"id": number, **_location(label, base)} for number, label in enumerate(others)
        ]
    if diagnostic.fix is not None:
        result["fixes"] = [_fix(diagnostic.fix, diagnostic.help, base)]
    return result


def _message(diagnostic: Diagnostic) -> str:
    # Sentences, for viewers show nothing else (3.11).
    parts = [diagnostic.message, *diagnostic.notes]
    if diagnostic.help:
        parts.append(f"help: {diagnostic.help}")
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts if part)


def _location(label: Label, base: str) -> Json:
    location: Json = {
        "physicalLocation": {
            "artifactLocation": _artifact(label.span.source, base),
            "region": _region(label.span),
        }
    }
    return {**location, "message": {"text": label.text}} if label.text else location


def _artifact(source: SourceText, base: str) -> Json:
    path = PurePath(source.path or source.name)
    if not path.is_absolute():
        return {"uri": quote(path.as_posix()), "uriBaseId": _ROOT}
    uri = f"file://{quote(path.as_posix())}"
    if uri.startswith(base):
        return {"uri": uri.removeprefix(base), "uriBaseId": _ROOT}
    return {"uri": uri}


def _region(span: Span) -> Json:
    line, column = span.position
    end_line, end_column = span.source.position(span.end)
    return {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
        "charOffset": span.start,
        "charLength": span.end - span.start,
    }


def _fix(fix: Fix, help_: str | None, base: str) -> Json:
    """A fix (3.55) that is one replacement (3.57)."""
    return {
        "description": {"text": help_ or f"replace it by `{fix.text}`"},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(fix.span.source, base),
                "replacements": [
                    {
                        "deletedRegion": _region(fix.span),
                        "insertedContent": {"text": fix.text},
                    }
                ],
            }
        ],
    }


def _fingerprints(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """What names a result from run to run though lines move (3.27.17): its code, file and
    message, and its number among those that are alike."""
    seen: dict[tuple[str, str, str], int] = {}
    marks: list[str] = []
    for diagnostic in diagnostics:
        key = (diagnostic.code, diagnostic.span.source.name, diagnostic.message)
        seen[key] = seen.get(key, 0) + 1
        text = "\0".join((*key, str(seen[key])))
        marks.append(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())
    return marks
