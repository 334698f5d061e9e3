"""Syntax errors: lists, sets and brackets."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected, close, last_end, previous_word

_VALUES = ("NAME", "UPPER", "STRING", "ENTITY_NAME", "YES", "NO", "INTEGER", "QUANTITY")


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


def _extra_comma(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal != "COMMA":
        return None
    span = met.span(source)
    zones = "PLUS_SIGN" in met.expected
    conditions = "AND" in met.expected
    help_ = "write the whole condition again after `and` or `or`, or the values as a set"
    help_ = help_ if conditions else "write the clause once for each"
    return Diagnostic(
        Code.UNEXPECTED,
        "zones are not put together with a comma" if zones else "a comma stands only in lists",
        (Label(span),),
        help="write `+`" if zones else help_,
        fix=Fix(span, " +") if zones else None,
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


def _wrong_brackets(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`(health)`: a set has braces."""
    whole = re.compile(r"\(([^()\n]*)\)").match(source.text, met.start)
    wants_set = "LBRACE" in met.expected
    if met.terminal != "LPAR" or not wants_set or whole is None:
        return None
    span = source.span(*whole.span())
    return Diagnostic(
        Code.UNEXPECTED,
        "a set has braces",
        (Label(span),),
        help=f"write `{{{whole[1][:60]}}}`",
        fix=Fix(span, f"{{{whole[1]}}}"),
    )


def _operand(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """After a relation: one value where a set goes, or a set where one value goes."""
    span = met.span(source)
    if met.terminal == "LBRACE" and met.wants_value and "LBRACE" not in met.expected:
        before = previous_word(source, met.start)
        if before is not None and before.text == "has":
            return Diagnostic(
                Code.UNEXPECTED,
                "`has` asks for one value, not for a set",
                (Label(before), Label(span, "a set")),
                help="write `touches`",
                fix=Fix(before, "touches"),
            )
        return Diagnostic(
            Code.UNEXPECTED,
            "one value goes here, not a set in braces",
            (Label(span),),
            help="write `in`, `within` or `touches` before a set",
        )
    if met.expected == frozenset({"UPPER", "LBRACE"}) and met.terminal in _VALUES:
        zone = re.fullmatch(r'"([A-Z][A-Z0-9-]*)"', span.text)
        if zone is not None:
            return Diagnostic(
                Code.UNEXPECTED,
                f"the name {quoted(zone[1])} is in quotes",
                (Label(span),),
                help=f"write `{zone[1]}`",
                fix=Fix(span, zone[1]),
            )
        return Diagnostic(
            Code.UNEXPECTED,
            f"{quoted(span.text)} is neither a zone nor a set",
            (Label(span),),
            help=f"write a zone in capitals, or a set such as `{{{span.text}}}`"
            if len(span.text) < 40
            else "write a zone in capitals, or a set in braces",
        )
    return None


LISTS = (_comma, _extra_comma, _bracket, _extra_bracket, _wrong_brackets, _operand)
