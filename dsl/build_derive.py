"""Lark's parse tree → `dsl.tree`: derived facts."""

from typing import cast

from lark.lexer import Token

from dsl import tree
from dsl.build_condition import ConditionBuilder
from dsl.codes import Code
from dsl.tree_reader import Branch, TreeReader, branches

_AGGREGATES = {
    "THE_SUM_OF": "sum",
    "THE_LARGEST": "largest",
    "THE_SMALLEST": "smallest",
    "THE_NUMBER_OF": "number",
}


class DeriveBuilder:
    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._conditions = ConditionBuilder(reader)

    def derive(self, node: Branch) -> tree.Derive:
        path, *rest = node.children
        title = self._reader.word(rest[0]) if isinstance(rest[0], Token) else None
        return tree.Derive(self._reader.word(path), title, self._derivation(rest[-1]))

    def _derivation(
        self, node: object
    ) -> tree.Aggregation | tree.Moved | tree.Between | tree.Whether:
        branch = cast("Branch", node)
        match str(branch.data):
            case "aggregation":
                return self._aggregation(branch)
            case "moved":
                return self._moved(branch)
            case "whether":
                return self._whether(branch)
            case _:
                return self._between(branch)

    def _aggregation(self, node: Branch) -> tree.Aggregation:
        phrase, path = cast("tuple[Token, Token]", tuple(node.children[:2]))
        parts = {str(part.data): part for part in branches(node)}
        where, otherwise = parts.get("where"), parts.get("otherwise")
        word = _AGGREGATES[phrase.type]
        self._else(phrase, path, word, otherwise)
        return tree.Aggregation(
            word,
            self._reader.word(path),
            self._conditions.condition(where.children[0]) if where else None,
            self._reader.literal(otherwise.children[0]) if otherwise else None,
            self._reader.span(node),
        )

    def _else(self, phrase: Token, path: Token, word: str, otherwise: Branch | None) -> None:
        """Of nothing there is a sum and a number, but no largest and no smallest."""
        span = self._reader.span(phrase)
        words = " ".join(phrase.split())
        if word in ("sum", "number"):
            if otherwise is not None:
                place = self._reader.span(otherwise)
                message = f"`{words}` has no `else`"
                help_ = "remove it; of an empty list the result is 0"
                self._reader.report(Code.UNEXPECTED, message, place, help_)
        elif otherwise is None:
            message = f"`{words}` does not say what it is where there is none"
            help_ = "add `else` and a value at the end, such as `else 0 percent`"
            self._reader.report(Code.UNEXPECTED, message, span, help_)

    def _moved(self, node: Branch) -> tree.Moved:
        path, moved = node.children
        by = cast("Branch", moved)
        amount = self._reader.number(cast("Token", by.children[0]))
        return tree.Moved(
            self._reader.word(path), amount, by.data == "minus", self._reader.span(node)
        )

    def _whether(self, node: Branch) -> tree.Whether:
        left, compared, right = node.children
        sign = " ".join(str(cast("Branch", compared).children[0]).split())
        read = self._reader
        return tree.Whether(read.word(left), tree.Relation(sign), read.word(right), read.span(node))

    def _between(self, node: Branch) -> tree.Between:
        _, first, last = (cast("Token", child) for child in node.children)
        return tree.Between(self._end(first), self._end(last), self._reader.span(node))

    def _end(self, token: Token) -> tree.Word | None:
        return None if token.type == "TODAY" else self._reader.word(token)
