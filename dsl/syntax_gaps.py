"""Syntax errors: something is missing, or stands in the wrong place."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_lists import LISTS
from dsl.unexpected import Unexpected, choices
from dsl.words import KEYWORDS, OWNERS, PHRASES

_NAME = r"[a-z][a-z0-9]*([_-][a-z0-9]+)*"
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


def _place_in_law(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if not {"ART", "ANNEX"} <= met.expected or met.between_declarations:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"the place in the law is missing before {quoted(span.text)}",
        (Label(span),),
        help="write the article or another place, such as `art 44`",
    )


def _condition(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """A condition ends before it began, or begins with a word of everyday language."""
    span = met.span(source)
    if met.expected == frozenset({"DOTTED"}) and met.terminal == "NAME":
        return _record_before_dot(span)
    wants = {"DOTTED", "LPAR"} <= met.expected and not met.between_declarations
    if not wants or met.terminal in ("LOCATOR", "STRING", "INTEGER", "QUANTITY"):
        return None
    if met.terminal == "UPPER":
        return Diagnostic(
            Code.UNEXPECTED,
            f"{quoted(span.text)} is no condition",
            (Label(span),),
            help="write an attribute and a relation before it, such as "
            f"`destination.countries within {span.text[:40]}`",
        )
    if met.terminal == "NAME":
        filler = re.compile(r"[a-z]+[ \t]+(?=[a-z][a-z0-9_-]*\.[a-z])").match(
            source.text, met.start
        )
        if filler is None:
            return _record_before_dot(span)
        return Diagnostic(
            Code.UNEXPECTED,
            f"{quoted(span.text)} has no meaning here",
            (Label(span),),
            help="remove it",
            fix=Fix(source.span(*filler.span()), ""),
        )
    return Diagnostic(
        Code.UNEXPECTED,
        f"a condition is missing before {quoted(span.text)}",
        (Label(span),),
        help="write one, such as `data.labels has personal`",
    )


def _quoted_name(source: SourceText, met: Unexpected) -> Diagnostic | None:
    span = met.span(source)
    if met.terminal != "STRING" or not met.expected & {"NAME", "UPPER"} or met.wants_value:
        return None
    if met.between_declarations:
        return None
    inside = span.text[1:-1]
    form = r"[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)*" if "UPPER" in met.expected else _NAME
    if re.fullmatch(form, inside) and inside not in KEYWORDS:
        return Diagnostic(
            Code.UNEXPECTED,
            f"the name {quoted(inside)} is in quotes",
            (Label(span),),
            help=f"write `{inside}`",
            fix=Fix(span, inside),
        )
    return Diagnostic(
        Code.UNEXPECTED,
        f"a name is missing before {quoted(span.text)}",
        (Label(span),),
        help=f"write {choices(met.expected)} before it",
    )


def _small_letters(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.terminal != "NAME" or met.expected != frozenset({"UPPER"}):
        return None
    span = met.span(source)
    mended = span.text.upper().replace("_", "-")
    return Diagnostic(
        Code.UNEXPECTED,
        f"the name {quoted(span.text)} is in small letters",
        (Label(span),),
        ("laws and zones are written in capitals",),
        f"write `{mended}`",
        Fix(span, mended),
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


def _record_before_dot(span: Span) -> Diagnostic:
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} alone is not an attribute",
        (Label(span),),
        help="write its record, a dot and its field, such as `data.labels`",
    )


GAPS = (
    _begins_wrongly,
    _locator,
    _place_in_law,
    _only_word,
    *LISTS,
    _misplaced,
    _clause_word,
    _condition,
    _quoted_name,
    _small_letters,
    _unquoted,
)
