"""A decision that was stored, asked once more: what would have changed it.

A record holds the facts and not the request, which may name people. A request that leads to
exactly those facts on that day is as good; where none does, nothing is said.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from dsl.core import Origin, Program
from dsl.facts import wire_value
from gateway.errors import RequestError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.explanation import Explained, When, explained
from gateway.pdp.normalise import Joined
from gateway.pdp.request import DecisionRequest
from gateway.pdp.supplied import SUBJECT, Supplied
from gateway.pdp.supplied_read import read_supplied

_NOBODY = "-"  # a type or id that is no fact

# Of a recorded decision, the members that it is signed with.
Predicate = Mapping[str, object]


def explain_stored(
    program: Program, catalogue: Catalogue, predicate: Predicate, *, budget: int
) -> Explained | None:
    """What would have changed a decision; None where its facts do not follow from any request
    now, as after a change of the catalogue, or where a fact was disputed."""
    try:
        supplied = read_supplied(program, predicate.get("sources"))
        request = DecisionRequest.read(request_of(program, predicate, supplied))
        when = When(now=datetime.fromisoformat(str(predicate["decided_at"])))
        tenant = str(predicate["tenant"])
        found = explained(
            program, catalogue, request, when, tenant=tenant, budget=budget, supplied=supplied
        )
    except RequestError:
        return None
    return found if _facts(found.joined) == predicate["facts"] else None


def _facts(joined: Joined) -> list[object]:
    return [
        {
            "path": path,
            "value": wire_value(joined.types[path], joined.question.facts[path]),
            "origin": joined.origins[path].value,
        }
        for path in sorted(joined.question.facts)
    ]


def request_of(program: Program, predicate: Predicate, supplied: Supplied) -> dict[str, Any]:
    """A request that states what the caller stated, as far as a request can to that program.
    What others stated stays with them, also where the program would let a request state it."""
    body: dict[str, Any] = {
        "subject": {"type": _NOBODY, "id": _NOBODY},
        "action": {"name": predicate["action"]},
        "resource": {"type": _NOBODY, "id": _NOBODY},
    }
    for statement in supplied.statements:
        if statement.about.startswith(SUBJECT):
            kind = statement.about.removeprefix(SUBJECT)
            body["subject"] = {"type": kind, "id": statement.id}
    for stated in cast("Sequence[Mapping[str, Any]]", predicate["facts"]):
        fact = program.facts.get(stated["path"])
        was_stated = stated["origin"] == Origin.REQUEST.value
        if was_stated and fact is not None and fact.origin is Origin.REQUEST and fact.wire:
            _put(body, fact.wire, stated["value"])
    places = {place.record: place.wire for place in program.places}
    for entity in cast("Sequence[Mapping[str, Any]]", predicate["entities"]):
        if entity["record"] in places:
            for name in ("type", "id"):
                _put(body, (*places[entity["record"]], name), entity[name])
    return body


def _put(body: dict[str, Any], wire: tuple[str, ...], value: object) -> None:
    at = body
    for part in wire[:-1]:
        at = at.setdefault(part, {})
    at[wire[-1]] = value
