"""Lark's parse tree → `dsl.tree`: conditions."""

from typing import cast

from lark.lexer import Token

from dsl import tree
from dsl.codes import Code
from dsl.source import Span
from dsl.tree_reader import Branch, TreeReader, branches

MAX_DEPTH = 64

_TODAY = "today"
_RELATIONS = {
    "holds": tree.Relation.HOLDS,
    "is_test": tree.Relation.IS,
    "is_not_test": tree.Relation.IS_NOT,
    "in_test": tree.Relation.IN,
    "has_test": tree.Relation.HAS,
    "within_test": tree.Relation.WITHIN,
    "touches_test": tree.Relation.TOUCHES,
    "last_test": tree.Relation.LAST,
    "next_test": tree.Relation.NEXT,
    "known_test": tree.Relation.KNOWN,
    "not_known_test": tree.Relation.NOT_KNOWN,
}
_WITHOUT_OPERAND = (tree.Relation.HOLDS, tree.Relation.KNOWN, tree.Relation.NOT_KNOWN)


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
        path, key, quantifier = self.subject(node.children[0])
        relation = _RELATIONS.get(str(node.data))
        if relation is None:
            # Order and dates: the words themselves are the second token.
            relation = tree.Relation(" ".join(str(node.children[1]).split()))
        operand = None
        if relation not in _WITHOUT_OPERAND:
            operand = self._operand(node.children[-1])
        return tree.Test(path, relation, operand, span, key, quantifier)

    def subject(self, node: object) -> tuple[tree.Word, tree.Word | None, tree.Quantifier | None]:
        """What is tested or given: its path, the key of a map, `every` or `some`."""
        if isinstance(node, Token):
            return self._reader.word(node), None, None
        branch = cast("Branch", node)
        path = self._reader.word(branch.children[0])
        if branch.data == "keyed":
            return path, self._reader.word(branch.children[1]), None
        return path, None, tree.Quantifier(str(branch.data))

    def _operand(self, node: object) -> tree.Literal | tree.Region | tree.Today:
        if not isinstance(node, Token):
            branch = cast("Branch", node)
            if branch.data == "region":
                return self.region(branch)
            if branch.data == _TODAY:
                return self._today(branch)
        return self._reader.literal(node)

    def _today(self, node: Branch) -> tree.Today:
        for moved in branches(node):
            offset = self._reader.number(cast("Token", moved.children[0]))
            return tree.Today(offset, moved.data == "earlier", self._reader.span(node))
        return tree.Today(None, minus=False, span=self._reader.span(node))

    def region(self, node: Branch) -> tree.Region:
        parts: list[tree.Word | tree.ValueSet] = []
        taken: set[int] = set()
        for child in branches(node):
            part = child
            if part.data == "taken":
                taken.add(len(parts))
                part = cast("Branch", part.children[0])
            if part.data == "zone_name":
                parts.append(self._reader.word(part.children[0]))
            else:
                parts.append(self.value_set(part))
        return tree.Region(tuple(parts), self._reader.span(node), frozenset(taken))

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
