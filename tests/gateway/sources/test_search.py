"""A search with fact sources finds what asking about each would, and asks within bounds."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from gateway.pdp.search_sources import MAX_ASKED
from gateway.record.canonical import Json
from gateway.sources.interface import Key
from tests.gateway.sources.parts import FULL, SITES, Told, answer, asked, source, verifier, world
from tests.gateway.world import CALLER, World, run

OPEN: dict[str, Json] = {
    **FULL, "open": True, "countries": ["FR"], "seal": {"SOV-2": "SEAL-2"},
}  # fmt: skip
STATES = list(OPEN)


def found(gateway: World, question: dict[str, Any], sought: Any = "resource") -> dict[str, str]:
    searched = run(gateway.service.search(question, sought, CALLER))
    return {one.id: one.judged.decision.outcome.value for one in searched.candidates}


def one_by_one(gateway: World, ids: list[str]) -> dict[str, str]:
    async def each(one: str) -> str:
        question = asked(resource={"type": "site", "id": one})
        decided = await gateway.service.decide(json.dumps(question).encode(), CALLER)
        return str(decided["decision"])

    return {one: run(each(one)) for one in ids}


def told_of(facts: dict[str, Any], key: Key) -> Json:
    return answer(key.id, facts=facts[key.id])


IDS = [row["id"] for row in SITES["site"]]


def test_a_search_finds_what_asking_one_by_one_finds(tmp_path: Path) -> None:
    said: dict[str, Any] = {"near": FULL, "far": FULL, "vague": OPEN}
    outcomes: list[dict[str, str]] = []
    changes: list[dict[str, Any]] = [
        {},
        {"near": {}},
        {"vague": {**OPEN, "open": False}},
        {"vague": {**OPEN, "staff": ["US"]}},
    ]
    for number, changed in enumerate(changes):
        now = {**said, **changed}
        told = Told(partial(told_of, now))
        books = source(told, states=STATES)
        with world(tmp_path / str(number), books, verifier()) as gateway:
            searched = found(gateway, asked())
            assert searched == one_by_one(gateway, IDS)
            outcomes.append(searched)
    assert [one["vague"] for one in outcomes] == ["permit", "permit", "deny", "deny"]
    assert [one["near"] for one in outcomes] == ["permit", "indeterminate", "permit", "permit"]
    assert {one["far"] for one in outcomes} == {"deny"}


def test_what_is_denied_for_certain_is_not_asked_about(tmp_path: Path) -> None:
    told = Told(lambda key: answer(key.id, facts=OPEN))
    with world(tmp_path, source(told, states=STATES), verifier()) as gateway:
        found(gateway, asked())
    assert sorted(key.id for key in told.asked) == ["near", "vague"]


def test_a_search_is_no_way_around_a_fault(tmp_path: Path) -> None:
    with world(tmp_path, source(Told(lambda _: None), states=STATES), verifier()) as gateway:
        assert "permit" not in found(gateway, asked()).values()


def test_a_source_that_hangs_does_not_hang_a_search(tmp_path: Path) -> None:
    def hang(_: Key) -> Json:
        time.sleep(0.5)
        return None

    books = source(Told(hang), states=STATES, timeout_s=0.1)
    with world(tmp_path, books, verifier()) as gateway:
        began = time.perf_counter()
        assert "permit" not in found(gateway, asked()).values()
        assert time.perf_counter() - began < 1.5


def test_actions_are_found_with_what_sources_say(tmp_path: Path) -> None:
    told = Told(lambda key: answer(key.id))
    with world(tmp_path, source(told), verifier()) as gateway:
        outcomes = found(gateway, asked(), "action")
    assert outcomes["place"] == "permit"
    with world(tmp_path / "without", verifier()) as gateway:
        assert found(gateway, asked(), "action")["place"] == "indeterminate"


def test_of_many_candidates_the_first_are_asked_about(tmp_path: Path) -> None:
    from gateway.in_force import InForce
    from gateway.pdp import catalogue
    from gateway.pdp.engine_reference import ReferenceEngine
    from gateway.sources import Sources
    from tests.gateway.sources.parts import made, program

    row = SITES["site"][0]
    many = [{**row, "id": f"s{number:04}"} for number in range(MAX_ASKED + 20)]
    sites = catalogue.build({**SITES, "site": many}, program(), name="many.toml")
    told = Told(lambda key: answer(key.id))
    sources = Sources(program(), [source(told), verifier()])
    in_force = InForce(made(), sites, [ReferenceEngine(program())], sources=sources)
    with World(tmp_path, in_force=in_force) as gateway:
        outcomes = found(gateway, asked(resource={"type": "site", "id": "s0000"}))
    assert len(told.asked) == MAX_ASKED
    permitted = [one for one, outcome in outcomes.items() if outcome == "permit"]
    assert permitted == [f"s{number:04}" for number in range(MAX_ASKED)]
