"""Join: request, catalogue and clock → facts.

The result is one flat document, validated once. A caller states only what the vocabulary
lets a request state: anything else is refused by name, not dropped, because a dropped
fact would silently become unknown, and an accepted one would be a claim taken for
evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from dsl.core import FactType, Kind, Origin, Place, Program
from dsl.facts import Question, Value, fit
from dsl.near import nearest
from gateway.errors import RequestError
from gateway.pdp.catalogue import Catalogue, Entry
from gateway.pdp.request import DecisionRequest

_EPOCH = date(1970, 1, 1)
_SHOWN = 64  # characters of a name that a message repeats


@dataclass(frozen=True)
class Days:
    """One instant as days: the day number in each time zone of the program, and the day
    of UTC, by which rows of the catalogue are vouched for."""

    today: Mapping[str, int]
    utc: date

    @property
    def earliest(self) -> date:
        """The day from which deadlines count: no time zone makes them later."""
        return min([self.utc, *(_EPOCH + timedelta(days=day) for day in self.today.values())])


@dataclass(frozen=True)
class Joined:
    """A question ready for the engines, and where each of its facts came from.

    `vouched_until` is the last day of UTC on which the catalogue states these facts, None
    where it names no end. `entities` are what it states them of: record, type and id.
    """

    question: Question
    origins: Mapping[str, Origin]
    vouched_until: date | None = None
    entities: tuple[tuple[str, str, str], ...] = ()


class Normaliser:
    """Joins requests with one program and one catalogue."""

    def __init__(self, program: Program, catalogue: Catalogue) -> None:
        self._program = program
        self._catalogue = catalogue
        self._stated = {
            fact.wire: fact for fact in program.facts.values() if fact.origin is Origin.REQUEST
        }
        self._inner = {wire[:n] for wire in self._stated for n in range(1, len(wire))}
        self._places = {place.wire: place for place in program.places}
        self._zones = {zone: ZoneInfo(zone) for zone in program.time_zones()}

    def days_at(self, now: datetime) -> Days:
        """The days of an instant; it carries its time zone."""
        today = {name: _number(now.astimezone(zone).date()) for name, zone in self._zones.items()}
        return Days(today, now.astimezone(UTC).date())

    def everywhere(self, day: date) -> Days:
        """One calendar day in every time zone."""
        return Days(dict.fromkeys(self._zones, _number(day)), day)

    def join(self, request: DecisionRequest, *, now: datetime) -> Joined:
        """The facts of a request at an instant; raises as `join_on`."""
        return self.join_on(request, self.days_at(now))

    def join_on(self, request: DecisionRequest, days: Days) -> Joined:
        """The facts of a request on given days.

        Raises:
            RequestError: The action or a place is unknown, an attribute is undeclared, of
                another origin, of the wrong type or outside its vocabulary.
        """
        action = request.action.name
        if action not in self._program.actions:
            known = ", ".join(f"`{name}`" for name in self._program.actions)
            raise RequestError(
                f"there is no action `{_short(action)}`; write {known}",
                pointer="/action/name",
                kind="unknown-action",
            )
        facts = dict(self._stated_facts(request))
        ends: list[date] = []
        entities: list[tuple[str, str, str]] = []
        for place, entry in self._entries(request, days.utc):
            facts.update(self._entity_facts(place, entry))
            entities.append((place.record, place.entity, entry.id))
            ends += [] if entry.valid_until is None else [entry.valid_until]
        origins = {path: self._program.facts[path].origin for path in facts}
        question = Question(action, facts, days.today)
        return Joined(question, origins, min(ends, default=None), tuple(sorted(entities)))

    # --- what the caller states ---

    def _stated_facts(self, request: DecisionRequest) -> Iterator[tuple[str, Value]]:
        for wire, value in self._leaves(request):
            fact = self._stated.get(wire)
            if fact is None:
                raise self._refusal(wire)
            if value is None:
                continue  # null is how a caller says that it does not know
            fitted = fit(fact, value)
            if fitted is None:
                if value == [] and fact.kind is Kind.TERMS:
                    continue  # an empty set says nothing, so the fact is unknown
                raise _unfit(fact, value, wire)
            yield fact.path, fitted

    def _leaves(self, request: DecisionRequest) -> Iterator[tuple[tuple[str, ...], object]]:
        yield from self._walk(("subject", "properties"), request.subject.properties)
        yield from self._walk(("action", "properties"), request.action.properties)
        yield from self._walk(("resource", "properties"), request.resource.properties)
        yield from self._walk(("context",), request.context)

    def _walk(
        self, wire: tuple[str, ...], members: Mapping[str, object]
    ) -> Iterator[tuple[tuple[str, ...], object]]:
        for name, value in members.items():
            here = (*wire, name)
            if here in self._places:
                continue  # read with the catalogue
            if here in self._inner:
                if value is None:
                    continue
                if not isinstance(value, dict):
                    raise RequestError("this must be an object", pointer=_pointer(here))
                yield from self._walk(here, cast("dict[str, object]", value))
            else:
                yield here, value

    def _refusal(self, wire: tuple[str, ...]) -> RequestError:
        pointer = _pointer(wire)
        name = wire[-1]
        claimed = {name, ".".join(wire[-2:]), f"{self._record_at(wire)}.{name}"}
        for fact in self._program.facts.values():
            named = claimed & {fact.path, fact.path.partition(".")[0]}
            if named and fact.origin is not Origin.REQUEST:
                return RequestError(
                    f"`{min(named)}` is stated by the {fact.origin.value}; a request cannot set it",
                    pointer=pointer,
                    kind="foreign-origin",
                )
        siblings = {known[-1] for known in self._stated if known[:-1] == wire[:-1]}
        siblings |= {inner[-1] for inner in self._inner if inner[:-1] == wire[:-1]}
        siblings |= {place[-1] for place in self._places if place[:-1] == wire[:-1]}
        guess = nearest(name, siblings)
        hint = f"; did you mean `{guess}`?" if guess else ""
        return RequestError(
            f"no attribute `{_short(name)}` is declared here{hint}",
            pointer=pointer,
            kind="unknown-attribute",
        )

    def _record_at(self, wire: tuple[str, ...]) -> str | None:
        above = wire[:-2] if wire[-2:-1] == ("properties",) else wire[:-1]
        place = self._places.get(above)
        return place.record if place else None

    # --- what the catalogue states ---

    def _entries(self, request: DecisionRequest, day: date) -> Iterator[tuple[Place, Entry]]:
        for wire, place in self._places.items():
            needed = request.action.name in place.actions
            reference = _reference(request, wire)
            if reference is not None and needed:
                yield place, self._entry(place, _entity_id(place, wire, reference), wire, day)
            elif needed:
                raise RequestError(
                    f"`{request.action.name}` needs the {place.record}: "
                    f'{{"type": "{place.entity}", "id": …}}',
                    pointer=_pointer(wire),
                )
            # The wire demands a resource of every question; nothing is read from this one.
            elif reference is not None and wire != ("resource",):
                raise RequestError(
                    f"`{request.action.name}` has no {place.record}; leave it out",
                    pointer=_pointer(wire),
                )

    def _entry(self, place: Place, entity_id: str, wire: tuple[str, ...], day: date) -> Entry:
        entry = self._catalogue.find(place.entity, entity_id, day)
        if entry is None:
            # No guess by spelling: a name that looks alike can lie in another country.
            raise RequestError(
                f"the catalogue vouches for no {place.entity} `{_short(entity_id)}` "
                f"on {day.isoformat()}{self._lapsed(place, entity_id, day)}",
                pointer=_pointer((*wire, "id")),
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

    def _entity_facts(self, place: Place, entry: Entry) -> Iterator[tuple[str, Value]]:
        for field, raw in entry.facts.items():
            path = f"{place.record}.{field}"
            value = fit(self._program.facts[path], raw)
            if value is not None:
                yield path, value


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "…"


def _pointer(wire: tuple[str, ...]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in wire)


def _reference(request: DecisionRequest, wire: tuple[str, ...]) -> object:
    if wire == ("resource",):
        resource = request.resource
        return {"type": resource.type, "id": resource.id}
    value: object = {"context": request.context}
    for part in wire:
        value = cast("dict[str, object]", value).get(part) if isinstance(value, dict) else None
    return value


def _entity_id(place: Place, wire: tuple[str, ...], reference: object) -> str:
    if not isinstance(reference, dict):
        raise RequestError(
            f'this must be an object: {{"type": "{place.entity}", "id": …}}', pointer=_pointer(wire)
        )
    members = cast("dict[str, object]", reference)
    for name in members:
        if name not in ("type", "id"):
            raise RequestError(
                f"facts of the {place.record} are stated by the catalogue; "
                "a request gives only its `type` and `id`",
                pointer=_pointer((*wire, name)),
                kind="foreign-origin",
            )
    if members.get("type") != place.entity:
        raise RequestError(
            f"the {place.record} must be of type `{place.entity}`",
            pointer=_pointer((*wire, "type")),
        )
    entity_id = members.get("id")
    if not isinstance(entity_id, str) or not entity_id:
        raise RequestError(
            "this must be a string that is not empty", pointer=_pointer((*wire, "id"))
        )
    return entity_id


def _unfit(fact: FactType, value: object, wire: tuple[str, ...]) -> RequestError:
    strange = _strange(fact, value)
    if strange is not None:
        word = f"`{_short(strange)}` is no {fact.vocabulary}"
        detail = f"in `{fact.path}`, {word}{_instead(fact, strange)}"
    else:
        wanted = {
            Kind.TRUTH: "true or false",
            Kind.INTEGER: f"a whole number of {fact.unit}, 0 or more",
            Kind.TERM: "one string",
            Kind.TERMS: "a list of strings",
        }[fact.kind]
        detail = f"`{fact.path}` must be {wanted}"
    return RequestError(detail, pointer=_pointer(wire), kind="unfit-value")


def _strange(fact: FactType, value: object) -> str | None:
    """The first word outside the vocabulary, where all else about the value is right."""
    right = isinstance(value, list) if fact.kind is Kind.TERMS else isinstance(value, str)
    if fact.values is None or fact.kind not in (Kind.TERM, Kind.TERMS) or not right:
        return None
    words = _elements(value)
    strange = [w for w in words if isinstance(w, str) and w not in fact.values]
    return strange[0] if strange and all(isinstance(word, str) for word in words) else None


def _instead(fact: FactType, strange: str) -> str:
    values = fact.values or ()
    guess = nearest(strange, values)
    if guess:
        return f"; did you mean `{guess}`?"
    return f"; write one of: {', '.join(values)}" if len(values) <= 12 else ""


def _elements(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]
