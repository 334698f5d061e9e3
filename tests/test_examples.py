"""Every inline example of the pack, on every engine."""

import asyncio
from collections.abc import Generator

import pytest

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.examples import Case, failure
from dsl.parse import parse
from dsl.source import SourceText
from dsl.to_rego import opa_bundle, tarball
from dsl.tree import Expected, Zone
from gateway import bundle
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.opa import run_opa
from tests.pack import pack, pack_cases, pack_catalogue


def _programs() -> list[Program]:
    """The programs the examples run on, in a fixed order."""
    return list({id(case.program): case.program for case in pack_cases()}.values())


async def _failures(cases: list[Case], engine: Engine) -> list[str]:
    try:
        said = [(case, failure(case, await engine.ask(case.question))) for case in cases]
        return [f"{case.name}: {why}" for case, why in said if why is not None]
    finally:
        await engine.close()


def _cases_of(program: Program) -> list[Case]:
    return [case for case in pack_cases() if case.program is program]


@pytest.mark.parametrize("make", [ReferenceEngine, CedarEngine, RegoEngine])
def test_every_example_holds(make: type[ReferenceEngine]) -> None:
    failures = [
        failed
        for program in _programs()
        for failed in asyncio.run(_failures(_cases_of(program), make(program)))
    ]
    assert failures == []


@pytest.mark.parametrize("index", range(len(_programs())))
def test_every_example_holds_on_a_stock_opa_server(index: int) -> None:
    program = _programs()[index]
    files = opa_bundle(program, program_digest(program))
    with run_opa(tarball(files)) as server:
        engine = OpaEngine(program, host=server.host, port=server.port, timeout_s=5)
        assert asyncio.run(_failures(_cases_of(program), engine)) == []


def test_every_rule_has_a_permitting_and_a_denying_example() -> None:
    shown = {(case.rule, case.expected) for case in pack_cases()}
    lacking = [
        f"{rule.id} has no example that is {wanted.value}"
        for rule in pack().program.rules
        for wanted in (Expected.PERMITTED, Expected.DENIED)
        if (rule.id, wanted) not in shown
        and not (wanted is Expected.DENIED and rule.effect.value == "oblige")
    ]
    assert lacking == []


def test_the_pack_compiles_without_a_warning() -> None:
    assert bundle.compile_folder(bundle.PACK).diagnostics == ()


def test_the_pack_holds_the_promised_law_and_a_dozen_regions() -> None:
    charters = {rule.id.partition("/")[0] for rule in pack().program.rules}
    assert {"eu.gdpr.transfers", "eu.critical-infrastructure", "eu.ai-act"} <= charters
    assert len(pack_catalogue().entries["site"]) >= 12


@pytest.fixture(scope="module")
def whole_pack() -> Generator[OpaEngine]:
    made = pack()
    with run_opa(made.opa_tarball()) as server:
        yield OpaEngine(made.program, host=server.host, port=server.port, timeout_s=5)


def test_a_stock_opa_gives_the_answers_of_the_bundles_vectors(whole_pack: OpaEngine) -> None:
    async def differing() -> list[str]:
        try:
            asked = [(v, await whole_pack.ask(v.question)) for v in pack().vectors]
        finally:
            await whole_pack.close()
        return [str(v.question) for v, answer in asked if answer != v.answer]

    assert asyncio.run(differing()) == []


def test_the_economic_area_is_the_sum_of_its_parts() -> None:
    path = bundle.PACK / "vocabulary" / "places.charter"
    charter = parse(SourceText("places.charter", path.read_text(encoding="utf-8"))).charter
    assert charter is not None
    zones = {
        zone.name.text: {word.text for member in zone.members for word in member.values}
        for zone in charter.declarations
        if isinstance(zone, Zone)
    }
    assert zones["EEA"] == zones["EU"] | zones["EU-TERRITORIES"] | zones["EFTA-EEA"]
    assert len(zones["EU"]) == 27
