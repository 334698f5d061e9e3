"""Several at a time, of one tenant, in turn by the time each has used: whoever floods waits
behind itself, and nobody gets what is another's."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest
import uvloop

from dsl.evaluate import Answer
from gateway.errors import EngineAnswerError, EngineUnavailableError, OverloadedError
from gateway.pdp import batches as batches_module
from gateway.pdp.batches import MOST, MOST_BYTES, TURN_S, Batches, Reply, Said
from gateway.pdp.fair import Shares, asking


def answer_of(text: str) -> Answer:
    return Answer(frozenset({text}), frozenset())


class Process:
    """What the questions are put to. It answers when it is told, and takes as long as it is
    told by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, queue_timeout_s: float = 30) -> None:
        self.now = 0.0
        monkeypatch.setattr(batches_module, "perf_counter", lambda: self.now)
        self.put: list[list[str]] = []
        self.free = True
        self.down: EngineUnavailableError | None = None
        self.under_way: asyncio.Future[Sequence[Reply]] | None = None
        self.batches = Batches("test", self._put, self.read, queue_timeout_s)

    def _put(self, questions: Sequence[bytes]) -> asyncio.Future[Sequence[Reply]]:
        if self.down is not None:
            raise self.down
        assert self.under_way is None, "it is not free"
        self.put.append([question.decode() for question in questions])
        self.under_way = asyncio.get_running_loop().create_future()
        return self.under_way

    def read(self, reply: Reply) -> Said:
        return answer_of(str(reply["text"]))

    def ask(self, text: str, tenant: str = "a", limit_s: float = 30) -> asyncio.Future[Said]:
        asking.set(tenant)
        return self.batches.soon(text.encode(), limit_s)

    async def reply(self, each_s: float = 0.0001) -> list[str]:
        """Answer what is under way, after so long; what it was."""
        asked, under_way = self.put[-1], self.under_way
        assert under_way is not None
        self.now += each_s * len(asked)
        self.under_way = None
        under_way.set_result([{"text": text} for text in asked])
        await asyncio.sleep(0)
        return asked

    async def fail(self, error: Exception) -> None:
        assert self.under_way is not None
        under_way, self.under_way = self.under_way, None
        under_way.set_exception(error)
        await asyncio.sleep(0)

    async def answer_all(self, each_s: float = 0.0001) -> None:
        await asyncio.sleep(0)
        while self.under_way is not None:
            await self.reply(each_s)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(monkeypatch)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(10):
            await work()

    asyncio.run(within())


async def warm(process: Process, each_s: float = 0.0001) -> None:
    """So many answers that it is known how long one takes."""
    for number in range(30):
        process.ask(f"warm {number}", "warm")
        await asyncio.sleep(0)
        await process.reply(each_s)
    process.put.clear()


# --- together -------------------------------------------------------------------------


def test_what_one_turn_of_the_loop_asks_is_put_together_and_in_its_order(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        answers = [process.ask(f"q{number}") for number in range(5)]
        assert process.put == []
        await process.answer_all()
        assert process.put == [[f"q{number}" for number in range(5)]]
        assert [await one for one in answers] == [answer_of(f"q{number}") for number in range(5)]

    run(ask)


def test_what_comes_while_it_is_at_work_goes_with_the_next(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        process.ask("first")
        await asyncio.sleep(0)
        for number in range(3):
            process.ask(f"q{number}")
            await asyncio.sleep(0)
        assert process.put == [["first"]]
        await process.answer_all()
        assert process.put == [["first"], ["q0", "q1", "q2"]]

    run(ask)


@pytest.mark.parametrize(
    ("each_s", "most"), [(TURN_S * 2, 1), (TURN_S / 4, 4), (TURN_S / 1000, MOST)]
)
def test_a_turn_has_as_many_as_fit_its_time(process: Process, each_s: float, most: int) -> None:
    async def ask() -> None:
        await warm(process, each_s * 0.999)
        for number in range(3 * MOST):
            process.ask(f"q{number}")
        await asyncio.sleep(0)
        assert [len(asked) for asked in process.put] == [most]

    run(ask)


def test_the_first_question_of_all_goes_alone(process: Process) -> None:
    async def ask() -> None:
        for number in range(3):
            process.ask(f"q{number}")
        await asyncio.sleep(0)
        assert process.put == [["q0"]]

    run(ask)


def test_large_questions_go_alone(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        large = [process.ask(f"{number}" * MOST_BYTES) for number in range(3)]
        await process.answer_all()
        assert [len(asked) for asked in process.put] == [1, 1, 1]
        assert [isinstance(await one, Answer) for one in large] == [True] * 3

    run(ask)


# --- in turn by tenant ----------------------------------------------------------------


def test_a_turn_is_of_one_tenant(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        for number in range(8):
            process.ask(f"q{number}", "ab"[number % 2])
        await process.answer_all()
        assert process.put == [["q0", "q2", "q4", "q6"], ["q1", "q3", "q5", "q7"]]

    run(ask)


def test_who_comes_waits_for_the_turn_under_way_alone(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        for number in range(10 * MOST):
            process.ask(f"a{number}")
        await asyncio.sleep(0)
        for _ in range(4):
            await process.reply()
        process.ask("b", "b")
        before = len(process.put)
        await process.reply()
        assert process.put[before] == ["b"]

    run(ask)


def test_two_that_flood_share_it_by_time_and_not_by_number(process: Process) -> None:
    async def ask() -> None:
        await warm(process, TURN_S)
        for number in range(60):
            process.ask(f"slow {number}", "slow")
            process.ask(f"quick {number}", "quick")
        await asyncio.sleep(0)
        for _ in range(40):
            is_slow = process.put[-1][0].startswith("slow")
            await process.reply(10 * TURN_S if is_slow else TURN_S)
        counted = Counter(text.split()[0] for asked in process.put for text in asked)
        assert counted["quick"] >= 5 * counted["slow"], counted
        assert counted["slow"] >= 2

    run(ask)


def test_who_was_away_has_no_claim_to_the_time_it_did_not_use(process: Process) -> None:
    async def ask() -> None:
        await warm(process, TURN_S)
        for number in range(80):
            process.ask(f"a{number}")
        await asyncio.sleep(0)
        for _ in range(30):
            await process.reply(TURN_S)
        for number in range(30):
            process.ask(f"b{number}", "b")
        for _ in range(20):
            await process.reply(TURN_S)
        assert 8 <= sum(asked[0][0] == "a" for asked in process.put[32:50]) <= 10

    run(ask)


def test_after_a_rest_nothing_is_held_against_anybody() -> None:
    shares = Shares()
    shares.come("a")
    shares.used("a", 100.0)
    shares.rest()
    shares.come("b")
    shares.used("b", 1.0)
    shares.come("a")
    assert shares.next(["a", "b"]) == "a"


# --- giving up, and coming too late ---------------------------------------------------


def test_what_nobody_waits_for_is_not_put(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        answers = [process.ask(f"q{number}") for number in range(4)]
        answers[0].cancel()
        answers[2].cancel()
        await process.answer_all()
        assert process.put == [["q1", "q3"]]
        assert await answers[3] == answer_of("q3")

    run(ask)


def test_who_gives_up_under_way_takes_nobodys_answer(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        answers = [process.ask(f"q{number}") for number in range(3)]
        await asyncio.sleep(0)
        answers[1].cancel()
        after = process.ask("after")
        await process.answer_all()
        assert [await answers[0], await answers[2], await after] == [
            answer_of("q0"),
            answer_of("q2"),
            answer_of("after"),
        ]

    run(ask)


def test_where_all_of_a_tenant_gave_up_the_next_comes_at_once(process: Process) -> None:
    async def ask() -> None:
        for number in range(3):
            process.ask(f"a{number}").cancel()
        process.ask("b", "b")
        await process.answer_all()
        assert process.put == [["b"]]

    run(ask)


def test_beyond_the_limit_there_is_no_answer_and_the_turn_lasts_until_the_process_is_free(
    process: Process,
) -> None:
    async def ask() -> None:
        await warm(process)
        late = [process.ask("late", limit_s=0.02), process.ask("with it", limit_s=30)]
        await asyncio.sleep(0)
        after = process.ask("after")
        for one in late:  # the limit of a turn is the least of those in it
            said = await one
            assert isinstance(said, EngineUnavailableError)
            assert said.detail == "no answer within 0.02 s"
        assert len(process.put) == 1
        await process.answer_all()
        assert await after == answer_of("after")

    run(ask)


def test_a_turn_that_does_not_come_is_overload_where_others_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> None:
        process = Process(monkeypatch, queue_timeout_s=0.05)
        first = [process.ask(f"q{number}") for number in range(2)]
        await asyncio.sleep(0)
        waits = process.ask("waits")
        await process.reply()
        assert [await first[0], len(process.put)] == [answer_of("q0"), 2]
        said = await waits
        assert isinstance(said, OverloadedError)
        assert "no turn within 0.05 s" in str(said)
        await process.answer_all()
        assert await first[1] == answer_of("q1")
        assert ["waits"] not in process.put

    run(ask)


def test_a_turn_that_does_not_come_where_none_ended_is_an_engine_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> None:
        process = Process(monkeypatch, queue_timeout_s=0.05)
        process.ask("hangs")
        await asyncio.sleep(0)
        said = await process.ask("waits", "b")
        assert isinstance(said, EngineUnavailableError)
        assert said.detail == "no turn within 0.05 s"
        await process.answer_all()
        assert await process_answers(process)

    run(ask)


async def process_answers(process: Process) -> bool:
    again = process.ask("again", "c")
    await process.answer_all()
    return await again == answer_of("again")


# --- faults ---------------------------------------------------------------------------


def test_without_a_process_everybody_is_told_at_once(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        process.down = EngineUnavailableError("test", "its process ended")
        answers = [process.ask(f"q{number}", "ab"[number % 2]) for number in range(4)]
        assert [await one for one in answers] == [process.down] * 4
        process.down = None
        assert await process_answers(process)

    run(ask)


def test_a_fault_of_ours_in_putting_them_is_no_answer_and_stops_nobody(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        process.down = cast("EngineUnavailableError", OSError("broken pipe"))
        answers = [process.ask(f"q{number}", "ab"[number % 2]) for number in range(2)]
        for one in answers:
            said = await one
            assert isinstance(said, EngineAnswerError)
            assert said.detail == "it failed with OSError"
        process.down = None
        assert await process_answers(process)

    run(ask)


def test_a_fault_is_that_of_the_turn_and_of_no_other(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        answers = [process.ask(f"q{number}") for number in range(2)]
        await asyncio.sleep(0)
        after = process.ask("after")
        fault = EngineUnavailableError("test", "its process ended")
        await process.fail(fault)
        assert [await one for one in answers] == [fault, fault]
        await process.answer_all()
        assert await after == answer_of("after")

    run(ask)


def test_a_reply_that_cannot_be_read_is_that_of_one_question(process: Process) -> None:
    async def ask() -> None:
        await warm(process)
        process.read = lambda reply: cast("Said", {}[reply["text"]])  # type: ignore[method-assign]
        process.batches = Batches("test", process._put, process.read, 30)  # pyright: ignore[reportPrivateUsage]
        said = process.ask("q")
        await process.answer_all()
        error = await said
        assert isinstance(error, EngineAnswerError)
        assert error.detail == "it failed with KeyError"
        await process.answer_all()

    run(ask)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_everybody_is_told_once_and_what_was_asked(
    process: Process, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chosen, not secret

    async def ask() -> None:
        asked: dict[str, asyncio.Future[Said]] = {}
        faults: list[EngineUnavailableError] = []
        for number in range(300):
            match chance.randrange(8):
                case 0 | 1 | 2 | 3:
                    name = f"q{number}"
                    asked[name] = process.ask(name, chance.choice("abc"))
                case 4:
                    chance.choice([*asked.values(), asyncio.Future[Said]()]).cancel()
                case 5 if process.under_way is not None and chance.random() < 0.3:
                    faults.append(EngineUnavailableError("test", f"fault {number}"))
                    await process.fail(faults[-1])
                case _ if process.under_way is not None:
                    await process.reply(chance.random() * TURN_S)
                case _:
                    await asyncio.sleep(0)
        await process.answer_all()
        for name, answer in asked.items():
            assert answer.done()
            assert answer.cancelled() or answer.result() in (answer_of(name), *faults)
        put = [text for batch in process.put for text in batch]
        assert len(put) == len(set(put))
        assert {n for n, one in asked.items() if not one.cancelled()} <= set(put)

    run(ask)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_that_is_held_up_refuses_nothing_that_it_could_put_at_once(
    loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        process = Process(monkeypatch, queue_timeout_s=0.02)
        held_up = process.ask("1")
        time.sleep(0.1)  # noqa: ASYNC251 - as a busy machine does
        await asyncio.sleep(0.001)
        await process.reply()
        assert await held_up == answer_of("1")
        # Behind another for too long is behind another for too long all the same.
        first, behind = process.ask("2"), process.ask("3", "b")
        assert isinstance(await behind, EngineUnavailableError)
        await process.reply()
        assert await first == answer_of("2")

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
