"""The vocabulary as JSON Schema 2020-12: what a request may say, and where.

The body has the shape of the OpenID AuthZEN Authorization API 1.0: `subject`, `action`,
`resource`, `context`. Facts stand where their `wire` path puts them; only those of
origin request are there, for nobody else's facts may come from a caller. All objects
are closed. A schema cannot say that an absent label is the same as an unknown one, so
no fact is required.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from dsl.core import FactType, Kind, Origin, Place, Program
from dsl.facts import MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS
from dsl.wellformed import check_program

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TERM_LENGTH}
_TYPED = ("type", "id")  # what every subject and resource must carry (AuthZEN 1.0, 5.1)


def vocabulary_schema(program: Program) -> bytes:
    """The schema of a request body; the same program gives the same bytes.

    Raises:
        CoreFormatError: The program is not well-formed.
    """
    check_program(program)
    root = _object({})
    root["required"] = ["action", "resource", "subject"]
    _at(root, ("subject",)).update(_entity(None))
    _at(root, ("resource",)).update(_entity(None))
    _at(root, ("action",)).update(
        {"required": ["name"], "properties": {"name": {"enum": sorted(program.actions)}}}
    )
    _at(root, ("context",))
    for place in program.places:
        _put(root, place.wire, _entity(place))
    for fact in program.facts.values():
        if fact.origin is Origin.REQUEST:
            _put(root, fact.wire, _fact(fact))
    conditions = [_required(place) for place in program.places if place.actions]
    if conditions:
        root["allOf"] = conditions
    document = {"$schema": DIALECT, "title": "A question to Charter", **root}
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2)
    return (text + "\n").encode("utf-8")


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _at(root: Schema, wire: tuple[str, ...]) -> Schema:
    """The closed object at a path below the root, made on the way where it is missing."""
    current = root
    for step in wire:
        properties = cast("Schema", current.setdefault("properties", {}))
        current = cast("Schema", properties.setdefault(step, _object({})))
    return current


def _put(root: Schema, wire: tuple[str, ...], schema: Schema) -> None:
    parent = _at(root, wire[:-1])
    properties = cast("Schema", parent.setdefault("properties", {}))
    here = cast("Schema", properties.setdefault(wire[-1], {}))
    # A place may have facts of the request below it: keep both.
    below = {**cast("Schema", here.get("properties", {})), **schema.get("properties", {})}
    here.update(schema)
    if below:
        here["properties"] = below


def _entity(place: Place | None) -> Schema:
    kind: Schema = _TEXT if place is None else {"const": place.entity}
    schema = _object({"type": kind, "id": _TEXT})
    schema["required"] = sorted(_TYPED)
    if place is not None:
        schema["description"] = f"The {place.entity} that is the {place.record}."
    return schema


def _required(place: Place) -> Schema:
    """Actions that must name an entity at a place."""
    demand: Schema = {}
    current = demand
    for step in place.wire:
        current["required"] = [step]
        current["properties"] = {step: {}}
        current = current["properties"][step]
    actions: Mapping[str, object] = {"name": {"enum": sorted(place.actions)}}
    condition = {"properties": {"action": {"properties": actions}}}
    return {"if": condition, "then": demand}


def _fact(fact: FactType) -> Schema:
    schema = _value(fact)
    notes = [note for note in (fact.title, fact.unit and f"in {fact.unit}") if note]
    if notes:
        schema["description"] = ", ".join(notes)
    return schema


def _value(fact: FactType) -> Schema:
    match fact.kind:
        case Kind.TRUTH:
            return {"type": "boolean"}
        case Kind.INTEGER:
            return {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
        case Kind.TERM:
            return _term(fact)
        case Kind.TERMS:
            least = {} if fact.may_be_empty else {"minItems": 1}
            return {"type": "array", "items": _term(fact), "maxItems": MAX_TERMS, **least}


def _term(fact: FactType) -> Schema:
    return dict(_TEXT) if fact.values is None else {"enum": list(fact.values)}
