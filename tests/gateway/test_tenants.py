"""What one tenant can learn of another's records: nothing, by answer or by work done.

No time is measured here, which would depend on the machine: the lines of ours that run, the
statements that the database is given and the steps it takes for them are compared.
"""

import asyncio
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Caller
from tests.gateway.world import CALLER, World
from tests.project import ROOT

OTHER = Caller("c-2", "clinic-b")
ABSENT = "01a20297-8952-733e-93d6-96ac5bfd492f"
OURS = str(ROOT / "gateway")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[World]:
    async def here(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    monkeypatch.setattr(asyncio, "to_thread", here)  # one thread can be traced
    with World(tmp_path) as made:
        yield made


def work(
    world: World, decision_id: str, caller: Caller
) -> tuple[object, list[Any], list[str], int]:
    """What is found, the lines of ours on the way, the statements and their steps."""
    lines: list[Any] = []
    said: list[str] = []
    steps = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        lines.append((event, frame.f_code.co_filename, frame.f_lineno))
        return trace

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    reader = world.ledger._reader  # pyright: ignore[reportPrivateUsage]
    reader.set_trace_callback(lambda text: said.append(text.replace(decision_id, "ID")))
    reader.set_progress_handler(step, 1)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        found = asyncio.run(world.service.recorded.find(decision_id, caller))
    finally:
        sys.settrace(before)
        reader.set_trace_callback(None)
        reader.set_progress_handler(None, 0)
    return found, lines, said, steps


def test_a_foreign_record_and_an_absent_one_cost_the_same_work(world: World) -> None:
    made = str(world.decide()["id"])
    work(world, ABSENT, OTHER)  # the first of all prepares the statement
    foreign, absent = work(world, made, OTHER), work(world, ABSENT, OTHER)
    assert foreign[0] is None
    assert absent[0] is None
    assert foreign[1] == absent[1]
    assert foreign[2] == absent[2]
    # One comes to a row and compares its tenant. Nothing of the row is read.
    assert abs(foreign[3] - absent[3]) <= 8


def test_ones_own_record_takes_another_way(world: World) -> None:
    """So the comparison above can fail."""
    made = str(world.decide()["id"])
    own, absent = work(world, made, CALLER), work(world, ABSENT, CALLER)
    assert own[0] is not None
    assert len(own[1]) > len(absent[1]) + 20
    assert own[2] != absent[2]


@pytest.mark.parametrize(
    "tenant", ["clinic-b", "clinic-A", "clinic-a ", "%", "clinic-_", "' OR '1'='1", "clinic-a\0"]
)
def test_no_other_tenant_finds_a_record(world: World, tenant: str) -> None:
    made = str(world.decide()["id"])
    assert asyncio.run(world.service.recorded.find(made, Caller("c", tenant))) is None
    assert asyncio.run(world.service.recorded.find(made, CALLER)) is not None
