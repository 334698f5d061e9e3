"""Syntax errors: misspelt words, and habits that people bring from other languages."""

import difflib
import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_signs import habit, no_word, sign_run
from dsl.unexpected import Unexpected, previous_word, whole_word
from dsl.units import UNITS
from dsl.words import KEYWORDS, PHRASES, SIGNS, TWO_WORDS, WORDS

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*(\.[a-z][a-z0-9]*([_-][a-z0-9]+)*)+")


def _and_or(source: SourceText, met: Unexpected) -> Diagnostic | None:
    # After a complete condition the only reason for refusing `and` is an `or` before it
    # in the same brackets, and the reverse.
    if met.terminal not in ("AND", "OR") or not met.expected & {"AND", "OR"}:
        return None
    span = met.span(source)
    return Diagnostic(
        Code.AND_OR_MIXED,
        "`and` and `or` stand side by side without brackets",
        (Label(span),),
        ("two readers could understand it in two ways",),
        "put brackets around the part that belongs together",
    )


def _equal_signs(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if source.text.startswith("--", met.start):
        return habit(source.span(met.start, met.start + 2), SIGNS["--"])
    return (
        sign_run(source, met.start) if met.terminal in ("EQUAL", "LESSTHAN", "MINUS_SIGN") else None
    )


def _phrase(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """Two words that are nearly a phrase, such as `at lest`, or one in its place."""
    match = re.compile(r"[A-Za-z]+([^\S\r\n]+)[A-Za-z]+").match(source.text, met.start)
    wanted = {phrase for phrase, terminal in PHRASES.items() if terminal in met.expected}
    if match is not None:
        span = source.span(*match.span())
        words = " ".join(span.text.lower().split())
        if words in TWO_WORDS and _is_wanted(TWO_WORDS[words], met.expected):
            return _two_words(source, span, TWO_WORDS[words])
        near = difflib.get_close_matches(words, sorted(wanted), n=1, cutoff=0.75)
        if near == [words] and not match[1].isascii():
            return habit(source.span(*match.span(1)), " ")
        if near:
            return _misspelt(span, near[0])
    span = met.span(source)
    joined = [phrase for phrase in sorted(wanted) if phrase.replace(" ", "") == span.text.lower()]
    return _misspelt(span, joined[0]) if joined else None


def _two_words(source: SourceText, span: Span, replacement: str) -> Diagnostic:
    after = re.compile(r"[ \t]+than\b").match(source.text, span.end)
    if span.text.lower().startswith("no ") and after is not None:
        span = source.span(span.start, after.end())
    return habit(span, replacement)


def _is_wanted(replacement: str, expected: frozenset[str]) -> bool:
    if replacement in ("=", "at"):
        return bool(expected & {"EQUAL", "AT_LEAST"})
    return PHRASES.get(replacement, replacement.upper()) in expected


def _spelling(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """A word near to one that could stand here."""
    span = met.span(source)
    word = span.text.lower()
    if not re.fullmatch(r"[a-z_-]+", word) or (met.wants_value and met.terminal in KEYWORDS):
        return None
    if source.text[span.end : span.end + 1] == "." and met.expected & {"ART"}:
        span = source.span(span.start, span.end + 1)
    if word in WORDS and _is_wanted(WORDS[word], met.expected):
        return habit(span, WORDS[word])
    wanted = sorted(k for k in KEYWORDS if k.upper() in met.expected)
    if span.text in KEYWORDS:
        # A word of the language is rarely a misspelling; but `permit` for `permitted` is.
        wanted = [k for k in wanted if len(word) > 3 and k.startswith(word)]
        return _misspelt(span, wanted[0]) if len(wanted) == 1 else None
    near = difflib.get_close_matches(word, wanted, n=1, cutoff=0.7)
    return _misspelt(span, near[0]) if near else None


def _misspelt(span: Span, meant: str) -> Diagnostic:
    return Diagnostic(
        Code.MISSPELT_WORD,
        no_word(span.text),
        (Label(span),),
        help=f"write `{meant}`",
        fix=Fix(span, meant),
    )


def _of(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`sett of country`: the word before `of` was taken for a type."""
    before = previous_word(source, met.start)
    if met.terminal != "OF" or before is None:
        return None
    near = difflib.get_close_matches(before.text.lower(), ["set", "number"], n=1, cutoff=0.6)
    if before.text in WORDS and WORDS[before.text] in ("set", "number"):
        near = [WORDS[before.text]]
    return _misspelt(before, near[0]) if near else None


def _unless(source: SourceText, met: Unexpected) -> Diagnostic | None:
    span = met.span(source)
    if span.text.lower() != "unless" or "EXCEPT" not in met.expected:
        return None
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "`unless` is not a word of the language",
        (Label(span),),
        help="write an exception: `except`, a name, a text in quotes, then `cites` and `when`",
    )


def _capitals(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`data.Labels`, `Health`: names are in lower case."""
    if not met.expected & {"DOTTED", "NAME"} or met.terminal not in ("NAME", "UPPER", "DOTTED"):
        return None
    span = whole_word(source, met.start)
    lower = span.text.lower()
    dotted = "DOTTED" in met.expected and _ATTRIBUTE.fullmatch(lower)
    plain = (
        "NAME" in met.expected
        and "STRING" not in met.expected
        and re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", lower)
    )
    if lower == span.text or not (dotted or plain) or lower in KEYWORDS:
        return None
    return Diagnostic(
        Code.MISSPELT_WORD,
        f"the name {quoted(span.text)} has capital letters",
        (Label(span),),
        () if lower in UNITS else ("laws and zones are in capitals, and values declared so",),
        f"write `{lower}`",
        Fix(span, lower),
    )


def _reserved(source: SourceText, met: Unexpected) -> Diagnostic | None:
    span = met.span(source)
    if span.text not in KEYWORDS or not {"NAME", "UPPER"} & met.expected:
        return None
    if "DOTTED" in met.expected or met.between_declarations:
        return None
    mend = f', or write `"{span.text}"` in quotes' if met.wants_value else ""
    return Diagnostic(
        Code.RESERVED_WORD,
        f"`{span.text}` is a word of the language and cannot be a name",
        (Label(span),),
        help=f"choose another name{mend}",
        fix=Fix(span, f'"{span.text}"') if met.wants_value else None,
    )


HABITS = (
    _and_or,
    _equal_signs,
    _unless,
    _phrase,
    _spelling,
    _of,
    _capitals,
    _reserved,
)
