"""Syntax errors: lists, sets and brackets."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected, close, last_end, previous_word

_OPENED_BY = {")": "(", "}": "{", "]": "["}
_MAX_LIST = 400  # characters of a list of zones and countries
_CODE = re.compile(r"[A-Z]{2}")
_LISTED = re.compile(r"\b[A-Z][A-Za-z0-9-]*")
_NEXT = r"(?:\s*,\s*(?:or\s+|and\s+)?|\s+or\s+|\s+and\s+)"
_LIST = re.compile(rf"[A-Z][A-Za-z0-9-]*(?:{_NEXT}[A-Z][A-Za-z0-9-]*)+")
_LIST_BEFORE = re.compile(
    rf"\b(?:within|in|touches)\s+([A-Z][A-Za-z0-9-]*(?:{_NEXT}[A-Z][A-Za-z0-9-]*)*)(?:{_NEXT}|\s*)\Z"
)
_ARTICLE = re.compile(r"(?:the|zone|der|die|das)[ \t]+([A-Z][A-Za-z0-9-]*|\{)")
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


def _word_in_list(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`on place and flow`."""
    if met.terminal not in ("AND", "OR") or "COMMA" not in met.expected:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{span.text}` does not stand in a list",
        (Label(span),),
        help="write `,`",
        fix=Fix(source.span(last_end(source, span.start), span.end), ","),
    )


def _union(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`within DE, FR`, `within EEA or GB`: zones and values one after the other."""
    if met.terminal not in ("COMMA", "UPPER"):
        return None
    start = max(0, met.start - _MAX_LIST)
    before = _LIST_BEFORE.search(source.text[start : met.start])
    if before is None:
        return None
    whole = _LIST.match(source.text, start + before.start(1), met.start + _MAX_LIST)
    if whole is None or whole.end() <= met.start:
        return None
    span = source.span(*whole.span())
    names = _LISTED.findall(span.text)
    # Of two letters are countries, and the European Union.
    zones = [name for name in names if not _CODE.fullmatch(name) or name == "EU"]
    codes = [name for name in names if name not in zones]
    mended = " + ".join([*zones, f"{{{', '.join(codes)}}}"] if codes else zones)
    if met.terminal == "COMMA":
        message = "a set has braces" if codes else "zones are not put together with a comma"
    else:
        message = f"{quoted(met.span(source).text)} is no condition"
    # Of `within A and B` nobody can say whether both are meant or each.
    sure = not re.search(r"\band\b", span.text)
    return Diagnostic(
        Code.UNEXPECTED,
        message,
        (Label(met.span(source) if met.terminal == "UPPER" else span),),
        help=f"write {quoted(mended)}" + ("" if sure else ", if either will do"),
        fix=Fix(span, mended) if sure else None,
    )


def _extra_comma(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal != "COMMA":
        return None
    span = met.span(source)
    if re.compile(r",\s*(where|else)\b").match(source.text, met.start):
        return Diagnostic(
            Code.UNEXPECTED,
            "no comma stands before `where` and `else`",
            (Label(span),),
            help="remove it",
            fix=Fix(span, ""),
        )
    if met.expected == frozenset({"RSQB"}):
        return Diagnostic(
            Code.UNEXPECTED,
            "one key stands in square brackets",
            (Label(span),),
            help="write the condition again for the other key, after `and` or `or`",
        )
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
    opening = _opening(source, met.start, _OPENED_BY[closing])
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
    closing = {opening: closing for closing, opening in _OPENED_BY.items()}[bracket]
    stack: list[int] = []
    for match in re.finditer(r'"[^"\n]*"|#[^\n]*|[(){}\[\]]', source.text[:before]):
        if match[0] == bracket:
            stack.append(match.start())
        elif match[0] == closing and stack:
            stack.pop()
    return source.span(stack[-1], stack[-1] + 1) if stack else None


def _extra_bracket(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal not in ("RPAR", "RBRACE", "RSQB") or not met.between_declarations:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{span.text}` closes nothing",
        (Label(span),),
        help="remove it, or open the bracket before",
        fix=Fix(span, ""),
    )


def _key_brackets(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`csf.seal(SOV-2)`."""
    whole = re.compile(r"[({]\s*([\w./-]+)\s*[)}]").match(source.text, met.start)
    path = previous_word(source, met.start)
    if met.terminal not in ("LPAR", "LBRACE") or whole is None or path is None:
        return None
    if "LSQB" not in met.expected or path.end != met.start:
        return None
    span = source.span(*whole.span())
    return Diagnostic(
        Code.UNEXPECTED,
        "the key of a map has square brackets",
        (Label(span),),
        help=f"write `{quoted(f'{path.text}[{whole[1]}]')[1:-1]}`",
        fix=Fix(span, f"[{whole[1]}]"),
    )


def _square(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`[health]`: a set has braces."""
    if met.terminal not in ("LSQB", "RSQB"):
        return None
    whole = re.compile(r"\[([^\[\]\n]*)\]").match(source.text, met.start)
    span = source.span(met.start, whole.end() if whole else met.end)
    if whole is not None and "LPAR" in met.expected and "LBRACE" not in met.expected:
        return Diagnostic(
            Code.FOREIGN_HABIT,
            "a condition has round brackets",
            (Label(span),),
            help="write `(` and `)`",
            fix=Fix(span, f"({whole[1]})"),
        )
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "a set has braces, not square brackets",
        (Label(span),),
        help="write `{` and `}`",
        fix=Fix(span, f"{{{whole[1]}}}") if whole else None,
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
    wants_region = {"UPPER", "LBRACE"} <= met.expected <= {"UPPER", "LBRACE", "QUANTITY"}
    if wants_region and met.terminal in _VALUES:
        zone = re.fullmatch(r'"([A-Z][A-Z0-9-]*)"', span.text)
        if zone is not None:
            return Diagnostic(
                Code.UNEXPECTED,
                f"the name {quoted(zone[1])} is in quotes",
                (Label(span),),
                help=f"write `{zone[1]}`",
                fix=Fix(span, zone[1]),
            )
        article = _ARTICLE.match(source.text, met.start)
        if article is not None:
            return Diagnostic(
                Code.FOREIGN_HABIT,
                f"{quoted(span.text)} has no meaning here",
                (Label(span),),
                help=f"write {quoted(article[1])} alone",
                fix=Fix(source.span(met.start, article.start(1)), ""),
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


LISTS = (
    _key_brackets,
    _comma,
    _word_in_list,
    _union,
    _extra_comma,
    _square,
    _bracket,
    _extra_bracket,
    _wrong_brackets,
    _operand,
)
