"""Stage 2: names → definitions, across charters.

A charter sees its own declarations and those of the charters it imports, not further.
Vocabulary comes out typed; rules are still trees, to be checked by `dsl.check` in the
scope made here.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Generic, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dsl import tree
from dsl.codes import Code
from dsl.core import FactType, InForce, Kind, Origin, Place
from dsl.diagnostics import Diagnostic, Fix, Label
from dsl.tree import Shape, Word

UNITS = {
    "day": "days",
    "days": "days",
    "hour": "hours",
    "hours": "hours",
    "minute": "minutes",
    "minutes": "minutes",
    "person": "persons",
    "persons": "persons",
    "megawatt": "megawatts",
    "megawatts": "megawatts",
    "teraflop": "teraflop",
}
IDENTIFIER = "identifier"
_EPOCH_ORDINAL = 719163  # date(1970, 1, 1).toordinal()

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class Vocabulary:
    """The values of an enumeration or taxonomy; `broader` as in `core.FactType`."""

    name: str
    values: tuple[str, ...]
    broader: Mapping[str, tuple[str, ...]]

    def with_narrower(self, value: str) -> tuple[str, ...]:
        """The value and all below it."""
        below = [other for other, above in self.broader.items() if value in above]
        return tuple(sorted({value, *below}))


@dataclass(frozen=True)
class Zone:
    vocabulary: str
    members: Mapping[str, tuple[InForce, ...]]


@dataclass(frozen=True)
class Scope:
    """What a charter may name."""

    charter: tree.Charter
    laws: Mapping[str, tree.Law]
    vocabularies: Mapping[str, Vocabulary]
    zones: Mapping[str, Zone]
    facts: Mapping[str, FactType]
    places: Mapping[str, Place]
    obligations: Mapping[str, str]
    actions: Mapping[str, str]

    @property
    def time_zone(self) -> str:
        return self.charter.time_zone.text if self.charter.time_zone else "UTC"


@dataclass
class Resolved:
    """The scope of every charter, in order of name, and what the catalogue must state of
    each entity (fields without a record's name before them)."""

    scopes: tuple[Scope, ...]
    entities: Mapping[str, tuple[FactType, ...]]
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])


def day_number(day: tree.Day | None) -> int | None:
    """Days since 1970-01-01."""
    return None if day is None else day.day.toordinal() - _EPOCH_ORDINAL


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name the author most likely meant, if any is near."""
    candidates = sorted(known)
    folded = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    key = word.lower().replace("_", "-")
    if key in folded:
        return folded[key]
    near = difflib.get_close_matches(key, folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def unknown(code: str, what: str, word: Word, known: Iterable[str]) -> Diagnostic:
    """`word` names nothing; the help offers the nearest known name."""
    guess = nearest(word.text, known)
    declare = f"declare the {what}, or import the charter that does"
    return Diagnostic(
        code,
        f"there is no {what} `{word.text}`",
        (Label(word.span),),
        help=f"write `{guess}`" if guess else declare,
        fix=Fix(word.span, guess) if guess else None,
    )


def resolve(charters: Sequence[tree.Charter]) -> Resolved:
    """The scopes of all charters, with every mistake in declarations and imports."""
    return _Resolver(charters).run()


class _Table(Generic[T]):
    """What is declared of one kind: name to owner, place and value. Names are unique in a
    bundle, so that a fact path or a zone means one thing wherever it is read."""

    def __init__(self, what: str, found: list[Diagnostic]) -> None:
        self._what = what
        self._found = found
        self._rows: dict[str, tuple[str, Word, T]] = {}

    def put(self, charter: tree.Charter, word: Word, value: T) -> None:
        known = self._rows.get(word.text)
        if known is not None:
            self._found.append(
                Diagnostic(
                    Code.DECLARED_TWICE,
                    f"the {self._what} `{word.text}` is declared twice",
                    (Label(word.span), Label(known[1].span, "first declared here")),
                    help="rename one of them, or remove it",
                )
            )
            return
        self._rows[word.text] = (charter.name.text, word, value)

    def visible(self, charter: tree.Charter) -> dict[str, T]:
        owners = {charter.name.text, *(word.text for word in charter.imports)}
        return {name: value for name, (owner, _, value) in self._rows.items() if owner in owners}

    def values(self) -> dict[str, T]:
        return {name: value for name, (_, _, value) in self._rows.items()}


class _Resolver:
    def __init__(self, charters: Sequence[tree.Charter]) -> None:
        self._charters = sorted(charters, key=lambda c: (c.name.text, c.source.name))
        self._found: list[Diagnostic] = []
        self._vocabularies = _Table[Vocabulary]("vocabulary", self._found)
        self._zones = _Table[Zone]("zone", self._found)
        self._entities = _Table[tree.Entity]("entity", self._found)
        self._records = _Table[tuple[tuple[FactType, ...], Place | None]]("record", self._found)
        self._obligations = _Table[str]("obligation", self._found)
        self._actions = _Table[str]("action", self._found)

    def run(self) -> Resolved:
        self._check_headers()
        self._check_imports()
        for charter, action in self._each(tree.Action):
            self._actions.put(charter, action.name, action.title.text)
        for charter, obligation in self._each(tree.Obligation):
            self._obligations.put(charter, obligation.name, obligation.title.text)
        for charter, enumeration in self._each(tree.Enumeration):
            self._vocabularies.put(charter, enumeration.name, self._enumeration(enumeration))
        for charter, taxonomy in self._each(tree.Taxonomy):
            self._vocabularies.put(charter, taxonomy.name, self._taxonomy(taxonomy))
        for charter, zone in self._each(tree.Zone):
            self._put_zone(charter, zone)
        entities: dict[str, tuple[FactType, ...]] = {}
        for charter, entity in self._each(tree.Entity):
            self._entities.put(charter, entity.name, entity)
            entities[entity.name.text] = self._fields(charter, entity.fields, None)
        for charter, record in self._each(tree.Record):
            self._put_record(charter, record)
        scopes = tuple(self._scope(charter) for charter in self._charters)
        return Resolved(scopes, entities, self._found)

    def _each(self, kind: type[D]) -> Iterator[tuple[tree.Charter, D]]:
        for charter in self._charters:
            for declaration in charter.declarations:
                if isinstance(declaration, kind):
                    yield charter, declaration

    def _scope(self, charter: tree.Charter) -> Scope:
        records = self._records.visible(charter)
        return Scope(
            charter,
            {law.name.text: law for law in charter.laws},
            self._vocabularies.visible(charter),
            self._zones.visible(charter),
            {fact.path: fact for facts, _ in records.values() for fact in facts},
            {name: place for name, (_, place) in records.items() if place is not None},
            self._obligations.visible(charter),
            self._actions.visible(charter),
        )

    # --- charters and imports ---

    def _check_headers(self) -> None:
        names = _Table[None]("charter", self._found)
        for charter in self._charters:
            names.put(charter, charter.name, None)
            laws = _Table[None]("law", self._found)
            for law in charter.laws:
                laws.put(charter, law.name, None)
            self._check_time_zone(charter.time_zone)

    def _check_time_zone(self, word: Word | None) -> None:
        if word is None:
            return
        try:
            ZoneInfo(word.text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._found.append(
                Diagnostic(
                    Code.UNKNOWN_TIME_ZONE,
                    f"there is no time zone `{word.text}`",
                    (Label(word.span),),
                    help="write a name of the IANA time zone database, such as `Europe/Brussels`",
                )
            )

    def _check_imports(self) -> None:
        names = [charter.name.text for charter in self._charters]
        words: dict[tuple[str, str], Word] = {}
        graph: dict[str, set[str]] = {}
        for charter in self._charters:
            for word in charter.imports:
                if word.text not in names:
                    self._found.append(unknown(Code.UNKNOWN_IMPORT, "charter", word, names))
                words[charter.name.text, word.text] = word
                graph.setdefault(charter.name.text, set()).add(word.text)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # graphlib names the circle against the direction of the arrows.
            circle = cast("list[str]", error.args[1])[::-1]
            self._found.append(
                Diagnostic(
                    Code.IMPORT_CYCLE,
                    f"charters import each other in a circle: {' → '.join(circle)}",
                    (Label(words[circle[0], circle[1]].span),),
                    help="move what both need into a charter that imports neither",
                )
            )

    # --- vocabularies ---

    def _enumeration(self, declared: tree.Enumeration) -> Vocabulary:
        self._check_values("value", declared.values)
        values = sorted({word.text for word in declared.values})
        return Vocabulary(declared.name.text, tuple(values), {})

    def _check_values(self, what: str, words: Iterable[Word]) -> None:
        seen: dict[str, Word] = {}
        for word in words:
            if word.text in seen:
                self._found.append(
                    Diagnostic(
                        Code.DECLARED_TWICE,
                        f"the {what} `{word.text}` is listed twice",
                        (Label(word.span), Label(seen[word.text].span, "first listed here")),
                        help="remove one of them",
                    )
                )
            seen.setdefault(word.text, word)

    def _taxonomy(self, declared: tree.Taxonomy) -> Vocabulary:
        self._check_values("term", (term.name for term in declared.terms))
        names = {term.name.text for term in declared.terms}
        parents: dict[str, set[str]] = {name: set() for name in names}
        for term in declared.terms:
            for word in term.under:
                if word.text in names:
                    parents[term.name.text].add(word.text)
                else:
                    self._found.append(unknown(Code.UNKNOWN_VALUE, "term", word, names))
        try:
            order = tuple(TopologicalSorter(parents).static_order())
        except CycleError as error:
            circle = cast("list[str]", error.args[1])
            word = next(term.name for term in declared.terms if term.name.text == circle[0])
            self._found.append(
                Diagnostic(
                    Code.TAXONOMY_CYCLE,
                    f"terms lie under each other in a circle: {' → '.join(circle)}",
                    (Label(word.span),),
                    help="remove one `under`",
                )
            )
            return Vocabulary(declared.name.text, tuple(sorted(names)), {})
        above: dict[str, set[str]] = {}
        for name in order:
            above[name] = parents[name].union(*(above[parent] for parent in parents[name]))
        broader = {name: tuple(sorted(terms)) for name, terms in sorted(above.items()) if terms}
        return Vocabulary(declared.name.text, tuple(sorted(names)), broader)

    # --- zones ---

    def _put_zone(self, charter: tree.Charter, declared: tree.Zone) -> None:
        vocabulary = self._zone_vocabulary(charter, declared)
        if vocabulary is None:
            return
        self._warn_undated(declared)
        time_zone = charter.time_zone.text if charter.time_zone else "UTC"
        members: dict[str, list[InForce]] = {}
        for member in declared.members:
            period = self._period(member.period, time_zone)
            for word in member.values:
                members.setdefault(word.text, []).append(period)
        always = InForce(time_zone, None, None)
        zone = Zone(
            vocabulary,
            {
                value: () if always in periods else tuple(periods)
                for value, periods in sorted(members.items())
            },
        )
        self._zones.put(charter, declared.name, zone)

    def _zone_vocabulary(self, charter: tree.Charter, declared: tree.Zone) -> str | None:
        visible = self._vocabularies.visible(charter)
        words = [word for member in declared.members for word in member.values]
        texts = {word.text for word in words}
        holding = [name for name, known in visible.items() if texts <= set(known.values)]
        if len(holding) == 1:
            return holding[0]
        # The vocabulary that knows most of the members is the one that was meant.
        counts = {name: len(texts & set(known.values)) for name, known in visible.items()}
        best = max(counts, key=lambda name: counts[name], default=None)
        if not holding and best is not None and counts[best]:
            known = visible[best]
            strange = [word for word in words if word.text not in known.values]
            self._found.extend(
                unknown(Code.UNKNOWN_VALUE, f"{best}", word, known.values) for word in strange
            )
            return None
        which = "several vocabularies hold" if holding else "no vocabulary in sight holds"
        self._found.append(
            Diagnostic(
                Code.ZONE_ELEMENTS,
                f"{which} the members of the zone `{declared.name.text}`",
                (Label(declared.name.span),),
                help="import the charter that declares the one enumeration they come from",
            )
        )
        return None

    def _warn_undated(self, declared: tree.Zone) -> None:
        dated = [m for m in declared.members if m.period.first or m.period.last]
        undated = [m for m in declared.members if not m.period.first and not m.period.last]
        if dated:
            self._found.extend(
                Diagnostic(
                    Code.UNDATED_MEMBER,
                    f"`{member.values[0].text}` has no date, but other members of "
                    f"`{declared.name.text}` have",
                    (Label(member.values[0].span),),
                    help="write since when it belongs, with `from` and a day",
                )
                for member in undated
            )

    def _period(self, period: tree.Period, time_zone: str) -> InForce:
        return in_force(period, time_zone, self._found)

    # --- records ---

    def _fields(
        self, charter: tree.Charter, fields: Sequence[tree.Field], record: tree.Record | None
    ) -> tuple[FactType, ...]:
        self._check_values("field", (declared.name for declared in fields))
        made = [self._field(charter, declared, record) for declared in fields]
        return tuple(fact for fact in made if fact is not None)

    def _field(
        self, charter: tree.Charter, declared: tree.Field, record: tree.Record | None
    ) -> FactType | None:
        name = declared.name.text
        prefix, origin, wire = "", Origin.CATALOGUE, ()
        if record is not None:
            prefix = f"{record.name.text}."
            origin = Origin(record.origin.text)
            wire = (*record.wire.text.split("."), name)
        title = declared.title.text if declared.title else ""
        fact = FactType(prefix + name, Kind.TRUTH, origin, wire, title)
        type_ = declared.type
        if type_.shape is Shape.TRUTH or type_.name is None:
            return fact
        if type_.shape is Shape.NUMBER:
            return self._number(fact, type_.name)
        kind = Kind.TERM if type_.shape is Shape.TERM else Kind.TERMS
        fact = replace(fact, kind=kind, may_be_empty=type_.shape is Shape.SET_OR_NONE)
        if type_.name.text == IDENTIFIER:
            return fact
        visible = self._vocabularies.visible(charter)
        vocabulary = visible.get(type_.name.text)
        if vocabulary is None:
            known = [*visible, IDENTIFIER]
            self._found.append(unknown(Code.UNKNOWN_NAME, "type", type_.name, known))
            return None
        return replace(
            fact,
            vocabulary=vocabulary.name,
            values=vocabulary.values,
            broader=vocabulary.broader,
        )

    def _number(self, fact: FactType, unit: Word) -> FactType | None:
        if unit.text not in UNITS:
            self._found.append(unknown(Code.UNIT_MISMATCH, "unit", unit, UNITS))
            return None
        return replace(fact, kind=Kind.INTEGER, unit=UNITS[unit.text])

    def _put_record(self, charter: tree.Charter, record: tree.Record) -> None:
        if record.origin.text not in {origin.value for origin in Origin}:
            known = [origin.value for origin in Origin]
            self._found.append(unknown(Code.UNKNOWN_ORIGIN, "origin", record.origin, known))
            return
        self._check_wire(record)
        if record.entity is None:
            facts = self._fields(charter, record.fields, record)
            self._records.put(charter, record.name, (facts, None))
            return
        entities = self._entities.visible(charter)
        entity = entities.get(record.entity.text)
        if entity is None:
            self._found.append(unknown(Code.UNKNOWN_NAME, "entity", record.entity, entities))
            return
        actions = self._actions.visible(charter)
        for word in record.actions:
            if word.text not in actions:
                self._found.append(unknown(Code.UNKNOWN_NAME, "action", word, actions))
        place = Place(
            record.name.text,
            entity.name.text,
            tuple(record.wire.text.split(".")),
            tuple(sorted({word.text for word in record.actions})),
        )
        owner = self._owner(entity) or charter
        facts = self._fields(owner, entity.fields, record)
        self._records.put(charter, record.name, (facts, place))

    def _owner(self, entity: tree.Entity) -> tree.Charter | None:
        owners = (charter for charter, found in self._each(tree.Entity) if found is entity)
        return next(owners, None)

    def _check_wire(self, record: tree.Record) -> None:
        top = record.wire.text.split(".")[0]
        origin = record.origin.text
        allowed = {"subject", "action", "resource", "context"}
        if top not in allowed or (record.entity is not None and origin != "catalogue"):
            self._found.append(
                Diagnostic(
                    Code.WIRE_PLACE,
                    f"a record from {origin} cannot lie at `{record.wire.text}`",
                    (Label(record.wire.span), Label(record.origin.span)),
                    help="begin with `subject.properties`, `context` or `resource`; "
                    "an entity is always from catalogue",
                )
            )


def in_force(period: tree.Period, time_zone: str, found: list[Diagnostic]) -> InForce:
    """The days of a period; a last day before the first is reported."""
    first, last = day_number(period.first), day_number(period.last)
    if period.first and period.last and period.first.day > period.last.day:
        found.append(
            Diagnostic(
                Code.NEVER_IN_FORCE,
                "the last day lies before the first, so this never applies",
                (Label(period.last.span), Label(period.first.span, "the first day")),
                help="put the earlier day after `from`",
            )
        )
    return InForce(time_zone, first, last)
