"""Slices of the policies that Cedar is asked: those of the rules and duties that can bear on a
question, parsed and kept.

Where few can, they are one set of policies. Where many can, as where a question hides what
would tell rules apart, it is mostly all of them, and parsing a thousand policies at a time takes
65 MB that the process keeps. They are parsed in blocks then, which all such questions share. All
policies of a slice permit, on actions of their own: none of them has a say in what another says,
so that several sets together name what one would.
"""

# cedarpy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterable
from dataclasses import dataclass

import cedarpy

from dsl.core import Program
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_cedar import CedarParts, Part, policy_set
from gateway.pdp.fitness import IsFit, fitness
from gateway.pdp.memo import Bounded
from gateway.pdp.slices import Index, Item, read_by

# One of 60 policies takes a few milliseconds to parse.
MAX_SLICES = 64
# Items of one set of policies.
MAX_TOGETHER = 128


@dataclass(frozen=True, slots=True)
class Slice:
    """Policies, parsed. `facts` has a test of fitness for each fact read."""

    asked: tuple[cedarpy.PolicySet, ...]
    why: tuple[cedarpy.PolicySet, ...]
    facts: tuple[tuple[str, IsFit], ...]


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The policies of some items in one set. `facts` are those that they read."""

    asked: cedarpy.PolicySet
    why: cedarpy.PolicySet
    facts: frozenset[str]


class CedarSlices:
    """The slices of one program.

    Args:
        parts: Its policies one by one.
    """

    def __init__(self, program: Program, parts: CedarParts) -> None:
        self._parts = parts
        self._fitness = {path: fitness(program.facts[path]) for path in paths_read(program)}
        # Larger than those of other engines, of what they have in common.
        self._indexes = {a: Index(program, a, denied=False) for a in program.actions}
        self._blocks = {a: index.blocks(MAX_TOGETHER) for a, index in self._indexes.items()}
        self._kept: Bounded[tuple[str, int], Slice] = Bounded(MAX_SLICES)
        # Blocks by the ids of their items: two actions with the same rules share them.
        self._parsed: dict[tuple[str, ...], _Parsed] = {}

    def of(self, question: Question) -> Slice | None:
        """The slice for a question; None where no rule is about its action.

        Raises:
            ValueError: Cedar does not accept it.
        """
        index = self._indexes.get(question.action)
        if index is None:
            return None
        key = (question.action, index.select(question).items)
        part = self._kept.get(key)
        if part is None:
            part = self._make(index, *key)
            self._kept.put(key, part)
        return part

    def forget(self) -> None:
        """Let go of everything that was parsed."""
        self._parsed = {}
        self.let_go()

    def let_go(self) -> None:
        """Let go of what was made for the questions so far, but not of the blocks, which are
        for all and take long to parse."""
        self._kept = Bounded(MAX_SLICES)
        for index in self._indexes.values():
            index.forget()

    def _make(self, index: Index, action: str, items: int) -> Slice:
        if items.bit_count() <= MAX_TOGETHER:
            parts = [self._parse(index.chosen(items))]
        else:
            parts = [self._block(index, block) for block in self._blocks[action] if block & items]
        read = frozenset[str]().union(*(part.facts for part in parts))
        facts = tuple((path, self._fitness[path]) for path in sorted(read))
        return Slice(tuple(p.asked for p in parts), tuple(p.why for p in parts), facts)

    def _block(self, index: Index, block: int) -> _Parsed:
        ids = tuple(item.id for item in index.chosen(block))
        found = self._parsed.get(ids)
        if found is None:
            found = self._parsed[ids] = self._parse(index.chosen(block))
        return found

    def _parse(self, items: Iterable[Item]) -> _Parsed:
        chosen = {item.id: item for item in items}

        def parsed(parts: Iterable[Part]) -> cedarpy.PolicySet:
            return parsed_set(part for part in parts if part[0] in chosen)

        read = frozenset(path for item in chosen.values() for path in read_by(item.condition))
        return _Parsed(parsed(self._parts.asked), parsed(self._parts.why), read)


def parsed_set(parts: Iterable[Part]) -> cedarpy.PolicySet:
    """Policies as one set; a ValueError where Cedar does not accept them."""
    return cedarpy.PolicySet.from_str(policy_set(parts))
