"""Hard cases of the law, each stated in the language with its outcome, on every engine."""

import asyncio
import re
from functools import cache
from pathlib import Path

import pytest

from dsl.core_json import program_digest
from dsl.evaluate import evaluate
from dsl.examples import Case, cases, failure
from dsl.facts import Question
from dsl.to_rego import opa_bundle, tarball
from gateway import bundle
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.opa import run_opa

FOLDER = Path(__file__).parent / "fixtures" / "hard_cases"
CASES = range(1, 26)


@cache
def _cases() -> tuple[Case, ...]:
    compiled = bundle.compile_folder(FOLDER)
    assert compiled.diagnostics == ()
    model, program = compiled.require()
    fixtures = catalogue.load(FOLDER / "sites.toml", program).raw_facts()
    return tuple(cases(model, program, fixtures))


def _by_program() -> list[list[Case]]:
    found: dict[int, list[Case]] = {}
    for case in _cases():
        found.setdefault(id(case.program), []).append(case)
    return list(found.values())


async def _failures(listed: list[Case], engine: Engine) -> list[str]:
    try:
        said = [(case, failure(case, await engine.ask(case.question))) for case in listed]
    finally:
        await engine.close()
    return [f"{case.name}: {why}" for case, why in said if why is not None]


def test_every_hard_case_is_stated() -> None:
    numbers = (re.match(r"([0-9]+)[a-e]?:", case.title) for case in _cases())
    stated = {int(number[1]) for number in numbers if number}
    assert stated == set(CASES)


@pytest.mark.parametrize("make", [ReferenceEngine, CedarEngine, RegoEngine])
def test_every_hard_case_comes_out_as_the_law_says(make: type[ReferenceEngine]) -> None:
    for listed in _by_program():
        assert asyncio.run(_failures(listed, make(listed[0].program))) == []


def test_every_hard_case_comes_out_so_on_a_stock_opa_server() -> None:
    for listed in _by_program():
        program = listed[0].program
        with run_opa(tarball(opa_bundle(program, program_digest(program)))) as server:
            engine = OpaEngine(program, host=server.host, port=server.port, timeout_s=5)
            assert asyncio.run(_failures(listed, engine)) == []


def test_no_hard_case_is_permitted_once_nothing_is_known() -> None:
    permitted = [
        case.name
        for case in _cases()
        if case.action in ("place", "flow", "disclose")
        and evaluate(case.program, Question(case.action, {}, case.question.today)).permits
    ]
    assert permitted == []
