"""Stage 2, records: where on the wire the facts of a record sit, and who states them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsl import tree
from dsl.codes import Code
from dsl.core import Origin, Place
from dsl.diagnostics import Fix, Label, quoted
from dsl.fields import Fields
from dsl.found import Found
from dsl.scope import DATE
from dsl.tree import Shape

WIRE_TOPS = ("subject", "action", "resource", "context")
# What every request says of itself (OpenID AuthZEN Authorization API 1.0, section 5): one
# word each, from the caller.
NAMED_BY_CALLER = ("subject.type", "subject.id", "resource.type", "resource.id")
REFERENCE = ("id", "type")


@dataclass(frozen=True)
class Record:
    """The facts below a record and, where it names an entity, the place that names it."""

    fields: Fields
    place: Place | None
    origin: Origin


def is_placed(record: tree.Record, found: Found) -> bool:
    """Whether origin and wire of a record can be what they are; else it is reported."""
    origins = [origin.value for origin in Origin]
    if record.origin.text not in origins:
        found.unknown(Code.UNKNOWN_ORIGIN, "origin", record.origin, origins)
        return False
    wire, origin = record.wire, record.origin
    if wire.text.split(".")[0] not in WIRE_TOPS:
        found.report(
            Code.WIRE_PLACE,
            f"nothing in a request lies at {quoted(wire.text)}",
            wire.span,
            "begin with `subject.properties`, `resource` or `context`",
        )
        return False
    if record.entity is not None and origin.text != Origin.CATALOGUE.value:
        found.report(
            Code.WIRE_PLACE,
            f"what is known of {quoted(record.entity.text)} comes from the catalogue, "
            f"not from {quoted(origin.text)}",
            origin.span,
            "write `from catalogue`",
            fix=Fix(origin.span, Origin.CATALOGUE.value),
        )
        return False
    before = found.errors
    for declared in record.fields:
        _check_reserved(record, declared, found)
    return found.errors == before


def _check_reserved(record: tree.Record, declared: tree.Field, found: Found) -> None:
    path = f"{record.wire.text}.{declared.name.text}"
    if path not in NAMED_BY_CALLER:
        _check_stated(record, declared, path, found)
        return
    if record.origin.text != Origin.REQUEST.value:
        found.report(
            Code.WIRE_PLACE,
            f"{quoted(path)} is what the caller says, not {quoted(record.origin.text)}",
            declared.name.span,
            "rename the field, or write `from request`",
            Label(record.origin.span, "who states the facts of the record"),
        )
    elif (
        declared.type.shape is not Shape.TERM
        or declared.type.name is None
        or (declared.type.name.text == DATE)
    ):
        found.report(
            Code.WIRE_PLACE,
            f"{quoted(path)} is one word in every request",
            declared.type.span,
            "write `identifier`, or rename the field",
            fix=Fix(declared.type.span, "identifier"),
        )


def _check_stated(record: tree.Record, declared: tree.Field, path: str, found: Found) -> None:
    """Report a field that no request could state: beside `id` and `type` there are only
    `properties`."""
    top, *below = record.wire.text.split(".")
    if top not in ("subject", "action", "resource") or below[:1] == ["properties"]:
        return
    if record.origin.text != Origin.REQUEST.value:
        return
    found.report(
        Code.WIRE_PLACE,
        f"no request can say {quoted(path)}",
        declared.name.span,
        f"put it into a record at `{top}.properties`",
        Label(record.wire.span, "where the record lies"),
        note="a subject or resource has an `id`, a `type` and `properties`, an action a name and "
        "`properties`",
    )


def check_reference(entity: tree.Entity, found: Found) -> None:
    """Report fields of an entity that would lie where a request names the entity."""
    for declared in entity.fields:
        if declared.name.text in REFERENCE:
            found.report(
                Code.WIRE_PLACE,
                f"{quoted(declared.name.text)} is how a request names {quoted(entity.name.text)}, "
                "not a field of it",
                declared.name.span,
                "rename the field",
            )


def place(record: tree.Record, entity: tree.Entity, actions: Mapping[str, str]) -> Place:
    """Where a request names an entity; actions that are not declared are left out."""
    return Place(
        record.name.text,
        entity.name.text,
        tuple(record.wire.text.split(".")),
        tuple(sorted({word.text for word in record.actions if word.text in actions})),
    )


def wires(record: Record) -> list[tuple[str, ...]]:
    """Every place on the wire that a record takes; of an entity, all below its name."""
    if record.place is not None:
        return [record.place.wire]
    maps = (next(iter(known.facts.values())).wire[:-1] for known in record.fields.maps.values())
    return [*(fact.wire for fact in record.fields.facts), *maps]


class WirePlaces:
    """Keeps two facts from lying at one place on the wire: a caller who may state the one
    would state the other with it."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._taken: dict[tuple[str, ...], tree.Record] = {}
        self._above: dict[tuple[str, ...], tree.Record] = {}

    def take(self, record: tree.Record, wires: Sequence[tuple[str, ...]]) -> None:
        """Note the wires of a record; the first that is taken is reported."""
        for wire in wires:
            other = self._other(wire)
            if other is not None and other is not record:
                self._report(record, wire, other)
                return
        for wire in wires:
            self._taken[wire] = record
            for length in range(1, len(wire)):
                self._above.setdefault(wire[:length], record)

    def _other(self, wire: tuple[str, ...]) -> tree.Record | None:
        prefixes = (wire[:length] for length in range(1, len(wire) + 1))
        inside = next((self._taken[p] for p in prefixes if p in self._taken), None)
        return inside or self._above.get(wire)

    def _report(self, record: tree.Record, wire: tuple[str, ...], other: tree.Record) -> None:
        self._found.report(
            Code.WIRE_PLACE,
            f"{quoted('.'.join(wire))} is taken by the record {quoted(other.name.text)}",
            record.wire.span,
            "give each record a place of its own",
            Label(other.wire.span, "the other record"),
            note=_who_states(record, other),
        )


def _who_states(record: tree.Record, other: tree.Record) -> str | None:
    one, two = record.origin.text, other.origin.text
    if one == two:
        return None
    return f"what is there comes from the {two}, and cannot come from the {one} as well"
