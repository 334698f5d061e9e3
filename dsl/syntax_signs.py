"""Syntax errors: characters that begin no word, and signs from other languages."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected
from dsl.words import KEYWORDS, SIGNS

_SIGN_RUN = re.compile(r"[=<>!&|:]+")
_CURLY = "“”„«»"


def character(source: SourceText, met: Unexpected) -> Diagnostic:
    """A character that begins no word."""
    text, at = source.text, met.start
    if text[at] == '"':
        return _unclosed(source, at)
    if text[at] in _CURLY:
        return _curly(source, at)
    if text[at] == "[":
        return _square(source, at)
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
        f"{_shown(span.text)} has no meaning here",
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


def _square(source: SourceText, at: int) -> Diagnostic:
    whole = re.compile(r"\[([^\[\]\n]*)\]").match(source.text, at)
    span = source.span(at, whole.end() if whole else at + 1)
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "a set has braces, not square brackets",
        (Label(span),),
        help="write `{` and `}`",
        fix=Fix(span, f"{{{whole[1]}}}") if whole else None,
    )


def sign_run(source: SourceText, at: int) -> Diagnostic | None:
    """The whole sign, such as `=>`, of which the parser met a part."""
    line_start = source.text.rfind("\n", 0, at) + 1
    for match in _SIGN_RUN.finditer(source.text, line_start, min(len(source.text), at + 3)):
        if match.start() <= at < match.end() and match[0] in SIGNS:
            return habit(source.span(*match.span()), SIGNS[match[0]])
    return None


def _shown(text: str) -> str:
    return quoted(text) if text.isprintable() and text != " " else f"U+{ord(text[0]):04X}"


def no_word(text: str) -> str:
    return f"{_shown(text)} {'are not words' if ' ' in text else 'is not a word'} of the language"


def habit(span: Span, replacement: str) -> Diagnostic:
    """Something of another language, and what to write here."""
    written = _shown(span.text)
    message, help_ = no_word(span.text), f"write `{replacement}`"
    if not replacement:
        message, help_ = f"{written} has no meaning in a charter", "remove it"
    elif replacement == " ":
        message, help_ = f"{written} is not an ordinary space", "replace it with a space"
    elif span.text in KEYWORDS:
        message = f"{written} does not fit here"
    fix = Fix(span, replacement)
    return Diagnostic(Code.FOREIGN_HABIT, message, (Label(span),), help=help_, fix=fix)


def no_number(span: Span) -> Diagnostic:
    """A number with a sign or a fraction."""
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not a whole number of zero or more",
        (Label(span),),
        help="write a whole number"
        + ("" if "-" in span.text else ", if need be in a smaller unit"),
    )
