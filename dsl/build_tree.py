"""Lark's parse tree → `dsl.tree`. Knows the grammar's rule names and nothing of meaning."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NoReturn, TypeVar, cast

from lark.lexer import Token
from lark.tree import Tree

from dsl import tree
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Label
from dsl.source import SourceText, Span

MAX_DEPTH = 64

Branch = Tree[Token]
T = TypeVar("T")


class NestingError(Exception):
    """The tree cannot be built; the diagnostic says why. Never leaves `dsl.parse`."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def build(source: SourceText, root: Branch) -> tree.Charter:
    """The tree of one charter.

    Raises:
        NestingError: A condition is nested too deeply, a date does not exist, or a clause
            stands where it can mean nothing.
    """
    return _Builder(source).charter(root)


class _Builder:
    def __init__(self, source: SourceText) -> None:
        self._source = source

    # --- places ---

    def _span(self, node: Branch | Token) -> Span:
        if isinstance(node, Token):
            return self._source.span(node.start_pos or 0, node.end_pos or 0)
        if node.meta.empty:
            return self._source.span(0, 0)
        return self._source.span(node.meta.start_pos, node.meta.end_pos)

    def _clause(self, node: Branch, keyword: str) -> Span:
        """The span from the clause's own keyword, which Lark leaves out of the tree."""
        span = self._span(node)
        end = span.start or span.end
        before = self._source.text[:end].rstrip()
        start = len(before) - len(keyword) if before.endswith(keyword) else span.start
        return self._source.span(start, max(span.end, start + len(keyword)))

    # --- leaves ---

    def _word(self, node: object) -> tree.Word:
        token = cast("Token", node)
        text = str(token)
        if token.type == "STRING":
            return tree.Word(re.sub(r"\s+", " ", text[1:-1]).strip(), self._span(token), True)
        return tree.Word(text, self._span(token))

    def _words(self, node: Branch) -> tuple[tree.Word, ...]:
        return tuple(self._word(child) for child in node.children)

    def _literal(self, node: object) -> tree.Literal:
        token = cast("Token", node)
        match token.type:
            case "YES" | "NO":
                return tree.YesNo(token.type == "YES", self._span(token))
            case "NUMBER" | "QUANTITY":
                return self._number(token)
            case _:
                return self._word(token)

    def _number(self, token: Token) -> tree.Number:
        digits, _, unit = str(token).partition(" ")
        if len(digits) > 16:
            # int() of a megabyte of digits takes quadratic time.
            self._refuse(Code.NUMBER_RANGE, "the number is too large", self._span(token))
        return tree.Number(int(digits), unit.strip() or None, self._span(token))

    def _day(self, node: Branch) -> tree.Day:
        token = cast("Token", node.children[-1])
        try:
            return tree.Day(date.fromisoformat(str(token)), self._span(token))
        except ValueError:
            self._refuse(
                Code.DATE_IMPOSSIBLE,
                f"there is no day `{token}`",
                self._span(token),
                "write a day of the calendar as year-month-day",
            )

    def _refuse(self, code: str, message: str, span: Span, help_: str | None = None) -> NoReturn:
        raise NestingError(Diagnostic(code, message, (Label(span),), help=help_))

    # --- charter ---

    def charter(self, root: Branch) -> tree.Charter:
        header = cast("Branch", root.children[0])
        parts = list(_branches(header))
        declarations: list[tree.Declaration] = []
        imports: list[tree.Word] = []
        for child in _branches(root, start=1):
            if child.data == "import_clause":
                imports.append(self._word(child.children[0]))
            else:
                declarations.append(self._declaration(child))
        return tree.Charter(
            self._source,
            self._word(header.children[0]),
            self._once(parts, "title", lambda node: self._word(node.children[0])),
            tuple(self._law(part) for part in parts if part.data == "law"),
            self._once(parts, "time_zone", lambda node: self._word(node.children[1])),
            self._once(parts, "as_of", self._day),
            tuple(imports),
            tuple(declarations),
        )

    def _once(self, nodes: list[Branch], name: str, read: Callable[[Branch], T]) -> T | None:
        found = [node for node in nodes if node.data == name]
        if len(found) > 1:
            self._refuse(
                Code.REPEATED_CLAUSE,
                f"`{name.replace('_', ' ')}` is written twice",
                self._span(found[1]),
                "keep one of them",
            )
        return read(found[0]) if found else None

    def _law(self, node: Branch) -> tree.Law:
        name, title, *rest = node.children
        parts = [cast("Branch", part) for part in rest]
        return tree.Law(
            self._word(name),
            self._word(title),
            self._once(parts, "celex", lambda part: self._word(part.children[0])),
            self._once(parts, "url", lambda part: self._word(part.children[0])),
        )

    # --- vocabulary ---

    def _declaration(self, node: Branch) -> tree.Declaration:
        match node.data:
            case "action":
                return tree.Action(*self._words(node))
            case "obligation":
                return tree.Obligation(*self._words(node))
            case "enumeration":
                name, title, *values = self._words(node)
                return tree.Enumeration(name, title, tuple(values))
            case "taxonomy":
                name, title, *terms = node.children
                return tree.Taxonomy(
                    self._word(name),
                    self._word(title),
                    tuple(self._term(cast("Branch", term)) for term in terms),
                )
            case "entity":
                name, title, *fields = node.children
                return tree.Entity(self._word(name), self._word(title), self._fields(fields))
            case "record_of_fields" | "record_of_entity":
                return self._record(node)
            case "zone":
                name, title, *members = node.children
                return tree.Zone(
                    self._word(name),
                    self._word(title),
                    tuple(self._member(cast("Branch", member)) for member in members),
                )
            case _:
                return self._rule(node)

    def _term(self, node: Branch) -> tree.Term:
        name, title, *rest = node.children
        under = self._words(cast("Branch", rest[0])) if rest else ()
        return tree.Term(self._word(name), self._word(title), under)

    def _fields(self, nodes: Sequence[object]) -> tuple[tree.Field, ...]:
        return tuple(self._field(cast("Branch", node)) for node in nodes)

    def _field(self, node: Branch) -> tree.Field:
        name, type_, *title = node.children
        return tree.Field(
            self._word(name),
            self._type(cast("Branch", type_)),
            self._word(title[0]) if title else None,
        )

    def _type(self, node: Branch) -> tree.Type:
        shape = {
            "type_term": tree.Shape.TERM,
            "type_set": tree.Shape.SET,
            "type_set_or_none": tree.Shape.SET_OR_NONE,
            "type_truth": tree.Shape.TRUTH,
            "type_number": tree.Shape.NUMBER,
        }[str(node.data)]
        name = None if shape is tree.Shape.TRUTH else self._word(node.children[0])
        return tree.Type(shape, name, self._span(node))

    def _record(self, node: Branch) -> tree.Record:
        name, *rest = node.children
        title = self._word(rest.pop(0)) if cast("Token", rest[0]).type == "STRING" else None
        if node.data == "record_of_entity":
            entity, origin, wire, on = rest
            return tree.Record(
                self._word(name),
                title,
                self._word(origin),
                self._word(wire),
                (),
                self._word(entity),
                self._words(cast("Branch", on)),
            )
        origin, wire, *fields = rest
        return tree.Record(
            self._word(name),
            title,
            self._word(origin),
            self._word(wire),
            self._fields(fields),
            None,
            (),
        )

    def _member(self, node: Branch) -> tree.Member:
        values = tuple(self._word(c) for c in node.children if isinstance(c, Token))
        parts = list(_branches(node))
        return tree.Member(
            values,
            self._once(parts, "basis", lambda part: self._word(part.children[0])),
            self._once(parts, "celex", lambda part: self._word(part.children[0])),
            self._period(parts),
        )

    def _period(self, parts: list[Branch]) -> tree.Period:
        return tree.Period(
            self._once(parts, "first", self._day), self._once(parts, "last", self._day)
        )

    # --- rules ---

    def _rule(self, node: Branch) -> tree.Rule:
        clauses: list[tree.RuleClause] = []
        exceptions: list[tree.Exceptional] = []
        for child in _branches(node):
            if child.data == "exception":
                name, title = self._words(child)
                exceptions.append(tree.Exceptional(name, title, ()))
                continue
            clause = self._rule_clause(child)
            if exceptions and isinstance(
                clause, tree.Cites | tree.InForce | tree.When | tree.Oblige
            ):
                last = exceptions[-1]
                exceptions[-1] = tree.Exceptional(last.name, last.title, (*last.clauses, clause))
            elif exceptions and isinstance(
                clause, tree.On | tree.Require | tree.Permit | tree.Forbid
            ):
                self._refuse(
                    Code.MISPLACED_CLAUSE,
                    f"`{clause.span.text.split()[0]}` belongs to the rule, not to an exception",
                    clause.span,
                    "move it above the first `except`",
                )
            else:
                clauses.append(clause)
        return tree.Rule(
            self._word(node.children[0]),
            self._word(node.children[1]),
            tuple(clauses),
            tuple(exceptions),
        )

    def _rule_clause(self, node: Branch) -> tree.RuleClause:
        name = str(node.data)
        span = self._clause(node, name)
        match name:
            case "cites":
                return self._cites(node, span)
            case "in_force":
                return tree.InForce(self._period(list(_branches(node))), self._span(node))
            case "on":
                return tree.On(self._words(node), span)
            case "when":
                return tree.When(self._condition(node.children[0]), span)
            case "require":
                return tree.Require(self._condition(node.children[0]), span)
            case "oblige":
                return self._oblige(node, span)
            case "because":
                return tree.Because(self._prose(node), span)
            case "remedy":
                return tree.Remedy(self._prose(node), span)
            case "example":
                return self._example(node, span)
            case _:
                return self._bare(node, name)

    def _bare(self, node: Branch, name: str) -> tree.Permit | tree.Forbid:
        span = self._span(node)
        return tree.Permit(span) if name == "permit" else tree.Forbid(span)

    def _cites(self, node: Branch, span: Span) -> tree.Cites:
        locators = list(_branches(node))
        text = " ".join(
            f"{cast('Branch', part.children[0]).children[0]} {part.children[1]}"
            for part in locators
        )
        place = self._source.span(self._span(locators[0]).start, self._span(locators[-1]).end)
        return tree.Cites(self._word(node.children[0]), tree.Word(text, place), span)

    def _oblige(self, node: Branch, span: Span) -> tree.Oblige:
        due = None
        if len(node.children) > 1:
            due = self._number(cast("Token", cast("Branch", node.children[1]).children[0]))
        return tree.Oblige(self._word(node.children[0]), due, span)

    def _prose(self, node: Branch) -> str:
        return " ".join(word.text for word in self._words(node))

    def _example(self, node: Branch, span: Span) -> tree.Example:
        title, outcome, *rest = node.children
        parts = [cast("Branch", part) for part in rest]
        wanted = cast("Branch", outcome)
        return tree.Example(
            self._word(title),
            tree.Expected(str(wanted.data)),
            self._words(wanted),
            tuple(self._given(part) for part in parts if part.data == "fact"),
            self._once(parts, "as_of", self._day),
            self._once(parts, "doing", lambda part: self._word(part.children[0])),
            span,
        )

    def _given(self, node: Branch) -> tree.Given:
        path, value = node.children
        span = self._span(node)
        if isinstance(value, Token):
            known = None if value.type == "UNKNOWN" else self._literal(value)
            return tree.Given(self._word(path), known, span)
        return tree.Given(self._word(path), self._value_set(value), span)

    # --- conditions ---

    def _condition(self, node: object, depth: int = 0) -> tree.Condition:
        branch = cast("Branch", node)
        span = self._span(branch)
        if depth > MAX_DEPTH:
            self._refuse(
                Code.NESTING,
                f"the condition is nested more than {MAX_DEPTH} deep",
                span,
                "split the rule, or name a part of it in a rule of its own",
            )
        if branch.data in ("conjunction", "disjunction"):
            operands = tuple(self._condition(child, depth + 1) for child in branch.children)
            kind = tree.And if branch.data == "conjunction" else tree.Or
            return kind(operands, span)
        if branch.data == "negation":
            return tree.Not(self._condition(branch.children[0], depth + 1), span)
        return self._test(branch, span)

    def _test(self, node: Branch, span: Span) -> tree.Test:
        path = self._word(node.children[0])
        match str(node.data):
            case "holds":
                return tree.Test(path, tree.Relation.HOLDS, None, span)
            case "is_test":
                return tree.Test(path, tree.Relation.IS, self._literal(node.children[1]), span)
            case "has_test":
                return tree.Test(path, tree.Relation.HAS, self._literal(node.children[1]), span)
            case "is_not_test":
                return tree.Test(path, tree.Relation.IS_NOT, self._literal(node.children[2]), span)
            case "number_test":
                words = re.sub(r"\s+", " ", str(node.children[1]))
                number = self._number(cast("Token", node.children[2]))
                return tree.Test(path, tree.Relation(words), number, span)
            case name:
                relation = tree.Relation(name.removesuffix("_test"))
                return tree.Test(
                    path, relation, self._region(cast("Branch", node.children[1])), span
                )

    def _region(self, node: Branch) -> tree.Region:
        parts: list[tree.Word | tree.ValueSet] = []
        for part in _branches(node):
            if part.data == "zone_name":
                parts.append(self._word(part.children[0]))
            else:
                parts.append(self._value_set(part))
        return tree.Region(tuple(parts), self._span(node))

    def _value_set(self, node: Branch) -> tree.ValueSet:
        return tree.ValueSet(
            tuple(self._literal(child) for child in node.children), self._span(node)
        )


def _branches(node: Branch, *, start: int = 0) -> Iterator[Branch]:
    for child in node.children[start:]:
        if isinstance(child, Tree):
            yield child
