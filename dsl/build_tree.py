"""Lark's parse tree → `dsl.tree`: charters and vocabulary. Knows the grammar's rule names
and nothing of meaning."""

from collections.abc import Sequence
from typing import cast

from lark.lexer import Token

from dsl import tree
from dsl.build_rule import RuleBuilder
from dsl.diagnostics import Diagnostic
from dsl.source import SourceText
from dsl.tree_reader import Branch, TreeReader, branches

_SHAPES = {
    "type_term": tree.Shape.TERM,
    "type_set": tree.Shape.SET,
    "type_set_or_none": tree.Shape.SET_OR_NONE,
    "type_truth": tree.Shape.TRUTH,
    "type_number": tree.Shape.NUMBER,
}


def build(source: SourceText, root: Branch, found: list[Diagnostic]) -> tree.Charter:
    """The tree of one charter. Where something is added to `found` (a condition nested too
    deeply, a date that does not exist, a clause that can mean nothing where it stands) the
    tree is not what the author wrote and must not be used."""
    return _Builder(source, TreeReader(source, found)).charter(root)


class _Builder:
    def __init__(self, source: SourceText, reader: TreeReader) -> None:
        self._source = source
        self._reader = reader
        self._rules = RuleBuilder(reader)

    def charter(self, root: Branch) -> tree.Charter:
        header = cast("Branch", root.children[0])
        parts = list(branches(header))
        below = list(branches(root, start=1))
        read = self._reader
        return tree.Charter(
            self._source,
            read.word(header.children[0]),
            read.first_word(parts, "title"),
            tuple(self._law(part) for part in parts if part.data == "law"),
            read.first_word(parts, "time_zone"),
            read.once(parts, "as_of", read.day),
            tuple(read.word(n.children[0]) for n in below if n.data == "import_clause"),
            tuple(self._declaration(n) for n in below if n.data != "import_clause"),
        )

    def _law(self, node: Branch) -> tree.Law:
        name, title, *rest = node.children
        parts = [cast("Branch", part) for part in rest]
        read = self._reader
        return tree.Law(
            read.word(name),
            read.word(title),
            read.first_word(parts, "celex"),
            read.first_word(parts, "url"),
        )

    def _declaration(self, node: Branch) -> tree.Declaration:
        match str(node.data):
            case "action":
                return tree.Action(*self._reader.words(node))
            case "obligation":
                return tree.Obligation(*self._reader.words(node))
            case "enumeration":
                name, title, *values = self._reader.words(node)
                return tree.Enumeration(name, title, tuple(values))
            case "taxonomy":
                terms = tuple(self._term(term) for term in branches(node))
                return tree.Taxonomy(*self._named(node), terms)
            case "entity":
                return tree.Entity(*self._named(node), self._fields(node))
            case "record_of_fields" | "record_of_entity":
                return self._record(node)
            case "zone":
                members = tuple(self._member(member) for member in branches(node))
                return tree.Zone(*self._named(node), members)
            case _:
                return self._rules.rule(node)

    def _named(self, node: Branch) -> tuple[tree.Word, tree.Word]:
        return self._reader.word(node.children[0]), self._reader.word(node.children[1])

    def _term(self, node: Branch) -> tree.Term:
        under = [self._reader.words(part) for part in branches(node)]
        return tree.Term(*self._named(node), under[0] if under else ())

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
        name = None if shape is tree.Shape.TRUTH else self._reader.word(node.children[0])
        return tree.Type(shape, name, self._reader.span(node))

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

    def _member(self, node: Branch) -> tree.Member:
        values = tuple(self._reader.word(c) for c in node.children if isinstance(c, Token))
        parts = list(branches(node))
        return tree.Member(
            values,
            self._reader.first_word(parts, "basis"),
            self._reader.first_word(parts, "celex"),
            self._reader.period(parts),
        )
