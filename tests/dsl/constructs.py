"""Which constructs of the language a charter uses, by the nodes of its tree."""

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import ModuleType
from typing import cast

from dsl import tree, tree_conditions, tree_declarations
from dsl.parse import parse
from dsl.source import SourceText, Span

_MODULES: tuple[ModuleType, ...] = (tree, tree_conditions, tree_declarations)

# What an optional part of a node makes of it, beyond its class.
DETAILS = (
    "Advice with fields",
    "Between from today",
    "Between to today",
    "Aggregation else",
    "Aggregation where",
    "Example for an action",
    "Example with advice",
    "Example with by",
    "Given every",
    "Given key",
    "Given unknown",
    "LevelClause enforce",
    "LevelClause shadow",
    "LevelClause warn",
    "Moved minus",
    "Moved plus",
    "Number negative",
    "Number with decimals",
    "Obligation with deadline",
    "Obligation with fields",
    "Oblige advises",
    "Oblige with due",
    "Oblige with parameters",
    "Profile for everybody else",
    "Profile for tenants",
    "Profile permits on condition",
    "Region minus",
    "Region plus",
    "Test key",
    "Test of today",
    "Today minus",
    "Today plus",
    "Type negative",
    "Type with decimals",
    "Zone by region",
    *(f"Aggregation {word}" for word in ("sum", "largest", "smallest", "number")),
    *(f"due in {unit}" for unit in ("minutes", "hours", "days", "months")),
)


@cache
def every_construct() -> frozenset[str]:
    """Every class of the tree, every member of its closed lists, and the details above."""
    found = set(DETAILS)
    for module in _MODULES:
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ != module.__name__:
                continue
            if issubclass(kind, Enum):
                found |= {f"{name}.{member.name}" for member in kind}
            else:
                found.add(name)
    return frozenset(found)


def constructs(sources: Sequence[SourceText]) -> Counter[str]:
    """How often each construct occurs; sources with syntax errors count for nothing."""
    found: Counter[str] = Counter()
    for source in sources:
        charter = parse(source).charter
        if charter is not None:
            found.update(_of(charter))
    return found


def _of(node: object) -> Iterator[str]:
    if isinstance(node, Enum):
        yield f"{type(node).__name__}.{node.name}"
    elif isinstance(node, tuple):
        for item in cast("tuple[object, ...]", node):
            yield from _of(item)
    elif is_dataclass(node) and not isinstance(node, type | Span | SourceText):
        yield type(node).__name__
        yield from _details(node)
        for field in fields(node):
            yield from _of(getattr(node, field.name))


def _details(node: object) -> Iterator[str]:
    name = type(node).__name__
    for detail, present in _optional(node):
        if present:
            yield f"{name} {detail}"
    match node:
        case tree.LevelClause():
            yield f"LevelClause {node.word}"
        case tree.Aggregation():
            yield f"Aggregation {node.word}"
        case tree.Moved():
            yield "Moved minus" if node.minus else "Moved plus"
        case tree.Profile():
            yield "Profile for tenants" if node.tenants else "Profile for everybody else"
        case tree.Oblige() if node.due is not None and node.due.unit is not None:
            unit = node.due.unit
            yield f"due in {unit if unit.endswith('s') else unit + 's'}"
        case tree.Test() if node.path.text == "today":
            yield "Test of today"
        case _:
            pass


def _optional(node: object) -> tuple[tuple[str, bool], ...]:
    match node:
        case tree.Advice():
            return (("with fields", bool(node.fields)),)
        case tree.Between():
            return (("from today", node.first is None), ("to today", node.last is None))
        case tree.Aggregation():
            return (("else", node.otherwise is not None), ("where", node.where is not None))
        case tree.Example():
            named = (("with advice", bool(node.advice)), ("with by", bool(node.by)))
            return (("for an action", node.action is not None), *named)
        case tree.Given():
            keyed = (("every", node.every), ("key", node.key is not None))
            return (*keyed, ("unknown", node.value is None))
        case tree.Number():
            return (("negative", node.value < 0), ("with decimals", node.decimals > 0))
        case tree.Obligation():
            return (("with deadline", node.has_deadline), ("with fields", bool(node.fields)))
        case tree.Oblige():
            given = (("with due", node.due is not None), ("with parameters", bool(node.parameters)))
            return (("advises", node.advises), *given)
        case tree.Profile():
            return (("permits on condition", node.when is not None),)
        case tree.Region():
            return (("minus", bool(node.minus)), ("plus", len(node.parts) > 1 + len(node.minus)))
        case tree.Test():
            return (("key", node.key is not None),)
        case tree.Today():
            moved = node.offset is not None
            return (("minus", moved and node.minus), ("plus", moved and not node.minus))
        case tree.Type():
            return (("negative", node.negative), ("with decimals", node.decimals is not None))
        case tree.Zone():
            return (("by region", node.region is not None),)
        case _:
            return ()
