"""An engine is asked while it is believed, and believed while it answers as it must."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsl.evaluate import Answer, evaluate, verdict
from dsl.facts import Question
from gateway.errors import ConfigurationError, EngineAnswerError, EngineUnavailableError
from gateway.pdp import health
from gateway.pdp.combine import Combined, IncidentKind, ask_all, ask_one
from gateway.pdp.engine import Engine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.health import FAILURES, Guarded
from gateway.pdp.proving import SAMPLE, prove, sample
from gateway.pdp.standing import all_stand, first_down, states
from gateway.pdp.stop import Stop
from tests.gateway.world import FakeEngine, World, made, program, run

PROGRAM = program()
VECTORS = made().vectors
PERMITTED = next(v.question for v in VECTORS if v.answer.permits)
REFUSED = next(v.question for v in VECTORS if v.answer.denied)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second of a test is spent waiting for another try."""
    monkeypatch.setattr(health, "FIRST_TRY_S", 0.01)
    monkeypatch.setattr(health, "LAST_TRY_S", 0.02)
    monkeypatch.setattr(health, "BEAT_S", 30.0)


class Moody:
    """An engine that answers, fails or lies, as it is told."""

    name = "moody"

    def __init__(self) -> None:
        self.mood = "well"
        self.asked = 0

    async def ask(self, question: Question) -> Answer:
        self.asked += 1
        match self.mood:
            case "ill":
                raise EngineUnavailableError(self.name, "not today")
            case "lost":
                await asyncio.sleep(30)
            case "odd":
                raise EngineAnswerError(self.name, "strange")
            case "lying":
                return evaluate(PROGRAM, PERMITTED)
            case "panicking":
                raise Panic
            case _:
                pass
        return evaluate(PROGRAM, question)

    async def close(self) -> None:
        """Nothing to close."""


class Panic(BaseException):
    """As pyo3 tells of a panic in Rust."""


def using(
    work: Callable[[Moody, Guarded], Coroutine[Any, Any, None]],
    *,
    stop: Stop | None = None,
    timeout_s: float = 0.05,
) -> None:
    async def whole() -> None:
        engine = Moody()
        guarded = Guarded(engine, VECTORS, timeout_s=timeout_s, stop=stop)
        try:
            await work(engine, guarded)
        finally:
            await guarded.close()

    asyncio.run(whole())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.005)


async def fail(guarded: Guarded, times: int) -> list[Combined]:
    return [await ask_all([guarded], PERMITTED) for _ in range(times)]


# --- down, and up again --------------------------------------------------------------


@pytest.mark.parametrize("mood", ["ill", "lost", "odd", "panicking"])
def test_an_engine_that_fails_three_times_is_not_asked_a_fourth(mood: str) -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        assert (await ask_all([guarded], PERMITTED)).incident is None
        engine.mood = mood
        await fail(guarded, FAILURES - 1)
        assert guarded.down is None
        await fail(guarded, 1)
        assert guarded.down is not None
        before = engine.asked
        (last,) = await fail(guarded, 1)
        assert engine.asked == before
        assert last.answer is None
        assert last.incident is not None
        assert last.incident.kind is IncidentKind.ERROR
        assert "it is down" in last.incident.description

    using(work)


def test_failures_that_are_not_in_a_row_do_not_count() -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        for _ in range(5):
            engine.mood = "ill"
            await fail(guarded, FAILURES - 1)
            engine.mood = "well"
            assert (await ask_all([guarded], PERMITTED)).incident is None
        assert guarded.down is None

    using(work)


@pytest.mark.parametrize("mood", ["ill", "lost", "odd", "lying", "panicking"])
def test_it_stays_down_until_it_answers_a_sample_as_it_must(
    mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PROVE_S", 0.02)

    async def work(engine: Moody, guarded: Guarded) -> None:
        engine.mood = "ill"
        await fail(guarded, FAILURES)
        engine.mood = mood
        await asyncio.sleep(0.2)
        assert guarded.down is not None
        engine.mood = "well"
        await until(lambda: guarded.down is None)
        assert (await ask_all([guarded], PERMITTED)).answer == evaluate(PROGRAM, PERMITTED)

    using(work)


def test_a_known_question_finds_a_liar_that_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BEAT_S", 0.01)

    async def work(engine: Moody, guarded: Guarded) -> None:
        await ask_all([guarded], PERMITTED)
        engine.mood = "lying"
        await until(lambda: guarded.down is not None)
        assert "where" in str(guarded.down)
        assert guarded.failures

    using(work)


def test_a_question_is_given_as_long_as_the_engine_has() -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        engine.mood = "lost"
        said = await ask_one(guarded, PERMITTED)
        assert isinstance(said, EngineUnavailableError)
        assert said.detail == "no answer within 0.07 s"

    using(work, timeout_s=0.07)


def test_states_say_which_engine_is_down() -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        engines: list[Engine] = [ReferenceEngine(PROGRAM), guarded]
        assert all_stand(engines)
        assert first_down(engines) is None
        engine.mood = "ill"
        await fail(guarded, FAILURES)
        assert not all_stand(engines)
        assert first_down(engines) == "the engine moody is down"
        found = [(one.name, one.is_up, one.failures) for one in states(engines)]
        assert found == [("reference", True, 0), ("moody", False, FAILURES)]

    using(work)


# --- disagreements -------------------------------------------------------------------


def test_of_two_that_differ_the_one_that_lies_is_found_and_the_other_stays() -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        honest = Guarded(ReferenceEngine(PROGRAM), VECTORS)
        engine.mood = "lying"
        combined = await ask_all([honest, guarded], REFUSED)
        assert combined.incident is not None
        assert combined.incident.kind is IncidentKind.DISAGREEMENT
        await until(lambda: guarded.down is not None)
        assert honest.down is None
        await honest.close()

    using(work)


def test_a_difference_that_no_known_question_shows_takes_no_engine_down() -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        async def other(_: Question) -> Answer:
            return replace(evaluate(PROGRAM, REFUSED), noted=frozenset({"x"}))

        odd = FakeEngine("odd", other)
        for _ in range(5):
            combined = await ask_all([guarded, odd], REFUSED)
            assert combined.incident is not None
        await asyncio.sleep(0.1)
        assert guarded.down is None
        # One look for all of them: else a question could keep an engine busy.
        assert engine.asked <= 5 + len(sample(VECTORS))

    using(work)


# --- stop ----------------------------------------------------------------------------


async def _dispute(guarded: Guarded) -> Combined:
    async def other(_: Question) -> Answer:
        return replace(evaluate(PROGRAM, REFUSED), noted=frozenset({"x"}))

    return await ask_all([guarded, FakeEngine("odd", other)], REFUSED)


def test_after_so_many_disagreements_nothing_is_answered_until_the_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BEAT_S", 0.01)
    file = tmp_path / "stopped"

    async def work(_: Moody, guarded: Guarded) -> None:
        await _dispute(guarded)
        assert (await ask_all([guarded], PERMITTED)).incident is None
        assert not file.exists()
        await _dispute(guarded)
        assert file.exists()
        combined = await ask_all([guarded], PERMITTED)
        assert combined.incident is not None
        assert "until an operator resumes it" in combined.incident.description
        assert str(tmp_path) not in combined.incident.description
        await asyncio.sleep(0.1)
        assert (await ask_all([guarded], PERMITTED)).answer is None
        file.unlink()
        await until(lambda: guarded.down is None)
        assert (await ask_all([guarded], PERMITTED)).incident is None

    using(work, stop=Stop(file, 2))


def test_without_being_told_so_no_disagreement_stops(tmp_path: Path) -> None:
    async def work(_: Moody, guarded: Guarded) -> None:
        for _count in range(20):
            await _dispute(guarded)
        assert (await ask_all([guarded], PERMITTED)).incident is None

    using(work, stop=Stop(tmp_path / "stopped", 0))


def test_errors_are_no_disagreements(tmp_path: Path) -> None:
    async def work(engine: Moody, guarded: Guarded) -> None:
        engine.mood = "ill"
        await fail(guarded, 2)
        assert not (tmp_path / "stopped").exists()

    using(work, stop=Stop(tmp_path / "stopped", 1))


def test_who_was_stopped_is_stopped_after_a_restart_and_says_how_to_resume(tmp_path: Path) -> None:
    file = tmp_path / "stopped"
    Stop(file, 1).disputed("one")
    again = Stop(file, 0)
    assert again.why is not None
    with pytest.raises(ConfigurationError, match=f"run: rm {file}"):
        again.refuse_to_start()


def test_a_stop_that_cannot_be_written_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    stop = Stop(tmp_path / "no folder" / "stopped", 1)
    stop.disputed("one")
    stop.look()
    assert stop.why is not None


def test_what_was_remembered_is_not_repeated_while_an_engine_is_down(tmp_path: Path) -> None:
    engine = Moody()
    guarded = Guarded(engine, VECTORS, timeout_s=1)
    with World(tmp_path, engines=[guarded]) as world:

        async def work() -> list[str]:
            from tests.gateway.world import CALLER, body

            async def decision() -> str:
                return str((await world.service.decide(body(), CALLER))["decision"])

            first = [await decision(), await decision()]
            assert engine.asked == 1
            engine.mood = "ill"
            await fail(guarded, FAILURES)
            assert world.service.not_ready() == "the engine moody is down"
            first.append(await decision())
            engine.mood = "well"
            await until(lambda: guarded.down is None)
            first.append(await decision())
            assert world.service.not_ready() is None
            await guarded.close()
            return first

        assert run(work()) == ["permit", "permit", "indeterminate", "permit"]


# --- what is asked -------------------------------------------------------------------


def test_a_sample_has_every_verdict_of_the_vectors_and_is_small() -> None:
    chosen = sample(VECTORS)
    assert {verdict(v.answer) for v in chosen} == {verdict(v.answer) for v in VECTORS}
    assert len(chosen) <= 2 * SAMPLE + 5
    assert sample(()) == ()
    rare = [v for v in VECTORS if not v.answer.permits] * 20
    permit = next(v for v in VECTORS if v.answer.permits)
    assert permit in sample([*rare[:7], permit, *rare[7:]])


@pytest.mark.parametrize("member", ["denied", "broken", "open", "noted"])
def test_an_answer_of_the_right_verdict_for_other_reasons_proves_nothing(member: str) -> None:
    async def nearly(question: Question) -> Answer:
        answer = evaluate(PROGRAM, question)
        return replace(answer, **{member: getattr(answer, member) | {"x"}})

    refused = [v for v in VECTORS if v.answer.denied]
    with pytest.raises(EngineAnswerError, match="question of the bundle"):
        asyncio.run(prove("x", nearly, refused))


def test_an_engine_that_never_answers_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pdp.proving.PATIENT_S", 0.05)

    async def never(_: Question) -> Answer:
        await asyncio.sleep(30)
        raise AssertionError

    with pytest.raises(EngineUnavailableError, match="no answer"):
        asyncio.run(prove("x", never, VECTORS))


def test_a_file_that_another_worker_made_stops_this_one_too(tmp_path: Path) -> None:
    first, second = Stop(tmp_path / "stopped", 1), Stop(tmp_path / "stopped", 1)
    first.disputed("one")
    assert second.why is None
    second.look()
    assert second.why is not None
    (tmp_path / "stopped").unlink()
    for one in (first, second):
        one.look()
        assert one.why is None


def test_the_word_to_stop_is_for_its_owner_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("gateway.pdp.stop.os.fsync", synced.append)
    stop = Stop(tmp_path / "stopped.json", 1)
    stop.disputed("cedar")
    assert (tmp_path / "stopped.json").stat().st_mode & 0o777 == 0o600
    assert len(synced) == 2  # the file, and that it is in the folder
    with pytest.raises(ConfigurationError, match="rm "):
        Stop(tmp_path / "stopped.json", 1).refuse_to_start()
