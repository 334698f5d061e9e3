"""What the parser met where it wanted something else, and how to speak of it."""

import re
from dataclasses import dataclass

from dsl.source import SourceText, Span
from dsl.words import DECLARATIONS, TOKEN_NAMES

# Before each of these a declaration is complete: the parser stands between two of them.
_STARTS = {word.upper() for word in DECLARATIONS}
_LOCATORS = {"ART", "ANNEX", "CHAPTER", "SECTION", "RECITAL", "POINT", "CRITERION"}
MAX_CHOICES = 8

# What is said of many terminals at once.
_KINDS = {
    "a value": frozenset({"NAME", "UPPER", "STRING", "ENTITY_NAME"}),
    "a number with its unit": frozenset({"INTEGER", "DECIMAL", "QUANTITY", "MINUS_SIGN"}),
    "a place in the law, such as `46(2)(c)`": frozenset(
        {"LOCATOR", "INTEGER", "DECIMAL", "UPPER", "NAME"}
    ),
}


@dataclass(frozen=True)
class Unexpected:
    """What the parser met: a terminal, a character (`terminal` None) or the end (`$END`), and
    the terminals it would have taken."""

    terminal: str | None
    start: int
    end: int
    expected: frozenset[str]

    def span(self, source: SourceText) -> Span:
        return source.span(self.start, self.end)

    @property
    def between_declarations(self) -> bool:
        return "RULE" in self.expected

    @property
    def wants_day(self) -> bool:
        """Whether only a day could stand here."""
        return "DATE" in self.expected and self.expected <= {"DATE", "TODAY"}

    @property
    def wants_value(self) -> bool:
        return "ENTITY_NAME" in self.expected


def choices(expected: frozenset[str]) -> str:
    """What could have stood there, in words."""
    # Lark names a terminal `__...` where the grammar has no word for it.
    expected = frozenset(name for name in expected if not name.startswith("__"))
    if {"HAS", "IS_NOT"} <= expected:
        return "a relation, such as `=`, `has`, `within` or `at least`"
    names = {name for name in expected if name not in _STARTS} or set(expected)
    if expected >= _LOCATORS:
        names = names - _LOCATORS | {"ART"}
    kinds: list[str] = []
    for kind, terminals in _KINDS.items():
        if names >= terminals:
            kinds.append(kind)
            names -= terminals
    shown = kinds + sorted({TOKEN_NAMES.get(name) or f"`{name.lower()}`" for name in names})
    if expected >= _STARTS and len(shown) < MAX_CHOICES:
        shown.append("the next declaration")
    if not shown:
        return "the rest of it"
    if len(shown) == 1:
        return shown[0]
    if len(shown) > MAX_CHOICES:
        return ", ".join(shown[:MAX_CHOICES]) + " or another clause"
    return ", ".join(shown[:-1]) + " or " + shown[-1]


def close(expected: frozenset[str]) -> str | None:
    """The closing bracket that would be taken, if any."""
    if "RPAR" in expected:
        return ")"
    if "RBRACE" in expected:
        return "}"
    return "]" if "RSQB" in expected else None


def last_end(source: SourceText, before: int) -> int:
    """Where the last word before an offset ends; comments and white space do not count."""
    text = source.text[:before].rstrip()
    while True:
        start = text.rfind("\n") + 1
        comment = _comment(text[start:])
        if comment is None:
            return len(text)
        text = text[: start + comment].rstrip()


def _comment(line: str) -> int | None:
    for match in re.finditer(r'"[^"\n]*"|#', line):
        if match[0] == "#":
            return match.start()
    return None


def previous_word(source: SourceText, before: int) -> Span | None:
    """The word just before an offset."""
    end = last_end(source, before)
    start = end
    while start and re.match(r"[\w./-]", source.text[start - 1]):
        start -= 1
    return source.span(start, end) if start < end else None


def whole_word(source: SourceText, start: int) -> Span:
    """The word that begins at an offset as a person sees it, with dots and slashes in it."""
    match = re.compile(r"[\w./-]*[\w]").match(source.text, start)
    return source.span(start, match.end() if match else start + 1)
