"""Stage 2: names → definitions, across charters.

A charter sees its own declarations and those of the charters it imports, not further.
Vocabulary comes out typed; rules are still trees, to be checked by `dsl.check` in the
scope made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsl import imports, records, tree, vocabularies, zones
from dsl.codes import Code
from dsl.core import FactType
from dsl.found import Found, unknown
from dsl.near import nearest
from dsl.records import FieldReader, Record, WirePlaces
from dsl.scope import (
    IDENTIFIER,
    UNITS,
    Scope,
    Table,
    Vocabulary,
    Zone,
    day_number,
    each,
    in_force,
)

__all__ = [
    "IDENTIFIER",
    "UNITS",
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
    each entity (fields without a record's name before them)."""

    scopes: tuple[Scope, ...]
    entities: Mapping[str, tuple[FactType, ...]]


def resolve(charters: Sequence[tree.Charter], found: Found) -> Resolved:
    """The scopes of all charters; mistakes in declarations and imports go to `found`."""
    return _Resolver(imports.distinct(charters, found), found).run()


class _Resolver:
    def __init__(self, charters: Sequence[tree.Charter], found: Found) -> None:
        # Of two declarations of one name, the one that others build on is the first.
        self._charters = imports.imported_first(charters)
        self._found = found
        self._vocabularies = Table[Vocabulary]("vocabulary", found)
        self._zones = Table[Zone]("zone", found)
        self._entities = Table[tree.Entity]("entity", found)
        self._records = Table[Record]("record", found)
        self._obligations = Table[str]("obligation", found)
        self._actions = Table[str]("action", found)
        self._readers: dict[str, FieldReader] = {}

    def run(self) -> Resolved:
        imports.check_heads(self._charters, self._found)
        imports.check_imports(self._charters, self._found)
        self._put_words()
        self._put_zones()
        entities = self._put_entities()
        self._put_records()
        by_name = sorted(self._charters, key=lambda charter: charter.name.text)
        return Resolved(tuple(self._scope(charter) for charter in by_name), entities)

    def _put_words(self) -> None:
        for charter, action in each(self._charters, tree.Action):
            self._actions.put(charter, action.name, action.title.text)
        for charter, obligation in each(self._charters, tree.Obligation):
            self._obligations.put(charter, obligation.name, obligation.title.text)
        for charter in self._charters:
            for declared in charter.declarations:
                if isinstance(declared, tree.Enumeration | tree.Taxonomy):
                    self._put_vocabulary(charter, declared)

    def _put_vocabulary(self, charter: tree.Charter, declared: vocabularies.Declared) -> None:
        # What is wrong inside a second declaration has its cause in being one.
        if self._vocabularies.take(charter, declared.name):
            made = vocabularies.vocabulary(charter, declared, self._found)
            self._vocabularies.put(charter, declared.name, made)

    def _put_zones(self) -> None:
        for charter in self._charters:
            visible = self._vocabularies.visible(charter)
            for _, declared in each([charter], tree.Zone):
                made = zones.zone(charter, declared, visible, self._found)
                self._zones.put(charter, declared.name, made)

    def _reader(self, charter: tree.Charter) -> FieldReader:
        name = charter.name.text
        if name not in self._readers:
            self._readers[name] = FieldReader(self._vocabularies.visible(charter), self._found)
        return self._readers[name]

    def _put_entities(self) -> dict[str, tuple[FactType, ...]]:
        made: dict[str, tuple[FactType, ...]] = {}
        for charter, entity in each(self._charters, tree.Entity):
            self._entities.put(charter, entity.name, entity)
            fields = self._reader(charter).fields(entity.fields, None)
            made.setdefault(entity.name.text, fields)
        return made

    def _put_records(self) -> None:
        owners = {id(entity): charter for charter, entity in each(self._charters, tree.Entity)}
        wires = WirePlaces(self._found)
        for charter, declared in each(self._charters, tree.Record):
            made = self._record(charter, declared, owners)
            self._records.put(charter, declared.name, made)
            if made is not None:
                wires.take(declared, records.wires(made))

    def _record(
        self, charter: tree.Charter, record: tree.Record, owners: Mapping[int, tree.Charter]
    ) -> Record | None:
        if not records.is_placed(record, self._found):
            return None
        if record.entity is None:
            return Record(self._reader(charter).fields(record.fields, record), None)
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
        silent = Found()
        reader = FieldReader(self._vocabularies.visible(owners[id(entity)]), silent)
        facts = reader.fields(entity.fields, record)
        made = {fact.path for fact in facts}
        for declared in entity.fields:
            path = f"{record.name.text}.{declared.name.text}"
            if path not in made:
                self._found.doubt(path)
        return Record(facts, records.place(record, entity, actions))

    def _scope(self, charter: tree.Charter) -> Scope:
        seen = self._records.visible(charter)
        return Scope(
            charter,
            {law.name.text: law for law in charter.laws},
            self._vocabularies.visible(charter),
            self._zones.visible(charter),
            {fact.path: fact for record in seen.values() for fact in record.facts},
            {name: record.place for name, record in seen.items() if record.place is not None},
            self._obligations.visible(charter),
            self._actions.visible(charter),
        )
