"""The JSON Schema of a request body, tried with a validator."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dsl.to_schema import vocabulary_schema
from tests import corpus

SCHEMA = json.loads(vocabulary_schema(corpus.PROGRAMS["exceptions"]))
VALIDATOR = Draft202012Validator(SCHEMA)


def body(**context: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "workload", "id": "trainer-7"},
        "action": {"name": "place"},
        "resource": {"type": "site", "id": "aws/us-east-1"},
        "context": context,
    }


def is_valid(document: Any) -> bool:
    return not list(VALIDATOR.iter_errors(document))  # pyright: ignore[reportUnknownMemberType]


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
