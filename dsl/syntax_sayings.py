"""Syntax errors: what people say in other words, place by place, with what to write.

A saying counts where the parser would take what it stands for, so that one word can mean
different things in different places.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dsl.diagnostics import Diagnostic
from dsl.source import SourceText
from dsl.syntax_signs import habit
from dsl.unexpected import Unexpected

# An attribute; a day, or something meant as one; an attribute or today.
_PATH = r"[a-z][a-z0-9_-]{0,99}(?:\.[a-z][a-z0-9_-]{0,99})+"
_DAY = r"(?:[0-9]{1,4}[-./][0-9]|today\b|now\b|[0-9]{1,2}\.?\s+[A-Z])"
_END = rf"(?:{_PATH}|today)"

_RELATIONS = r"(?:within|in|at\s+least|at\s+most|more\s+than|less\s+than|before|after|on\s+or)\b"

_DIGITS = {"no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


@dataclass(frozen=True)
class _Saying:
    """`pattern`, where `wanted` could stand, is written `replacement`: a template for its
    groups, or a function."""

    wanted: str
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]

    def instead(self, match: re.Match[str]) -> str:
        if callable(self.replacement):
            return self.replacement(match)
        return match.expand(self.replacement)


def _decimals(match: re.Match[str]) -> str:
    count = int(_DIGITS.get(match[1].lower(), match[1]))
    space = " " if match[0].startswith(",") else ""
    return f"{space}with {count} decimal{'' if count == 1 else 's'}"


_AGGREGATES = {
    "the sum of": "sum|total",
    "the number of": "count|number|size|length",
    "the largest": "max|maximum|largest|greatest|highest",
    "the smallest": "min|minimum|smallest|least|lowest",
}


def _aggregates() -> Iterator[tuple[str, str]]:
    for phrase, words in _AGGREGATES.items():
        yield rf"(?:{words})\s*\(\s*({_PATH})\s*\)", rf"{phrase} \1"
        yield rf"(?:the\s+)?(?:{words})(?:\s+of)?(?=\s+{_PATH})", phrase


_TABLE: dict[str, list[tuple[str, str | Callable[[re.Match[str]], str]]]] = {
    # After what is tested: what is known.
    "IS_KNOWN": [
        (
            r"(?:is|=)\s+(?:un[knowm]{3,7}|null|nil|missing|absent|undefined|unset)\b",
            "is not known",
        ),
        (r"is\s+(?:present|given|set|defined|available|provided)\b", "is known"),
        (r"(?:does\s+not|not)\s+exists?\b", "is not known"),
        (r"(?:is\s+)?exist(?:s|ing)?\b", "is known"),
        (r"not\s+known\b|unknown\b", "is not known"),
        (r"known\b", "is known"),
    ],
    # After what is tested: dates.
    "ON_OR_AFTER": [
        (rf"(?:is\s+)?(?:no|not)\s+later\s+than(?=\s+{_DAY})", "on or before"),
        (rf"(?:is\s+)?(?:no|not)\s+earlier\s+than(?=\s+{_DAY})", "on or after"),
        (rf"(?:is\s+)?not\s+after(?=\s+{_DAY})", "on or before"),
        (rf"(?:is\s+)?not\s+before(?=\s+{_DAY})", "on or after"),
        (rf"(?:until|till|by|up\s+to|through|at\s+the\s+latest\s+on)(?=\s+{_DAY})", "on or before"),
        (rf"(?:since|from|as\s+of|starting)(?=\s+{_DAY})", "on or after"),
        (rf"(?:is\s+)?(?:prior\s+to|earlier\s+than|older\s+than)(?=\s+{_DAY})", "before"),
        (rf"(?:is\s+)?(?:later\s+than|newer\s+than|past)(?=\s+{_DAY})", "after"),
        (rf"(?:is\s+)?on(?=\s+{_DAY})", "="),
        (r"is(?=\s+(?:before|after|on\s+or\s+before|on\s+or\s+after)\b)", ""),
    ],
    # After what is tested: how old it is.
    "WITHIN_THE_LAST": [
        (r"(?:is\s+)?(?:not|no)\s+older\s+than(?=\s+[0-9]+\s+[a-z])", "within the last")
    ],
    # Between conditions.
    "AND": [
        (r"(?:und|et|sowie|as\s+well\s+as)(?=\s+[a-z(])", "and"),
        (r"(?:oder|ou)(?=\s+[a-z(])|and\s*/\s*or\b", "or"),
    ],
    # After what is tested: order.
    "AT_LEAST": [
        (rf"(?:shall|must|should|are)\s+(?:be\s+)?(?={_RELATIONS})", ""),
        (r"(?:does|do|shall|may|must)\s+not\s+exceed\b", "at most"),
        (r"is(?=\s+(?:at\s+least|at\s+most|more\s+than|less\s+than)\b)", ""),
        (r"(?:is\s+)?(?:not\s+(?:less|fewer|lower)|no\s+(?:fewer|lower))\s+than\b", "at least"),
        (
            r"(?:is\s+)?(?:not\s+(?:more|greater|higher)|no\s+(?:greater|higher))\s+than\b",
            "at most",
        ),
        (r"(?:is\s+)?(?:up\s+to|not\s+exceeding|not\s+over|not\s+above)\b", "at most"),
        (r"(?:is\s+)?(?:less|lower|smaller)\s+than\s+or\s+equal\s+to\b", "at most"),
        (r"(?:is\s+)?(?:more|greater|higher|larger)\s+than\s+or\s+equal\s+to\b", "at least"),
        (r"(?:is\s+)?(?:higher|greater|bigger|larger)\s+than\b", "more than"),
        (r"(?:is\s+)?(?:lower|fewer|smaller)\s+than\b", "less than"),
        (r"(?:is\s+)?(?:over|above|exceeds|exceeding|beyond)\b", "more than"),
        (r"(?:is\s+)?(?:under|below|beneath)\b", "less than"),
    ],
    # In zones, and after `today`.
    "PLUS_SIGN": [
        (r"(?:minus|without|excluding|except(?:\s+for)?|less|but\s+not)(?=\s+[A-Z{0-9])", "-"),
        (r"plus(?=\s+[A-Z{0-9])", "+"),
        (r"\(\s*\)", ""),
    ],
    # Where a condition begins.
    "EVERY": [
        (rf"(?:for\s+)?(?:all|each|every)\s+(?:of\s+)?(?:the\s+)?(?={_PATH})", "every "),
        (rf"for\s+any\s+(?={_PATH})", "every "),
        (rf"(?:any|at\s+least\s+one)\s+(?:of\s+)?(?:the\s+)?(?={_PATH})", "some "),
        (rf"none\s+of\s+(?:the\s+)?(?={_PATH})", "not some "),
        (rf"exists\s*\(\s*({_PATH})\s*\)|exists\s+({_PATH})", lambda m: f"{m[1] or m[2]} is known"),
    ],
    # In `derive`.
    "THE_SUM_OF": [
        (rf"(?:the\s+)?days\s+between\s+({_END})\s+and\s+({_END})", r"the days from \1 to \2"),
        (rf"(?:the\s+)?days\s+since\s+({_PATH})", r"the days from \1 to today"),
        (rf"(?:the\s+)?days\s+(?:until|till|to)\s+({_PATH})", r"the days from today to \1"),
        *_aggregates(),
    ],
    "PLUS": [
        (r"\+(?=\s*[0-9])", "plus"),
        (r"-(?=\s*[0-9])", "minus"),
    ],
    "WHETHER": [(rf"if(?=\s+{_PATH})", "whether")],
    "WHERE": [(r"(?:when|if|with|whose)(?=\s+(?:not\s+)?\(?[a-z])", "where")],
    "ELSE": [(r"(?:otherwise|default|or\s+else|or)(?=\s+[0-9])", "else")],
    # In declarations.
    "TO": [(r"->|=>|=|:|until\b|till\b|into\b|and\b", "to")],
    "AS": [(r"=|:=|is\b|are\b|of\b|means\b|equals\b", "as")],
    "WITH_DECIMALS": [
        (rf"with\s+({'|'.join(_DIGITS)}|[0-9]{{1,2}})\s+(?!decimals?\b)[a-z]+", _decimals),
        (rf"with\s+({'|'.join(_DIGITS)})\s+decimals?\b", _decimals),
        (r",\s*(?:with\s+)?([0-9]{1,2})\s+d[a-z]+", _decimals),
    ],
    "HAS_A_DEADLINE": [
        (r"(?:has|with|having|needs|within)\s+(?:an?\s+)?deadlines?\b", "has a deadline")
    ],
    "NEVER_PERMITS": [
        (r"(?:must\s+)?(?:never|not)\s+[a-z]+", "never permits"),
        (r"(?:forbids?|prohibits?|denies)\b", "never permits"),
    ],
    # In examples.
    "IS": [
        (r"is\s+not\s+(?:permitted|allowed)\b", "is denied"),
        (r"is\s+not\s+(?:denied|forbidden|refused)\b", "is permitted"),
    ],
    "BY": [(r"(?:under|through|because\s+of|due\s+to|thanks\s+to)(?=\s+[a-z])", "by")],
}
_SAYINGS = [
    _Saying(wanted, re.compile(pattern), replacement)
    for wanted, rows in _TABLE.items()
    for pattern, replacement in rows
]


def _said(source: SourceText, met: Unexpected) -> Diagnostic | None:
    for saying in _SAYINGS:
        if saying.wanted not in met.expected:
            continue
        match = saying.pattern.match(source.text, met.start)
        if match is None:
            continue
        # Patterns that look ahead over white space may end in some.
        end = met.start + len(match[0].rstrip())
        return habit(source.span(met.start, end), saying.instead(match).rstrip())
    return None


SAYINGS = (_said,)
