"""The modules of our own for a server of ours say what the published one says, are asked only
where they may be, and are proved before they are believed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.to_rego import opa_bundle, tarball
from gateway.errors import EngineAnswerError
from gateway.pdp import folded
from gateway.pdp.engine_opa import OwnOpaEngine
from gateway.pdp.opa_line import OpaLines
from gateway.pdp.opa_modules import OpaModules
from gateway.pdp.opa_server import check_binary
from gateway.pdp.proving import prove, sample
from tests.gateway.world import made
from tests.opa import require_opa

T = TypeVar("T")
PROGRAM = made().program
VECTORS = made().vectors
PERMITTED = next(v.question for v in VECTORS if v.answer.permits)


def using(work: Callable[[OwnOpaEngine], Awaitable[T]], *, files: dict[str, bytes] | None) -> T:
    """With other modules than ours, where some are given."""

    async def whole() -> T:
        proof = partial(prove, "opa", vectors=sample(VECTORS))
        engine = OwnOpaEngine(PROGRAM, binary=check_binary(require_opa()), prove=proof)
        if files is not None:
            published = opa_bundle(PROGRAM, program_digest(PROGRAM))
            engine._bundle = tarball({**published, **files})  # pyright: ignore[reportPrivateUsage]
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


def packages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of what is asked from now on."""
    asked: list[str] = []
    result = OpaLines.result

    async def noted(client: OpaLines, package: str, rule: str, given: object) -> object:
        asked.append(package)
        return await result(client, package, rule, given)

    monkeypatch.setattr(OpaLines, "result", noted)
    return asked


async def all_vectors(engine: OwnOpaEngine) -> list[Answer]:
    return [await engine.ask(vector.question) for vector in VECTORS]


def test_they_say_what_the_published_one_says() -> None:
    assert using(all_vectors, files=None) == [vector.answer for vector in VECTORS]


def test_what_is_fit_is_put_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = packages(monkeypatch)

    async def once(engine: OwnOpaEngine) -> list[str]:
        await engine.open()
        asked.clear()
        await engine.ask(PERMITTED)
        return list(asked)

    (package,) = using(once, files=None)
    assert package.startswith("charter.lean_")


ABROAD = {"destination.countries": ("US",), "data.labels": ("health", "personal")}
UNFIT = {
    "another type": {"destination.open": "true"},
    "no word of the vocabulary": {**ABROAD, "transfer.tool": "nonsense"},
    "not closed in its taxonomy": {**ABROAD, "data.labels": ("health",)},
    "another action": {},
    "no day": {},
}


def unfit(name: str) -> Question:
    question = replace(PERMITTED, facts={**PERMITTED.facts, **UNFIT[name]})
    if name == "another action":
        return replace(question, action="dance")
    return replace(question, today={}) if name == "no day" else question


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_fit_is_put_to_the_published_one_which_permits_nothing_by_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = packages(monkeypatch)

    async def once(engine: OwnOpaEngine) -> tuple[list[str], Answer]:
        await engine.open()
        asked.clear()
        return asked, await engine.ask(unfit(name))

    packages_asked, answer = using(once, files=None)
    assert packages_asked == ["charter"]
    assert not answer.permits


def test_after_a_doubt_only_the_published_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = packages(monkeypatch)

    async def once(engine: OwnOpaEngine) -> Answer:
        await engine.open()
        engine.forget()
        asked.clear()
        return await engine.ask(PERMITTED)

    assert using(once, files=None) == evaluate(PROGRAM, PERMITTED)
    assert asked == ["charter"]


def lying() -> dict[str, bytes]:
    """Modules that permit everything, and know whose they should be."""
    ours = OpaModules(PROGRAM)
    found: dict[str, bytes] = {}
    for vector in VECTORS:
        module = ours.of(vector.question)
        assert module is not None
        granted = sorted(evaluate(PROGRAM, PERMITTED).granted)
        said = {"denied": [], "granted": [granted], "noted": [], "duties": [], "preferred": []}
        answer = json.dumps({**said, "program": module.digest})
        text = f"package {module.package}\n\nanswer := {answer}\n"
        name = module.package.rpartition(".")[2]
        found[f"charter/{name}/{name}.rego"] = text.encode()
    return found


WRONG = {
    "permits everything": (lying, "a question of the bundle"),
    "none at all": (dict[str, bytes], "undefined"),
    "of another program": (
        lambda: {path: text.replace(b"sha256:", b"sha256:0") for path, text in lying().items()},
        "another program",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_server_with_wrong_modules_is_not_believed_when_it_starts(name: str) -> None:
    make, words = WRONG[name]

    async def start(engine: OwnOpaEngine) -> None:
        with pytest.raises(EngineAnswerError, match=words):
            await engine.open()

    using(start, files=make())


def test_of_many_rules_there_is_none() -> None:
    # A server finds the rules for a question by itself, and in one question.
    assert OpaModules(PROGRAM).files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folded, "MAX_ITEMS_FOLDED", 1)
        patch.setattr(folded, "MAX_ITEMS_GROUPED", 1)
        patch.setattr(folded, "MAX_ITEMS_TOGETHER", 1)
        modules = OpaModules(PROGRAM)
        assert modules.of(PERMITTED) is None


def test_actions_with_the_same_rules_share_one() -> None:
    shared = OpaModules(PROGRAM)
    assert 1 <= sum(path.endswith(".rego") for path in shared.files) <= len(PROGRAM.actions)
