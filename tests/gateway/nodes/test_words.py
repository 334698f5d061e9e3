"""The words for what a machine has proved: those of the page are those of the vocabulary, and
the charter that users begin with does what it says."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dsl.compile import compile_charters
from dsl.core import Kind, Origin
from dsl.diagnostics import Severity
from dsl.examples import cases, failure
from dsl.source import SourceText
from dsl.to_schema import vocabulary_schema
from gateway import bundle
from gateway.attestation.evidence import Technology
from gateway.attestation.result import Freshness
from gateway.attestation.vector import MEMBERS, Tier
from gateway.nodes.attested import Strength
from gateway.nodes.question import take_attestation
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.judge import Judge
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import NOW
from tests.pack import pack, pack_catalogue
from tests.project import ROOT

PAGE = (ROOT / "docs" / "facts.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## What a machine has proved")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| ([a-zA-Z][^|]+) \| `(.+)` \|$", SECTION, re.M))
FACTS = {path: fact for path, fact in pack().program.facts.items() if "attestation." in path}
EXAMPLE = ROOT / "docs" / "examples" / "confidential.charter"
RULE = """charter page
  title "As the page says"
  law PAGE "The page" url "https://charter.example/facts"
import vocabulary.places
import vocabulary.attestation

rule asked "As the page says"
  cites PAGE section 1
  on place
  require {}
  because "The page says so."
  remedy "Read the page."
"""


def _block() -> str:
    return SECTION.partition("```json\n")[2].partition("```")[0]


def test_the_page_has_a_row_for_each_thing_that_can_be_asked() -> None:
    assert len(ROWS) == 12, ROWS


@pytest.mark.parametrize("wanted", ROWS)
def test_what_the_page_writes_compiles(wanted: str) -> None:
    for condition in ROWS[wanted].split("`; `"):
        source = SourceText("page.charter", RULE.format(condition))
        compiled = compile_charters(bundle.with_imports([source]))
        errors = [one for one in compiled.diagnostics if one.severity is Severity.ERROR]
        assert errors == [], condition


def test_only_a_verifier_states_them() -> None:
    assert {fact.origin for fact in FACTS.values()} == {Origin.VERIFIER}
    assert {fact.wire[:2] for fact in FACTS.values()} == {("context", "attestation")}


def test_the_vocabulary_has_the_words_of_results() -> None:
    words = {path.removeprefix("attestation."): fact for path, fact in FACTS.items()}
    assert set(words["technology"].values or ()) == {one.value for one in Technology}
    assert words["place"].order == tuple(one.value for one in Strength)
    assert set(words["freshness"].order) == {one.value for one in Freshness}
    assert words["freshness"].order[-1] == Freshness.CHALLENGED.value
    tiers = sorted((tier for tier in Tier if tier is not Tier.NONE), reverse=True)
    assert words["status"].order == tuple(tier.word for tier in tiers)
    assert {path for path in words if path.startswith("trust[")} == {
        f"trust[{member}]" for member in MEMBERS
    }
    assert words["firmware[snp]"].kind is Kind.INTEGER


def test_the_question_of_the_page_names_a_node_and_nothing_else() -> None:
    rest, asked = take_attestation(DecisionRequest.read(json.loads(_block())))
    assert asked is not None
    assert (asked.node, asked.submission) == ("gpu-0417", None)
    judge = Judge(pack().program, pack_catalogue(), [ReferenceEngine(pack().program)])
    judge.check_question(rest, now=NOW)


MACHINES: dict[str, tuple[Any, bool]] = {
    "a name": ({"node": "n1"}, True),
    "evidence": ({"node": "n1", "challenge": "c", "evidence": {"format": "x"}}, True),
    "nothing": ({}, False),
    "evidence of nobody": ({"evidence": {}}, False),
    "a name that is none": ({"node": 1}, False),
    "evidence as a text": ({"node": "n1", "evidence": "e"}, False),
    "a claim": ({"node": "n1", "technology": "tpm"}, False),
    "a list": (["n1"], False),
}


@pytest.mark.parametrize("case", MACHINES)
def test_the_schema_of_questions_takes_a_machine_and_no_claim(case: str) -> None:
    said, fits = MACHINES[case]
    asked = json.loads(_block())
    asked["context"]["attestation"] = said
    schema = Draft202012Validator(json.loads(vocabulary_schema(pack().program)))
    mistakes: list[object] = list(schema.iter_errors(asked))  # pyright: ignore[reportUnknownMemberType]
    assert (mistakes == []) is fits


def test_where_no_rule_can_ask_for_a_machine_the_schema_has_none() -> None:
    facts = {path: fact for path, fact in pack().program.facts.items() if path not in FACTS}
    schema = json.loads(vocabulary_schema(replace(pack().program, facts=facts)))
    assert "attestation" not in schema["properties"]["context"]["properties"]


@pytest.mark.parametrize("make", [ReferenceEngine, CedarEngine, RegoEngine])
def test_the_charter_to_begin_with_holds(make: type[ReferenceEngine]) -> None:
    compiled = bundle.compile_folder(EXAMPLE)
    model, program = compiled.require()
    assert compiled.diagnostics == ()
    made = list(cases(model, program, {}))
    assert len(made) >= 15

    async def failures() -> list[str]:
        said: list[str] = []
        engines: dict[int, ReferenceEngine] = {}
        for case in made:
            engine = engines.setdefault(id(case.program), make(case.program))
            why = failure(case, await engine.ask(case.question))
            said += [] if why is None else [f"{case.name}: {why}"]
        for engine in engines.values():
            await engine.close()
        return said

    assert asyncio.run(failures()) == []


def test_the_vectors_of_its_bundle_show_both_sides_of_what_it_asks_of_machines() -> None:
    made = bundle.build(bundle.compile_folder(EXAMPLE), {})
    told = {path for path, fact in made.program.facts.items() if fact.origin is Origin.VERIFIER}
    asked = [vector for vector in made.vectors if told & vector.question.facts.keys()]
    ages = {vector.question.facts.get("attestation.age") for vector in asked}
    levels = {vector.question.facts.get("attestation.firmware[snp]") for vector in asked}
    assert {30, 31, None} <= ages
    assert {22, 23, 3, 4, None} <= levels

    async def differing() -> list[str]:
        engines = (CedarEngine(made.program), RegoEngine(made.program))
        said: list[str] = []
        for vector in asked:
            for engine in engines:
                if await engine.ask(vector.question) != vector.answer:
                    said.append(f"{engine.name}: {vector.question}")
        for engine in engines:
            await engine.close()
        return said

    assert asyncio.run(differing()) == []


def test_the_charter_to_begin_with_is_in_force_nowhere() -> None:
    assert not any(rule.id.startswith("operator.confidential") for rule in pack().program.rules)
