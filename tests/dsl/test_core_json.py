"""Core as JSON: one form, and only that form is read."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dsl.core_json import program_digest, program_from_json, program_to_json
from dsl.errors import CoreFormatError
from tests import corpus

BYTES = program_to_json(corpus.PROGRAMS["exceptions"])
FORBID = 1  # the second rule of that program


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_reading_what_was_written_gives_the_same_program(name: str) -> None:
    program = corpus.PROGRAMS[name]
    read = program_from_json(program_to_json(program))
    assert read == program
    assert program_digest(read) == program_digest(program)


def test_programs_that_differ_have_digests_that_differ() -> None:
    digests = {program_digest(program) for program in corpus.PROGRAMS.values()}
    assert len(digests) == len(corpus.PROGRAMS)


def damage(change: Callable[[Any], object]) -> bytes:
    document = json.loads(BYTES)
    change(document)
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8"
    )


def formula(document: Any, condition: object) -> None:
    document["rules"][FORBID]["formula"] = condition


def nested(depth: int) -> Any:
    condition: Any = {"op": "constant", "value": True}
    for _ in range(depth):
        condition = {"op": "and", "operands": [condition]}
    return condition


DAMAGES: dict[str, Callable[[Any], object]] = {
    "unknown format": lambda d: d.update(format="charter-core/2"),
    "member missing": lambda d: d.pop("places"),
    "member too many": lambda d: d.update(comment="x"),
    "facts as object": lambda d: d.update(facts={}),
    "fact twice": lambda d: d["facts"].append(d["facts"][-1]),
    "facts unsorted": lambda d: d["facts"].reverse(),
    "unknown kind": lambda d: d["facts"][0].update(kind="float"),
    "unknown origin": lambda d: d["facts"][0].update(origin="caller"),
    "vocabulary unsorted": lambda d: d["facts"][0]["values"].reverse(),
    "vocabulary empty": lambda d: d["facts"][0].update(values=[], broader={}),
    "taxonomy outside vocabulary": lambda d: d["facts"][0].update(broader={"health": ["x"]}),
    "taxonomy not closed": lambda d: d["facts"][0]["broader"].update(
        {"health": ["special-category"]}
    ),
    "taxonomy above itself": lambda d: d["facts"][0]["broader"].update({"personal": ["personal"]}),
    "truth that may be empty": lambda d: d["facts"][5].update(may_be_empty=True),
    "may be empty as number": lambda d: d["facts"][0].update(may_be_empty=1),
    "path with a space": lambda d: d["facts"][0].update(path="today UTC"),
    "no place on the wire": lambda d: d["facts"][0].update(wire=[]),
    "action with a colon": lambda d: d["actions"].append("why:place"),
    "action twice": lambda d: d["actions"].append("place"),
    "rules unsorted": lambda d: d["rules"].reverse(),
    "rule twice": lambda d: d["rules"].append(d["rules"][-1]),
    "undeclared action": lambda d: d["rules"][FORBID].update(actions=["delete"]),
    "no action": lambda d: d["rules"][FORBID].update(actions=[]),
    "unknown effect": lambda d: d["rules"][FORBID].update(effect="allow"),
    "duty of another rule": lambda d: d["rules"][FORBID]["duties"][0].update(rule="x"),
    "duty twice": lambda d: d["rules"][FORBID]["duties"].append(d["rules"][FORBID]["duties"][0]),
    "due days as text": lambda d: d["rules"][FORBID]["duties"][0].update(due_days="3"),
    "due days as truth": lambda d: d["rules"][FORBID]["duties"][0].update(due_days=True),
    "unknown condition": lambda d: formula(d, {"op": "xor", "operands": []}),
    "condition as text": lambda d: formula(d, "true"),
    "constant as number": lambda d: formula(d, {"op": "constant", "value": 1}),
    "undeclared path": lambda d: formula(d, {"op": "holds", "path": "x"}),
    "path of another kind": lambda d: formula(d, {"op": "holds", "path": "data.labels"}),
    "values unsorted": lambda d: formula(
        d, {"op": "one-of", "path": "transfer.mechanism", "values": ["none", "bcr"]}
    ),
    "value empty": lambda d: formula(
        d, {"op": "one-of", "path": "transfer.mechanism", "values": [""]}
    ),
    "bound as fraction": lambda d: formula(
        d, {"op": "at-least", "path": "training.compute", "bound": 0.5}
    ),
    "bound out of range": lambda d: formula(
        d, {"op": "at-least", "path": "training.compute", "bound": 2**53 + 1}
    ),
    "day out of range": lambda d: formula(
        d, {"op": "in-force", "time_zone": "UTC", "first": 10**7, "last": None}
    ),
    "no time zone": lambda d: formula(
        d, {"op": "in-force", "time_zone": "", "first": 1, "last": None}
    ),
    "negated conjunction": lambda d: formula(d, {"op": "not", "operand": nested(1)}),
    "double negation": lambda d: formula(
        d, {"op": "not", "operand": {"op": "not", "operand": nested(0)}}
    ),
    "nested too deep": lambda d: formula(d, nested(201)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_program_is_not_read(name: str) -> None:
    damaged = damage(DAMAGES[name])
    assert damaged != BYTES
    with pytest.raises(CoreFormatError):
        program_from_json(damaged)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        BYTES + b"\n",
        b" " + BYTES,
        BYTES.replace(b'"actions":', b'"actions": ', 1),
        BYTES.replace("é".encode(), b"\\u00e9", 1),
        BYTES[:-1] + b',"format":"charter-core/1"}',
        b"[" * 100_000,
    ],
    ids=range(11),
)
def test_bytes_that_are_not_the_canonical_form_are_not_read(data: bytes) -> None:
    assert data != BYTES
    with pytest.raises(CoreFormatError):
        program_from_json(data)


def test_the_undamaged_program_is_read() -> None:
    assert damage(lambda document: None) == BYTES
    assert program_from_json(BYTES) == corpus.PROGRAMS["exceptions"]
