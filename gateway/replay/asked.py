"""The question that a recorded decision answered, made again from its record.

A record holds the facts and not the request, which may name people. What the caller stated is
among them; what the catalogue, sources or calculation added is joined anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from dsl.core import PROFILE_PATH, Origin, Program
from dsl.facts import Question, Value, day_of, fit, wire_value
from gateway.pdp.normalise import Claims, Days, Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from gateway.pdp.stored import request_of
from gateway.pdp.supplied_read import read_supplied
from gateway.replay.stored import Predicate

# Of no kind of fact a value, so it contradicts whatever is stated.
_NO_VALUE: Mapping[str, object] = {}


class RecordUnfitError(Exception):
    """What a record states is not of the program that it names."""


@dataclass(frozen=True)
class Moment:
    """When a question is asked: the days, and the instant from which minutes count."""

    days: Days
    now: datetime


def moment_of(predicate: Predicate) -> Moment:
    """When it was decided.

    Raises:
        RecordUnfitError: It does not say so.
    """
    try:
        now = datetime.fromisoformat(predicate["decided_at"])
        today = {zone: day_of(day) for zone, day in predicate["today"].items()}
        utc = now.astimezone(UTC).date()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordUnfitError("it does not say when it was decided") from error
    if now.tzinfo is None or None in today.values():
        raise RecordUnfitError("it does not say when it was decided")
    return Moment(Days(cast("dict[str, int]", today), utc), now)


def joined_as_recorded(program: Program, predicate: Predicate, days: Days) -> Joined:
    """The facts as they stand in the record, of the program that it names.

    Raises:
        RecordUnfitError: The program has no such facts.
    """
    facts: dict[str, Value] = {}
    origins: dict[str, Origin] = {}
    try:
        for stated in predicate["facts"]:
            path = stated["path"]
            value = fit(program.facts[path], stated["value"])
            if value is None:
                raise RecordUnfitError(f"`{path}` has a value that it cannot have")
            facts[path], origins[path] = value, Origin(stated["origin"])
        question = Question(predicate["action"], facts, days.today)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordUnfitError("its facts are not those of its bundle") from error
    if set(program.time_zones()) - set(days.today):
        raise RecordUnfitError("it lacks the day of a time zone of its bundle")
    return Joined(question, origins, None, (), program.facts)


def joined_again(
    program: Program,
    normaliser: Normaliser,
    predicate: Predicate,
    days: Days,
    *,
    profile: str | None,
) -> Joined:
    """The facts of the same question, joined anew with a program and a catalogue.

    Raises:
        RequestError: The question would be refused.
    """
    supplied = read_supplied(program, predicate.get("sources"))
    request = DecisionRequest.read(request_of(program, predicate, supplied))
    return normaliser.join_on(
        request, days, profile, _claims(predicate), str(predicate["tenant"]), supplied
    )


def _claims(predicate: Predicate) -> Claims:
    """What made the disputed facts unknown; the record does not say what was claimed."""
    disputed = cast("Sequence[Mapping[str, Any]]", predicate.get("disputed") or ())
    return {str(one["path"]): _NO_VALUE for one in disputed}


def unknown_to(program: Program, predicate: Predicate) -> list[str]:
    """The facts of the record that have no meaning in another program."""
    paths = [str(stated["path"]) for stated in predicate["facts"]]
    return [path for path in paths if path != PROFILE_PATH and path not in program.facts]


def fact_changes(joined: Joined, predicate: Predicate) -> dict[str, tuple[object, object]]:
    """By path, the recorded value and the one of now, where they differ; None for unknown."""
    before = {stated["path"]: stated["value"] for stated in predicate["facts"]}
    facts = joined.question.facts
    now = {path: wire_value(joined.types[path], value) for path, value in facts.items()}
    return {
        path: (before.get(path), now.get(path))
        for path in sorted({*before, *now})
        if before.get(path) != now.get(path)
    }
