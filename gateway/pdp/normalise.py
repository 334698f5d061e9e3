"""Join: request, catalogue, profile and clock → facts.

The result is one flat document, validated once. A caller states only what the vocabulary
lets a request state: anything else is refused by name, not dropped, because a dropped
fact would silently become unknown, and an accepted one would be a claim taken for
evidence. Derived facts are computed here, from stated ones; no engine calculates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import floor
from typing import cast
from zoneinfo import ZoneInfo

from dsl.core import PROFILE_PATH, FactType, Kind, Origin, Place, Program
from dsl.derive import derive
from dsl.facts import Elements, Question, Value, fit, fit_list
from gateway.errors import RequestError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.refusals import Refusals, Wire, inner_wires, pointer, stated_facts
from gateway.pdp.request import DecisionRequest
from gateway.pdp.rows import Entry
from gateway.pdp.supplied import NOTHING, Named, Supplied
from gateway.pdp.unfit import complaint, short

_EPOCH = date(1970, 1, 1)

# By path, what a caller says of facts and lists that only others may state, as it stands on
# the wire. It is never believed, and can only make such a fact unknown.
Claims = Mapping[str, object]
NO_CLAIMS: Claims = {}


@dataclass(frozen=True)
class Days:
    """One instant as days: the day number in each time zone of the program, by which law
    is in force, and the day of UTC. `known_on` is the day of UTC whose rows of the
    catalogue count, where that is another one."""

    today: Mapping[str, int]
    utc: date
    known_on: date | None = None

    @property
    def of_catalogue(self) -> date:
        """The day on which rows of the catalogue must hold."""
        return self.utc if self.known_on is None else self.known_on

    @property
    def earliest(self) -> date:
        """The day from which deadlines count: no time zone makes them later."""
        return min([self.utc, *(_EPOCH + timedelta(days=day) for day in self.today.values())])


@dataclass(frozen=True)
class Joined:
    """A question ready for the engines, and where each of its facts came from.

    `vouched_until` is the last day of UTC on which the catalogue states these facts, None
    where it names no end. `entities` are what it states them of: record, type and id.
    `types` are the types of all facts of the program. `disputed` are facts and lists that
    are unknown because the caller contradicted who states them, with whose they are. `lists`
    are those that are known, and `supplied` is what sources said.
    """

    question: Question
    origins: Mapping[str, Origin]
    vouched_until: date | None = None
    entities: tuple[tuple[str, str, str], ...] = ()
    types: Mapping[str, FactType] = field(default_factory=dict[str, FactType])
    disputed: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    lists: Mapping[str, Elements] = field(default_factory=dict[str, Elements])
    supplied: Supplied = NOTHING

    def named(self, request: DecisionRequest, tenant: str | None) -> Named:
        """What sources can be asked about for this question."""
        subject = (request.subject.type, request.subject.id)
        others = {*self.lists, *self.disputed}
        return Named(
            self.question.action, self.entities, tenant, subject, self.question.facts, others
        )


@dataclass(frozen=True)
class _Stated:
    """What a row of the catalogue states of a place: facts and lists, fit, by path."""

    facts: Mapping[str, Value]
    lists: Mapping[str, Elements]


class Normaliser:
    """Joins requests with one program and one catalogue."""

    def __init__(self, program: Program, catalogue: Catalogue) -> None:
        self._program = program
        self._catalogue = catalogue
        self._stated = dict(stated_facts(program))
        self._inner = inner_wires(self._stated)
        self._origins = {path: fact.origin for path, fact in program.facts.items()}
        self._refusals = Refusals(program)
        self._rows: dict[tuple[str, str, str], _Stated] = {}
        self._alike: dict[tuple[str, str], _Stated] = {}
        self._places = {place.wire: place for place in program.places}
        self._zones = {zone: ZoneInfo(zone) for zone in program.time_zones()}
        self._days_at: tuple[int, Days] | None = None

    def days_at(self, now: datetime) -> Days:
        """The days of an instant; it carries its time zone."""
        second = floor(now.timestamp())  # no day begins within a second
        if self._days_at is None or self._days_at[0] != second:
            self._days_at = (second, self._days_of(now))
        return self._days_at[1]

    def _days_of(self, now: datetime) -> Days:
        today = {name: _number(now.astimezone(zone).date()) for name, zone in self._zones.items()}
        return Days(today, now.astimezone(UTC).date())

    def everywhere(self, day: date, known_on: date | None = None) -> Days:
        """One calendar day in every time zone, with the catalogue as of another."""
        return Days(dict.fromkeys(self._zones, _number(day)), day, known_on)

    def join(
        self, request: DecisionRequest, *, now: datetime, profile: str | None = None
    ) -> Joined:
        """The facts of a request at an instant; raises as `join_on`."""
        return self.join_on(request, self.days_at(now), profile)

    def join_on(
        self,
        request: DecisionRequest,
        days: Days,
        profile: str | None = None,
        claims: Claims = NO_CLAIMS,
        tenant: str | None = None,
        supplied: Supplied = NOTHING,
    ) -> Joined:
        """The facts of a request on given days, under a profile of the program. `tenant` asks:
        data sets of others are not registered for it. `supplied` fills in what is not stated.

        What a claim contradicts becomes unknown, before anything is derived from it.

        Raises:
            RequestError: The action or a place is unknown, an attribute is undeclared, of
                another origin, of the wrong type or outside its vocabulary.
        """
        action = request.action.name
        if action not in self._program.actions:
            known = ", ".join(f"`{name}`" for name in self._program.actions)
            raise RequestError(
                f"there is no action `{short(action)}`; write {known}",
                pointer="/action/name",
                kind="unknown-action",
            )
        facts = self._stated_facts(request)
        lists: dict[str, Elements] = {}
        ends: list[date] = []
        entities: list[tuple[str, str, str]] = []
        for place, entry in self._entries(request, days.of_catalogue):
            row = self._row(place, entry)
            facts.update(row.facts)
            lists.update(row.lists)
            entities.append((place.record, place.entity, entry.id))
            ends += [] if entry.valid_until is None else [entry.valid_until]
        ends += self._labelled(facts, days.of_catalogue, tenant)
        if supplied.statements:
            subject = (request.subject.type, request.subject.id)
            named = Named(action, entities, tenant, subject, facts)
            supplied.fill(named, facts, lists, request.resource.id)
        disputed = dict(self._disputed(facts, lists, claims))
        for path in disputed:
            facts.pop(path, None)
            lists.pop(path, None)
        if profile is not None and PROFILE_PATH in self._program.facts:
            facts[PROFILE_PATH] = profile
        facts.update(derive(self._program, facts, lists, days.today))
        origins = {path: self._origins[path] for path in facts}
        question = Question(action, facts, days.today)
        entities.sort()
        until = min(ends, default=None)
        types = self._program.facts
        return Joined(question, origins, until, tuple(entities), types, disputed, lists, supplied)

    def _labelled(self, facts: dict[str, Value], day: date, tenant: str | None) -> list[date]:
        """Add the labels of data sets, and say until when each is vouched for."""
        registry = self._catalogue.registry
        if registry is None:
            return []
        named = registry.label(self._program, facts, day, tenant)
        return [one.valid_until for one in named if one.valid_until is not None]

    def _disputed(
        self, facts: Mapping[str, Value], lists: Mapping[str, Elements], claims: Claims
    ) -> Iterator[tuple[str, Origin]]:
        """What is known and said otherwise by the caller. A claim about what nobody states
        is no fact either."""
        for path, raw in claims.items():
            if path in facts and facts[path] != fit(self._program.facts[path], raw):
                yield path, self._program.facts[path].origin
            elif path in lists and lists[path] != fit_list(self._program.lists[path], raw):
                yield path, self._program.lists[path].origin

    def rows(
        self, place: Place, day: date
    ) -> Iterator[tuple[str, Mapping[str, Value], Mapping[str, Elements]]]:
        """What the catalogue states on a day of every entity that may stand at a place: its
        id, and its facts and lists by path."""
        for entry in self._catalogue.entries.get(place.entity, {}).values():
            if entry.holds_on(day):
                row = self._row(place, entry)
                yield entry.id, row.facts, row.lists

    # --- what the caller states ---

    def _stated_facts(self, request: DecisionRequest) -> dict[str, Value]:
        facts: dict[str, Value] = {}
        for wire, value in _identities(request):
            # Every request has them; they are facts where the vocabulary says so.
            if wire in self._stated:
                self._state(facts, wire, value)
        self._walk(facts, ("subject", "properties"), request.subject.properties)
        self._walk(facts, ("action", "properties"), request.action.properties)
        self._walk(facts, ("resource", "properties"), request.resource.properties)
        self._walk(facts, ("context",), request.context)
        return facts

    def _walk(self, facts: dict[str, Value], wire: Wire, members: Mapping[str, object]) -> None:
        for name, value in members.items():
            here = (*wire, name)
            if here in self._places:
                continue  # read with the catalogue
            if here in self._inner:
                if value is None:
                    continue
                if not isinstance(value, dict):
                    raise self._refusals.not_an_object(here)
                self._walk(facts, here, cast("dict[str, object]", value))
            else:
                self._state(facts, here, value)

    def _state(self, facts: dict[str, Value], wire: Wire, value: object) -> None:
        fact = self._stated.get(wire)
        if fact is None:
            raise self._refusals.attribute(wire)
        if value is None:
            return  # null is how a caller says that it does not know
        fitted = fit(fact, value)
        if fitted is not None:
            facts[fact.path] = fitted
        # An empty set says nothing, so the fact is unknown.
        elif value != [] or fact.kind is not Kind.TERMS:
            raise RequestError(complaint(fact, value), pointer=pointer(wire), kind="unfit-value")

    # --- what the catalogue states ---

    def _entries(self, request: DecisionRequest, day: date) -> Iterator[tuple[Place, Entry]]:
        for wire, place in self._places.items():
            needed = request.action.name in place.actions
            reference = _reference(request, wire)
            if reference is not None and needed:
                yield place, self._entry(place, self._entity_id(place, wire, reference), wire, day)
            elif needed:
                raise RequestError(
                    f"`{request.action.name}` needs the {place.record}: "
                    f'{{"type": "{place.entity}", "id": …}}',
                    pointer=pointer(wire),
                )
            # The wire demands these of every question; nothing is read from them here.
            elif reference is not None and wire not in (("subject",), ("resource",)):
                raise RequestError(
                    f"`{request.action.name}` has no {place.record}; leave it out",
                    pointer=pointer(wire),
                )

    def _entity_id(self, place: Place, wire: Wire, reference: object) -> str:
        named = _reference_of(place, wire, reference)
        wanted = (place.entity, *self._catalogue.names_of(place.entity))
        if named.get("type") not in wanted:
            raise RequestError(
                f"the {place.record} must be of type `{wanted[-1]}`",
                pointer=pointer((*wire, "type")),
            )
        entity_id = named.get("id")
        if not isinstance(entity_id, str) or not entity_id:
            raise RequestError(
                "this must be a string that is not empty", pointer=pointer((*wire, "id"))
            )
        return entity_id

    def _entry(self, place: Place, entity_id: str, wire: Wire, day: date) -> Entry:
        entry = self._catalogue.find(place.entity, entity_id, day)
        if entry is None:
            # No guess by spelling: a name that looks alike can lie in another country.
            raise RequestError(
                f"the catalogue vouches for no {place.entity} `{short(entity_id)}` "
                f"on {day.isoformat()}{self._lapsed(place, entity_id, day)}",
                pointer=pointer((*wire, "id")),
                kind="unknown-entity",
            )
        return entry

    def _lapsed(self, place: Place, entity_id: str, day: date) -> str:
        """Where the catalogue has a row for other days, what to do about it."""
        entry = self._catalogue.entries.get(place.entity, {}).get(entity_id)
        if entry is None:
            return ""
        if day < entry.valid_from:
            return f"; its row begins on {entry.valid_from.isoformat()}"
        return f"; its row ended on {entry.valid_until}: have it renewed"

    def _row(self, place: Place, entry: Entry) -> _Stated:
        key = (place.record, place.entity, entry.id)
        known = self._rows.get(key)
        if known is None:
            # Many rows state the same, and are then one object. By their text: true is not 1.
            text = (place.record, repr(entry.facts))
            known = self._alike.get(text)
            if known is None:
                known = self._alike[text] = self._fitted(place, entry)
            self._rows[key] = known
        return known

    def _fitted(self, place: Place, entry: Entry) -> _Stated:
        facts: dict[str, Value] = {}
        lists: dict[str, Elements] = {}
        for name, raw in entry.facts.items():
            path = f"{place.record}.{name}"
            if path in self._program.lists:
                elements = fit_list(self._program.lists[path], raw)
                if elements is not None:
                    lists[path] = elements
            else:
                value = fit(self._program.facts[path], raw)
                if value is not None:
                    facts[path] = value
        return _Stated(facts, lists)


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _identities(request: DecisionRequest) -> Iterator[tuple[Wire, str]]:
    yield ("subject", "type"), request.subject.type
    yield ("subject", "id"), request.subject.id
    yield ("resource", "type"), request.resource.type
    yield ("resource", "id"), request.resource.id


def _reference(request: DecisionRequest, wire: Wire) -> object:
    """What stands at a place; of the subject and the resource itself, type and id alone."""
    subject, resource = request.subject, request.resource
    if wire == ("subject",):
        return {"type": subject.type, "id": subject.id}
    if wire == ("resource",):
        return {"type": resource.type, "id": resource.id}
    if wire[0] == "context":
        return _inside(request.context, wire[1:])
    value: object = {
        "subject": {"properties": subject.properties},
        "action": {"properties": request.action.properties},
        "resource": {"properties": resource.properties},
    }
    return _inside(value, wire)


def _inside(value: object, wire: Wire) -> object:
    for part in wire:
        value = cast("dict[str, object]", value).get(part) if isinstance(value, dict) else None
    return value


def _reference_of(place: Place, wire: Wire, reference: object) -> dict[str, object]:
    if not isinstance(reference, dict):
        raise RequestError(
            f'this must be an object: {{"type": "{place.entity}", "id": …}}', pointer=pointer(wire)
        )
    members = cast("dict[str, object]", reference)
    for name in members:
        if name not in ("type", "id"):
            raise RequestError(
                f"facts of the {place.record} are stated by the catalogue; "
                "a request gives only its `type` and `id`",
                pointer=pointer((*wire, name)),
                kind="foreign-origin",
            )
    return members
