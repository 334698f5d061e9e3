"""A process whose questions are all short is looked at as often as one that works for long,
and no more often."""

import asyncio
import time

import pytest

from gateway.errors import EngineUnavailableError
from gateway.pdp import child as child_module
from gateway.pdp.child import Child, Confinement
from gateway.pdp.engine_child import ChildEngine
from gateway.pdp.process import Process
from tests.gateway.world import made

PROGRAM = made().program
QUESTION = made().vectors[0].question


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time for a process that will not end by itself."""
    monkeypatch.setattr(child_module, "CLOSE_S", 0.2)


async def opened() -> tuple[ChildEngine, Child]:
    engine = ChildEngine("reference", PROGRAM, Confinement())
    await engine.ask(QUESTION)
    return engine, engine._keeper.running()  # pyright: ignore[reportPrivateUsage]


def test_beyond_its_memory_it_is_ended_though_no_question_lasts() -> None:
    async def ask_on() -> float:
        engine, child = await opened()
        child._given = Confinement(memory_mib=8)  # pyright: ignore[reportPrivateUsage]
        began = time.monotonic()

        async def short_ones() -> None:
            while time.monotonic() < began + 5:
                await child.ask(b'{"action":"place","facts":{},"today":{}}')

        try:
            with pytest.raises(EngineUnavailableError):
                await short_ones()
            return time.monotonic() - began
        finally:
            await engine.close()

    assert asyncio.run(ask_on()) < 1


def test_at_rest_it_is_not_looked_at_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    memory = Process.memory

    def counted(process: Process) -> int:
        looks.append(time.monotonic())
        return memory(process)

    async def rest() -> tuple[int, int]:
        engine, _ = await opened()
        try:
            await asyncio.sleep(3 * child_module.LOOK_S)
            monkeypatch.setattr(Process, "memory", counted)
            await asyncio.sleep(4 * child_module.LOOK_S)
            at_rest = len(looks)
            for _ in range(50):
                await engine.ask(QUESTION)
            return at_rest, len(looks)
        finally:
            await engine.close()

    at_rest, in_all = asyncio.run(rest())
    assert at_rest == 0
    assert 1 <= in_all < 25  # not one for each question
