"""The one JSON form of a core program, and the strict way back.

Keys sorted, no white space, UTF-8, no floats: the same program gives the same bytes, so
their digest names the program. Reading accepts exactly what writing produces.

Every class of `dsl.core` is an object with the members of the class; conditions and
derivations, which come in several classes, name theirs in a member more, `op`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from typing import Any, cast

from dsl.core import And, Or, Program
from dsl.core_read import MAX_DEPTH, OPERATORS, Json, object_of, read_program_members
from dsl.errors import CoreFormatError
from dsl.wellformed import check_program

__all__ = ["FORMAT", "MAX_DEPTH", "program_digest", "program_from_json", "program_to_json"]

FORMAT = "charter-core/2"

_NAMES = {operator: name for name, operator in OPERATORS.items()}


def program_to_json(program: Program) -> bytes:
    """The canonical form of a program."""
    document = {"format": FORMAT, **_members(program)}
    # A list, by what it holds: the path of a fact or a list stands in it already.
    document["facts"] = [_plain(program.facts[path]) for path in sorted(program.facts)]
    document["lists"] = [_plain(program.lists[path]) for path in sorted(program.lists)]
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def program_digest(program: Program) -> str:
    """`sha256:` and the digest of the canonical form, in hexadecimal."""
    return "sha256:" + hashlib.sha256(program_to_json(program)).hexdigest()


def program_from_json(data: bytes) -> Program:
    """The program whose canonical form is `data`.

    Raises:
        CoreFormatError: The bytes are not the canonical form of a well-formed program.
    """
    try:
        program = _program(json.loads(data))
    except CoreFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CoreFormatError(f"not a core program: {error}") from error
    check_program(program)
    # One form per program: otherwise two digests could name the same rules.
    if program_to_json(program) != data:
        raise CoreFormatError("not in canonical form")
    return program


def _program(value: object) -> Program:
    names = ("format", *(field.name for field in fields(Program)))
    members = object_of(value, names, "program")
    if members.pop("format") != FORMAT:
        raise CoreFormatError(f"the format is not `{FORMAT}`")
    return read_program_members(members)


def _plain(value: object) -> object:
    if isinstance(value, str):  # most of a program
        return value
    if isinstance(value, And | Or):  # by the shortest way, for they nest
        return {"op": _NAMES[type(value)], "operands": [_plain(part) for part in value.operands]}
    operator = _NAMES.get(type(value))
    if operator is not None:
        return {"op": operator, **_members(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, object]", value)
        return {key: _plain(item) for key, item in mapping.items()}
    if hasattr(value, "__dataclass_fields__"):
        return _members(value)
    return value


def _members(value: Any) -> Json:
    kind = cast("type[Any]", type(value))
    return {name: _plain(getattr(value, name)) for name in _names_of(kind)}


@cache
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
