"""An engine in a process of its own that is killed, stopped, short of memory or speaks
nonsense: no answer within the time limit, never a permit, and the next one serves again."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.errors import EngineAnswerError, EngineError, EngineUnavailableError
from gateway.pdp import child as child_module
from gateway.pdp.child import Confinement
from gateway.pdp.combine import Combined, ask_all
from gateway.pdp.engine_child import ChildEngine
from gateway.pdp.proving import prove, sample
from tests.gateway.world import made

T = TypeVar("T")

PROGRAM = made().program
VECTORS = made().vectors
PERMITTED = next(v.question for v in VECTORS if v.answer.permits)
REFUSED = next(v.question for v in VECTORS if not v.answer.permits and v.answer.denied)
RIGHT = evaluate(PROGRAM, PERMITTED)
# A process that hangs is ended after this.
QUICK = Confinement(hang_s=0.6)
LIMIT_S = 0.2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time for a process that will not end by itself."""
    monkeypatch.setattr(child_module, "CLOSE_S", 0.2)


def using(
    work: Callable[[ChildEngine], Awaitable[T]],
    given: Confinement = QUICK,
    name: str = "rego",
) -> T:
    async def whole() -> T:
        engine = ChildEngine(name, PROGRAM, given)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


def pid_of(engine: ChildEngine) -> int:
    process = engine._keeper.running()._process  # pyright: ignore[reportPrivateUsage]
    assert process is not None
    return process.pid


async def asked(engine: ChildEngine) -> tuple[Combined, float]:
    began = time.monotonic()
    combined = await ask_all([engine], PERMITTED, timeout_s=LIMIT_S)
    return combined, time.monotonic() - began


async def answers_again(engine: ChildEngine, within_s: float = 20.0) -> float:
    """Seconds until it answers; whatever it says before is no answer."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        combined, _ = await asked(engine)
        if combined.incident is None:
            assert combined.answer == RIGHT
            return time.monotonic() - began
        assert combined.answer is None
        await asyncio.sleep(0.02)
    raise AssertionError("it does not answer again")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- as it should be -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["rego", "cedar", "reference"])
def test_in_a_process_of_its_own_every_engine_answers_as_the_definition_does(name: str) -> None:
    async def all_of_them(engine: ChildEngine) -> list[Answer]:
        return [await engine.ask(vector.question) for vector in VECTORS]

    assert using(all_of_them, name=name) == [vector.answer for vector in VECTORS]


def test_many_tasks_share_one_process_and_get_their_own_answers() -> None:
    async def all_at_once(engine: ChildEngine) -> list[Answer]:
        return list(await asyncio.gather(*map(engine.ask, [PERMITTED, REFUSED] * 20)))

    assert using(all_at_once) == [RIGHT, evaluate(PROGRAM, REFUSED)] * 20


def test_a_process_has_no_environment_of_ours_no_core_file_and_no_way_to_more_rights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", "hidden-in-the-environment")

    async def look(engine: ChildEngine) -> None:
        await engine.open()
        place = Path(f"/proc/{pid_of(engine)}")
        assert b"hidden" not in (place / "environ").read_bytes()
        assert resource.prlimit(pid_of(engine), resource.RLIMIT_CORE) == (0, 0)
        assert resource.prlimit(pid_of(engine), resource.RLIMIT_FSIZE) == (0, 0)
        assert "NoNewPrivs:\t1" in (place / "status").read_text()
        assert os.getpgid(pid_of(engine)) != os.getpgid(0)  # no signal of a terminal
        # Its own line to the gateway, and the pair by which its loop wakes itself.
        open_files = [os.readlink(entry) for entry in (place / "fd").iterdir()]
        assert sum(name.startswith("socket:") for name in open_files) == 3
        # The file in memory that stands in for those it may not write.
        assert sum("charter-room" in name for name in open_files) == 1

    using(look)


def test_a_process_ends_with_its_engine() -> None:
    async def note(engine: ChildEngine) -> int:
        await engine.ask(PERMITTED)
        return pid_of(engine)

    assert not is_there(using(note))


# --- killed and stopped --------------------------------------------------------------


def test_killed_at_rest_it_is_unavailable_and_soon_there_again() -> None:
    async def kill(engine: ChildEngine) -> tuple[Combined, float, float, int]:
        await engine.ask(PERMITTED)
        os.kill(pid_of(engine), signal.SIGKILL)
        await asyncio.sleep(0.05)
        combined, took = await asked(engine)
        return combined, took, await answers_again(engine), engine.restarts

    combined, took, back, restarts = using(kill)
    assert combined.incident is not None
    assert "its process ended (signal 9)" in combined.incident.description
    assert took < LIMIT_S
    assert back < 10
    assert restarts == 1


def test_killed_while_a_question_is_under_way_that_question_has_no_answer() -> None:
    async def kill(engine: ChildEngine) -> tuple[Combined, float, float]:
        await engine.open()
        os.kill(pid_of(engine), signal.SIGSTOP)
        under_way = asyncio.create_task(asked(engine))
        await asyncio.sleep(0.05)
        os.kill(pid_of(engine), signal.SIGKILL)
        combined, took = await under_way
        return combined, took, await answers_again(engine)

    combined, took, back = using(kill)
    assert combined.incident is not None
    assert combined.answer is None
    assert took < LIMIT_S
    assert back < 10


def test_stopped_it_keeps_nobody_waiting_and_is_replaced() -> None:
    async def stop(engine: ChildEngine) -> tuple[list[tuple[Combined, float]], float, bool]:
        await engine.ask(PERMITTED)
        before = pid_of(engine)
        os.kill(before, signal.SIGSTOP)
        said = list(await asyncio.gather(*(asked(engine) for _ in range(3))))
        return said, await answers_again(engine), is_there(before)

    said, back, is_still_there = using(stop)
    assert all(combined.incident is not None for combined, _ in said)
    assert all(took < LIMIT_S + 0.5 + 0.3 for _, took in said)  # its turn comes in 0.5 s or not
    assert back < 10
    assert not is_still_there


def test_stopped_and_continued_in_time_it_is_the_same_process() -> None:
    async def pause(engine: ChildEngine) -> tuple[Combined, bool]:
        await engine.ask(PERMITTED)
        before = pid_of(engine)
        os.kill(before, signal.SIGSTOP)
        late, _ = await asked(engine)
        os.kill(before, signal.SIGCONT)
        await answers_again(engine)
        return late, pid_of(engine) == before

    late, is_same = using(pause, Confinement(hang_s=10))
    assert late.incident is not None
    assert is_same


def test_whoever_gives_up_does_not_end_the_process_nor_get_anothers_answer() -> None:
    async def give_up(engine: ChildEngine) -> tuple[Answer, bool]:
        await engine.ask(PERMITTED)
        before = pid_of(engine)
        for _ in range(20):
            task = asyncio.create_task(ask_all([engine], PERMITTED, timeout_s=1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
        answer = await engine.ask(REFUSED)
        return answer, pid_of(engine) == before

    answer, is_same = using(give_up)
    assert answer == evaluate(PROGRAM, REFUSED)
    assert is_same


def test_a_process_that_dies_again_and_again_is_started_less_and_less_often() -> None:
    async def kill_always(engine: ChildEngine) -> int:
        await engine.open()
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            with suppress(EngineUnavailableError):
                os.kill(pid_of(engine), signal.SIGKILL)
            await asyncio.sleep(0.01)
        return engine.restarts

    # With 0.1, 0.2, 0.4, 0.8 s between them, and the time of the start itself.
    assert 2 <= using(kill_always) <= 5


# --- memory --------------------------------------------------------------------------


def test_with_less_memory_than_the_engine_needs_it_does_not_start_and_says_so() -> None:
    async def start(engine: ChildEngine) -> None:
        await engine.open()

    with pytest.raises(EngineUnavailableError, match="memory"):
        using(start, Confinement(memory_mib=8))


def test_beyond_its_memory_it_is_ended_though_the_question_would_be_answered() -> None:
    async def grow(engine: ChildEngine) -> tuple[Combined, float]:
        await engine.open()
        child = engine._keeper.running()  # pyright: ignore[reportPrivateUsage]
        child._given = Confinement(memory_mib=8, hang_s=5)  # pyright: ignore[reportPrivateUsage]
        os.kill(pid_of(engine), signal.SIGSTOP)  # so that it is at work for long enough
        combined, _ = await asked(engine)
        await asyncio.sleep(0.2)
        return combined, await answers_again(engine)

    combined, back = using(grow, Confinement(hang_s=5))
    assert combined.incident is not None
    assert back < 10


def test_without_memory_to_be_had_it_dies_and_the_gateway_lives() -> None:
    async def starve(engine: ChildEngine) -> float:
        await engine.ask(PERMITTED)
        pid = pid_of(engine)
        resource.prlimit(pid, resource.RLIMIT_DATA, (1 << 20, 1 << 20))
        terms = tuple(f"{number:0200}" for number in range(1000))
        facts = {**PERMITTED.facts, "data.datasets": terms}
        large = Question("purge", facts, PERMITTED.today)
        until = time.monotonic() + 10
        while is_there(pid) and time.monotonic() < until:
            combined = await ask_all([engine], large, timeout_s=1)
            assert (
                combined.answer is None
                or not combined.answer.permits
                or combined.answer == (evaluate(PROGRAM, large))
            )
            if combined.incident is not None:
                break
        return await answers_again(engine)

    assert using(starve) < 20


# --- another takes its place ---------------------------------------------------------


def test_after_so_many_questions_another_process_takes_its_place_and_none_is_lost() -> None:
    async def many(engine: ChildEngine) -> tuple[int, int]:
        pids: set[int] = set()
        until = time.monotonic() + 20
        while len(pids) < 3 and time.monotonic() < until:
            assert await engine.ask(PERMITTED) == RIGHT
            pids.add(pid_of(engine))
        return len(pids), engine.restarts

    assert using(many, Confinement(questions=100), "reference") == (3, 0)


# --- a process that is not what it should be -----------------------------------------

HEAD = "import sys, json, socket, time, os; s = socket.socket(fileno=int(sys.argv[2])); "
SAY = (
    HEAD + "say = lambda v: s.sendall((lambda b: len(b).to_bytes(4, 'big') + b)("
    "v if isinstance(v, bytes) else json.dumps(v).encode())); "
)
READY = SAY + "s.recv(1 << 20); say({'ready': 'x'}); "
DIGEST = program_digest(PROGRAM)
PERMIT = (
    f"{{'program': '{DIGEST}', 'denied': [], 'granted': {sorted(RIGHT.granted)!r}, 'noted': [], "
    "'duties': [], 'preferred': []}"
)
RIGHTLY = f"[{{'answer': {PERMIT}}}]"
OTHERS = f"{{'answer': {PERMIT.replace(DIGEST, 'sha256:0')}}}"
NEVER_READY = {
    "exits": "import sys; sys.exit(3)",
    "exits with words": "import sys; sys.exit('out of order')",
    "hangs up": HEAD + "s.close(); time.sleep(9)",
    "no JSON": SAY + "say(b'nonsense'); time.sleep(9)",
    "a list": SAY + "say([]); time.sleep(9)",
    "for ever": HEAD + "exec('while True: s.sendall(bytes(65536))')",
    "too long": HEAD + "s.sendall(b'\\xff\\xff\\xff\\xff'); time.sleep(9)",
    "refused": SAY + "say({'refused': 'not this program'}); time.sleep(9)",
    "deep": SAY + "say(b'[' * 100000); time.sleep(9)",
}
WRONG = {
    "another number": READY
    + f"s.recv(65536); say({{'n': 7, 'replies': {RIGHTLY}}}); time.sleep(9)",
    "no number": READY + f"s.recv(65536); say({{'replies': {RIGHTLY}}}); time.sleep(9)",
    "no answer": READY + "s.recv(65536); say({'n': 1, 'replies': [{}]}); time.sleep(9)",
    "no replies": READY + "s.recv(65536); say({'n': 1}); time.sleep(9)",
    "replies that are no list": READY
    + f"s.recv(65536); say({{'n': 1, 'replies': {{'answer': {PERMIT}}}}}); time.sleep(9)",
    "no reply": READY + "s.recv(65536); say({'n': 1, 'replies': []}); time.sleep(9)",
    "a reply too many": READY
    + f"s.recv(65536); say({{'n': 1, 'replies': {RIGHTLY} * 2}}); time.sleep(9)",
    "a reply that is none": READY + "s.recv(65536); say({'n': 1, 'replies': [1]}); time.sleep(9)",
    "true": READY + "s.recv(65536); say({'n': 1, 'replies': [{'answer': True}]}); time.sleep(9)",
    "another program": READY + f"s.recv(65536); say({{'n': 1, 'replies': [{OTHERS}]}}); "
    "time.sleep(9)",
    "cut": READY + "s.recv(65536); s.sendall(bytes([0, 0, 1, 0]) + b'{\"n\": 1, '); s.close()",
    "never": READY + "time.sleep(9)",
    "an error": READY + "s.recv(65536); say({'n': 1, 'replies': [{'wrong': 'no'}]}); time.sleep(9)",
    "before it is asked": READY + f"say({{'n': 1, 'replies': {RIGHTLY}}}); time.sleep(9)",
    "no JSON": READY + "s.recv(65536); say(b'{'); time.sleep(9)",
    "for ever": READY + "s.recv(65536); exec('while True: s.sendall(bytes([0, 0, 255, 255]))')",
    "crash": READY + "s.recv(65536); os.abort()",
}


@pytest.mark.parametrize("name", NEVER_READY)
def test_a_process_that_does_not_get_ready_is_unavailable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "BOOT", NEVER_READY[name])

    async def start(engine: ChildEngine) -> None:
        await engine.open()

    began = time.monotonic()
    with pytest.raises(EngineUnavailableError):
        using(start)
    assert time.monotonic() - began < 5


def test_one_that_says_why_it_does_not_start_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "BOOT", NEVER_READY["exits with words"])

    async def start(engine: ChildEngine) -> None:
        await engine.open()

    with pytest.raises(EngineUnavailableError, match="out of order"):
        using(start)


@pytest.mark.parametrize("name", WRONG)
def test_what_a_process_says_that_is_no_answer_to_the_question_permits_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "BOOT", WRONG[name])

    async def ask(engine: ChildEngine) -> tuple[Combined, float]:
        await engine.open()
        await asyncio.sleep(0.05)  # time to say what nobody asked
        return await asked(engine)

    combined, took = using(ask)
    assert combined.incident is not None
    assert combined.answer is None
    assert took < LIMIT_S + 0.5 + 0.3


def test_the_permit_that_those_processes_vary_would_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boot = READY + f"s.recv(65536); say({{'n': 1, 'replies': {RIGHTLY}}}); time.sleep(9)"
    monkeypatch.setattr(child_module, "BOOT", boot)

    async def ask(engine: ChildEngine) -> Answer:
        return await engine.ask(REFUSED)

    assert using(ask).permits


LIAR = SAY + (
    "s.recv(1 << 20); say({'ready': 'x'}); n = 0\n"
    "while s.recv(65536):\n"
    f"    n += 1; say({{'n': n, 'replies': {RIGHTLY}}})"
)


def test_a_process_that_permits_everything_is_not_believed_when_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "BOOT", LIAR)

    async def start() -> int:
        pids: list[int] = []

        async def proof(ask: Callable[[Question], Awaitable[Answer]]) -> None:
            pids.append(pid_of_last())
            await prove("rego", ask, sample(VECTORS))

        engine = ChildEngine("rego", PROGRAM, QUICK, prove=proof)
        with pytest.raises(EngineAnswerError, match="a question of the bundle"):
            await engine.open()
        with pytest.raises(EngineError):
            await engine.ask(REFUSED)
        await engine.close()
        return pids[0]

    launched: list[int] = []
    original = child_module.Process

    def noted(*args: object, **more: object) -> child_module.Process:
        process = original(*args, **more)  # pyright: ignore[reportArgumentType]
        launched.append(process.pid)
        return process

    def pid_of_last() -> int:
        return launched[-1]

    monkeypatch.setattr(child_module, "Process", noted)
    assert not is_there(asyncio.run(start()))
