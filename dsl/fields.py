"""Stage 2, fields: what an entity, a record, a structure or a duty is made of becomes facts.

A map is one fact for each of its keys, a list is no fact at all: only derived facts read it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from dsl import tree
from dsl.codes import Code
from dsl.core import FactType, Kind, ListType, Origin
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.scope import DATE, IDENTIFIER, MapType, Vocabulary
from dsl.tree import Shape, Word
from dsl.units import DEFAULT_SCALE, UNITS

MAX_KEYS = 300
MAX_SCALE = 9

# A key stands in a path, between brackets and without quotes.
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_DIGITS = re.compile("[0-9]+")


class Owner(Enum):
    """What fields belong to, which decides what types they may have."""

    ENTITY = "an entity"
    RECORD = "a record"
    STRUCTURE = "a structure"
    DUTY = "a duty"


_PLAIN = {Shape.TERM, Shape.TRUTH, Shape.NUMBER}
_SETS = {Shape.SET, Shape.SET_OR_NONE}
_SHAPES = {
    Owner.ENTITY: {*_PLAIN, *_SETS, Shape.MAP, Shape.LIST},
    Owner.RECORD: {*_PLAIN, *_SETS, Shape.MAP},
    Owner.STRUCTURE: {*_PLAIN, *_SETS},
    Owner.DUTY: _PLAIN,
}
_INSTEAD = {
    Shape.LIST: "a list is a field of an entity, because only the catalogue states lists",
    Shape.MAP: "write a field for each of its keys",
    Shape.SET: "write a type with one value, such as `identifier`",
    Shape.SET_OR_NONE: "write a type with one value, such as `identifier`",
}


@dataclass(frozen=True)
class Fields:
    """`facts` are those that charters name by their path; `maps` and `lists` by path."""

    facts: tuple[FactType, ...] = ()
    maps: Mapping[str, MapType] = field(default_factory=dict[str, MapType])
    lists: Mapping[str, ListType] = field(default_factory=dict[str, ListType])

    def every_fact(self) -> tuple[FactType, ...]:
        """The facts, those of maps among them."""
        keyed = (fact for known in self.maps.values() for fact in known.facts.values())
        return (*self.facts, *keyed)

    def paths(self) -> tuple[str, ...]:
        return (*(fact.path for fact in self.facts), *self.maps, *self.lists)


class FieldReader:
    """Reads fields; `vocabularies` and `structures` are those that the charter of the
    fields sees."""

    def __init__(
        self,
        vocabularies: Mapping[str, Vocabulary],
        structures: Mapping[str, Mapping[str, FactType]],
        found: Found,
    ) -> None:
        self._vocabularies = vocabularies
        self._structures = structures
        self._found = found

    def fields(
        self, fields: Sequence[tree.Field], owner: Owner, record: tree.Record | None = None
    ) -> Fields:
        """The fields without those that have a mistake in their type. Paths and places on
        the wire are those below `record`, else the names alone."""
        self._found.twice("field", [declared.name for declared in fields], verb="listed")
        facts: dict[str, FactType] = {}
        maps: dict[str, MapType] = {}
        lists: dict[str, ListType] = {}
        for declared in fields:
            base = _untyped(declared, record)
            made = self._typed(base, declared.type, owner)
            match made:
                case FactType():
                    facts[base.path] = made
                case MapType():
                    maps[base.path] = made
                case ListType():
                    lists[base.path] = made
                case None if record is not None:
                    self._found.doubt(base.path)
                case None:
                    pass
        return Fields(tuple(facts.values()), maps, lists)

    def _typed(
        self, fact: FactType, declared: tree.Type, owner: Owner
    ) -> FactType | MapType | ListType | None:
        if declared.shape not in _SHAPES[owner]:
            self._found.report(
                Code.FIELD_TYPE,
                f"{owner.value} cannot have a field that is {_shown(declared.shape)}",
                declared.span,
                _INSTEAD[declared.shape],
            )
            return None
        if declared.shape is Shape.MAP:
            return self._map(fact, declared)
        return (
            self._list(fact, declared)
            if declared.shape is Shape.LIST
            else self._fact(fact, declared)
        )

    def _fact(self, fact: FactType, declared: tree.Type) -> FactType | None:
        name = declared.name
        if declared.shape is Shape.TRUTH or name is None:
            return fact
        if declared.shape is Shape.NUMBER:
            return self._number(fact, declared, name)
        kind = Kind.TERM if declared.shape is Shape.TERM else Kind.TERMS
        fact = replace(fact, kind=kind, may_be_empty=declared.shape is Shape.SET_OR_NONE)
        if name.text == IDENTIFIER:
            return fact
        if name.text == DATE:
            return self._date(fact, declared)
        known = self._vocabularies.get(name.text)
        if known is None:
            self._unknown_type(name)
            return None
        return replace(
            fact,
            vocabulary=known.name,
            values=known.values,
            order=known.order,
            broader=known.broader,
        )

    def _unknown_type(self, name: Word) -> None:
        if name.text in self._structures:
            self._found.report(
                Code.FIELD_TYPE,
                f"{quoted(name.text)} is a structure, and only lists have elements of one",
                name.span,
                f"write `list of {name.text}`",
            )
            return
        known = [*self._vocabularies, IDENTIFIER, DATE]
        self._found.unknown(Code.UNKNOWN_NAME, "type", name, known)

    def _date(self, fact: FactType, declared: tree.Type) -> FactType | None:
        if declared.shape is Shape.TERM:
            return replace(fact, kind=Kind.DAY)
        self._found.report(
            Code.FIELD_TYPE,
            "there are no sets of dates",
            declared.span,
            "write `date`, or a field for each of the dates",
        )
        return None

    def _number(self, fact: FactType, declared: tree.Type, name: Word) -> FactType | None:
        unit = UNITS.get(name.text)
        if unit is None:
            self._found.unknown(Code.UNIT_MISMATCH, "unit", name, UNITS)
            return None
        scale = DEFAULT_SCALE.get(unit.name, 0)
        if declared.decimals is not None:
            found = _DIGITS.search(declared.decimals.text)
            scale = int(found.group()) if found else scale
        if scale > MAX_SCALE:
            self._found.report(
                Code.NUMBER_RANGE,
                f"a number cannot have {scale} decimals",
                declared.span,
                f"write at most {MAX_SCALE}, or a smaller unit",
            )
            return None
        return replace(
            fact,
            kind=Kind.INTEGER,
            unit=unit.name,
            scale=scale,
            may_be_negative=declared.negative,
        )

    # --- maps and lists ---

    def _map(self, fact: FactType, declared: tree.Type) -> MapType | None:
        keys, value = declared.name, declared.of
        assert keys is not None and value is not None  # noqa: S101, PT018 - the grammar has both
        known = self._vocabularies.get(keys.text)
        if known is None and keys.text in (IDENTIFIER, DATE):
            self._found.report(
                Code.FIELD_TYPE,
                f"{quoted(keys.text)} has no end of values, and a map has one fact for each key",
                keys.span,
                "name an enumeration or levels",
            )
            return None
        if known is None:
            self._found.unknown(Code.UNKNOWN_NAME, "type", keys, self._vocabularies)
            return None
        if len(known.values) > MAX_KEYS:
            self._found.report(
                Code.TOO_LARGE,
                f"{quoted(keys.text)} has {len(known.values):,} values, and a map may have "
                f"{MAX_KEYS} keys",
                keys.span,
                "use an enumeration of those that charters ask for",
            )
            return None
        odd = next((key for key in known.values if not _KEY.fullmatch(key)), None)
        if odd is not None:
            self._found.report(
                Code.FIELD_TYPE,
                f"the value {quoted(odd)} of {quoted(keys.text)} cannot be a key",
                keys.span,
                "name an enumeration whose values are plain words",
            )
            return None
        made = self._fact(fact, value)
        if made is None:
            return None
        named = known.order or known.values
        return MapType(fact.path, known, {key: keyed(made, key) for key in named})

    def _list(self, fact: FactType, declared: tree.Type) -> ListType | None:
        name = declared.name
        assert name is not None  # noqa: S101 - the grammar has one
        fields = self._structures.get(name.text)
        if fields is not None:
            return ListType(fact.path, fact.origin, fact.wire, fact.title, fields)
        if name.text in self._vocabularies or name.text in (IDENTIFIER, DATE):
            self._found.report(
                Code.FIELD_TYPE,
                f"the elements of a list have fields, and {quoted(name.text)} has none",
                name.span,
                f"write `set of {name.text}`, or declare a `structure` with that field",
            )
        else:
            self._found.unknown(Code.UNKNOWN_NAME, "structure", name, self._structures)
        return None


def keyed(fact: FactType, key: str) -> FactType:
    """The fact of one key of a map."""
    return replace(fact, path=f"{fact.path}[{key}]", wire=(*fact.wire, key))


def _untyped(declared: tree.Field, record: tree.Record | None) -> FactType:
    name = declared.name.text
    title = declared.title.text if declared.title else ""
    if record is None:
        return FactType(name, Kind.TRUTH, Origin.CATALOGUE, (name,), title)
    wire = (*record.wire.text.split("."), name)
    path = f"{record.name.text}.{name}"
    return FactType(path, Kind.TRUTH, Origin(record.origin.text), wire, title)


def _shown(shape: Shape) -> str:
    return "a set" if shape in _SETS else f"a {shape.value}"
