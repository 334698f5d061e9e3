"""Syntax errors: ordered levels, types, and declarations that break off."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected, last_end, previous_word
from dsl.words import DECLARATIONS

_STARTS = frozenset(word.upper() for word in DECLARATIONS)
_VALUE = r'(?:"[^"\n]{0,100}"|[A-Za-z0-9][A-Za-z0-9._/-]{0,100})'
_SIGN = r"(?:<=|>=|=>|=<|<|>|,)"
_LADDER = re.compile(rf"({_VALUE})(?:\s*{_SIGN}\s*{_VALUE})+")
_LADDER_HEAD = re.compile(rf'\blevels\s+{_VALUE}\s+"[^"\n]*"\s+of\s+(?={_VALUE})')
# A ladder is short, and a file can be long.
_MAX_LADDER = 2_000
_OF_FIELD = re.compile(r"\bfield[ \t]+([a-z][a-z0-9_-]*)[ \t]+([a-z][a-z0-9_-]*)[ \t]+\Z")
_TYPES = ("NAME", "NUMBER", "SET", "YES_OR_NO", "LIST_OF", "MAP_OF")
_NEAR = 250  # characters before a word in which its field is looked for


def ladder(source: SourceText, at: int) -> Diagnostic | None:
    """Levels put in order with another sign than `<`; `at` is in the list of them."""
    start = max(0, at - _MAX_LADDER)
    heads = list(_LADDER_HEAD.finditer(source.text, start, at))
    if not heads:
        return None
    match = _LADDER.match(source.text, heads[-1].end(), heads[-1].end() + 2 * _MAX_LADDER)
    if match is None or not match.start() <= at < match.end():
        return None
    span = source.span(*match.span())
    values = re.findall(_VALUE, span.text)
    signs = set(re.findall(_SIGN, re.sub(_VALUE, "", span.text)))
    falling = signs <= {">", ">=", "=>"}
    mended = " < ".join(reversed(values) if falling else values)
    one_order = falling or not signs & {">", ">=", "=>"}
    if source.text[at - 1] in "<>":
        at -= 1
    sign = re.compile(_SIGN).match(source.text, at)
    return Diagnostic(
        Code.UNEXPECTED,
        "levels are put in order with `<`, from the lowest to the highest",
        (Label(source.span(at, sign.end() if sign else at + 1)),),
        help=f"write {quoted(mended)}" if one_order else "write them in one order",
        fix=Fix(span, mended) if one_order else None,
    )


def _commas(source: SourceText, met: Unexpected) -> Diagnostic | None:
    signs = ("COMMA", "EQUAL", "LESSTHAN")
    return ladder(source, met.start) if met.terminal in signs else None


def _one_level(source: SourceText, met: Unexpected) -> Diagnostic | None:
    level = previous_word(source, met.start)
    if met.expected != frozenset({"LESSTHAN"}) or level is None:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        "one level alone has no order",
        (Label(level),),
        help="write the others after `<`, from the lowest to the highest, or declare an "
        "`enumeration`",
    )


def _of(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`list holder`: `list` was taken for a type."""
    before = previous_word(source, met.start)
    if before is None or before.text not in ("list", "map", "set") or met.terminal != "NAME":
        return None
    if "\n" in source.text[before.end : met.start] or not met.expected & {"FIELD", "OF"}:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"`of` is missing after `{before.text}`",
        (Label(before),),
        help=f"write `{before.text} of`",
        fix=Fix(source.span(before.end, before.end), " of"),
    )


def _element(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`list of number of percent`, `map of text to list of ...`."""
    before = source.text[max(0, met.start - 40) : met.start]
    span = met.span(source)
    if met.expected == frozenset({"NAME"}) and re.search(r"\blist\s+of\s+\Z", before):
        return Diagnostic(
            Code.UNEXPECTED,
            "a list holds elements of a structure",
            (Label(span),),
            help="declare a `structure` with a field for it, and write the name of that here",
        )
    if met.terminal in ("LIST_OF", "MAP_OF") and re.search(r"\bto\s+\Z", before):
        return Diagnostic(
            Code.UNEXPECTED,
            "a map holds one simple value for each key",
            (Label(span),),
            help="write a simple type, or declare a list of a structure that has a field for "
            "the key",
        )
    return None


def _map_without_values(source: SourceText, met: Unexpected) -> Diagnostic | None:
    if met.expected != frozenset({"TO"}) or met.terminal not in ("FIELD", "STRING", *_STARTS):
        return None
    keys = previous_word(source, met.start)
    if keys is None:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"the map of {quoted(keys.text)} does not say what it holds",
        (Label(keys),),
        help="write `to` and a type after it, such as `to yes or no`",
    )


def _two_words(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`field notice period number of days`: a name is one word."""
    match = _OF_FIELD.search(source.text[max(0, met.start - _NEAR) : met.start])
    if match is None or met.terminal not in _TYPES or "FIELD" not in met.expected:
        return None
    start = met.start - len(match[0]) + match.start(1) - match.start()
    span = source.span(start, start + match.end(2) - match.start(1))
    mended = f"{match[1]}_{match[2]}"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not one name",
        (Label(span),),
        ("a name has no spaces",),
        f"write `{mended}`",
        Fix(span, mended),
    )


def _breaks_off(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """The next declaration begins before this one says what it has to say."""
    if met.terminal not in _STARTS or met.between_declarations:
        return None
    end = last_end(source, met.start)
    place = source.span(max(0, end - 1), end)
    if met.expected == frozenset({"CITES", "ON", "COMMA", "NEVER_PERMITS"}) or (
        "NEVER_PERMITS" in met.expected
    ):
        return _missing(
            place,
            "the invariant does not say what is never permitted",
            "write `never permits` and a condition, such as `never permits data.labels has health`",
        )
    word = previous_word(source, met.start)
    if word is not None and word.text == "assume":
        return _missing(
            place, "nothing is assumed", "write at least one fact, such as `data.labels = {health}`"
        )
    if "FIELD" in met.expected:
        return _missing(
            place,
            "nothing is said of what it is made of",
            "write at least one field, such as `field country identifier`",
        )
    return None


def _missing(place: Span, message: str, help_: str) -> Diagnostic:
    return Diagnostic(Code.UNEXPECTED, message, (Label(place),), help=help_)


DECLARED = (_commas, _one_level, _of, _two_words, _element, _map_without_values, _breaks_off)
