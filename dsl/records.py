"""Stage 2, records and entities: fields become facts with a type, an origin and a wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dsl import tree
from dsl.codes import Code
from dsl.core import FactType, Kind, Origin, Place
from dsl.diagnostics import Fix, Label, quoted
from dsl.found import Found
from dsl.scope import IDENTIFIER, UNITS, Vocabulary
from dsl.tree import Shape, Word

WIRE_TOPS = ("subject", "action", "resource", "context")
# What every request says of itself (OpenID AuthZEN Authorization API 1.0, section 5).
RESERVED = ("subject.type", "subject.id", "action.name", "resource.type", "resource.id")


@dataclass(frozen=True)
class Record:
    """The facts below a record and, where it names an entity, the place that names it."""

    facts: tuple[FactType, ...]
    place: Place | None


class FieldReader:
    """Reads the fields of entities and records; `visible` gives the vocabularies that the
    charter of the fields sees."""

    def __init__(self, visible: Mapping[str, Vocabulary], found: Found) -> None:
        self._visible = visible
        self._found = found

    def fields(
        self, fields: Sequence[tree.Field], record: tree.Record | None
    ) -> tuple[FactType, ...]:
        """The facts of the fields, without those that have a mistake in their type."""
        self._found.twice("field", [declared.name for declared in fields], verb="listed")
        made = {declared.name.text: self._fact(declared, record) for declared in fields}
        for name, fact in made.items():
            if fact is None and record is not None:
                self._found.doubt(f"{record.name.text}.{name}")
        return tuple(fact for fact in made.values() if fact is not None)

    def _fact(self, declared: tree.Field, record: tree.Record | None) -> FactType | None:
        name = declared.name.text
        title = declared.title.text if declared.title else ""
        fact = FactType(name, Kind.TRUTH, Origin.CATALOGUE, (name,), title)
        if record is not None:
            wire = (*record.wire.text.split("."), name)
            origin = Origin(record.origin.text)
            fact = replace(fact, path=f"{record.name.text}.{name}", origin=origin, wire=wire)
        return self._typed(fact, declared.type)

    def _typed(self, fact: FactType, declared: tree.Type) -> FactType | None:
        if declared.shape is Shape.TRUTH or declared.name is None:
            return fact
        if declared.shape is Shape.NUMBER:
            return self._number(fact, declared.name)
        kind = Kind.TERM if declared.shape is Shape.TERM else Kind.TERMS
        may_be_empty = declared.shape is Shape.SET_OR_NONE
        fact = replace(fact, kind=kind, may_be_empty=may_be_empty)
        if declared.name.text == IDENTIFIER:
            return fact
        vocabulary = self._visible.get(declared.name.text)
        if vocabulary is None:
            known = [*self._visible, IDENTIFIER]
            self._found.unknown(Code.UNKNOWN_NAME, "type", declared.name, known)
            return None
        return replace(
            fact,
            vocabulary=vocabulary.name,
            values=vocabulary.values,
            broader=vocabulary.broader,
        )

    def _number(self, fact: FactType, unit: Word) -> FactType | None:
        if unit.text not in UNITS:
            self._found.unknown(Code.UNIT_MISMATCH, "unit", unit, UNITS)
            return None
        return replace(fact, kind=Kind.INTEGER, unit=UNITS[unit.text])


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
    reserved = [f.name for f in record.fields if f"{wire.text}.{f.name.text}" in RESERVED]
    for name in reserved:
        found.report(
            Code.WIRE_PLACE,
            f"{quoted(f'{wire.text}.{name.text}')} is not a fact, every request has it",
            name.span,
            "rename the field, or put the record below `subject.properties` or `context`",
        )
    return not reserved


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
    return [fact.wire for fact in record.facts] if record.place is None else [record.place.wire]


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
        )
