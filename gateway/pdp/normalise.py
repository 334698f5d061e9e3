"""Join: request, catalogue and clock → facts.

The result is one flat document, validated once. A caller states only what the vocabulary
lets a request state: anything else is refused by name, not dropped, because a dropped
fact would silently become unknown, and an accepted one would be a claim taken for
evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import cast
from zoneinfo import ZoneInfo

from dsl.core import FactType, Kind, Origin, Place, Program
from dsl.facts import Question, Value, fit
from dsl.resolve import nearest
from gateway.errors import RequestError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.request import DecisionRequest

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Joined:
    """A question ready for the engines, and where each of its facts came from."""

    question: Question
    origins: Mapping[str, Origin]


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

    def join(self, request: DecisionRequest, *, now: datetime) -> Joined:
        """The facts of a request at an instant.

        Raises:
            RequestError: The action or a place is unknown, an attribute is undeclared, of
                another origin, of the wrong type or outside its vocabulary.
        """
        action = request.action.name
        if action not in self._program.actions:
            known = ", ".join(f"`{name}`" for name in self._program.actions)
            raise RequestError(
                f"there is no action `{action}`; write {known}",
                pointer="/action/name",
                kind="unknown-action",
            )
        facts: dict[str, Value] = {}
        origins: dict[str, Origin] = {}
        stated = self._stated_facts(request)
        for path, value in (*stated, *self._catalogue_facts(request, now)):
            facts[path] = value
            origins[path] = self._program.facts[path].origin
        return Joined(Question(action, facts, self._today(now)), origins)

    def _today(self, now: datetime) -> dict[str, int]:
        return {
            name: (now.astimezone(zone).date() - _EPOCH).days for name, zone in self._zones.items()
        }

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
            f"no attribute `{name}` is declared here{hint}",
            pointer=pointer,
            kind="unknown-attribute",
        )

    def _record_at(self, wire: tuple[str, ...]) -> str | None:
        above = wire[:-2] if wire[-2:-1] == ("properties",) else wire[:-1]
        place = self._places.get(above)
        return place.record if place else None

    # --- what the catalogue states ---

    def _catalogue_facts(
        self, request: DecisionRequest, now: datetime
    ) -> Iterator[tuple[str, Value]]:
        for wire, place in self._places.items():
            needed = request.action.name in place.actions
            reference = _reference(request, wire)
            if reference is None:
                if needed:
                    raise RequestError(
                        f"`{request.action.name}` needs the {place.record}: "
                        f'{{"type": "{place.entity}", "id": …}}',
                        pointer=_pointer(wire),
                    )
                continue
            if not needed:
                raise RequestError(
                    f"`{request.action.name}` has no {place.record}; leave it out",
                    pointer=_pointer(wire),
                )
            yield from self._entity_facts(place, _entity_id(place, wire, reference), wire, now)

    def _entity_facts(
        self, place: Place, entity_id: str, wire: tuple[str, ...], now: datetime
    ) -> Iterator[tuple[str, Value]]:
        # Rows are vouched for by the day; the day of UTC is the same for every caller.
        entry = self._catalogue.find(place.entity, entity_id, now.astimezone(UTC).date())
        if entry is None:
            known = self._catalogue.entries.get(place.entity, {})
            guess = nearest(entity_id, known) if len(known) <= 10_000 else None
            hint = f"; did you mean `{guess}`?" if guess else ""
            raise RequestError(
                f"the catalogue has no {place.entity} `{entity_id}`{hint}",
                pointer=_pointer((*wire, "id")),
                kind="unknown-entity",
            )
        for field, raw in entry.facts.items():
            path = f"{place.record}.{field}"
            value = fit(self._program.facts[path], raw)
            if value is not None:
                yield path, value


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
    wanted = {
        Kind.TRUTH: "true or false",
        Kind.INTEGER: f"a whole number of {fact.unit}",
        Kind.TERM: "one string",
        Kind.TERMS: "a list of strings",
    }[fact.kind]
    hint = ""
    if fact.values is not None:
        strings = [v for v in _elements(value) if isinstance(v, str) and v not in fact.values]
        guess = nearest(strings[0], fact.values) if strings and len(strings[0]) < 256 else None
        wanted += f" of `{fact.vocabulary}`"
        hint = f"; did you mean `{guess}`?" if guess else ""
        if not guess and len(fact.values) <= 12:
            hint = f": {', '.join(fact.values)}"
    detail = f"`{fact.path}` must be {wanted}{hint}"
    return RequestError(detail, pointer=_pointer(wire), kind="unfit-value")


def _elements(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]
