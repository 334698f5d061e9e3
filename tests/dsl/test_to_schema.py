"""The JSON Schema of a request body, tried with a validator."""

# jsonschema annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from dsl.core import PROFILE_PATH, FactType, Kind, Origin, Program
from dsl.facts import MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS, fit, settled, wire_value
from dsl.to_schema import vocabulary_schema
from tests import corpus
from tests.strategies import fact_types, fit_values, garbage

SCHEMA = json.loads(vocabulary_schema(corpus.PROGRAMS["exceptions"]))


def _pattern(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    # As in ECMA-262, `$` is the end of the text; Python's stands before a line break too.
    if isinstance(value, str) and not re.search(pattern.removesuffix("$") + r"\Z", value):
        yield ValidationError(f"{value!r} does not match {pattern}")


Validator = extend(Draft202012Validator, {"pattern": _pattern})
VALIDATOR = Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def body(**context: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "workload", "id": "trainer-7"},
        "action": {"name": "place"},
        "resource": {"type": "site", "id": "aws/us-east-1"},
        "context": context,
    }


def is_valid(document: Any) -> bool:
    return not list(VALIDATOR.iter_errors(document))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"data": {"labels": ["health"]}},
        {"transfer": {"mechanism": "scc-m2", "impact_assessment": "favourable"}},
        {"training": {"compute": 10**13}},
        {"contract": {"ends": "2028-02-29"}},
        {"csf": {"seal": {"SOV-2": "SEAL-1"}}},
        {"site": {"share": "24.1", "margin": -5}},
    ],
)
def test_a_request_within_the_vocabulary_is_valid(context: dict[str, Any]) -> None:
    assert is_valid(body(**context))


@pytest.mark.parametrize(
    "context",
    [
        {"data": {"labels": "health"}},
        {"data": {"labels": ["nowhere"]}},
        {"data": {"labels": []}},
        {"data": {"unheard": 1}},
        {"unheard": {}},
        {"transfer": {"mechanism": None}},
        {"transfer": {"encrypted": True}},
        {"training": {"compute": 1.5}},
        {"training": {"compute": 2**53}},
        {"training": {"compute": "1"}},
        {"training": {"compute": -1}},
        {"contract": {"ends": 20_000}},
        {"contract": {"ends": "2027-02-29"}},
        {"contract": {"notice_ends": "2027-02-28"}},
        {"csf": {"seal": {"SOV-3": "SEAL-1"}}},
        {"csf": {"seal": "SEAL-1"}},
        {"site": {"share": 24.1}},
        {"site": {"share": "24.101"}},
        {"site": {"share": "-1"}},
        {"site": {"margin": "-5"}},
        {"deployment": {"profile": "clinics"}},
    ],
    ids=json.dumps,
)
def test_a_request_outside_the_vocabulary_or_with_others_facts_is_not(
    context: dict[str, Any],
) -> None:
    assert not is_valid(body(**context))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("action", {"name": "delete"}),
        ("action", {}),
        ("resource", {"type": "user", "id": "x"}),
        ("resource", {"type": "site"}),
        ("resource", {"type": "site", "id": "x", "properties": {"countries": ["DE"]}}),
        ("subject", {"type": "workload", "id": ""}),
        ("subject", None),
        ("extra", 1),
    ],
)
def test_a_malformed_member_is_not_valid(member: str, value: object) -> None:
    assert not is_valid({**body(), member: value})


@pytest.mark.parametrize("member", ["subject", "action", "resource"])
def test_what_every_request_carries_cannot_be_missing(member: str) -> None:
    document = body()
    del document[member]
    assert not is_valid(document)


# --- the schema and the join ---------------------------------------------------------

EDGES = tuple(
    text
    for number in (0, 1, 24, 2410, 10**15, MAX_INTEGER - 1, MAX_INTEGER, MAX_INTEGER + 1, 10**16)
    for scale in (0, 1, 2, 15)
    for whole, part in [divmod(number, 10**scale)]
    for text in (f"{whole}.{part:0{scale}}" if scale else f"{whole}", f"{whole}", f"-{whole}")
)
TEXTS = (
    *EDGES,
    *(
        "",
        ".",
        "1.",
        ".5",
        "00",
        "01.5",
        "+1",
        "1e3",
        "1,5",
        "1 000",
        "24.1\n",
        " 1",
        "0.0",
        "-0.0",
    ),
    *(
        "2026-11-22",
        "2026-02-30",
        "2000-02-29",
        "1900-02-29",
        "0001-01-01",
        "0000-01-01",
        "9999-12-31",
    ),
    *("10000-01-01", "2026-1-1", "20261122", "2026-W47-7", "2026-11-22T00:00:00Z", "2026-11-22\n"),
    *("a", "tab\there", "\u00a0", "\u200b", "\ufeffDE", "a b", "\ud800", "😀", "AT", "nowhere"),
    *("x" * MAX_TERM_LENGTH, "x" * (MAX_TERM_LENGTH + 1)),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, -5, 2410, MAX_INTEGER, -MAX_INTEGER, MAX_INTEGER + 1, 1.5),
    *([], {}, [1], ["AT", 1], [None], [["AT"]], {"AT": True}),
    *(["AT"] * MAX_TERMS, ["AT"] * (MAX_TERMS + 1)),
)
WIRE = (*TEXTS, *([text] for text in TEXTS), *OTHERS)


class Alone:
    """The schema of a program whose only fact this is."""

    def __init__(self, fact: FactType) -> None:
        self.fact = replace(fact, origin=Origin.REQUEST, wire=("context", "fact"))
        program = Program({fact.path: self.fact}, (), ("place",), ())
        self._validator = Validator(
            json.loads(vocabulary_schema(program)),
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )

    def accepts(self, value: Any) -> bool:
        return not list(self._validator.iter_errors(body(fact=value)))

    def agrees(self, value: Any) -> bool:
        """Whether the schema accepts exactly what the join takes for known."""
        return self.accepts(value) is (fit(self.fact, value) is not None)


@pytest.mark.parametrize("path", sorted(set(corpus.FACTS) - {PROFILE_PATH}))
def test_the_schema_accepts_of_a_fact_exactly_what_the_join_knows(path: str) -> None:
    alone = Alone(corpus.FACTS[path])
    assert [value for value in WIRE if not alone.agrees(value)] == []
    known = [v for v in (settled(alone.fact, v) for v in corpus.POINTS[path]) if v is not None]
    assert known
    assert all(alone.accepts(wire_value(alone.fact, value)) for value in known)


@given(data=st.data())
def test_the_schema_accepts_of_any_fact_exactly_what_the_join_knows(data: st.DataObject) -> None:
    alone = Alone(data.draw(fact_types("a.b")))
    stated = data.draw(st.lists(fit_values(alone.fact), min_size=1, max_size=4))
    fitted = [value for value in (settled(alone.fact, v) for v in stated) if value is not None]
    values = [wire_value(alone.fact, value) for value in fitted]
    values += data.draw(st.lists(st.sampled_from(WIRE) | garbage | st.sampled_from(stated)))
    assert [value for value in values if not alone.agrees(value)] == []


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("scale", [1, 2, 7, 14, 15])
@given(data=st.data())
def test_the_pattern_of_decimals_is_exact(negative: bool, scale: int, data: st.DataObject) -> None:
    fact = FactType("a.b", Kind.INTEGER, Origin.REQUEST, ("x",), scale=scale)
    alone = Alone(replace(fact, may_be_negative=negative))
    near = st.integers(MAX_INTEGER - 1000, MAX_INTEGER + 1000) | st.integers(0, 10**17)
    whole, part = divmod(data.draw(near), 10**scale)
    digits = f"{part:0{scale}}"[: data.draw(st.integers(1, scale))]
    for text in (f"{whole}", f"{whole}.{digits}", f"-{whole}.{digits}", f"{whole}.{digits}0"):
        assert alone.agrees(text), text


def test_levels_are_listed_in_their_order() -> None:
    high_first = replace(corpus.FACTS[corpus.OWN_SEAL], order=tuple(reversed(corpus.SEALS)))
    program = Program({high_first.path: high_first}, (), ("place",), ())
    schema = json.loads(vocabulary_schema(program))
    for step in high_first.wire:
        schema = schema["properties"][step]
    assert schema["enum"] == list(reversed(corpus.SEALS))


@pytest.mark.parametrize("place", ["subject", "resource"])
def test_an_id_can_be_a_fact_and_stays_required(place: str) -> None:
    fact = FactType(
        f"{place}.id", Kind.TERM, Origin.REQUEST, (place, "id"), values=("alice", "bob")
    )
    program = Program({fact.path: fact}, (), ("place",), ())
    validator = Validator(json.loads(vocabulary_schema(program)))
    told: list[bool] = []
    for identity in ("alice", "eve", None):
        document = body()
        document[place] = {"type": "user", "id": identity}
        told.append(validator.is_valid(document))
    document[place] = {"type": "user"}
    assert [*told, validator.is_valid(document)] == [True, False, False, False]
