"""Core as JSON: one form, and only that form is read."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dsl.core import And, Condition, Or
from dsl.core_json import program_digest, program_from_json, program_to_json
from dsl.errors import CoreFormatError
from tests import corpus
from tests.dsl import whole

PROGRAMS = {**corpus.PROGRAMS, "whole": whole.PROGRAM}
BYTES = program_to_json(corpus.PROGRAMS["exceptions"])
WHOLE = program_to_json(whole.PROGRAM)
FORBID = 1  # the second rule of the first of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_reading_what_was_written_gives_the_same_program(name: str) -> None:
    program = PROGRAMS[name]
    read = program_from_json(program_to_json(program))
    assert read == program
    assert program_digest(read) == program_digest(program)


def test_programs_that_differ_have_digests_that_differ() -> None:
    digests = {program_digest(program) for program in PROGRAMS.values()}
    assert len(digests) == len(PROGRAMS)


def damage(change: Callable[[Any], object], data: bytes = BYTES) -> bytes:
    document = json.loads(data)
    change(document)
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8"
    )


def formula(document: Any, condition: object) -> None:
    document["rules"][FORBID]["formula"] = condition


def named(items: Any, name: str) -> Any:
    """The fact, rule, list or duty of this name."""
    return next(item for item in items if name in (item.get("path"), item.get("id")))


def fact(document: Any, path: str) -> Any:
    return named(document["facts"], path)


def nested(depth: int) -> Any:
    condition: Any = {"op": "constant", "value": True}
    for _ in range(depth):
        condition = {"op": "and", "operands": [condition]}
    return condition


DAMAGES: dict[str, Callable[[Any], object]] = {
    "earlier format": lambda d: d.update(format="charter-core/1"),
    "member missing": lambda d: d.pop("places"),
    "member too many": lambda d: d.update(comment="x"),
    "facts as object": lambda d: d.update(facts={}),
    "fact twice": lambda d: d["facts"].append(d["facts"][-1]),
    "facts unsorted": lambda d: d["facts"].reverse(),
    "unknown kind": lambda d: d["facts"][0].update(kind="float"),
    "unknown origin": lambda d: d["facts"][0].update(origin="caller"),
    "vocabulary unsorted": lambda d: fact(d, "data.labels")["values"].reverse(),
    "vocabulary empty": lambda d: fact(d, "data.labels").update(values=[], broader={}),
    "taxonomy outside vocabulary": lambda d: fact(d, "data.labels").update(
        broader={"health": ["x"]}
    ),
    "taxonomy not closed": lambda d: fact(d, "data.labels")["broader"].update(
        {"health": ["special-category"]}
    ),
    "taxonomy above itself": lambda d: fact(d, "data.labels")["broader"].update(
        {"personal": ["personal"]}
    ),
    "truth that may be empty": lambda d: fact(d, "transfer.encrypted").update(may_be_empty=True),
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
    "duty of the id of a rule": lambda d: d["rules"][FORBID]["duties"][0].update(
        id=d["rules"][0]["id"]
    ),
    "due as text": lambda d: d["rules"][FORBID]["duties"][0].update(due="3 days"),
    "due amount as truth": lambda d: d["rules"][FORBID]["duties"][0].update(
        due={"amount": True, "unit": "days"}
    ),
    "due before the decision": lambda d: d["rules"][FORBID]["duties"][0].update(
        due={"amount": -1, "unit": "days"}
    ),
    "due in ten thousand years": lambda d: d["rules"][FORBID]["duties"][0].update(
        due={"amount": 120_000, "unit": "months"}
    ),
    "due in a unit of its own": lambda d: d["rules"][FORBID]["duties"][0].update(
        due={"amount": 3, "unit": "weeks"}
    ),
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


WHOLE_DAMAGES: dict[str, Callable[[Any], object]] = {
    "order of other values": lambda d: fact(d, "csf.seal[SOV-1]").update(order=["SEAL-0"]),
    "decimals of a set": lambda d: fact(d, "data.labels").update(scale=2),
    "decimals without end": lambda d: fact(d, "destination.margin").update(scale=16),
    "negative date": lambda d: fact(d, "contract.ends").update(may_be_negative=True),
    "derived fact on the wire": lambda d: fact(d, "contract.age").update(wire=["context", "age"]),
    "stated fact nowhere": lambda d: fact(d, "contract.ends").update(wire=[]),
    "profile on the wire": lambda d: fact(d, "deployment.profile").update(wire=["context"]),
    "profile from the request": lambda d: fact(d, "deployment.profile").update(origin="request"),
    "profile of another name": lambda d: fact(d, "deployment.profile")["values"].pop(),
    "profile without profiles": lambda d: d.update(profiles=[]),
    "profiles unsorted": lambda d: d["profiles"].reverse(),
    "tenant of two profiles": lambda d: d["profiles"][1]["tenants"].append("bank-a"),
    "two default profiles": lambda d: d["profiles"][0]["tenants"].clear(),
    "profile with a charter twice": lambda d: d["profiles"][0]["charters"].append("test.whole"),
    "list without a place": lambda d: d["lists"][0].update(wire=[]),
    "list without fields": lambda d: d["lists"][0].update(fields={}),
    "list of another origin": lambda d: d["lists"][0].update(origin="request"),
    "list that is a fact": lambda d: d["lists"][0].update(path="contract.ends"),
    "derived from nothing": lambda d: d["derived"]["contract.notice_ends"].update(path="x"),
    "derived from the derived": lambda d: d["derived"]["contract.notice_ends"].update(
        path="contract.notice_ends"
    ),
    "derived with a stronger origin": lambda d: fact(d, "contract.age").update(origin="clock"),
    "derived and not declared": lambda d: d["derived"].update(
        {"x.y": d["derived"]["contract.age"]}
    ),
    "declared and not derived": lambda d: d["derived"].pop("contract.age"),
    "months out of every year": lambda d: d["derived"]["contract.notice_ends"].update(
        months=120_000
    ),
    "shift of a number": lambda d: d["derived"]["contract.notice_ends"].update(
        path="contract.copies"
    ),
    "days between numbers": lambda d: d["derived"]["contract.age"].update(first="contract.copies"),
    "days from today to today": lambda d: d["derived"]["contract.age"].update(first=None),
    "today in no time zone": lambda d: d["derived"]["contract.age"].update(time_zone=""),
    "sum of another field": lambda d: tally(d).update(field="other"),
    "sum of a country": lambda d: tally(d).update(field="country"),
    "sum at another scale": lambda d: fact(d, "destination.non_eu_share").update(scale=1),
    "sum in another unit": lambda d: fact(d, "destination.non_eu_share").update(unit="eur"),
    "sum with an else": lambda d: tally(d).update(otherwise=0),
    "largest without an else": lambda d: tally(d, "largest_share").update(otherwise=None),
    "number of a field": lambda d: tally(d, "holders_known").update(field="share"),
    "where reads what is not of the element": lambda d: tally(d).update(
        where={"op": "holds", "path": "transfer.assessed"}
    ),
    "where asks what is known": lambda d: tally(d).update(
        where={"op": "known", "path": "holders.country"}
    ),
    "unknown aggregate": lambda d: tally(d).update(aggregate="mean"),
    "condition as derivation": lambda d: d["derived"].update(
        {"contract.age": {"op": "constant", "value": True}}
    ),
    "derivation as formula": lambda d: rule(d, "open").update(formula=d["derived"]["contract.age"]),
    "weight of a permission": lambda d: rule(d, "open").update(weight=1),
    "preference of no weight": lambda d: rule(d, "assured").update(weight=0),
    "preference beyond all": lambda d: rule(d, "assured").update(weight=1001),
    "preference that only warns": lambda d: rule(d, "assured").update(level="warn"),
    "duty that only warns": lambda d: rule(d, "start-logs").update(level="shadow"),
    "unknown level": lambda d: rule(d, "open").update(level="off"),
    "parameters unsorted": lambda d: duty(d)["parameters"].reverse(),
    "parameter twice": lambda d: duty(d)["parameters"].append(["urgent", False]),
    "parameter with a fraction": lambda d: duty(d)["parameters"].append(["x", 0.5]),
    "parameter out of range": lambda d: duty(d)["parameters"].append(["x", 2**53]),
    "parameter without a value": lambda d: duty(d)["parameters"].append(["x"]),
    "unknown kind of duty": lambda d: duty(d).update(kind="hint"),
    "not before on a number": lambda d: rule(d, "open").update(
        formula=not_before("contract.copies", 0)
    ),
    "not before in no time zone": lambda d: rule(d, "open").update(
        formula={**not_before("contract.ends", 0), "time_zone": ""}
    ),
    "not before out of every year": lambda d: rule(d, "open").update(
        formula=not_before("contract.ends", 3_652_061)
    ),
    "day after the last": lambda d: rule(d, "open").update(
        formula={"op": "at-least", "path": "contract.ends", "bound": 2_932_898}
    ),
    "known of an undeclared fact": lambda d: rule(d, "open").update(formula=known("x")),
    "hidden fact that grants": lambda d: rule(d, "open").update(
        formula={"op": "not", "operand": known("transfer.report")}
    ),
    "hidden fact that is preferred": lambda d: rule(d, "assured").update(
        formula={"op": "not", "operand": known("transfer.report")}
    ),
    "hidden fact that clears": lambda d: rule(d, "ending").update(
        formula={"op": "and", "operands": [nested(0), known("transfer.report")]}
    ),
    "hidden fact that spares a duty": lambda d: duty(d).update(condition=known("transfer.report")),
    "hidden fact in an exception": lambda d: rule(d, "transfers")["exceptions"][0].update(
        condition=known("transfer.report")
    ),
    "exception of an undeclared fact": lambda d: rule(d, "transfers")["exceptions"][0].update(
        condition={"op": "holds", "path": "x"}
    ),
    "invariant twice": lambda d: d["invariants"].append(d["invariants"][0]),
    "invariant on nothing": lambda d: d["invariants"][0].update(actions=[]),
    "invariant of an undeclared fact": lambda d: d["invariants"][0].update(condition=known("x")),
}


def rule(document: Any, name: str) -> Any:
    return named(document["rules"], f"test.whole/{name}")


def duty(document: Any) -> Any:
    return rule(document, "ending")["duties"][0]


def tally(document: Any, name: str = "non_eu_share") -> Any:
    return document["derived"][f"destination.{name}"]


def known(path: str) -> Any:
    return {"op": "known", "path": path}


def not_before(path: str, offset: int) -> Any:
    return {"op": "not-before", "path": path, "time_zone": "UTC", "offset": offset}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_program_is_not_read(name: str) -> None:
    damaged = damage(DAMAGES[name])
    assert damaged != BYTES
    with pytest.raises(CoreFormatError):
        program_from_json(damaged)


@pytest.mark.parametrize("name", WHOLE_DAMAGES)
def test_a_damaged_whole_is_not_read(name: str) -> None:
    damaged = damage(WHOLE_DAMAGES[name], WHOLE)
    assert damaged != WHOLE
    with pytest.raises(CoreFormatError):
        program_from_json(damaged)


@pytest.mark.parametrize("depth", [148, 149])
def test_the_deepest_conditions_come_back(depth: int) -> None:
    condition: Condition = corpus.ENCRYPTED
    for number in range(depth):
        condition = (And if number % 2 else Or)((condition, corpus.LARGE))
    program = corpus.program(corpus.permit(), corpus.forbid(condition))
    assert program_from_json(program_to_json(program)) == program


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
        BYTES[:-1] + b',"format":"charter-core/2"}',
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
    assert damage(lambda document: None, WHOLE) == WHOLE
