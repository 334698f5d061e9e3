"""Syntax errors: characters that begin no word."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_citations import range_of_places, written_place
from dsl.syntax_clauses import in_parameters
from dsl.syntax_declarations import ladder
from dsl.syntax_numbers import UNIT_AFTER, power, separated
from dsl.syntax_signs import habit, no_number, shown, sign_run
from dsl.unexpected import Unexpected, previous_word
from dsl.words import SIGNS

_NEAR = 40  # characters of one number
_GROUPED = re.compile(r"[0-9]{1,3}(?:[_'’`][0-9]{3})+(?![0-9])")  # noqa: RUF001
_MONEY = {"€": "eur", "$": "usd", "£": "gbp"}
_PRICE = re.compile(r"([€$£])[ \t]*([0-9]+(?:\.[0-9]+)?)|([0-9]+(?:\.[0-9]+)?)[ \t]*([€$£])")
_KEY = re.compile(r"\.([A-Z][A-Za-z0-9-]*)")
_POWER = re.compile(r"[0-9]+(?:\.[0-9]+)?[ \t]*(?:\^|\*\*)[ \t]*[0-9]+")
_PATH = r"[a-z][a-z0-9_-]{0,99}(?:\.[a-z][a-z0-9_-]{0,99})+"
_OPEN_SET = re.compile(r"\{[^{}]*\Z")
_DECLARED = re.compile(r'\s*(?:enumeration|levels)\s[^"#]*"[^"]*"\s*')
_GIVEN = re.compile(rf"\s*(?:assume\s+|every\s+)?{_PATH}(?:\[[^\]]*\])?[ \t]*")
_ANY_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_FIRST = re.compile(rf"({_PATH})[ \t]+=[ \t]+({_ANY_NUMBER})[ \t]*\Z")
_SECOND = re.compile(rf"[–—][ \t]*({_ANY_NUMBER})((?:[ \t]*%|[ \t]+[a-z-]+))")  # noqa: RUF001
_MAX_LINE = 250  # characters before a sign in which its clause is looked for
_CURLY = "“”„«»"


def character(source: SourceText, met: Unexpected) -> Diagnostic:
    """A character that begins no word."""
    text, at = source.text, met.start
    if text[at] == '"':
        return _unclosed(source, at)
    if text[at] in _CURLY:
        return _curly(source, at)
    for explanation in (*_WRITTEN, _number, _key, ladder, _parameter, _percent):
        found = explanation(source, at)
        if found is not None:
            return found
    run = sign_run(source, at)
    if run is not None:
        return run
    for length in (2, 1):
        sign = text[at : at + length]
        if len(sign) == length and sign in SIGNS:
            return habit(source.span(at, at + length), SIGNS[sign])
    number = re.compile(r"[-+.,]?[0-9][0-9.,]*").match(text, at)
    if number is not None and text[at] in "-+.":
        return no_number(source.span(at, number.end()))
    end = re.compile(r"[^\s\w]+|\w+").match(text, at)
    span = source.span(at, max(at + 1, end.end() if end else 0))
    return Diagnostic(
        Code.CHARACTER,
        f"{shown(span.text)} has no meaning here",
        (Label(span),),
        help="remove it, or put the text in quotes",
        fix=Fix(span, ""),
    )


def _unclosed(source: SourceText, at: int) -> Diagnostic:
    end = source.text.find("\n", at)
    end = len(source.text) if end < 0 else end
    end -= source.text[at:end].endswith("\r")
    return Diagnostic(
        Code.STRING_OPEN,
        "this text has no closing quote",
        (Label(source.span(at, end)),),
        ("a text in quotes ends on the line where it begins",),
        'put a `"` at its end; a long text may be several quoted texts in a row',
        Fix(source.span(end, end), '"'),
    )


def _curly(source: SourceText, at: int) -> Diagnostic:
    line_end = source.text.find("\n", at)
    line_end = len(source.text) if line_end < 0 else line_end
    closing = re.compile(f'[^{_CURLY}"]*[{_CURLY}"]').match(source.text, at + 1, line_end)
    end = closing.end() if closing else at + 1
    span = source.span(at, end)
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"`{source.text[at]}` is not the quotation mark of the language",
        (Label(span),),
        help='write `"` on both sides',
        fix=Fix(span, f'"{span.text[1:-1]}"' if closing else '"'),
    )


def _number(source: SourceText, at: int) -> Diagnostic | None:
    """`10_000`, `10^25` and `€500`: the number has begun before, or begins after."""
    line = source.text.rfind("\n", 0, at) + 1
    for pattern in (_GROUPED, _POWER, _PRICE):
        for match in pattern.finditer(source.text, max(line, at - _NEAR), at + _NEAR):
            if not match.start() <= at < match.end():
                continue
            span = source.span(*match.span())
            if pattern is _POWER:
                return power(span)
            if pattern is _GROUPED:
                return separated(span, grouped=bool(UNIT_AFTER.match(source.text, span.end)))
            sign, number = match[1] or match[4], match[2] or match[3]
            mended = f"{number} {_MONEY[sign]}"
            return Diagnostic(
                Code.FOREIGN_HABIT,
                f"`{sign}` is not a unit",
                (Label(source.span(at, at + 1)),),
                help=f"write `{mended}`",
                fix=Fix(span, mended),
            )
    return None


def _key(source: SourceText, at: int) -> Diagnostic | None:
    """`csf.seal.SOV-2`."""
    match = _KEY.match(source.text, at)
    before = previous_word(source, at)
    if match is None or before is None or before.end != at:
        return None
    span = source.span(*match.span())
    mended = f"[{match[1]}]"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(match[1])} stands after a dot, as a field would",
        (Label(span),),
        help=f"write `{quoted(before.text + mended)[1:-1]}` for one key of a map",
        fix=Fix(span, mended),
    )


def _parameter(source: SourceText, at: int) -> Diagnostic | None:
    """`oblige notify with authority: bnetza`."""
    sign = in_parameters(source, at) if source.text[at] == ":" else None
    if sign is None:
        return None
    space = "" if source.text[at - 1].isspace() else " "
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "`:` has no meaning here",
        (Label(sign),),
        help="write `=`",
        fix=Fix(sign, f"{space}="),
    )


def _percent(source: SourceText, at: int) -> Diagnostic | None:
    """`number of %`; after a number the sign is a unit."""
    if source.text[at] != "%":
        return None
    sign = source.span(at, at + 1)
    before = previous_word(source, at)
    if before is not None and before.text == "of":
        return habit(sign, "percent")
    return Diagnostic(
        Code.UNEXPECTED,
        "`%` stands only after a number",
        (Label(sign),),
        help="write a number before it, such as `24 %`",
    )


def _sign_of_a_list(source: SourceText, at: int) -> Diagnostic | None:
    """`{DE; FR}`, `enumeration kind "Kind": a, b`, and `data.labels: {health}`."""
    line = source.text[max(source.text.rfind("\n", 0, at) + 1, at - _MAX_LINE) : at]
    sign = source.text[at]
    if sign == ";" and _OPEN_SET.search(line):
        return _meant(source.span(at, at + 1), ",")
    if sign == ":" and _DECLARED.fullmatch(line):
        return _meant(source.span(at, at + 1), "of")
    if sign == ":" and _GIVEN.fullmatch(line):
        return _meant(source.span(at, at + 1), "=")
    return None


def _meant(sign: Span, word: str) -> Diagnostic:
    space = "" if word == "," or sign.source.text[sign.start - 1].isspace() else " "
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"`{sign.text}` has no meaning here",
        (Label(sign),),
        help=f"write `{word}`",
        fix=Fix(sign, space + word),
    )


def _from_to(source: SourceText, at: int) -> Diagnostic | None:
    """A range of numbers with a dash in it."""
    start = max(source.text.rfind("\n", 0, at) + 1, at - _MAX_LINE)
    first, second = _FIRST.search(source.text[start:at]), _SECOND.match(source.text, at)
    if first is None or second is None:
        return None
    path, unit = first[1], second[2]
    mended = f"{path} at least {first[2]}{unit} and {path} at most {second[1]}{unit}"
    span = source.span(start + first.start(), second.end())
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"{quoted(span.text)} has two ends",
        (Label(span),),
        help=f"write {quoted(mended)}",
        fix=Fix(span, f"({mended})"),
    )


_WRITTEN = (written_place, range_of_places, _sign_of_a_list, _from_to)
