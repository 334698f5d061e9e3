"""Lark's parse tree → `dsl.tree`: the vocabulary a charter declares."""

from collections.abc import Sequence
from typing import cast

from lark.lexer import Token

from dsl import tree
from dsl.build_condition import ConditionBuilder
from dsl.tree_reader import Branch, TreeReader, branches

_SHAPES = {
    "type_term": tree.Shape.TERM,
    "type_set": tree.Shape.SET,
    "type_set_or_none": tree.Shape.SET_OR_NONE,
    "type_truth": tree.Shape.TRUTH,
    "type_number": tree.Shape.NUMBER,
    "type_map": tree.Shape.MAP,
    "type_list": tree.Shape.LIST,
}


class VocabularyBuilder:
    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._conditions = ConditionBuilder(reader)
        # By name of the rule of the grammar.
        self.builders = {
            "action": self._action,
            "enumeration": self._enumeration,
            "levels": self._levels,
            "taxonomy": self._taxonomy,
            "structure": self._structure,
            "entity": self._entity,
            "record_of_fields": self._record,
            "record_of_entity": self._record,
            "zone": self._zone,
            "obligation": self._obligation,
            "advice": self._advice,
        }

    def _action(self, node: Branch) -> tree.Action:
        return tree.Action(*self._named(node))

    def _enumeration(self, node: Branch) -> tree.Enumeration:
        name, title, *values = self._reader.words(node)
        return tree.Enumeration(name, title, tuple(values))

    def _levels(self, node: Branch) -> tree.Levels:
        name, title, *values = self._reader.words(node)
        return tree.Levels(name, title, tuple(values))

    def _taxonomy(self, node: Branch) -> tree.Taxonomy:
        terms = tuple(self._term(term) for term in branches(node))
        return tree.Taxonomy(*self._named(node), terms)

    def _term(self, node: Branch) -> tree.Term:
        under = [self._reader.words(part) for part in branches(node)]
        return tree.Term(*self._named(node), under[0] if under else ())

    def _structure(self, node: Branch) -> tree.Structure:
        return tree.Structure(*self._named(node), self._fields(node))

    def _entity(self, node: Branch) -> tree.Entity:
        return tree.Entity(*self._named(node), self._fields(node))

    def _record(self, node: Branch) -> tree.Record:
        words = [child for child in node.children if isinstance(child, Token)]
        name, *rest = [self._reader.word(word) for word in words]
        title = rest.pop(0) if rest[0].quoted else None
        entity = rest.pop(0) if node.data == "record_of_entity" else None
        origin, wire = rest
        actions: Sequence[tree.Word] = ()
        for part in branches(node):
            if part.data == "on":
                actions = self._reader.words(part)
        fields = self._fields(node)
        return tree.Record(name, title, origin, wire, fields, entity, tuple(actions))

    def _zone(self, node: Branch) -> tree.Zone:
        parts = list(branches(node))
        if parts[0].data == "region":
            region = self._conditions.region(parts[0])
            return tree.Zone(*self._named(node), (), region)
        return tree.Zone(*self._named(node), tuple(self._member(part) for part in parts))

    def _member(self, node: Branch) -> tree.Member:
        values = tuple(self._reader.word(c) for c in node.children if isinstance(c, Token))
        parts = list(branches(node))
        return tree.Member(
            values,
            self._reader.first_word(parts, "basis"),
            self._reader.first_word(parts, "celex"),
            self._reader.period(parts),
        )

    def _obligation(self, node: Branch) -> tree.Obligation:
        has_deadline = any(isinstance(child, Token) for child in node.children[2:])
        return tree.Obligation(*self._named(node), self._fields(node), has_deadline)

    def _advice(self, node: Branch) -> tree.Advice:
        return tree.Advice(*self._named(node), self._fields(node))

    # --- fields ---

    def _named(self, node: Branch) -> tuple[tree.Word, tree.Word]:
        return self._reader.word(node.children[0]), self._reader.word(node.children[1])

    def _fields(self, node: Branch) -> tuple[tree.Field, ...]:
        return tuple(self._field(part) for part in branches(node) if part.data == "field")

    def _field(self, node: Branch) -> tree.Field:
        name, type_, *title = node.children
        return tree.Field(
            self._reader.word(name),
            self._type(cast("Branch", type_)),
            self._reader.word(title[0]) if title else None,
        )

    def _type(self, node: Branch) -> tree.Type:
        shape = _SHAPES[str(node.data)]
        words = [child for child in node.children if isinstance(child, Token)]
        by_kind = {word.type: word for word in words}
        name = by_kind.get("NAME")
        decimals = by_kind.get("WITH_DECIMALS")
        return tree.Type(
            shape,
            self._reader.word(name) if name else None,
            self._reader.span(node),
            next((self._type(part) for part in branches(node)), None),
            self._reader.digits(decimals) if decimals else None,
            "OR_NEGATIVE" in by_kind,
        )
