"""The one JSON form of a core program, and the strict way back.

Keys sorted, no white space, UTF-8, no floats: the same program gives the same bytes, so
their digest names the program. Reading accepts exactly what writing produces.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar, cast

from dsl.core import (
    And,
    AtLeast,
    Citation,
    Condition,
    Constant,
    Duty,
    Effect,
    ExceptionNote,
    FactType,
    Holds,
    InForce,
    Kind,
    Not,
    OneOf,
    Or,
    Origin,
    Place,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.errors import CoreFormatError
from dsl.wellformed import check_program

FORMAT = "charter-core/1"
MAX_DEPTH = 200  # of a condition; deeper ones would exhaust the stack of some reader

Json = dict[str, Any]
T = TypeVar("T")

_OPERATORS: dict[str, type] = {
    "constant": Constant,
    "holds": Holds,
    "one-of": OneOf,
    "within": Within,
    "touches": Touches,
    "at-least": AtLeast,
    "in-force": InForce,
    "not": Not,
    "and": And,
    "or": Or,
}
_NAMES = {operator: name for name, operator in _OPERATORS.items()}


# --- writing -------------------------------------------------------------------------


def program_to_json(program: Program) -> bytes:
    """The canonical form of a program."""
    document = {
        "format": FORMAT,
        "facts": [_plain(program.facts[path]) for path in sorted(program.facts)],
        "places": [_plain(place) for place in program.places],
        "actions": list(program.actions),
        "rules": [_plain(rule) for rule in program.rules],
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def program_digest(program: Program) -> str:
    """`sha256:` and the digest of the canonical form, in hexadecimal."""
    return "sha256:" + hashlib.sha256(program_to_json(program)).hexdigest()


def _plain(value: object) -> object:
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
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


# --- reading -------------------------------------------------------------------------


def program_from_json(data: bytes) -> Program:
    """The program whose canonical form is `data`.

    Raises:
        CoreFormatError: The bytes are not the canonical form of a well-formed program.
    """
    try:
        document = json.loads(data)
        program = _program(document)
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
    members = _object(value, ("format", "facts", "places", "actions", "rules"), "program")
    if members["format"] != FORMAT:
        raise CoreFormatError(f"the format is not `{FORMAT}`")
    facts = [_fact(item) for item in _list(members["facts"], "facts")]
    return Program(
        facts={fact.path: fact for fact in facts},
        places=tuple(_place(item) for item in _list(members["places"], "places")),
        actions=_strings(members["actions"], "actions"),
        rules=tuple(_rule(item) for item in _list(members["rules"], "rules")),
    )


def _fact(value: object) -> FactType:
    members = _members_of(FactType, value)
    taxonomy = _object(members["broader"], None, "broader")
    return FactType(
        path=_text(members["path"], "path"),
        kind=Kind(members["kind"]),
        origin=Origin(members["origin"]),
        wire=_strings(members["wire"], "wire"),
        title=_text(members["title"], "title"),
        values=_maybe(members["values"], lambda item: _strings(item, "values")),
        unit=_maybe(members["unit"], lambda item: _text(item, "unit")),
        may_be_empty=_truth(members["may_be_empty"], "may_be_empty"),
        broader={term: _strings(broader, "broader") for term, broader in taxonomy.items()},
    )


def _place(value: object) -> Place:
    members = _members_of(Place, value)
    return Place(
        record=_text(members["record"], "record"),
        entity=_text(members["entity"], "entity"),
        wire=_strings(members["wire"], "wire"),
        actions=_strings(members["actions"], "actions"),
    )


def _rule(value: object) -> Rule:
    members = _members_of(Rule, value)
    return Rule(
        id=_text(members["id"], "id"),
        effect=Effect(members["effect"]),
        actions=_strings(members["actions"], "actions"),
        formula=_condition(members["formula"], MAX_DEPTH),
        title=_text(members["title"], "title"),
        citations=_citations(members["citations"]),
        because=_text(members["because"], "because"),
        remedies=_strings(members["remedies"], "remedies"),
        exceptions=tuple(_note(item) for item in _list(members["exceptions"], "exceptions")),
        duties=tuple(_duty(item) for item in _list(members["duties"], "duties")),
    )


def _note(value: object) -> ExceptionNote:
    members = _members_of(ExceptionNote, value)
    return ExceptionNote(
        id=_text(members["id"], "id"),
        title=_text(members["title"], "title"),
        citations=_citations(members["citations"]),
        condition=_condition(members["condition"], MAX_DEPTH),
    )


def _duty(value: object) -> Duty:
    members = _members_of(Duty, value)
    return Duty(
        id=_text(members["id"], "id"),
        obligation=_text(members["obligation"], "obligation"),
        title=_text(members["title"], "title"),
        rule=_text(members["rule"], "rule"),
        condition=_condition(members["condition"], MAX_DEPTH),
        citations=_citations(members["citations"]),
        due_days=_maybe(members["due_days"], lambda item: _integer(item, "due_days")),
    )


def _citations(value: object) -> tuple[Citation, ...]:
    return tuple(_citation(item) for item in _list(value, "citations"))


def _citation(value: object) -> Citation:
    members = _members_of(Citation, value)
    return Citation(
        law=_text(members["law"], "law"),
        title=_text(members["title"], "title"),
        locator=_text(members["locator"], "locator"),
        celex=_maybe(members["celex"], lambda item: _text(item, "celex")),
        url=_maybe(members["url"], lambda item: _text(item, "url")),
    )


def _condition(value: object, depth: int) -> Condition:
    if depth == 0:
        raise CoreFormatError(f"a condition is nested more than {MAX_DEPTH} deep")
    name = _text(_object(value, None, "condition").get("op"), "op")
    if name not in _OPERATORS:
        raise CoreFormatError(f"`{name}` is no condition")
    operator = _OPERATORS[name]
    members = _object(value, ("op", *(field.name for field in fields(operator))), name)
    if operator is Constant:
        return Constant(_truth(members["value"], "value"))
    if operator is Not:
        operand = _condition(members["operand"], depth)
        if isinstance(operand, Not | And | Or):
            raise CoreFormatError("`not` stands in front of more than an atom")
        return Not(operand)
    if operator is And or operator is Or:
        operands = _list(members["operands"], "operands")
        return operator(tuple(_condition(item, depth - 1) for item in operands))
    return _atom(name, members)


def _atom(name: str, members: Json) -> Condition:
    if name == "in-force":
        return InForce(
            time_zone=_text(members["time_zone"], "time_zone"),
            first=_maybe(members["first"], lambda item: _integer(item, "first")),
            last=_maybe(members["last"], lambda item: _integer(item, "last")),
        )
    path = _text(members["path"], "path")
    if name == "holds":
        return Holds(path)
    if name == "at-least":
        return AtLeast(path, _integer(members["bound"], "bound"))
    values = _strings(members["values"], "values")
    return {"one-of": OneOf, "within": Within, "touches": Touches}[name](path, values)


def _members_of(kind: type, value: object) -> Json:
    return _object(value, tuple(field.name for field in fields(kind)), kind.__name__)


def _object(value: object, names: tuple[str, ...] | None, what: str) -> Json:
    if not isinstance(value, dict):
        raise CoreFormatError(f"{what} is no object")
    members = cast("Json", value)
    if names is not None and set(members) != set(names):
        raise CoreFormatError(f"{what} has not exactly the members {', '.join(sorted(names))}")
    return members


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise CoreFormatError(f"{what} is no list")
    return cast("list[object]", value)


def _strings(value: object, what: str) -> tuple[str, ...]:
    return tuple(_text(item, what) for item in _list(value, what))


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise CoreFormatError(f"{what} is no text")
    return value


def _truth(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise CoreFormatError(f"{what} is neither true nor false")
    return value


def _integer(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise CoreFormatError(f"{what} is no integer")
    return value


def _maybe(value: object, read: Callable[[object], T]) -> T | None:
    return None if value is None else read(value)
