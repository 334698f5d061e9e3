"""What a caller says of facts that only others may state: never believed, and where it
contradicts them the fact is unknown."""

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import Origin
from dsl.evaluate import evaluate
from gateway.errors import ConfigurationError
from gateway.pdp import catalogue
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from tests.gateway import language
from tests.gateway.world import NOW, SITES, program, question, sites

NORMALISER = Normaliser(language.PROGRAM, language.sites())


def joined(**claims: Any) -> Joined:
    request = DecisionRequest.read(language.request())
    days = NORMALISER.days_at(NOW)
    named = {path.replace("__", "."): value for path, value in claims.items()}
    return NORMALISER.join_on(request, days, "clinics", named)


PLAIN = joined()

AGREES: list[dict[str, Any]] = [
    {},
    {"destination.open": True},
    {"destination.load": "24.1"},
    {"destination.assessed_on": "2026-05-31"},
    {"destination.seal[SOV-1]": "SEAL-2"},
    {
        "destination.holders": [
            {"country": "US", "share": "24.50", "since": "2020-02-29"},
            {"country": "FR", "share": "75.5"},
        ]
    },
]

CONTRADICTS: list[tuple[str, Any]] = [
    ("destination.open", False),
    ("destination.open", "true"),
    ("destination.open", 1),
    ("destination.open", None),
    ("destination.open", []),
    ("destination.open", {"a": 1}),
    ("destination.load", "24.2"),
    ("destination.load", 241),
    ("destination.margin", 7),
    ("destination.assessed_on", "2026-06-01"),
    ("destination.seal[SOV-1]", "SEAL-1"),
    ("destination.seal[SOV-1]", "SEAL-9"),
    ("destination.holders", []),
    ("destination.holders", "none"),
    ("destination.holders", [{"country": "FR", "share": "100"}]),
]


@pytest.mark.parametrize("claims", AGREES)
def test_what_agrees_changes_nothing(claims: dict[str, Any]) -> None:
    assert joined(**claims) == PLAIN


@pytest.mark.parametrize(("path", "claimed"), CONTRADICTS)
def test_what_contradicts_makes_the_fact_unknown_and_nothing_else_known(
    path: str, claimed: Any
) -> None:
    found = joined(**{path: claimed})
    assert found.disputed == {path: Origin.CATALOGUE}
    assert path not in found.question.facts
    assert found.question.facts.items() <= PLAIN.question.facts.items()


def test_what_is_derived_of_a_disputed_list_is_unknown() -> None:
    assert "destination.foreign_share" in PLAIN.question.facts
    assert "destination.foreign_share" not in joined(**{"destination.holders": []}).question.facts


@pytest.mark.parametrize(
    "path",
    ["destination.seal[SOV-2x]", "contract.price", "deployment.profile", "evidence.fresh", "x"],
)
def test_what_the_catalogue_does_not_state_cannot_be_stated_by_a_claim(path: str) -> None:
    found = joined(**{path: "everybody"})
    if path == "contract.price":
        # A request's own fact: doors never claim it. Even so it can only be lost.
        assert found.question.facts.items() <= PLAIN.question.facts.items()
    else:
        assert found == PLAIN


@given(st.data())
def test_no_claim_permits_what_the_catalogue_alone_does_not(data: st.DataObject) -> None:
    law, known = program(), sites()
    normaliser = Normaliser(law, known)
    asked = question(resource__id=data.draw(st.sampled_from(["near", "far", "closed", "vague"])))
    asked["context"]["transfer"]["tool"] = data.draw(st.sampled_from(["none", "clauses", None]))
    names = [path for path, fact in law.facts.items() if fact.origin is Origin.CATALOGUE]
    raw = st.one_of(
        st.none(), st.booleans(), st.integers(), st.lists(st.sampled_from(["FR", "US", "XX"]))
    )
    claims = data.draw(st.dictionaries(st.sampled_from(names), raw))
    request = DecisionRequest.read(asked)
    days = normaliser.days_at(NOW)
    without = evaluate(law, normaliser.join_on(request, days).question)
    disputed = evaluate(law, normaliser.join_on(request, days, None, claims).question)
    assert without.permits or not disputed.permits


# --- what callers call an entity -----------------------------------------------------


def named(**types: str) -> catalogue.Catalogue:
    raw: dict[str, Any] = tomllib.loads(SITES) | {"wire_types": types}
    return catalogue.build(copy.deepcopy(raw), program(), name="sites.toml")


def test_an_entity_answers_to_both_of_its_names() -> None:
    normaliser = Normaliser(program(), named(Region="site"))
    for name in ("site", "Region"):
        request = DecisionRequest.read(question(resource__type=name))
        found = normaliser.join_on(request, normaliser.days_at(NOW))
        assert found.entities == (("destination", "site", "near"),)


@pytest.mark.parametrize("types", [{"Region": "sight"}, {"site": "site"}, {"": "site"}])
def test_a_name_that_would_be_understood_in_two_ways_is_refused(types: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="wire_types"):
        named(**types)


def test_another_name_is_another_digest() -> None:
    assert named(Region="site").digest != named(Zone="site").digest
