"""The vocabulary as JSON Schema 2020-12: what a request may say, and where.

The body has the shape of the OpenID AuthZEN Authorization API 1.0: `subject`, `action`,
`resource`, `context`. Facts stand where their `wire` path puts them; only those of
origin request are there, for nobody else's facts may come from a caller. All objects
are closed. A schema cannot say that an absent label is the same as an unknown one, so
no fact is required.

The schema of a fact accepts what `dsl.facts.fit` takes for known, where the validator
asserts `format` (JSON Schema 2020-12 Validation, section 7.2). It cannot tell 3.0 from 3,
nor characters that Unicode has not assigned from others.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from dsl.core import FactType, Kind, Origin, Place, Program
from dsl.facts import MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS
from dsl.wellformed import check_program

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TERM_LENGTH}
# Control, format and private characters, and every space but one, as far as Unicode's
# first plane goes (`str.isprintable`).
_UNPRINTABLE = (
    r"\u0000-\u001F\u007F-\u00A0\u00AD\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u1680"
    r"\u180E\u2000-\u200F\u2028-\u202F\u205F-\u206F\u3000\uD800-\uF8FF\uFEFF\uFFF9-\uFFFB"
)
_IDENTIFIER: Schema = {**_TEXT, "pattern": f"^[^{_UNPRINTABLE}]+$"}
_DATE: Schema = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
# Where a question names the machine that it is about.
_MACHINE = ("context", "attestation")
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
        # What is derived from the request's facts has no place of its own in it.
        if fact.origin is Origin.REQUEST and fact.wire:
            _put(root, fact.wire, _fact(fact))
    if any(_is_proved(fact) for fact in program.facts.values()):
        _put(root, _MACHINE, _machine())
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
    # Copies: a fact may stand at either, and says more of it.
    kind: Schema = dict(_TEXT) if place is None else {"const": place.entity}
    schema = _object({"type": kind, "id": dict(_TEXT)})
    schema["required"] = sorted(_TYPED)
    if place is not None:
        schema["description"] = f"The {place.entity} that is the {place.record}."
    return schema


def _is_proved(fact: FactType) -> bool:
    return fact.origin is Origin.VERIFIER and fact.wire[: len(_MACHINE)] == _MACHINE


def _machine() -> Schema:
    """A machine by its name, and perhaps what it shows: what that proves, no caller says."""
    schema = _object(
        {"node": dict(_TEXT), "challenge": dict(_TEXT), "evidence": {"type": "object"}}
    )
    schema["required"] = ["node"]
    schema["description"] = (
        "The machine, where the gateway takes evidence: by what stands of it, or with evidence "
        "for this question alone, of format charter-evidence/v1."
    )
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
    decimals = f"with at most {fact.scale} decimals" if fact.scale else ""
    notes = [note for note in (fact.title, fact.unit and f"in {fact.unit}", decimals) if note]
    if notes:
        schema["description"] = ", ".join(notes)
    return schema


def _value(fact: FactType) -> Schema:
    match fact.kind:
        case Kind.TRUTH:
            return {"type": "boolean"}
        case Kind.INTEGER if fact.scale:
            return {"type": "string", "pattern": f"^{_decimal(fact)}$"}
        case Kind.INTEGER:
            least = -MAX_INTEGER if fact.may_be_negative else 0
            return {"type": "integer", "minimum": least, "maximum": MAX_INTEGER}
        case Kind.DAY:
            return dict(_DATE)
        case Kind.TERM:
            return _term(fact)
        case Kind.TERMS:
            least = {} if fact.may_be_empty else {"minItems": 1}
            return {"type": "array", "items": _term(fact), "maxItems": MAX_TERMS, **least}


def _term(fact: FactType) -> Schema:
    # Levels in their order, which says more than the alphabet.
    listed = fact.order or fact.values
    return dict(_IDENTIFIER) if listed is None else {"enum": list(listed)}


# --- decimals ------------------------------------------------------------------------


def _decimal(fact: FactType) -> str:
    """A pattern of the decimals that fit: no zeros in front, no more places than the scale
    has, and not beyond `MAX_INTEGER` steps. Made of what JSON Schema 2020-12 Core, section
    6.4, recommends, so that every validator reads it alike."""
    whole, part = divmod(MAX_INTEGER, 10**fact.scale)
    most, places = str(whole), f"{part:0{fact.scale}}"
    smaller = "|".join(["0", *_shorter(most), *_below(most)])
    any_places = f"(\\.[0-9]{{1,{fact.scale}}})?"
    sign = "-?" if fact.may_be_negative else ""
    return f"{sign}(({smaller}){any_places}|{most}(\\.({'|'.join(_up_to(places))}))?)"


def _shorter(most: str) -> Iterator[str]:
    """Whole numbers with fewer digits than `most`, zero left out."""
    if len(most) > 1:
        yield f"[1-9][0-9]{{0,{len(most) - 2}}}" if len(most) > 2 else "[1-9]"


def _below(most: str) -> Iterator[str]:
    """Whole numbers with as many digits as `most` that are less."""
    for at, digit in enumerate(most):
        least = 0 if at else 1
        if int(digit) > least:
            yield f"{most[:at]}[{least}-{int(digit) - 1}]" + "[0-9]" * (len(most) - at - 1)


def _up_to(places: str) -> Iterator[str]:
    """Decimal places, at least one, that say no more than `places` does."""
    for at, digit in enumerate(places):
        left = len(places) - at - 1
        if int(digit) > 0:
            more = f"[0-9]{{0,{left}}}" if left else ""
            yield f"{places[:at]}[0-{int(digit) - 1}]{more}"
        yield places[: at + 1]
