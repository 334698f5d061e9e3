"""What was supplied for a question, in the words of a program: as it is said, and as a record
repeats it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from dsl.core import FactType, ListType, Origin, Program
from dsl.facts import Elements, Value, fit, fit_list
from gateway.pdp.supplied import ATTESTATION, NOTHING, Statement, Status, Supplied


def read_supplied(program: Program, bodies: object) -> Supplied:
    """What a recorded decision was told by sources; raises nothing, and leaves out what the
    program does not know."""
    if not isinstance(bodies, list):
        return NOTHING
    read = (_read(program, body) for body in cast("list[object]", bodies))
    return Supplied(tuple(one for one in read if one is not None))


def _read(program: Program, body: object) -> Statement | None:
    try:
        raw = cast("Mapping[str, Any]", body)
        about, at = str(raw["about"]), raw["observed_at"]
        return fitted(
            program,
            Statement(
                source=str(raw["source"]),
                origin=Origin(raw["origin"]),
                about=about,
                id=str(raw["id"]),
                status=Status(raw["status"]),
                observed_at=None if at is None else datetime.fromisoformat(str(at)),
                digest=raw["digest"],
                said=raw["said"],
            ),
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def fitted(program: Program, statement: Statement) -> Statement:
    """The statement with the facts and lists of a program that follow from what was said."""
    facts: dict[str, Value] = {}
    lists: dict[str, Elements] = {}
    for name, said in statement.said.items():
        known = _type_of(program, statement.about, name)
        if statement.about == ATTESTATION and (
            known is None or known.origin is not Origin.VERIFIER or name in program.derived
        ):
            continue  # only what a verifier may state, in the words of this program
        if isinstance(known, FactType) and (value := fit(known, said)) is not None:
            facts[name] = value
        elif isinstance(known, ListType) and (rows := fit_list(known, said)) is not None:
            lists[name] = rows
    return replace(statement, facts=facts, lists=lists)


def _type_of(program: Program, about: str, name: str) -> FactType | ListType | None:
    """The type of what a source states under a name."""
    for path in _paths(program, about, name):
        found = program.facts.get(path) or program.lists.get(path)
        if found is not None:
            return found
    return None


def _paths(program: Program, about: str, name: str) -> Iterator[str]:
    records = [place.record for place in program.places if place.entity == about]
    yield from [f"{record}.{name}" for record in records] or [name]
