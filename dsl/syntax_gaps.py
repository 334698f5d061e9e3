"""Syntax errors: something is missing, or stands in the wrong place."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected, choices, close, last_end, whole_word
from dsl.words import KEYWORDS, OWNERS, PHRASES

_VALUES = ("NAME", "UPPER", "STRING", "ENTITY_NAME", "YES", "NO", "INTEGER", "QUANTITY")
_TERMINAL_PHRASES = {terminal: phrase for phrase, terminal in PHRASES.items()}


def _begins_wrongly(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.expected != frozenset({"CHARTER"}):
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        "the file does not begin with `charter`",
        (Label(span),),
        help="begin with `charter` and a name, such as `charter eu.gdpr`",
    )


def _date(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.expected != frozenset({"DATE"}):
        return None
    span = whole_word(source, met.start)
    parts = re.fullmatch(r"([0-9]{4})[-./]([0-9]{1,2})[-./]([0-9]{1,2})", span.text)
    mended = parts and f"{parts[1]}-{parts[2]:>02}-{parts[3]:>02}"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not a date",
        (Label(span),),
        help=f"write `{mended}`" if mended else "write year-month-day, such as `2018-05-25`",
        fix=Fix(span, mended) if mended else None,
    )


def _locator(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`cites GDPR 44`: nothing says that 44 is an article."""
    if met.terminal not in ("INTEGER", "LOCATOR") or not {"ART", "ANNEX"} <= met.expected:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"nothing says what {quoted(span.text)} is in the law",
        (Label(span),),
        help="write `art`, `annex`, `recital` or another such word before it",
        fix=Fix(source.span(span.start, span.start), "art "),
    )


def _only_word(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """One word, and no other, could stand here."""
    words = {word.upper(): word for word in KEYWORDS} | {"EQUAL": "="}
    only = words.get(next(iter(met.expected))) if len(met.expected) == 1 else None
    if only is None:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{only}` is missing before {quoted(span.text)}",
        (Label(span),),
        help=f"write `{only}` before it",
        fix=Fix(source.span(span.start, span.start), f"{only} "),
    )


def _comma(source: SourceText, met: Unexpected) -> Diagnostic | None:
    # On a new line a word rather begins something new.
    end = last_end(source, met.start)
    same_line = "\n" not in source.text[end : met.start]
    if "COMMA" not in met.expected or met.terminal not in _VALUES or not same_line:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"a comma is missing before {quoted(met.span(source).text)}",
        (Label(met.span(source)),),
        help="put a `,` between the parts of a list",
        fix=Fix(source.span(end, end), ","),
    )


def _bracket(source: SourceText, met: Unexpected) -> Diagnostic | None:
    closing = close(met.expected)
    if closing is None:
        return None
    opening = _opening(source, met.start, "(" if closing == ")" else "{")
    if opening is None:
        return None
    end = last_end(source, met.start)
    return Diagnostic(
        Code.UNEXPECTED,
        "this bracket is not closed",
        (Label(opening), Label(met.span(source), f"`{closing}` is missing before this")),
        help=f"write `{closing}`",
        fix=Fix(source.span(end, end), closing),
    )


def _opening(source: SourceText, before: int, bracket: str) -> Span | None:
    """The last bracket before an offset that is still open."""
    pairs = {"(": ")", "{": "}"}
    stack: list[int] = []
    for match in re.finditer(r'"[^"\n]*"|#[^\n]*|[(){}]', source.text[:before]):
        if match[0] == bracket:
            stack.append(match.start())
        elif match[0] == pairs[bracket] and stack:
            stack.pop()
    return source.span(stack[-1], stack[-1] + 1) if stack else None


def _extra_bracket(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal not in ("RPAR", "RBRACE") or not met.between_declarations:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{span.text}` closes nothing",
        (Label(span),),
        help="remove it, or open the bracket before",
        fix=Fix(span, ""),
    )


def _misplaced(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """A clause that belongs somewhere else."""
    span = met.span(source)
    word = _TERMINAL_PHRASES.get(met.terminal or "", span.text)
    if not met.between_declarations or word not in OWNERS:
        return None
    return Diagnostic(
        Code.MISPLACED_CLAUSE,
        f"`{word}` belongs to {OWNERS[word]}",
        (Label(span),),
        help="move it there",
    )


def _clause_word(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """A condition, a citation, a date or a text with no word before it."""
    wanted = {
        "DOTTED": ("WHEN", "REQUIRE"),
        "UPPER": ("CITES",),
        "DATE": ("FROM", "UNTIL"),
        "STRING": ("BECAUSE", "REMEDY"),
        "ENTITY_NAME": (),
        "LPAR": ("WHEN", "REQUIRE"),
        "NOT": ("WHEN", "REQUIRE"),
        "CELEX_NUMBER": ("CELEX",),
        "TZ": ("TIME_ZONE",),
    }.get(met.terminal or "", ())
    if not wanted or not set(wanted) <= met.expected:
        return None
    span = met.span(source)
    only = _TERMINAL_PHRASES.get(wanted[0], wanted[0].lower())
    return Diagnostic(
        Code.UNEXPECTED,
        f"before {quoted(span.text)} a word is missing that says what it is for",
        (Label(span),),
        help=f"write {choices(frozenset(wanted))} before it",
        fix=Fix(source.span(span.start, span.start), f"{only} ") if len(wanted) == 1 else None,
    )


def _unquoted(source: SourceText, met: Unexpected) -> Diagnostic | None:
    wants_text = "STRING" in met.expected and not met.wants_value
    if not wants_text or met.between_declarations:
        return None
    span = met.span(source)
    is_word = met.terminal in ("NAME", "UPPER", "DOTTED") or span.text not in KEYWORDS
    if is_word and met.terminal not in _TERMINAL_PHRASES:
        message, help_ = f"{quoted(span.text)} is not in quotes", 'put the text between two `"`'
    else:
        message = f"a text in quotes is missing before {quoted(span.text)}"
        help_ = 'write a few words between two `"`'
    return Diagnostic(Code.UNEXPECTED, message, (Label(span),), help=help_)


def _operand(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """After a relation: one value where a set goes, or a set where one value goes."""
    span = met.span(source)
    if met.terminal == "LBRACE" and met.wants_value and "LBRACE" not in met.expected:
        return Diagnostic(
            Code.UNEXPECTED,
            "one value goes here, not a set in braces",
            (Label(span),),
            help="write `in`, `within` or `touches` before a set",
        )
    if met.expected == frozenset({"UPPER", "LBRACE"}) and met.terminal in _VALUES:
        return Diagnostic(
            Code.UNEXPECTED,
            f"{quoted(span.text)} is neither a zone nor a set",
            (Label(span),),
            help=f"write a zone in capitals, or a set such as `{{{span.text}}}`"
            if len(span.text) < 40
            else "write a zone in capitals, or a set in braces",
        )
    return None


def _record_before_dot(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal != "NAME" or met.expected & {"NAME", "UPPER", "STRING"}:
        return None
    if "DOTTED" not in met.expected:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} alone is not an attribute",
        (Label(span),),
        help=f"write its record and a dot before it, such as `data.{span.text[:40]}`",
    )


GAPS = (
    _begins_wrongly,
    _date,
    _locator,
    _only_word,
    _comma,
    _bracket,
    _extra_bracket,
    _misplaced,
    _clause_word,
    _operand,
    _record_before_dot,
    _unquoted,
)
