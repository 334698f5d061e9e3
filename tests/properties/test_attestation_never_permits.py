"""Promise 1 of what machines prove: hide or garble any of it, and no gate opens, on any engine.

The rules are those of the charter that users begin with, over the baseline of the pack.
"""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.core import FactType, Kind, Origin, Program
from dsl.core_json import program_digest
from dsl.evaluate import evaluate
from dsl.facts import Question, Value, settle_all
from dsl.source import SourceText
from dsl.to_rego import opa_bundle, tarball
from gateway import bundle
from gateway.errors import EngineError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.opa import run_opa
from tests.project import ROOT
from tests.properties.test_unknown_never_permits import GARBLED

FILES = (
    ROOT / "policies" / "operator" / "baseline.charter",
    ROOT / "docs" / "examples" / "confidential.charter",
)
GIVEN: dict[str, Value] = {
    "data.labels": ("health", "personal", "special-category"),
    "destination.status": "operating",
}
TODAY = {"Europe/Brussels": 20_779}
# Values at which some rule turns, and others.
VALUES: dict[str, list[Value]] = {
    "attestation.confidential": [True, False],
    "attestation.debug": [True, False],
    "attestation.waived": [True, False],
    "attestation.gpu_confidential": [True, False],
    "attestation.freshness": ["background", "challenged"],
    "attestation.age": [1, 30, 31],
    "attestation.technology": ["tdx", "sev-snp", "azure-snp-vtpm", "tpm"],
    "attestation.product": ["Genoa", "Turin", "Milan", "TPM"],
    "attestation.firmware[snp]": [0, 3, 4, 22, 23, 2**32],
    "attestation.trust[executables]": ["contraindicated", "warning", "affirming"],
    "attestation.place": ["declared", "enrolled", "measured"],
    "destination.operator_kind": ["company", "public-body"],
}
# One machine that each way out would let through, so that a permit is often lost and never won.
SEALED: dict[str, Value] = {
    "attestation.confidential": True,
    "attestation.debug": False,
    "attestation.waived": False,
    "attestation.freshness": "challenged",
    "attestation.age": 30,
    "attestation.technology": "sev-snp",
    "attestation.product": "Genoa",
    "attestation.firmware[snp]": 23,
}


@cache
def program() -> Program:
    sources = [SourceText(path.name, path.read_text(encoding="utf-8")) for path in FILES]
    return compile_charters(bundle.with_imports(sources)).require()[1]


def question(facts: Mapping[str, Value]) -> Question:
    return Question("place", {**GIVEN, **facts}, TODAY)


class Asked:
    """An engine on a loop of its own, for a client of OPA keeps its connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.new_event_loop()

    def permits(self, asked: Question) -> bool:
        return self._loop.run_until_complete(_permits(self._engine, asked))

    def close(self) -> None:
        self._loop.run_until_complete(self._engine.close())
        self._loop.close()


@contextmanager
def asking(engine: Engine) -> Generator[Asked]:
    asked = Asked(engine)
    try:
        yield asked
    finally:
        asked.close()


@pytest.fixture(scope="module", params=["cedar", "rego", "opa"])
def engine(request: pytest.FixtureRequest) -> Generator[Asked]:
    if request.param == "opa":
        files = opa_bundle(program(), program_digest(program()))
        with run_opa(tarball(files)) as server:
            opa = OpaEngine(program(), host=server.host, port=server.port, timeout_s=5)
            with asking(opa) as asked:
                yield asked
        return
    made = CedarEngine(program()) if request.param == "cedar" else RegoEngine(program())
    with asking(made) as asked:
        yield asked


async def _permits(engine: Engine, asked: Question) -> bool:
    try:
        return (await engine.ask(asked)).permits
    except EngineError:
        return False


def test_the_rules_read_what_only_verifiers_state() -> None:
    read = {path for path in VALUES if path.startswith("attestation.")}
    assert {program().facts[path].origin for path in read} == {Origin.VERIFIER}
    assert evaluate(program(), question(SEALED)).permits


FACTS = st.fixed_dictionaries(
    {}, optional={path: st.sampled_from(values) for path, values in VALUES.items()}
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changed=FACTS, hidden=st.sets(st.sampled_from(sorted(VALUES)), min_size=1))
def test_hiding_what_a_machine_has_proved_makes_no_denial_a_permit(
    engine: Asked, changed: dict[str, Value], hidden: set[str]
) -> None:
    facts = {**SEALED, **changed}
    kept = {path: value for path, value in facts.items() if path not in hidden}
    asked, less = question(facts), question(kept)
    before = evaluate(program(), asked).permits
    assert engine.permits(asked) is before
    after = engine.permits(less)
    assert after is evaluate(program(), less).permits
    assert before or not after


def _garbled(fact: FactType) -> list[Any]:
    return [value for value in GARBLED[fact.kind] if not (value == [] and fact.may_be_empty)]


def test_garbling_what_a_machine_has_proved_permits_nothing_more(engine: Asked) -> None:
    for path in SEALED:
        fact = program().facts[path]
        for value in _garbled(fact):
            asked = question({**SEALED, path: cast("Value", value)})
            fit = settle_all(program().facts, cast("dict[str, object]", asked.facts))
            may = evaluate(program(), replace(asked, facts=fit)).permits
            assert may or not engine.permits(asked), (path, value)


def test_of_nothing_proved_nothing_is_permitted(engine: Asked) -> None:
    assert not engine.permits(question({}))
    public = Question("place", {**GIVEN, "data.labels": ("public",)}, TODAY)
    assert engine.permits(public)


def test_every_kind_of_fact_can_be_garbled() -> None:
    assert {program().facts[path].kind for path in SEALED} == {
        Kind.TRUTH, Kind.TERM, Kind.INTEGER,
    }  # fmt: skip
