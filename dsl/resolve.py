"""Stage 2: names → definitions, across charters.

A charter sees its own declarations and those of the charters it imports, not further.
Vocabulary comes out typed; rules are still trees, to be checked by `dsl.check` in the
scope made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsl import imports, records, tree, vocabularies, zone_parts, zones
from dsl.codes import Code
from dsl.core import DutyKind, FactType, ListType, Origin
from dsl.derivations import DerivationReader, Derived, Stated
from dsl.fields import FieldReader, Fields, Owner
from dsl.found import Found, unknown
from dsl.near import nearest
from dsl.records import Record, WirePlaces
from dsl.scope import (
    DATE,
    IDENTIFIER,
    DutyType,
    MapType,
    Scope,
    Table,
    Vocabulary,
    Zone,
    day_number,
    each,
    in_force,
    time_zone,
)

__all__ = [
    "DATE",
    "IDENTIFIER",
    "Resolved",
    "Scope",
    "Vocabulary",
    "Zone",
    "day_number",
    "in_force",
    "nearest",
    "resolve",
    "unknown",
]


@dataclass(frozen=True)
class Resolved:
    """The scope of every charter, in order of name, and what the catalogue must state of
    each entity (fields without a record's name before them, lists apart). `derived` are the
    derived facts of each charter, by its name."""

    scopes: tuple[Scope, ...]
    entities: Mapping[str, tuple[FactType, ...]]
    derived: Mapping[str, tuple[Derived, ...]]


def resolve(charters: Sequence[tree.Charter], found: Found) -> Resolved:
    """The scopes of all charters; mistakes in declarations and imports go to `found`."""
    return _Resolver(imports.distinct(charters, found), found).run()


class _Resolver:
    def __init__(self, charters: Sequence[tree.Charter], found: Found) -> None:
        # Of two declarations of one name, the one that others build on is the first.
        self._charters = imports.imported_first(charters)
        self._found = found
        found.know(self._charters)
        self._names = frozenset(charter.name.text for charter in self._charters)
        self._vocabularies = Table[Vocabulary]("vocabulary", found)
        self._structures = Table[Mapping[str, FactType]]("structure", found)
        self._zones = Table[Zone]("zone", found)
        self._entities = Table[tree.Entity]("entity", found)
        self._records = Table[Record]("record", found)
        self._derived = Table[Derived]("derived fact", found)
        self._duties = Table[DutyType]("obligation", found)
        self._actions = Table[str]("action", found)
        self._readers: dict[str, FieldReader] = {}

    def run(self) -> Resolved:
        imports.check_heads(self._charters, self._found)
        imports.check_imports(self._charters, self._found)
        self._put_words()
        self._put_zones()
        self._put_structures()
        self._put_duties()
        entities = self._put_entities()
        self._put_records()
        derived = self._put_derived()
        by_name = sorted(self._charters, key=lambda charter: charter.name.text)
        return Resolved(tuple(self._scope(charter) for charter in by_name), entities, derived)

    def _put_words(self) -> None:
        for charter, action in each(self._charters, tree.Action):
            self._actions.put(charter, action.name, action.title.text)
        for charter in self._charters:
            for declared in charter.declarations:
                if isinstance(declared, tree.Enumeration | tree.Levels | tree.Taxonomy):
                    self._put_vocabulary(charter, declared)

        ladders = [declared for _, declared in each(self._charters, tree.Levels)]
        vocabularies.check_ladders(ladders, self._found)

    def _put_vocabulary(self, charter: tree.Charter, declared: vocabularies.Declared) -> None:
        if declared.name.text in (IDENTIFIER, DATE):
            self._found.report(
                Code.DECLARED_TWICE,
                f"`{declared.name.text}` is a type that every charter has",
                declared.name.span,
                "give the vocabulary another name",
            )
            return
        # What is wrong inside a second declaration has its cause in being one.
        if self._vocabularies.take(charter, declared.name):
            made = vocabularies.vocabulary(charter, declared, self._found)
            self._vocabularies.put(charter, declared.name, made)

    def _put_zones(self) -> None:
        for charter in self._charters:
            visible = self._vocabularies.visible(charter)
            declared = [one for _, one in each([charter], tree.Zone)]
            for one in zone_parts.in_order(declared, self._found):
                if one.region is None:
                    made = zones.zone(charter, one, visible, self._found)
                else:
                    known = self._zones.visible(charter)
                    made = zone_parts.composed(
                        charter.name.text, one, one.region, known, visible, self._found
                    )
                self._zones.put(charter, one.name, made)

    def _reader(self, charter: tree.Charter) -> FieldReader:
        name = charter.name.text
        if name not in self._readers:
            self._readers[name] = self._reader_to(charter, self._found)
        return self._readers[name]

    def _reader_to(self, charter: tree.Charter, found: Found) -> FieldReader:
        vocabularies_, structures = self._vocabularies, self._structures
        return FieldReader(vocabularies_.visible(charter), structures.visible(charter), found)

    def _put_structures(self) -> None:
        for charter, declared in each(self._charters, tree.Structure):
            reader = self._reader_to(charter, self._found)
            fields = reader.fields(declared.fields, Owner.STRUCTURE)
            whole = len(fields.facts) == len({field.name.text for field in declared.fields})
            made = {fact.path: fact for fact in fields.facts} if whole else None
            self._structures.put(charter, declared.name, made)

    def _put_duties(self) -> None:
        for charter in self._charters:
            for declared in charter.declarations:
                if isinstance(declared, tree.Obligation | tree.Advice):
                    made = self._duty(charter, declared)
                    self._duties.put(charter, declared.name, made)

    def _duty(
        self, charter: tree.Charter, declared: tree.Obligation | tree.Advice
    ) -> DutyType | None:
        fields = self._reader(charter).fields(declared.fields, Owner.DUTY)
        if len(fields.facts) < len({field.name.text for field in declared.fields}):
            return None
        parameters = {fact.path: fact for fact in fields.facts}
        title = declared.title.text
        if isinstance(declared, tree.Advice):
            return DutyType(title, DutyKind.ADVICE, parameters)
        return DutyType(title, DutyKind.OBLIGATION, parameters, declared.has_deadline)

    def _put_entities(self) -> dict[str, tuple[FactType, ...]]:
        made: dict[str, tuple[FactType, ...]] = {}
        for charter, entity in each(self._charters, tree.Entity):
            records.check_reference(entity, self._found)
            self._entities.put(charter, entity.name, entity)
            fields = self._reader(charter).fields(entity.fields, Owner.ENTITY)
            made.setdefault(entity.name.text, fields.every_fact())
        return made

    def _put_records(self) -> None:
        owners = {id(entity): charter for charter, entity in each(self._charters, tree.Entity)}
        wires = WirePlaces(self._found)
        for charter, declared in each(self._charters, tree.Record):
            made = self._record(charter, declared, owners)
            self._records.put(charter, declared.name, made)
            if made is not None:
                self._found.declare("attribute", made.fields.paths(), charter.name.text)
                wires.take(declared, records.wires(made))

    def _record(
        self, charter: tree.Charter, record: tree.Record, owners: Mapping[int, tree.Charter]
    ) -> Record | None:
        if not records.is_placed(record, self._found):
            return None
        origin = Origin(record.origin.text)
        if record.entity is None:
            fields = self._reader(charter).fields(record.fields, Owner.RECORD, record)
            return Record(fields, None, origin)
        actions = self._actions.visible(charter)
        for word in record.actions:
            if word.text not in actions:
                self._found.unknown(Code.UNKNOWN_NAME, "action", word, actions)
        entities = self._entities.visible(charter)
        entity = entities.get(record.entity.text)
        if entity is None:
            self._found.unknown(Code.UNKNOWN_NAME, "entity", record.entity, entities)
            return None
        # The entity's own charter has reported what is wrong with its fields.
        reader = self._reader_to(owners[id(entity)], Found())
        fields = reader.fields(entity.fields, Owner.ENTITY, record)
        made = set(fields.paths())
        for declared in entity.fields:
            path = f"{record.name.text}.{declared.name.text}"
            if path not in made:
                self._found.doubt(path)
        return Record(fields, records.place(record, entity, actions), origin)

    # --- derived facts ---

    def _put_derived(self) -> dict[str, tuple[Derived, ...]]:
        found: dict[str, tuple[Derived, ...]] = {}
        every = frozenset(d.path.text for _, d in each(self._charters, tree.Derive))
        for charter in self._charters:
            declared = [one for _, one in each([charter], tree.Derive)]
            if not declared:
                continue
            reader = DerivationReader(self._stated(charter, every), time_zone(charter), self._found)
            made: list[Derived] = []
            for one in declared:
                if not self._derived.take(charter, one.path):
                    continue
                derived = reader.read(one)
                self._derived.put(charter, one.path, derived)
                if derived is not None:
                    made.append(derived)
                    self._found.declare("attribute", [derived.fact.path], charter.name.text)
            found[charter.name.text] = tuple(made)
        return found

    def _stated(self, charter: tree.Charter, every: frozenset[str]) -> Stated:
        seen = self._records.visible(charter)
        fields = [record.fields for record in seen.values()]
        origins = {name: record.origin for name, record in seen.items()}
        return Stated(_facts(fields), _maps(fields), _lists(fields), origins, every)

    def _scope(self, charter: tree.Charter) -> Scope:
        seen = self._records.visible(charter)
        fields = [record.fields for record in seen.values()]
        derived = {path: made.fact for path, made in self._derived.visible(charter).items()}
        return Scope(
            charter,
            {law.name.text: law for law in charter.laws},
            self._vocabularies.visible(charter),
            self._zones.visible(charter),
            {**_facts(fields), **derived},
            {name: record.place for name, record in seen.items() if record.place is not None},
            self._duties.visible(charter),
            self._actions.visible(charter),
            _maps(fields),
            _lists(fields),
            frozenset(derived),
            self._names,
        )


def _facts(fields: Sequence[Fields]) -> dict[str, FactType]:
    return {fact.path: fact for one in fields for fact in one.facts}


def _maps(fields: Sequence[Fields]) -> dict[str, MapType]:
    return {path: made for one in fields for path, made in one.maps.items()}


def _lists(fields: Sequence[Fields]) -> dict[str, ListType]:
    return {path: made for one in fields for path, made in one.lists.items()}
