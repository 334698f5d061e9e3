"""Syntax errors: two attributes compared with each other, `whether`, and conditions as
lawyers write them: where their `not`, `or`, `unless` and `if` belong here."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_signs import no_word
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
_VALUE = r"[A-Za-z][A-Za-z0-9_-]{0,99}(?![\w.-])"
_NOT = re.compile(r"(?:(?:shall|must|may|should|does|do|are|can)\s+)?not\s+(?:be\s+)?")
_REST = re.compile(r"[^\n()#]{1,60}?(?=\s+(?:and|or)\b|\s*[()#\n]|\s*\Z)")
_IS_NOT = re.compile(rf"({_PATH})\s+is\s+not\s+\Z")
_ALTERNATIVE = re.compile(rf"({_PATH})\s+(=|is|has)\s+({_VALUE}(?:\s+or\s+{_VALUE})*)\s+or\s+\Z")
_MORE = re.compile(rf"{_VALUE}(?:\s+or\s+{_VALUE}(?!\s*\.))*")
_DENIALS = frozenset("unless without never neither nor no nicht kein keine sauf sans".split())
_THAN = re.compile(r"\b(less|more)\s+than\s+\Z")
_OR_EQUAL = re.compile(r"or\s+equal(?:\s+to)?\b")
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


def _before(source: SourceText, at: int) -> str:
    return source.text[max(0, at - _NEAR) : at]


def _not_after(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`path not within EEA`, `path shall not touch ...`: here the `not` comes first."""
    path = previous_word(source, met.start)
    match = _NOT.match(source.text, met.start)
    if match is None or "EQUAL" not in met.expected or "AND" not in met.expected or path is None:
        return None
    return _denied(source, path, source.span(met.start, match.start() + len(match[0].rstrip())))


def _is_not_in(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`path is not in EEA`."""
    match = _IS_NOT.search(_before(source, met.start))
    if met.terminal not in ("IN", "WITHIN", "HAS", "TOUCHES") or match is None:
        return None
    start = met.start - len(match[0])
    path = source.span(start, start + len(match[1]))
    words = match[0][len(match[1]) :]
    first = path.end + len(words) - len(words.lstrip())
    return _denied(source, path, source.span(first, first + len(words.strip())))


def _denied(source: SourceText, path: Span, denial: Span) -> Diagnostic:
    rest = _REST.match(source.text, denial.end)
    mended = f"not {path.text}{rest[0] if rest else ''}"
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"{quoted(denial.text)} stands after the attribute",
        (Label(denial), Label(path, "the attribute")),
        help=f"write `not` before it: {quoted(' '.join(mended.split()))}",
        fix=Fix(source.span(path.start, denial.end), f"not {path.text}"),
    )


def _unless(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`when unless a.b`: what denies a condition must not be taken for a mere filler."""
    span = met.span(source)
    if span.text.lower() not in _DENIALS or not {"DOTTED", "LPAR"} <= met.expected:
        return None
    if met.between_declarations:
        return None
    return Diagnostic(
        Code.FOREIGN_HABIT,
        no_word(span.text),
        (Label(span),),
        help="write `not`, and brackets around all that it denies, such as "
        "`not (transfer.assessed and data.labels has health)`",
    )


def _or_value(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`path = switching or egress`: the second is a value, too."""
    match = _ALTERNATIVE.search(_before(source, met.start))
    if match is None or met.terminal not in ("NAME", "UPPER"):
        return None
    more = _MORE.match(source.text, met.start)
    if more is None:
        return None
    values = ", ".join(re.split(r"\s+or\s+", f"{match[3]} or {more[0]}"))
    relation = "touches" if match[2] == "has" else "in"
    mended = f"{match[1]} {relation} {{{values}}}"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(met.span(source).text)} is no condition",
        (Label(met.span(source)),),
        help=f"write {quoted(mended)}",
        fix=Fix(source.span(met.start - len(match[0]), more.end()), mended),
    )


def _outside(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`path outside EEA`."""
    path = previous_word(source, met.start)
    span = met.span(source)
    if span.text != "outside" or "EQUAL" not in met.expected or path is None:
        return None
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "`outside` is not a word of the language",
        (Label(span),),
        ("whether all of it lies outside, or some, would be left open",),
        f"write `not {quoted(path.text)[1:-1]} touches` for all, "
        f"`not {quoted(path.text)[1:-1]} within` for some",
    )


def _if(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`require if a.b then c.d`."""
    span = met.span(source)
    before = previous_word(source, met.start)
    if span.text != "if" or before is None or before.text != "require":
        return None
    return Diagnostic(
        Code.FOREIGN_HABIT,
        no_word(span.text),
        (Label(span),),
        help="write after `when` what has to be so first, and after `require` the rest",
    )


def _or_equal(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`less than or equal to 20 %`."""
    before = _THAN.search(_before(source, met.start))
    after = _OR_EQUAL.match(source.text, met.start)
    if met.terminal != "OR" or before is None or after is None:
        return None
    span = source.span(met.start - len(before[0]), after.end())
    mended = "at most" if before[1] == "less" else "at least"
    return Diagnostic(
        Code.FOREIGN_HABIT,
        no_word(span.text),
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


LEGAL = (_or_equal, _unless, _if, _is_not_in, _or_value, _outside, _not_after)
