"""Lark's parse tree → `dsl.tree`: conditions."""

from typing import cast

from lark.lexer import Token

from dsl import tree
from dsl.codes import Code
from dsl.source import Span
from dsl.tree_reader import Branch, TreeReader, branches

MAX_DEPTH = 64


class ConditionBuilder:
    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader

    def condition(self, node: object, depth: int = 0) -> tree.Condition:
        branch = cast("Branch", node)
        span = self._reader.span(branch)
        if depth > MAX_DEPTH:
            too_deep(self._reader, span)
            return tree.Test(tree.Word("", span), tree.Relation.HOLDS, None, span)
        if branch.data in ("conjunction", "disjunction"):
            operands = tuple(self.condition(child, depth + 1) for child in branch.children)
            kind = tree.And if branch.data == "conjunction" else tree.Or
            return kind(operands, span)
        if branch.data == "negation":
            return tree.Not(self.condition(branch.children[0], depth + 1), span)
        return self._test(branch, span)

    def _test(self, node: Branch, span: Span) -> tree.Test:
        path = self._reader.word(node.children[0])
        relation, operand = self._relation(node)
        return tree.Test(path, relation, operand, span)

    def _relation(self, node: Branch) -> tuple[tree.Relation, tree.Literal | tree.Region | None]:
        last = node.children[-1]
        match str(node.data):
            case "holds":
                return tree.Relation.HOLDS, None
            case "is_test":
                return tree.Relation.IS, self._reader.literal(last)
            case "is_not_test":
                return tree.Relation.IS_NOT, self._reader.literal(last)
            case "has_test":
                return tree.Relation.HAS, self._reader.literal(last)
            case "number_test":
                words = " ".join(str(node.children[1]).split())
                return tree.Relation(words), self._reader.number(cast("Token", last))
            case name:
                relation = tree.Relation(name.removesuffix("_test"))
                return relation, self._region(cast("Branch", last))

    def _region(self, node: Branch) -> tree.Region:
        parts: list[tree.Word | tree.ValueSet] = []
        for part in branches(node):
            if part.data == "zone_name":
                parts.append(self._reader.word(part.children[0]))
            else:
                parts.append(self.value_set(part))
        return tree.Region(tuple(parts), self._reader.span(node))

    def value_set(self, node: Branch) -> tree.ValueSet:
        values = tuple(self._reader.literal(child) for child in node.children)
        return tree.ValueSet(values, self._reader.span(node))


def too_deep(reader: TreeReader, span: Span) -> None:
    reader.report(
        Code.NESTING,
        f"the condition is nested more than {MAX_DEPTH} deep",
        span,
        "split the rule into several",
    )
