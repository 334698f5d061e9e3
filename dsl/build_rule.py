"""Lark's parse tree → `dsl.tree`: rules, their exceptions and their examples."""

from typing import cast

from lark.lexer import Token
from lark.tree import Tree

from dsl import tree
from dsl.build_condition import ConditionBuilder
from dsl.codes import Code
from dsl.tree_reader import Branch, TreeReader, branches

_OF_EXCEPTIONS = (tree.Cites, tree.InForce, tree.When, tree.Oblige)
_OF_RULES = (tree.LevelClause, tree.On, tree.Require, tree.Permit, tree.Forbid, tree.Prefer)


class RuleBuilder:
    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._conditions = ConditionBuilder(reader)

    def rule(self, node: Branch) -> tree.Rule:
        """A rule. Once an exception has begun, `cites`, `in force`, `when`, `oblige` and
        `advise` are the exception's."""
        clauses: list[tree.RuleClause] = []
        exceptions: list[tree.Exceptional] = []
        for child in branches(node):
            if child.data == "exception":
                name, title = self._reader.words(child)
                exceptions.append(tree.Exceptional(name, title, ()))
                continue
            clause = self._clause(child)
            if exceptions and isinstance(clause, _OF_EXCEPTIONS):
                last = exceptions[-1]
                exceptions[-1] = tree.Exceptional(last.name, last.title, (*last.clauses, clause))
            elif exceptions and isinstance(clause, _OF_RULES):
                self._misplaced(clause)
            else:
                clauses.append(clause)
        name, title = (self._reader.word(word) for word in node.children[:2])
        return tree.Rule(name, title, tuple(clauses), tuple(exceptions))

    def _misplaced(self, clause: tree.RuleClause) -> None:
        self._reader.report(
            Code.MISPLACED_CLAUSE,
            f"`{clause.span.text.split()[0]}` belongs to the rule, not to an exception",
            clause.span,
            "move it above the first `except`",
        )

    def _clause(self, node: Branch) -> tree.RuleClause:
        span = self._reader.span(node)
        match str(node.data):
            case "level":
                return tree.LevelClause(str(node.children[0]).split()[1], span)
            case "cites":
                return self.cites(node)
            case "in_force":
                return tree.InForce(self._reader.period(list(branches(node))), span)
            case "on":
                return tree.On(self._reader.words(node), span)
            case "when":
                return tree.When(self._conditions.condition(node.children[0]), span)
            case "require":
                return tree.Require(self._conditions.condition(node.children[0]), span)
            case "prefer":
                return tree.Prefer(self._reader.number(cast("Token", node.children[0])), span)
            case "oblige" | "advise":
                return self._oblige(node)
            case "because":
                return tree.Because(self._prose(node), span)
            case "remedy":
                return tree.Remedy(self._prose(node), span)
            case "example":
                return self._example(node)
            case name:
                return tree.Permit(span) if name == "permit" else tree.Forbid(span)

    def cites(self, node: Branch) -> tree.Cites:
        locators = list(branches(node))
        text = " ".join(
            f"{cast('Branch', part.children[0]).children[0]} {part.children[1]}"
            for part in locators
        )
        place = self._reader.span(locators[0])
        end = self._reader.span(locators[-1]).end
        where = tree.Word(text, place.source.span(place.start, end))
        return tree.Cites(self._reader.word(node.children[0]), where, self._reader.span(node))

    def _oblige(self, node: Branch) -> tree.Oblige:
        read = self._reader
        due = None
        parameters: list[tree.Parameter] = []
        for part in branches(node):
            if part.data == "due":
                due = read.number(cast("Token", part.children[0]))
            else:
                name, value = part.children
                parameters.append(tree.Parameter(read.word(name), read.literal(value)))
        return tree.Oblige(
            read.word(node.children[0]),
            due,
            read.span(node),
            tuple(parameters),
            node.data == "advise",
        )

    def _prose(self, node: Branch) -> str:
        return " ".join(word.text for word in self._reader.words(node) if word.text)

    # --- examples ---

    def assume(self, node: Branch) -> tree.Assume:
        given = tuple(self._given(part) for part in branches(node))
        return tree.Assume(given, self._reader.span(node))

    def _example(self, node: Branch) -> tree.Example:
        title, outcome, *rest = node.children
        parts = [cast("Branch", part) for part in rest]
        wanted = cast("Branch", outcome)
        named = {str(part.data): self._reader.words(part) for part in branches(wanted)}
        return tree.Example(
            self._reader.word(title),
            tree.Expected(str(wanted.data)),
            named.get("with_duties", ()),
            tuple(self._given(part) for part in parts if part.data == "fact"),
            self._reader.once(parts, "as_of", self._reader.day),
            self._reader.first_word(parts, "doing"),
            self._reader.span(node),
            named.get("by", ()),
            named.get("advised", ()),
        )

    def _given(self, node: Branch) -> tree.Given:
        subject, value = node.children
        path, key, quantifier = self._conditions.subject(subject)
        known: tree.Literal | tree.ValueSet | None = None
        if isinstance(value, Tree) and value.data == "value_set":
            known = self._conditions.value_set(value)
        elif not isinstance(value, Token) or value.type != "UNKNOWN":
            known = self._reader.literal(value)
        return tree.Given(path, known, self._reader.span(node), key, quantifier is not None)
