"""Lark's parse tree → `dsl.tree`: charters, declaration by declaration. Knows the grammar's
rule names and nothing of meaning."""

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from dsl import tree
from dsl.build_derive import DeriveBuilder
from dsl.build_profile import ProfileBuilder
from dsl.build_rule import RuleBuilder
from dsl.build_vocabulary import VocabularyBuilder
from dsl.diagnostics import Diagnostic
from dsl.source import SourceText
from dsl.tree_reader import Branch, TreeReader, branches


def build(source: SourceText, root: Branch, found: list[Diagnostic]) -> tree.Charter:
    """The tree of one charter. Where something is added to `found` (a condition nested too
    deeply, a date that does not exist, a clause that can mean nothing where it stands) the
    tree is not what the author wrote and must not be used."""
    return _Builder(source, TreeReader(source, found)).charter(root)


def build_declarations(
    source: SourceText, root: Branch, start: int, found: list[Diagnostic]
) -> tuple[tree.Declaration, ...]:
    """The declarations of a piece of a charter that begins at `start`; `found` as above."""
    return _Builder(source, TreeReader(source, found, start)).declarations(branches(root))


class _Builder:
    def __init__(self, source: SourceText, reader: TreeReader) -> None:
        self._source = source
        self._reader = reader
        rules = RuleBuilder(reader)
        profiles = ProfileBuilder(reader, rules)
        self._builders: Mapping[str, Callable[[Branch], tree.Declaration]] = {
            **VocabularyBuilder(reader).builders,
            "derive": DeriveBuilder(reader).derive,
            "profile": profiles.profile,
            "invariant": profiles.invariant,
            "assume": rules.assume,
            "rule": rules.rule,
        }

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
            self.declarations(n for n in below if n.data != "import_clause"),
        )

    def declarations(self, nodes: Iterable[Branch]) -> tuple[tree.Declaration, ...]:
        return tuple(self._builders[str(node.data)](node) for node in nodes)

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
