"""Syntax errors: two attributes compared with each other, and `whether`."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText
from dsl.unexpected import Unexpected, last_end, previous_word

_PATH = r"[a-z][a-z0-9_-]{0,99}(?:\.[a-z][a-z0-9_-]{0,99})+"
_WORDS = (
    r"=|is\s+not|in|has|within|touches|at\s+least|at\s+most|more\s+than|less\s+than|before|after|"
    r"on\s+or\s+before|on\s+or\s+after"
)
# On one line: below, the next clause or the next thing given may begin.
_COMPARED = re.compile(rf"({_PATH})[ \t]+({_WORDS})[ \t]+\Z")
_WHETHER = re.compile(rf"\bwhether\s+{_PATH}\s+(?:{_WORDS})\s+\Z")
_RELATION = re.compile(rf"(?:{_WORDS})(?![\w-])")
_NEAR = 250  # characters before a word in which its comparison is looked for


def _two_attributes(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`contract.ends before contract.notified_on` in a condition, or in an example."""
    if met.terminal != "DOTTED" or "DOTTED" in met.expected:
        return None
    found = _COMPARED.search(source.text[max(0, met.start - _NEAR) : met.start])
    if found is None:
        return None
    other = met.span(source)
    if "UNKNOWN" in met.expected:
        return Diagnostic(
            Code.UNEXPECTED,
            "an example gives an attribute a value, not another attribute",
            (Label(other),),
            help="write the value itself",
        )
    claim = f"whether {found[1]} {' '.join(found[2].split())} {other.text}"
    return Diagnostic(
        Code.UNEXPECTED,
        "a condition does not compare two attributes",
        (Label(other),),
        help=f"derive a fact as {quoted(claim)}, and test that",
    )


def _whether(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`whether contract.ends before 2027-01-12`, and `whether` in a condition."""
    span = met.span(source)
    if met.terminal == "WHETHER" and {"DOTTED", "LPAR"} <= met.expected:
        return Diagnostic(
            Code.UNEXPECTED,
            "`whether` stands only in `derive`",
            (Label(span),),
            help="derive a fact with it, and test that",
        )
    if met.expected != frozenset({"DOTTED"}):
        return None
    if not _WHETHER.search(source.text[max(0, met.start - _NEAR) : met.start]):
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"`whether` compares two attributes, and {quoted(span.text)} is none",
        (Label(span),),
        help="leave the derived fact out, and compare with it in the rule",
    )


def _without_whether(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`derive a.b as c.d before e.f`."""
    path = previous_word(source, met.start)
    wanted = {"PLUS", "MINUS"} <= met.expected and _RELATION.match(source.text, met.start)
    if not wanted or path is None or path.end != last_end(source, met.start):
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"`whether` is missing before {quoted(path.text)}",
        (Label(path),),
        help="write `whether` before it",
        fix=Fix(source.span(path.start, path.start), "whether "),
    )


COMPARED = (_two_attributes, _whether, _without_whether)
