"""A subject that the catalogue knows, and a resource that only the request names."""

import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from dsl.compile import compile_charters
from dsl.source import SourceText
from gateway.errors import RequestError
from gateway.pdp import catalogue
from gateway.pdp.normalise import Normaliser
from gateway.pdp.request import DecisionRequest

TEXT = """\
charter test.people
  title "People"
action read "Read"
enumeration role "Role" of admin, clerk
entity person "A person"
  field role role
record user is person from catalogue at subject on read
record document from request at resource
  field id   identifier
  field type identifier
"""
PEOPLE = """\
format = "charter-catalogue/v1"
title = "People"
as_of = 2026-11-22
[[person]]
id = "alice"
valid_from = 2026-01-01
source = "the directory"
facts = { role = "clerk" }
"""

_, PROGRAM = compile_charters([SourceText("people.charter", TEXT)]).require()
NORMALISER = Normaliser(
    PROGRAM, catalogue.build(tomllib.loads(PEOPLE), PROGRAM, name="people.toml")
)


def facts(subject: dict[str, Any]) -> dict[str, object]:
    asked = {
        "subject": {"type": "person", "id": "alice", **subject},
        "action": {"name": "read"},
        "resource": {"type": "file", "id": "a/b"},
    }
    joined = NORMALISER.join(DecisionRequest.read(asked), now=datetime(2026, 11, 22, tzinfo=UTC))
    return dict(joined.question.facts)


def test_the_catalogue_states_the_facts_of_the_subject() -> None:
    assert facts({}) == {"user.role": "clerk", "document.id": "a/b", "document.type": "file"}


@pytest.mark.parametrize(
    ("subject", "kind", "pointer"),
    [
        ({"id": "bob"}, "unknown-entity", "/subject/id"),
        ({"id": "Alice"}, "unknown-entity", "/subject/id"),
        ({"type": "user"}, "malformed-question", "/subject/type"),
        ({"properties": {"role": "admin"}}, "foreign-origin", "/subject/properties/role"),
        ({"properties": {"role": None}}, "foreign-origin", "/subject/properties/role"),
        ({"properties": {"user.role": "admin"}}, "foreign-origin", "/subject/properties/user.role"),
        ({"properties": {"id": "admin"}}, "unknown-attribute", "/subject/properties/id"),
    ],
)
def test_a_subject_does_not_say_what_it_is(
    subject: dict[str, Any], kind: str, pointer: str
) -> None:
    with pytest.raises(RequestError) as caught:
        facts(subject)
    assert (caught.value.kind, caught.value.pointer) == (kind, pointer)
