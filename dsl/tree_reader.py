"""Lark's parse tree → `dsl.tree`: leaves and places, shared by all that reads branches."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import TypeVar, cast

from lark.lexer import Token
from lark.tree import Tree

from dsl import tree
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span

MAX_NAME = 100
MAX_DIGITS = 16  # 2**53 - 1 has sixteen
_NUMBER = re.compile(
    r"(?P<whole>[0-9]+(?: [0-9]{3}(?![0-9]))*)(?:\.(?P<decimals>[0-9]+))?\s*(?P<unit>%|[a-z-]+)?"
)

Branch = Tree[Token]
T = TypeVar("T")

_CLAUSE_NAMES = {
    "time_zone": "time zone",
    "as_of": "as of",
    "first": "from",
    "last": "until",
    "basis": "cites",
    "doing": "for",
    "permitted_actions": "permit",
}


def branches(node: Branch, *, start: int = 0) -> Iterator[Branch]:
    for child in node.children[start:]:
        if isinstance(child, Tree):
            yield child


class TreeReader:
    """Reads leaves. What the grammar takes but cannot stand is added to `found`, with
    something harmless in its place, so that the rest of the file is still read."""

    def __init__(self, source: SourceText, found: list[Diagnostic], start: int = 0) -> None:
        """`start` is where in the source the text begins that was read."""
        self._source = source
        self._found = found
        self._start = start

    def report(
        self, code: str, message: str, span: Span, help_: str, *, fix: Fix | None = None
    ) -> None:
        self._found.append(Diagnostic(code, message, (Label(span),), help=help_, fix=fix))

    def span(self, node: Branch | Token) -> Span:
        if isinstance(node, Token):
            return self._within(node.start_pos or 0, node.end_pos or 0)
        if node.meta.empty:
            return self._within(0, 0)
        return self._within(node.meta.start_pos, node.meta.end_pos)

    def _within(self, start: int, end: int) -> Span:
        return Span(self._source, self._start + start, self._start + end)

    def word(self, node: object) -> tree.Word:
        token = cast("Token", node)
        span = self.span(token)
        if token.type == "STRING":
            return tree.Word(re.sub(r"\s+", " ", token[1:-1]).strip(), span, quoted=True)
        if len(token) > MAX_NAME:
            message = f"the name {quoted(token)} is longer than {MAX_NAME} letters"
            self.report(Code.TOO_LARGE, message, span, "choose a shorter name")
        return tree.Word(str(token), span)

    def digits(self, token: Token) -> tree.Word:
        """The digits in a phrase that has some, such as `with 2 decimals`."""
        found = cast("re.Match[str]", re.search("[0-9]+", token))
        start = token.start_pos or 0
        return tree.Word(found[0], self._within(start + found.start(), start + found.end()))

    def words(self, node: Branch) -> tuple[tree.Word, ...]:
        return tuple(self.word(child) for child in node.children)

    def literal(self, node: object) -> tree.Literal:
        if isinstance(node, Tree):
            branch = cast("Branch", node)
            return self.day(branch) if branch.data == "day" else self._negative(branch)
        token = cast("Token", node)
        match token.type:
            case "YES" | "NO":
                return tree.YesNo(token.type == "YES", self.span(token))
            case "INTEGER" | "DECIMAL" | "QUANTITY":
                return self.number(token)
            case _:
                return self.word(token)

    def _negative(self, node: Branch) -> tree.Number:
        number = self.number(cast("Token", node.children[0]))
        return replace(number, value=-number.value, span=self.span(node))

    def number(self, token: Token) -> tree.Number:
        """A number of zero or more, with its unit where it has one."""
        span = self.span(token)
        parts = cast("re.Match[str]", _NUMBER.match(token))
        decimals = parts["decimals"] or ""
        digits = (parts["whole"].replace(" ", "") + decimals).lstrip("0") or "0"
        # int() of a megabyte of digits takes quadratic time, as do powers of ten.
        if len(digits) > MAX_DIGITS or len(decimals) > MAX_DIGITS:
            message = f"the number {quoted(token)} has more than {MAX_DIGITS} digits"
            help_ = "write a smaller number, or one with fewer decimals"
            self.report(Code.NUMBER_RANGE, message, span, help_)
            digits, decimals = "0", ""
        return tree.Number(int(digits), parts["unit"], span, len(decimals))

    def day(self, node: Branch) -> tree.Day:
        token = cast("Token", node.children[-1])
        try:
            return tree.Day(date.fromisoformat(str(token)), self.span(token))
        except ValueError:
            message = f"there is no day {quoted(token)}"
            help_ = "write a day of the calendar as year-month-day"
            self.report(Code.DATE_IMPOSSIBLE, message, self.span(token), help_)
            return tree.Day(date(1970, 1, 1), self.span(token))

    def once(self, nodes: list[Branch], name: str, read: Callable[[Branch], T]) -> T | None:
        """What the only branch of a name says; a second one is reported."""
        found = [node for node in nodes if node.data == name]
        for node in found[1:]:
            message = f"`{_CLAUSE_NAMES.get(name, name)}` is written twice"
            self.report(Code.REPEATED_CLAUSE, message, self.span(node), "keep one of them")
        return read(found[0]) if found else None

    def first_word(self, nodes: list[Branch], name: str) -> tree.Word | None:
        """The word of the only branch of a name."""
        return self.once(nodes, name, lambda node: self.word(node.children[-1]))

    def period(self, parts: list[Branch]) -> tree.Period:
        return tree.Period(self.once(parts, "first", self.day), self.once(parts, "last", self.day))
