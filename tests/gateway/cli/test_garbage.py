"""What is loaded is not looked through again and again, and what was replaced is let go."""

import asyncio
import gc
import weakref
from collections.abc import Generator
from pathlib import Path

import pytest

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.cli.garbage import THRESHOLDS, Aside, set_aside
from gateway.errors import ConfigurationError, ReloadError
from gateway.in_force import InForce
from tests.gateway.test_reload import Bench, new, old
from tests.gateway.world import CALLER, FakeEngine, body, made, run, sites


@pytest.fixture(autouse=True)
def _as_it_was() -> Generator[None]:  # pyright: ignore[reportUnusedFunction]
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Knot:
    """Something that only the collector finds once nobody else refers to it."""

    def __init__(self) -> None:
        self.itself = self


def knotted(in_force: InForce) -> InForce:
    """In a cycle, whatever it is made of."""
    vars(in_force)["itself"] = in_force
    return in_force


async def settled(aside: Aside) -> None:
    """Until it has set aside what was there to be."""
    tasks = vars(aside)["_tasks"]
    while tasks:
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)


def test_what_is_there_is_set_aside_and_what_nobody_refers_to_is_not() -> None:
    kept, lost = Knot(), weakref.ref(Knot())
    set_aside()
    assert lost() is None
    assert gc.get_freeze_count() > 10_000
    assert not any(one is kept for one in gc.get_objects())


def test_what_comes_later_is_still_looked_through() -> None:
    set_aside()
    assert gc.isenabled()
    assert gc.get_threshold() == THRESHOLDS
    lost = weakref.ref(Knot())
    _more = [[] for _ in range(2 * THRESHOLDS[0])]  # pyright: ignore[reportUnknownVariableType]
    assert lost() is None


def test_what_was_in_force_is_let_go_at_each_reload_and_nothing_grows(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, knotted(old()))
        await bench.reloader.start()
        before = [weakref.ref(bench.service.in_force)]
        aside = Aside(bench.service)
        bench.reloader.after = aside.again
        counts: list[int] = []
        for number in range(6):
            del bench.next
            await bench.reload(knotted(new() if number % 2 else old()))
            bench.next = lambda: pytest.fail("nothing is loaded")
            await settled(aside)
            assert [one() for one in before] == [None] * len(before)
            before.append(weakref.ref(bench.service.in_force))
            counts.append(gc.get_freeze_count())
        # Whatever tests and the log keep of a reload is far less than an index of the law.
        assert counts[-1] - counts[1] < 2000
        assert len(gc.get_objects()) < 10_000

    run(reload())


def test_what_a_question_still_uses_is_let_go_after_it(tmp_path: Path) -> None:
    async def reload() -> None:
        gate, begun = asyncio.Event(), asyncio.Event()

        async def answer(asked: Question) -> Answer:
            begun.set()
            await gate.wait()
            return evaluate(made().program, asked)

        law = made()
        engine = FakeEngine("reference", answer)
        bench = Bench(tmp_path, knotted(InForce(law, sites(law.program), [engine])))
        await bench.reloader.start()
        aside = Aside(bench.service)
        bench.reloader.after = aside.again
        used = weakref.ref(bench.service.in_force)
        asked = asyncio.create_task(bench.service.decide(body(), CALLER))
        await begun.wait()
        del bench.next
        await bench.reload(knotted(new()))
        bench.next = lambda: pytest.fail("nothing is loaded")
        for _ in range(5):
            await asyncio.sleep(0)
        assert used() is not None
        gate.set()
        assert (await asked)["decision"] == "permit"
        del asked
        await settled(aside)
        assert used() is None

    run(reload())


def test_what_was_loaded_in_vain_is_let_go_and_what_is_in_force_stays(tmp_path: Path) -> None:
    async def reload() -> None:
        bench = Bench(tmp_path, old())
        await bench.reloader.start()
        aside = Aside(bench.service)
        bench.reloader.after = aside.again
        lost: list[weakref.ref[Knot]] = []

        def broken() -> InForce:
            lost.append(weakref.ref(Knot()))
            raise ConfigurationError("it cannot be read")

        bench.next = broken
        for _ in range(3):
            with pytest.raises(ReloadError):
                await bench.reloader.reload("an operator")
            await settled(aside)
        assert [one() for one in lost] == [None] * 3
        assert (await bench.decided())[0] == "permit"

    run(reload())
