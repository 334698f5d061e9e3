"""The question of a caller who knows nothing of our vocabulary: OpenID AuthZEN Authorization
API 1.0 asks that what is unknown be ignored.

Nothing that is ignored can help: a fact that is left out is unknown. What a caller says of
facts that only others may state is kept apart as claims, which can only dispute them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsl.core import PROFILE_PATH, FactType, Origin, Program
from dsl.facts import fit
from gateway.errors import RequestError
from gateway.pdp.refusals import Wire, inner_wires, pointer, stated_facts
from gateway.pdp.request import DecisionRequest, of_validation

MAX_IGNORED = 100  # that an answer names
_MODEL = ConfigDict(extra="ignore", frozen=True, strict=True)
_NAME = Field(min_length=1, max_length=256)
_PROPERTIES = Field(default_factory=dict[str, Any])
# How a question names its machine and shows evidence, to a gateway that takes some.
_MACHINE = ("context", "attestation")
_SHOWN = ("node", "challenge", "evidence")
# Stands for an id that a search ignores and for an action that it leaves out.
ANY = "-"


class _Entity(BaseModel):
    model_config = _MODEL

    type: str = _NAME
    id: str = _NAME
    properties: dict[str, Any] = _PROPERTIES


class _Sought(BaseModel):
    """The entity that is searched for: its id is ignored, whatever it is."""

    model_config = _MODEL

    type: str = _NAME
    properties: dict[str, Any] = _PROPERTIES
    id: Any = None


class _Action(BaseModel):
    model_config = _MODEL

    name: str = _NAME
    properties: dict[str, Any] = _PROPERTIES


class Evaluation(BaseModel):
    """Section 6 of the standard: who wants to do what to what."""

    model_config = _MODEL

    subject: _Entity
    action: _Action
    resource: _Entity
    context: dict[str, Any] = _PROPERTIES


class SubjectSearch(Evaluation):
    subject: _Sought  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]


class ResourceSearch(Evaluation):
    resource: _Sought  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]


class ActionSearch(BaseModel):
    model_config = _MODEL

    subject: _Entity
    resource: _Entity
    context: dict[str, Any] = _PROPERTIES


Shape = type[Evaluation] | type[ActionSearch]


@dataclass(frozen=True)
class Understood:
    """What is left of a question. `claims` as of `gateway.pdp.normalise`; `ignored` names by
    RFC 6901 pointer what was left out and why, the first of it. `tenant` is the one that the
    caller names, None where it names none."""

    request: DecisionRequest
    claims: Mapping[str, object]
    ignored: tuple[tuple[str, str], ...] = ()
    tenant: object = None

    def notes(self) -> list[dict[str, str]]:
        return [{"pointer": where, "detail": why} for where, why in self.ignored]


@dataclass
class _Reading:
    """One question on its way through `Lenient`."""

    action: str
    takes_evidence: bool = False
    claims: dict[str, object] = field(default_factory=dict[str, object])
    ignored: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def ignore(self, wire: Wire, why: str) -> None:
        if len(self.ignored) < MAX_IGNORED:
            self.ignored.append((pointer(wire), why))


class Lenient:
    """Reads questions with the vocabulary of one program."""

    def __init__(self, program: Program) -> None:
        self._stated = dict(stated_facts(program))
        self._places = {place.wire: place for place in program.places}
        self._claimed = {wire: path for wire, path in _foreign(program) if wire not in self._stated}
        self._inner = inner_wires(self._stated) | {
            wire[:length] for wire in self._claimed for length in range(1, len(wire))
        }

    def read(
        self, value: object, shape: Shape = Evaluation, *, takes_evidence: bool = False
    ) -> Understood:
        """What is left of a question.

        Args:
            takes_evidence: Whether the gateway takes evidence of the machine that it names.

        Raises:
            RequestError: It has not the shape of one.
        """
        if not isinstance(value, dict):
            raise RequestError("the body is not a JSON object")
        try:
            asked = shape.model_validate(value)
        except ValidationError as error:
            raise of_validation(error) from error
        body = asked.model_dump()
        action = cast("dict[str, Any]", body.setdefault("action", {"name": ANY}))
        reading = _Reading(action["name"], takes_evidence)
        tenant = body["subject"]["properties"].get("tenant")
        for name in ("subject", "action", "resource"):
            entity = cast("dict[str, Any]", body[name])
            members = cast("dict[str, object]", entity.pop("properties", {}))
            wire = (name, "properties")
            entity["properties"] = dict(self._kept(wire, members, reading))
        for name in ("subject", "resource"):
            if not isinstance(body[name].get("id"), str) or shape.model_fields[name].annotation is (
                _Sought
            ):
                body[name]["id"] = ANY
        body["context"] = dict(self._kept(("context",), body["context"], reading))
        request = DecisionRequest.read(body)
        return Understood(request, reading.claims, tuple(reading.ignored), tenant)

    def _kept(
        self, wire: Wire, members: Mapping[str, object], reading: _Reading
    ) -> Iterator[tuple[str, object]]:
        """The members that a request states; the others are claims, or ignored."""
        for name, value in members.items():
            here = (*wire, name)
            if value is None:
                continue
            if here == _MACHINE and reading.takes_evidence and isinstance(value, dict):
                shown = dict(self._machine(cast("dict[str, object]", value), reading))
                if shown:
                    yield name, shown
            elif here in self._places:
                yield from self._reference(here, value, reading)
            elif here in self._stated:
                yield from self._fact(here, value, reading)
            elif here in self._claimed:
                reading.claims[self._claimed[here]] = value
            elif here not in self._inner:
                reading.ignore(here, "no attribute of that name is declared here")
            elif isinstance(value, dict):
                inner = dict(self._kept(here, cast("dict[str, object]", value), reading))
                if inner:
                    yield name, inner
            else:
                reading.ignore(here, "this is not an object")

    def _machine(
        self, members: Mapping[str, object], reading: _Reading
    ) -> Iterator[tuple[str, object]]:
        """What names a machine and shows evidence. All else can only dispute what it shows."""
        for name in _SHOWN:
            if members.get(name) is not None:
                yield name, members[name]
        rest = {name: value for name, value in members.items() if name not in _SHOWN}
        for _ in self._kept(_MACHINE, rest, reading):
            pass  # claims alone

    def _fact(self, wire: Wire, value: object, reading: _Reading) -> Iterator[tuple[str, object]]:
        fact = self._stated[wire]
        if fit(fact, value) is not None:
            yield wire[-1], value
        elif value != []:
            reading.ignore(wire, f"this cannot be a value of `{fact.path}`, which is unknown now")

    def _reference(
        self, wire: Wire, value: object, reading: _Reading
    ) -> Iterator[tuple[str, object]]:
        """A further place, such as the origin of a flow: named, and perhaps described."""
        if reading.action not in self._places[wire].actions and reading.action != ANY:
            reading.ignore(wire, f"`{reading.action}` has no such place")
            return
        if not isinstance(value, dict):
            yield wire[-1], value  # refused with the catalogue, by name
            return
        members = dict(cast("dict[str, object]", value))
        named = {name: members.pop(name) for name in ("type", "id") if name in members}
        properties = members.pop("properties", None)
        if isinstance(properties, dict):
            members |= cast("dict[str, object]", properties)
        for _ in self._kept(wire, members, reading):
            pass  # claims alone: a request states nothing of what the catalogue knows
        yield wire[-1], named


def _foreign(program: Program) -> Iterator[tuple[Wire, str]]:
    """The facts and lists that others state, by where they would stand in a question."""
    for path, fact in program.facts.items():
        if _is_foreign(program, path, fact):
            yield _claimed_at(fact.wire), path
    for path, listed in program.lists.items():
        yield _claimed_at(listed.wire), path


def _claimed_at(wire: Wire) -> Wire:
    """What the catalogue states of the subject and the resource would stand among their
    properties."""
    beside = wire[0] in ("subject", "resource") and wire[1:2] != ("properties",)
    return (wire[0], "properties", *wire[1:]) if beside else wire


def _is_foreign(program: Program, path: str, fact: FactType) -> bool:
    stated_by_others = fact.origin is not Origin.REQUEST and bool(fact.wire)
    return stated_by_others and path != PROFILE_PATH and path not in program.derived
