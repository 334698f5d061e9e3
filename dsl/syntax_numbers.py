"""Syntax errors: numbers and their units as they are written elsewhere."""

import difflib
import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_signs import no_number
from dsl.unexpected import Unexpected, previous_word
from dsl.units import UNITS

_UNIT = "|".join(sorted((re.escape(word) for word in UNITS), key=len, reverse=True))
_NUMBER = r"[0-9]+(?: [0-9]{3})*(?:\.[0-9]+)?"
_POWER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+|[ \t]*(?:\^|\*\*)[ \t]*[0-9]+)\b")
_GLUED = re.compile(rf"({_NUMBER})({_UNIT})(?![\w-])")
_WITH_COMMA = re.compile(rf"([0-9]+),([0-9]+)(?:[ \t]*({_UNIT})(?![\w-]))?")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])")
_PER_CENT = re.compile(r"per[ \t]+cent(?:um)?\b|pct\b|pc\b")
_GROUPS = re.compile(r"[0-9]+(?: [0-9]+)+")
_OR_MORE = {"more": "at least", "higher": "at least", "above": "at least", "greater": "at least"}
_OR_LESS = {"less": "at most", "lower": "at most", "below": "at most", "fewer": "at most"}
_OR_DATE = {"later": "on or after", "earlier": "on or before"}
_ALTERNATIVES = {**_OR_MORE, **_OR_LESS, **_OR_DATE}
_BEFORE_OR = re.compile(rf"(=|is)\s+((?:{_NUMBER})(?:[ \t]*[\w%-]+)?|[A-Z0-9][\w-]*)\s+or\s+\Z")
_MAX_LINE = 200
_MAX_DIGITS = 9
_LARGE = {"thousand": 10**3, "million": 10**6, "millions": 10**6, "billion": 10**9, "mio": 10**6}
_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
_WORDS_OF_ONE = {"a": 1, "an": 1}
_DIGITS = {word: digits for digits, word in enumerate(_WORDS, start=1)} | _WORDS_OF_ONE
_IN_WORDS = re.compile(
    rf"({'|'.join([*_WORDS_OF_ONE, *_WORDS])})[ \t]+({_UNIT})(?![\w-])", re.IGNORECASE
)
_POINTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![\w.])")
UNIT_AFTER = re.compile(rf"[ \t]+(?:{_UNIT})(?![\w-])")


def _power(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`1.01e25`, which is read as a place in the law, and `1E25`."""
    start = met.start
    before = previous_word(source, start)
    if met.terminal == "UPPER" and before is not None and before.end == start:
        start = before.start
    match = _POWER.match(source.text, start)
    if match is None or not met.expected & {"QUANTITY", "AND", "COMMA"}:
        return None
    return power(source.span(*match.span()))


def power(span: Span) -> Diagnostic:
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is written as a power of ten",
        (Label(span),),
        help="write all its digits, or a larger unit, such as `10.1 yottaflop`",
    )


def _per_cent(source: SourceText, met: Unexpected) -> Diagnostic | None:
    match = _PER_CENT.match(source.text, met.start)
    if match is None or not _after_number(source, met):
        return None
    span = source.span(*match.span())
    return _unit_is(span, "percent", ())


def _in_words(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`within one month`, `copies = two items`."""
    match = _IN_WORDS.match(source.text, met.start) if "QUANTITY" in met.expected else None
    before = previous_word(source, met.start)
    if match is None and met.expected & {"COMMA", "AND"} and before is not None:
        match = _IN_WORDS.match(source.text, before.start)
        match = match if match and match.end() > met.start else None
    if match is None:
        return None
    mended = f"{_DIGITS[match[1].lower()]} {match[2].lower()}"
    span = source.span(*match.span())
    return Diagnostic(
        Code.UNEXPECTED,
        "a number is written in digits",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _unit_first(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`at least EUR 500`."""
    before = previous_word(source, met.start)
    if met.terminal not in ("INTEGER", "DECIMAL") or before is None:
        return None
    if before.text.lower() not in UNITS or "\n" in source.text[before.end : met.start]:
        return None
    span = source.span(before.start, met.end)
    mended = f"{met.span(source).text} {before.text.lower()}"
    return Diagnostic(
        Code.UNEXPECTED,
        "a unit stands after its number",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _million(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`1 million eur`."""
    before = previous_word(source, met.start)
    word = met.span(source)
    power = _LARGE.get(word.text.lower())
    if (
        power is None
        or before is None
        or not before.text.isdecimal()
        or len(before.text) > _MAX_DIGITS
    ):
        return None
    span = source.span(before.start, word.end)
    mended = f"{int(before.text) * power:,}".replace(",", " ")
    return Diagnostic(
        Code.UNEXPECTED,
        "a number is written in digits",
        (Label(span),),
        help=f"write `{mended}`, and the unit",
        fix=Fix(span, mended),
    )


def _unit(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """A word after a number, where a unit was meant."""
    if met.terminal not in ("NAME", "UPPER", "POINT") or not _after_number(source, met):
        return None
    if met.terminal == "NAME" and met.span(source).text in ("or", "and", "then"):
        return None
    span = met.span(source)
    if met.terminal == "POINT":
        return _unit_is(span, "points", ("`point` is a place in the law",))
    near = difflib.get_close_matches(span.text.lower(), sorted(UNITS), n=1, cutoff=0.7)
    if near:
        return _unit_is(span, near[0], ())
    names = ", ".join(dict.fromkeys(unit.name for unit in UNITS.values()))
    return Diagnostic(
        Code.UNIT_MISMATCH,
        f"{quoted(span.text)} is not a unit",
        (Label(span),),
        (f"the units are {names}",),
        "choose one of them",
    )


def _unit_is(span: Span, unit: str, notes: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        Code.UNIT_MISMATCH,
        f"{quoted(span.text)} is not a unit",
        (Label(span),),
        notes,
        f"write `{unit}`",
        Fix(span, unit),
    )


def _after_number(source: SourceText, met: Unexpected) -> bool:
    before = previous_word(source, met.start)
    number = before and re.fullmatch(r"[0-9]+(\.[0-9]+)?", before.text)
    # A place in the law is a number too, but no condition goes on after it.
    return bool(number) and bool(met.expected & {"AND", "COMMA", "QUANTITY", "RBRACE"})


def _glued(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`30days`, `2.5e`: something that begins like a number and is none."""
    span = met.span(source)
    if met.terminal != "LOCATOR" or "QUANTITY" not in met.expected:
        return None
    points = _POINTS.match(source.text, met.start)
    if points is not None:
        span = source.span(*points.span())
        return separated(span, grouped=bool(UNIT_AFTER.match(source.text, span.end)))
    joined = _GLUED.match(source.text, met.start)
    if joined is None:
        return no_number(span)
    mended = f"{joined[1]} {joined[2]}"
    span = source.span(*joined.span())
    return Diagnostic(
        Code.MISSPELT_WORD,
        f"a space is missing in {quoted(span.text)}",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _separator(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`1,000` and `24,5`: a comma inside a number."""
    before = previous_word(source, met.start)
    if met.terminal != "COMMA" or before is None or before.end != met.start:
        return None
    whole = _THOUSANDS.match(source.text, before.start)
    if whole is not None:
        span = source.span(*whole.span())
        return separated(span, grouped=bool(UNIT_AFTER.match(source.text, span.end)))
    decimal = _WITH_COMMA.match(source.text, before.start)
    if decimal is None:
        return None
    span = source.span(before.start, decimal.end(2))
    mended = f"{decimal[1]}.{decimal[2]}"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} has a comma before its decimals",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def separated(span: Span, *, grouped: bool) -> Diagnostic:
    """A number with signs between its groups; with a unit after it blanks may stand there."""
    mended = re.sub(r"[^0-9]", " " if grouped else "", span.text)
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} has a separator in it",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _groups(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`10 000` without a unit, `10 00 persons`: blanks that do not divide a number."""
    before = previous_word(source, met.start)
    if met.terminal not in ("INTEGER", "QUANTITY") or before is None:
        return None
    whole = _GROUPS.match(source.text, before.start)
    if not before.text.isdecimal() or whole is None or whole.end() <= met.start:
        return None
    span = source.span(*whole.span())
    if met.terminal == "INTEGER" and re.fullmatch(r"[0-9]{1,3}(?: [0-9]{3})+", span.text):
        return Diagnostic(
            Code.UNEXPECTED,
            f"{quoted(span.text)} has no unit",
            (Label(span),),
            help="write its unit after it, such as `10 000 persons`",
        )
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not one number",
        (Label(span),),
        help="write groups of three digits, such as `10 000 persons`, or no blanks at all",
    )


def _or_more(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`= 24 percent or more`, `= SEAL-2 or higher`."""
    word = met.span(source)
    if word.text not in _ALTERNATIVES or not {"DOTTED", "LPAR"} <= met.expected:
        return None
    start = max(0, met.start - _MAX_LINE)
    match = _BEFORE_OR.search(source.text[start : met.start])
    if match is None:
        return None
    relation = _ALTERNATIVES[word.text]
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", match[2]):
        relation = "on or after" if relation in ("at least", "on or after") else "on or before"
    span = source.span(start + match.start(), met.end)
    mended = f"{relation} {match[2]}"
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"`or {word.text}` has no meaning after a value",
        (Label(source.span(start + match.end(2) + 1, met.end)),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _weight(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`prefer` with something other than a whole number."""
    before = previous_word(source, met.start)
    if met.expected != frozenset({"INTEGER"}) or before is None:
        return None
    help_ = "write a whole number from 1 to 1000, such as `prefer 10`"
    span = met.span(source)
    if met.terminal not in ("QUANTITY", "DECIMAL", "LOCATOR", "NAME", "STRING"):
        message = f"`{before.text}` does not say how much"
        return Diagnostic(Code.UNEXPECTED, message, (Label(before),), help=help_)
    digits = re.match("[0-9]+", span.text) if met.terminal == "QUANTITY" else None
    whole = digits[0] if digits and re.fullmatch(r"[0-9]+[ \t]*\S+", span.text) else None
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not a whole number",
        (Label(span),),
        help=f"write `{whole}`" if whole else help_,
        fix=Fix(span, whole) if whole else None,
    )


NUMBERS = (
    _power,
    _per_cent,
    _weight,
    _in_words,
    _unit_first,
    _groups,
    _million,
    _unit,
    _glued,
    _separator,
    _or_more,
)
