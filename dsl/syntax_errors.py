"""Syntax errors in the author's words: what Lark expected, turned into one message."""

import difflib
import re
from dataclasses import dataclass

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label
from dsl.source import SourceText, Span

KEYWORDS = (
    "charter title law celex url import action enumeration taxonomy term under entity record "
    "field set number zone member cites from until obligation rule on when require permit "
    "forbid oblige within except because remedy example is permitted with denied undetermined "
    "for and or not in has touches unknown yes no art annex chapter section recital point "
    "criterion of at"
).split()

_TOKEN_NAMES = {
    "NAME": "a name",
    "UPPER": "a name in capitals",
    "DOTTED": "an attribute such as `data.labels`",
    "STRING": "a text in quotes",
    "DATE": "a date such as `2026-11-22`",
    "CELEX": "a CELEX number",
    "NUMBER": "a number",
    "QUANTITY": "a number with a unit, such as `30 days`",
    "LOCATOR": "a place in the law, such as `46(2)(c)`",
    "ENTITY": "a catalogue name such as `aws/eu-west-1`",
    "TZ": "a time zone such as `Europe/Brussels`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "PLUS": "`+`",
    "AT_LEAST": "`at least`",
    "AT_MOST": "`at most`",
    "MORE_THAN": "`more than`",
    "LESS_THAN": "`less than`",
    "IS_NOT": "`is not`",
    "IN_FORCE": "`in force`",
    "AS_OF": "`as of`",
    "TIME_ZONE": "`time zone`",
    "OR_NONE": "`or none`",
    "YES_OR_NO": "`yes or no`",
    "$END": "the end of the file",
}

# What people bring from elsewhere, and how it is said here.
_HABITS = {
    "==": "=",
    "!=": "is not",
    "<>": "is not",
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "!": "not",
    ">=": "at least",
    "=>": "at least",
    ">": "more than",
    "<=": "at most",
    "=<": "at most",
    "<": "less than",
    "//": "#",
    "--": "#",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "\u00a0": " ",
    "\u202f": " ",
    "\u2007": " ",
    "\u200b": "",
    "\ufeff": "",
    ";": "",
    "≥": "at least",
    "≤": "at most",
    "≠": "is not",
    "∧": "and",
    "∨": "or",  # noqa: RUF001
    "¬": "not",
    "–": "-",  # noqa: RUF001
    "—": "-",
}
_HABIT_WORDS = {
    "if": "when",
    "unless": "except",
    "deny": "forbid",
    "allow": "permit",
    "must": "require",
    "requires": "require",
    "cite": "cites",
    "enum": "enumeration",
    "subset": "within",
    "contains": "has",
    "includes": "has",
    "intersects": "touches",
    "overlaps": "touches",
    "equals": "=",
    "null": "unknown",
    "true": "yes",
    "false": "no",
    "article": "art",
    "till": "until",
}


@dataclass(frozen=True)
class Unexpected:
    """What the parser met: a terminal, a character (`terminal` None) or the end (`$END`), and
    the terminals it would have taken."""

    terminal: str | None
    start: int
    end: int
    expected: frozenset[str]


def explain(source: SourceText, met: Unexpected) -> Diagnostic:
    """One diagnostic for what the parser met."""
    if met.terminal is None:
        return _character(source, met.start)
    if met.terminal == "$END":
        return _ends_early(source, met.expected)
    return _token(source, met)


def _character(source: SourceText, at: int) -> Diagnostic:
    text = source.text
    if text[at] == '"':
        end = text.find("\n", at)
        span = source.span(at, len(text) if end < 0 else end)
        return Diagnostic(
            Code.STRING_OPEN,
            "this text has no closing quote",
            (Label(span),),
            ("a text in quotes ends on the line where it begins",),
            'put a `"` at its end; a long text may be several quoted texts in a row',
            Fix(source.span(span.end, span.end), '"'),
        )
    for length in (2, 1):
        habit = text[at : at + length]
        if len(habit) == length and habit in _HABITS:
            return _habit(source.span(at, at + length), _HABITS[habit])
    return Diagnostic(
        Code.CHARACTER,
        f"the character {_shown(text[at])} has no meaning here",
        (Label(source.span(at, at + 1)),),
        help="remove it, or put the text in quotes",
        fix=Fix(source.span(at, at + 1), ""),
    )


def _shown(char: str) -> str:
    return f"`{char}`" if char.isprintable() and char != " " else f"U+{ord(char):04X}"


def _habit(span: Span, replacement: str) -> Diagnostic:
    written = f"`{span.text}`" if span.text.isprintable() else f"U+{ord(span.text[0]):04X}"
    if not replacement.strip():
        what, note = "has no meaning in a charter", "remove it"
        if replacement == " ":
            what, note = "is not an ordinary space", "replace it with a space"
    else:
        what, note = "is not a word of the language", f"write `{replacement}`"
    return Diagnostic(
        Code.FOREIGN_HABIT,
        f"{written} {what}",
        (Label(span),),
        help=note,
        fix=Fix(span, replacement),
    )


def _token(source: SourceText, met: Unexpected) -> Diagnostic:
    expected = met.expected
    span = source.span(met.start, met.end)
    if met.terminal in ("AND", "OR") and _is_mixed(source, span):
        return _mixed(span)
    if span.text == "=" and source.text[span.end : span.end + 1] in ("=", ">"):
        habit = source.span(span.start, span.end + 1)
        return _habit(habit, _HABITS[habit.text])
    previous = _previous_word(source, span.start)
    for word in (span, previous):
        if word is not None and (found := _misspelt(word, expected)) is not None:
            return found
    if span.text in KEYWORDS and {"NAME", "UPPER"} & expected:
        return _reserved(span)
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{span.text}` cannot stand here",
        (Label(span),),
        help=f"write {_choices(expected)}",
    )


def _is_mixed(source: SourceText, span: Span) -> bool:
    # After a complete condition the only reason for refusing `and` is an `or` before it
    # in the same brackets, and the reverse.
    other = "or" if span.text == "and" else "and"
    clause = re.split(r"\b(?:when|require)\b", source.text[: span.start])[-1]
    return re.search(rf"\b{other}\b", clause) is not None


def _mixed(span: Span) -> Diagnostic:
    return Diagnostic(
        Code.AND_OR_MIXED,
        "`and` and `or` stand side by side without brackets",
        (Label(span),),
        ("two readers could understand it in two ways",),
        "put brackets around the part that belongs together",
    )


def _previous_word(source: SourceText, end: int) -> Span | None:
    match = re.search(r"([A-Za-z_-]+)\s*$", source.text[:end])
    return source.span(match.start(1), match.end(1)) if match else None


def _misspelt(span: Span, expected: frozenset[str]) -> Diagnostic | None:
    word = span.text
    if word in KEYWORDS or not re.fullmatch(r"[A-Za-z_-]+", word):
        return None
    wanted = sorted(k for k in KEYWORDS if k.upper() in expected)
    if word in _HABIT_WORDS and (_HABIT_WORDS[word] in wanted or _HABIT_WORDS[word] == "="):
        return _habit(span, _HABIT_WORDS[word])
    near = difflib.get_close_matches(word.lower(), wanted, n=1, cutoff=0.7)
    if not near:
        return None
    return Diagnostic(
        Code.MISSPELT_WORD,
        f"`{word}` is not a word of the language",
        (Label(span),),
        help=f"write `{near[0]}`",
        fix=Fix(span, near[0]),
    )


def _reserved(span: Span) -> Diagnostic:
    return Diagnostic(
        Code.RESERVED_WORD,
        f"`{span.text}` is a word of the language and cannot be a name",
        (Label(span),),
        help=f'choose another name, or write "{span.text}" in quotes where a value is meant',
        fix=Fix(span, f'"{span.text}"'),
    )


def _ends_early(source: SourceText, expected: frozenset[str]) -> Diagnostic:
    end = len(source.text.rstrip())
    return Diagnostic(
        Code.ENDS_EARLY,
        "the file ends in the middle of a clause",
        (Label(source.span(max(end - 1, 0), max(end, 1))),),
        help=f"write {_choices(expected - {'$END'})}",
    )


def _choices(expected: frozenset[str]) -> str:
    names = sorted({_TOKEN_NAMES.get(name) or f"`{name.lower()}`" for name in expected})
    if not names:
        return "the rest of it"
    if len(names) == 1:
        return names[0]
    if len(names) > 8:
        return ", ".join(names[:8]) + " or another clause"
    return ", ".join(names[:-1]) + " or " + names[-1]
