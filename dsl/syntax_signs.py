"""Syntax errors: signs from other languages, and how they are written here."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.words import KEYWORDS, PHRASES, SIGNS

_SIGN_RUN = re.compile(r"[=<>!&|:]+")
_SIGNS_OF_DATES = {
    ">=": "on or after",
    "=>": "on or after",
    ">": "after",
    "<=": "on or before",
    "=<": "on or before",
    "<": "before",
}
_BEFORE_PATH = re.compile(r"[ \t]*[a-z][a-z0-9_-]*\.[a-z]")
_BEFORE_DATE = re.compile(r"\s*(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|today\b|now\b)")


def sign_run(source: SourceText, at: int) -> Diagnostic | None:
    """The whole sign, such as `=>`, of which the parser met a part."""
    line_start = source.text.rfind("\n", 0, at) + 1
    for match in _SIGN_RUN.finditer(source.text, line_start, min(len(source.text), at + 3)):
        if match.start() <= at < match.end() and match[0] in SIGNS:
            if match[0] in _SIGNS_OF_DATES and _BEFORE_PATH.match(source.text, match.end()):
                return _of_either(source.span(*match.span()))
            of_dates = _BEFORE_DATE.match(source.text, match.end())
            signs = {**SIGNS, **_SIGNS_OF_DATES} if of_dates else SIGNS
            return habit(source.span(*match.span()), signs[match[0]])
    return None


def shown(text: str) -> str:
    return quoted(text) if text.isprintable() and text != " " else f"U+{ord(text[0]):04X}"


def _of_either(span: Span) -> Diagnostic:
    """A sign between two attributes, which may be numbers or dates."""
    numbers, dates = SIGNS[span.text], _SIGNS_OF_DATES[span.text]
    return Diagnostic(
        Code.FOREIGN_HABIT,
        no_word(span.text),
        (Label(span),),
        help=f"write `{numbers}` between numbers or levels, `{dates}` between dates",
    )


def no_word(text: str) -> str:
    words = " ".join(text.split())
    if re.search(r"[(,]|\w\.\w", words):
        return f"{shown(text)} has no meaning here"
    if words in KEYWORDS or words in PHRASES:
        return f"{shown(text)} does not fit here"
    return f"{shown(text)} {'are not words' if ' ' in words else 'is not a word'} of the language"


def habit(span: Span, replacement: str) -> Diagnostic:
    """Something of another language, and what to write here."""
    written = shown(span.text)
    message, help_ = no_word(span.text), f"write {quoted(replacement.strip())}"
    if not replacement:
        message, help_ = f"{written} has no meaning here", "remove it"
    elif replacement == " ":
        message, help_ = f"{written} is not an ordinary space", "replace it with a space"
    fix = Fix(span, replacement)
    return Diagnostic(Code.FOREIGN_HABIT, message, (Label(span),), help=help_, fix=fix)


def no_number(span: Span) -> Diagnostic:
    """Something that begins like a number and is none."""
    mended = f"0{span.text}" if re.fullmatch(r"\.[0-9]+", span.text) else None
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not a number",
        (Label(span),),
        help=f"write `{mended}`" if mended else "write digits, such as `30` or `24.5`",
        fix=Fix(span, mended) if mended else None,
    )
