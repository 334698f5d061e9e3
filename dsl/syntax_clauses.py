"""Syntax errors: the clauses of a rule and of an example."""

import difflib
import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_signs import habit, no_word
from dsl.unexpected import Unexpected, previous_word

_LEVELS = ("enforce", "warn", "shadow")
_LEVEL = re.compile(
    r"level\b[ \t]*(?P<sign>[:=])?[ \t]*(?:(?P<quote>\")?(?P<level>[a-z]+)(?(quote)\"))?",
    re.IGNORECASE,
)
_NAME = r"[a-z][a-z0-9_-]{0,99}"
_AGGREGATE = re.compile(
    r"(?:the\s+)?(?:sum|total|count|number|size|length|max|maximum|largest|min|minimum|smallest|"
    r"avg|average|mean)(?:\s+of\s+|\s*\(\s*|\s+)"
    rf"({_NAME}(?:\.{_NAME})+)"
)
_AVERAGE = re.compile(r"(?:the\s+)?(?:avg|average|mean|median)\b")
_OBLIGES = re.compile(rf"\b(?:oblige|advise)\s+{_NAME}\s+(?:with\b[^#]*)?\Z")
_DUE = re.compile(r"(?<=\s)within\s+[0-9][\w \t]*\Z")
_EQUALS = re.compile(r"(?:=|is\s+not)\s+\Z")
_OUTCOME = re.compile(r"\bis\s+permitted\b[^\n]*\Z")
_CLAUSE_AFTER_THEN = re.compile(r"\s*(require|forbid|permit|prefer|oblige|advise)\b")
_THEN = re.compile(r'if\b([^"#]{0,500}?)\bthen\b')
_NEAR = 300  # characters before a word in which its clause is looked for


def _before(source: SourceText, met: Unexpected) -> str:
    """What stands before, without other rules' words where a line does not go on."""
    return source.text[max(0, met.start - _NEAR) : met.start]


def _level(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`level: warn`, `level Warn`, `level shadw`, and `shadow` alone."""
    word = met.span(source)
    if "LEVEL" not in met.expected:
        return None
    if word.text.lower() in _LEVELS:
        return Diagnostic(
            Code.UNEXPECTED,
            f"`level` is missing before {quoted(word.text)}",
            (Label(word),),
            help=f"write `level {word.text.lower()}`",
            fix=Fix(word, f"level {word.text.lower()}"),
        )
    match = _LEVEL.match(source.text, met.start)
    if match is None:
        return None
    name = match["level"].lower() if match["level"] else ""
    if name in _LEVELS:
        return _spelt_otherwise(source, match, name)
    if word.text != "level":
        return None
    near = difflib.get_close_matches(name, _LEVELS, n=1, cutoff=0.6)
    place = source.span(*match.span("level")) if name else word
    return Diagnostic(
        Code.MISSPELT_WORD,
        f"{quoted(place.text)} is not a level of a rule",
        (Label(place),),
        help=f"write `level {near[0]}`"
        if near
        else "write `level enforce`, `level warn` or `level shadow`",
        fix=Fix(place, near[0]) if near else None,
    )


def _spelt_otherwise(source: SourceText, match: re.Match[str], name: str) -> Diagnostic:
    """A level with a sign before it, with capitals or in quotes."""
    whole = source.span(*match.span())
    if match["sign"]:
        return Diagnostic(
            Code.FOREIGN_HABIT,
            f"`{match['sign']}` has no meaning here",
            (Label(source.span(*match.span("sign"))),),
            help=f"write `level {name}`",
            fix=Fix(whole, f"level {name}"),
        )
    return Diagnostic(
        Code.MISSPELT_WORD,
        f"{quoted(whole.text)} is written in small letters and without quotes",
        (Label(whole),),
        help=f"write `level {name}`",
        fix=Fix(whole, f"level {name}"),
    )


def _parameters(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`oblige notify(authority = a)`, and `with` after the deadline."""
    if met.terminal == "LPAR" and {"WITH", "WITHIN"} <= met.expected:
        whole = re.compile(r"\(([^()\n]*)\)").match(source.text, met.start)
        if whole is None:
            return None
        space = "" if source.text[met.start - 1 : met.start].isspace() else " "
        mended = f"with {whole[1].strip()}"
        return Diagnostic(
            Code.UNEXPECTED,
            "parameters stand in no brackets",
            (Label(source.span(*whole.span())),),
            help=f"write {quoted(mended)}",
            fix=Fix(source.span(*whole.span()), space + mended),
        )
    due = _DUE.search(_before(source, met)) if met.terminal == "WITH" else None
    if due is None or "OBLIGE" not in met.expected:
        return None
    start = met.start - len(due[0])
    return Diagnostic(
        Code.UNEXPECTED,
        "the parameters of a duty come before its deadline",
        (
            Label(met.span(source)),
            Label(source.span(start, start + len(due[0].rstrip())), "the deadline"),
        ),
        help="write `with` and the parameters first, then `within`",
    )


def _deadline(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`oblige x until 2027-01-01`."""
    wanted = {"WITHIN", "OBLIGE"} <= met.expected and met.terminal in ("UNTIL", "ON_OR_BEFORE")
    if not wanted or not _OBLIGES.search(_before(source, met)):
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        "the deadline of a duty counts from the decision",
        (Label(met.span(source)),),
        help="write `within` and a time, such as `within 30 days`",
    )


def _aggregate(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`sum(x)` and `the sum of x` in a condition."""
    if not {"DOTTED", "LPAR"} <= met.expected:
        return None
    match = _AGGREGATE.match(source.text, met.start)
    if match is None:
        return None
    record = match[1].partition(".")[0]
    return Diagnostic(
        Code.UNEXPECTED,
        "a condition does not count or add up",
        (Label(source.span(*match.span())),),
        help=f"derive a fact and test that, such as `derive {quoted(record)[1:-1]}.total as the "
        f"sum of {quoted(match[1])[1:-1]}`",
    )


def _known(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`= unknown` in a condition: what is not known has no value to compare."""
    before = _EQUALS.search(_before(source, met)) if met.terminal == "UNKNOWN" else None
    if before is None:
        return None
    span = source.span(met.start - len(before[0]), met.end)
    return habit(span, "is not known" if before[0].startswith("=") else "is known")


def _average(source: SourceText, met: Unexpected) -> Diagnostic | None:
    match = _AVERAGE.match(source.text, met.start)
    if match is None or "THE_SUM_OF" not in met.expected:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(match[0])} cannot be derived",
        (Label(source.span(*match.span())),),
        ("it would have to be rounded, and numbers here are exact",),
        "derive `the sum of`, `the largest`, `the smallest` or `the number of` instead",
    )


def _then(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`when ... then require ...` and `if ... then ...`."""
    word = met.span(source)
    if word.text == "if" and "WHEN" in met.expected:
        match = _THEN.match(source.text, met.start)
        if match is None:
            return habit(word, "when")
        instead = "" if _CLAUSE_AFTER_THEN.match(source.text, match.end()) else "require"
        then = source.span(match.end() - 4, match.end())
        return Diagnostic(
            Code.FOREIGN_HABIT,
            no_word(word.text),
            (Label(word), Label(then, "nor is this")),
            help="write `when`, and `require` in the place of `then`"
            if instead
            else "write `when`, and nothing in the place of `then`",
            fix=Fix(source.span(match.start(), match.end()), f"when{match[1]}{instead}".rstrip()),
        )
    if word.text == "then" and "AND" in met.expected:
        clause = _CLAUSE_AFTER_THEN.match(source.text, met.end)
        return habit(word, "" if clause else "require")
    return None


def _outcome(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`is permitted with a by b`: the parts of an outcome have an order."""
    if met.terminal not in ("BY", "WITH") or "EXAMPLE" not in met.expected:
        return None
    if not _OUTCOME.search(_before(source, met)):
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{span.text}` comes too late",
        (Label(span),),
        help="write first `by` and the grounds, then `with` and the duties, then `advised`",
    )


def _every_given(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`all csf.seal = SEAL-1` in an example: `all` was taken for an attribute."""
    word = previous_word(source, met.start)
    if met.expected != frozenset({"EQUAL"}) or met.terminal != "DOTTED" or word is None:
        return None
    return habit(word, "every") if word.text in ("all", "each", "any") else None


def in_parameters(source: SourceText, at: int) -> Span | None:
    """The sign at an offset, where it divides a parameter of a duty from its value."""
    text = source.text[max(0, at - _NEAR) : at]
    line = text[text.rfind("\n") + 1 :]
    return source.span(at, at + 1) if re.search(rf"\bwith\s[^\n]*{_NAME}\s*\Z", line) else None


CLAUSES = (
    _level,
    _then,
    _parameters,
    _deadline,
    _aggregate,
    _known,
    _average,
    _outcome,
    _every_given,
)
