"""What a decision of the pack costs on disk."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.bodies import Form
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.record.canonical import canonicalise
from gateway.repeated import MAX_BYTES, repeated_text
from tests.gateway.world import CALLER, TENANT, World, run
from tests.pack import pack, pack_catalogue

DECISIONS = 500
AT_MOST = 1024  # bytes of the file for each, the tree and its checkpoints with it


def questions() -> Iterator[bytes]:
    """Questions of many shapes, each of another workload."""
    draw = random.Random(20261122)  # noqa: S311
    sites = list(pack_catalogue().entries["site"])
    while True:
        properties: dict[str, str] = {"tenant": TENANT}
        if draw.random() < 0.8:
            properties["sector"] = draw.choice(["health", "energy", "transport"])
        if draw.random() < 0.8:
            properties["exporter_country"] = draw.choice(["DE", "FR", "AT", "NL", "IT"])
        if draw.random() < 0.8:
            properties["entity_class"] = draw.choice(["essential", "important", "out-of-scope"])
        context: dict[str, Any] = {
            "data": {"labels": draw.choice([["health"], ["personal"], ["criminal"], ["public"]])}
        }
        if draw.random() < 0.6:
            context["transfer"] = {"mechanism": draw.choice(["scc-m2", "bcr-p"])}
        yield canonicalise(
            {
                "subject": {
                    "type": "workload",
                    "id": f"trainer-{draw.randrange(10**6)}",
                    "properties": properties,
                },
                "action": {"name": "place"},
                "resource": {"type": "site", "id": draw.choice(sites)},
                "context": context,
            }
        )


def on_disk(folder: Path) -> int:
    path = folder / "ledger" / "ledger.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.stat().st_size


def test_a_decision_of_the_pack_costs_less_than_1_kb(tmp_path: Path) -> None:
    law = pack()
    engines = [ReferenceEngine(law.program)]
    with World(tmp_path, law=law, known=pack_catalogue(), engines=engines) as world:
        asked = questions()

        async def decide() -> list[dict[str, Any]]:
            await world.service.self_check(world.trust.to_json())
            # One after the other: a checkpoint for each, which costs most.
            return [await world.service.decide(next(asked), CALLER) for _ in range(DECISIONS)]

        run(decide())
        before = on_disk(tmp_path)
        answers = run(decide())
        assert (on_disk(tmp_path) - before) / DECISIONS < AT_MOST
        for answer in answers[::10]:
            world.verify(answer)
            again = run(world.service.recorded.find(answer["id"], CALLER))
            assert again is not None
            assert again["record"] == answer["record"]
    connection = sqlite3.connect(tmp_path / "ledger" / "ledger.sqlite3")
    forms = connection.execute("SELECT DISTINCT form FROM body WHERE idx > 0").fetchall()
    connection.close()
    assert forms == [(Form.ENVELOPE,)]


def test_the_text_is_of_rules_and_catalogue_alone(tmp_path: Path) -> None:
    law = pack()
    with World(tmp_path, law=law, known=pack_catalogue()) as world:
        before = repeated_text(world.service.in_force, world.decision_key.key_id)
        asked = questions()

        async def decide() -> None:
            for _ in range(20):
                await world.service.decide(next(asked), CALLER)

        run(decide())
        after = repeated_text(world.service.in_force, world.decision_key.key_id)
    assert before == after
    assert 0 < len(before) <= MAX_BYTES
    assert TENANT.encode() not in before
    assert b"trainer-" not in before


def test_other_rules_are_told_to_the_log_when_they_come_into_force(tmp_path: Path) -> None:
    told: list[bytes] = []
    with World(tmp_path) as world:
        world.ledger.repeats = told.append  # type: ignore[method-assign]

        async def replace() -> None:
            await world.service.self_check(world.trust.to_json())
            world.service.replace(world.service.in_force)
            for _ in range(200):
                if len(told) == 2:
                    return
                await asyncio.sleep(0.01)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(world.service.in_force), "close", _nothing)
            run(replace())
    expected = repeated_text(world.service.in_force, world.decision_key.key_id)
    assert told == [expected, expected]


async def _nothing(_: object) -> None:
    """Closes nothing."""
