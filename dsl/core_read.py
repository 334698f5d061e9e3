"""Plain JSON values to the classes of `dsl.core`, by the types of their members.

Strict: a member too many or too few, or of another type, is an error. What the values mean
together is for `dsl.wellformed`.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from dsl import core
from dsl.core import And, Condition, Not, Or, Program
from dsl.errors import CoreFormatError

MAX_DEPTH = 150  # of a condition; deeper ones would exhaust the stack of some reader

Json = dict[str, Any]
Reader = Callable[[object, str], Any]

OPERATORS: dict[str, type] = {
    "constant": core.Constant,
    "holds": core.Holds,
    "one-of": core.OneOf,
    "within": core.Within,
    "touches": core.Touches,
    "at-least": core.AtLeast,
    "not-before": core.NotBefore,
    "known": core.Known,
    "in-force": core.InForce,
    "not": Not,
    "and": And,
    "or": Or,
    "tally": core.Tally,
    "shift": core.Shift,
    "days-between": core.DaysBetween,
    "compare": core.Compare,
}
_CONDITIONS = frozenset(get_args(Condition))


def read_program_members(members: Json) -> Program:
    """The program of the members of its object, facts and lists being lists by path.

    Raises:
        CoreFormatError: A member is not of its type.
    """
    hints = _hints(Program)
    read = {name: members[name] for name in members}
    for name, kind in (("facts", core.FactType), ("lists", core.ListType)):
        items = [_reader(kind)(item, name) for item in _list(members[name], name)]
        read[name] = {item.path: item for item in items}
    for name in members:
        if name not in ("facts", "lists"):
            read[name] = _reader(hints[name])(members[name], name)
    return Program(**read)


def object_of(value: object, names: tuple[str, ...] | None, what: str) -> Json:
    """The object, which must have exactly these members where they are given."""
    if not isinstance(value, dict):
        raise CoreFormatError(f"{what} is no object")
    members = cast("Json", value)
    if names is not None and set(members) != set(names):
        raise CoreFormatError(f"{what} has not exactly the members {', '.join(sorted(names))}")
    return members


# --- readers by type -----------------------------------------------------------------


@cache
def _reader(hint: Any) -> Reader:
    """What reads a member of this type."""
    if hint == Condition:
        return lambda value, _: _condition(value, MAX_DEPTH)
    if isinstance(hint, type) and get_origin(hint) is None:
        return _class_reader(cast("type[Any]", hint))
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _tuple_reader(inner)
    if origin is Mapping:
        read = _reader(inner[1])
        return lambda value, what: {
            key: read(item, what) for key, item in object_of(value, None, what).items()
        }
    if origin in (Union, types.UnionType):
        return _union_reader(inner)
    raise TypeError(f"no reader for {hint}")


def _class_reader(kind: type[Any]) -> Reader:
    if kind in (bool, int, str):
        return lambda value, what: _scalar(kind, value, what)
    if issubclass(kind, Enum):
        return lambda value, what: kind(_scalar(str, value, what))
    return lambda value, what: _instance(kind, value, what)


def _tuple_reader(inner: tuple[Any, ...]) -> Reader:
    if inner[-1] is Ellipsis:
        read = _reader(inner[0])
        return lambda value, what: tuple(read(item, what) for item in _list(value, what))
    readers = [_reader(kind) for kind in inner]

    def fixed(value: object, what: str) -> tuple[Any, ...]:
        items = _list(value, what)
        if len(items) != len(readers):
            raise CoreFormatError(f"{what} has not exactly {len(readers)} elements")
        return tuple(read(item, what) for read, item in zip(readers, items, strict=True))

    return fixed


def _union_reader(inner: tuple[Any, ...]) -> Reader:
    kinds = [kind for kind in inner if kind is not types.NoneType]
    if len(kinds) < len(inner):
        (kind,) = kinds
        read = _reader(kind)
        return lambda value, what: None if value is None else read(value, what)
    if all(kind in (bool, int, str) for kind in kinds):
        return lambda value, what: _one_of(tuple(kinds), value, what)
    return lambda value, what: _named(frozenset(kinds), value, what)


def _scalar(kind: type, value: object, what: str) -> object:
    # The exact type: `true` is no number, though bool is an int in Python.
    if type(value) is not kind:
        words = {bool: "neither true nor false", int: "no integer", str: "no text"}
        raise CoreFormatError(f"{what} is {words[kind]}")
    return value


def _one_of(kinds: tuple[type, ...], value: object, what: str) -> object:
    if type(value) not in kinds:
        raise CoreFormatError(f"{what} is of no type that it may have")
    return value


def _named(kinds: frozenset[type], value: object, what: str) -> object:
    """An instance of one of several classes, named by its `op`."""
    operator = _operator(value, what)
    if operator not in kinds:
        raise CoreFormatError(f"{what} is of no class that it may be")
    return _instance(operator, value, what)


def _instance(kind: type, value: object, what: str) -> Any:
    hints = _hints(kind)
    names = ("op", *hints) if kind in OPERATORS.values() else tuple(hints)
    members = object_of(value, names, kind.__name__)
    return kind(**{name: _reader(hint)(members[name], name) for name, hint in hints.items()})


def _operator(value: object, what: str) -> type:
    name = _scalar(str, object_of(value, None, what).get("op"), "op")
    if name not in OPERATORS:
        raise CoreFormatError(f"`{name}` is no operator")
    return OPERATORS[cast("str", name)]


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise CoreFormatError(f"{what} is no list")
    return cast("list[object]", value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


# --- conditions ----------------------------------------------------------------------


def _condition(value: object, depth: int) -> Condition:
    # Apart from the readers above, to take one frame of the stack a level.
    if depth == 0:
        raise CoreFormatError(f"a condition is nested more than {MAX_DEPTH} deep")
    operator = _operator(value, "condition")
    if operator not in _CONDITIONS:
        raise CoreFormatError("a condition is of no class that it may be")
    if operator is not And and operator is not Or:
        # The types say the rest: `not` stands in front of nothing but an atom.
        return _instance(operator, value, "condition")
    members = object_of(value, ("op", "operands"), "condition")
    return operator(
        tuple([_condition(item, depth - 1) for item in _list(members["operands"], "operands")])
    )
