"""Asks every engine and believes them only together.

Engines are compiled from one program and must agree; an engine that fails, or two that
differ, is an incident and never a permit.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, fields
from enum import Enum
from itertools import combinations
from typing import Protocol, cast

from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineError,
    EngineLateError,
    OverloadedError,
)
from gateway.pdp.engine import Engine

DEFAULT_TIMEOUT_S = 0.5
_SHOWN_RULES = 5

# What came of a question to one engine.
Said = Answer | EngineError | OverloadedError


class OneAtATime(Protocol):
    """An engine whose questions wait for each other. Its time limit begins with its turn:
    a queue is no fault of the engine, and no incident.

    Entering `turn` raises `OverloadedError` where the queue is too long, or an
    `EngineError` where it does not move.
    """

    def turn(self) -> AbstractAsyncContextManager[None]: ...


class Watched(Protocol):
    """An engine with a time limit of its own, that is told what came of a question."""

    timeout_s: float

    def heard(self, said: Said, *, is_disputed: bool) -> None:
        """What came of a question: its answer, and whether another engine gave another, or
        why there is none. It must be quick and must not fail."""
        ...


class AtOnce(Protocol):
    """An engine that has its answer without waiting for anything. `at_once` is None where it
    must be asked as any other for the moment; it raises as `ask` does."""

    @property
    def at_once(self) -> Callable[[Question], Answer] | None: ...


class Soon(Protocol):
    """An engine that works elsewhere, and keeps time and turns by itself. `soon` is None where
    it must be asked as any other for the moment.

    What it gives is the answer within so many seconds of its turn, or why there is none. Who
    does not want it any more cancels it.
    """

    @property
    def soon(self) -> Callable[[Question, float], asyncio.Future[Said]] | None: ...


class Forgetful(Protocol):
    """An engine that keeps parts of the program to answer from."""

    def forget(self) -> None:
        """Let go of them; they are made again as they are needed. Quick, and never fails."""
        ...


class Checked(Protocol):
    """One that lets go of less after a check of it."""

    def checked(self) -> None:
        """A check has ended, whose questions were no caller's. Quick, and never fails."""
        ...


# By the member that makes each of them one, for that is looked at with every question.


def one_at_a_time(engine: object) -> OneAtATime | None:
    return cast("OneAtATime", engine) if hasattr(engine, "turn") else None


def watched(engine: object) -> Watched | None:
    return cast("Watched", engine) if hasattr(engine, "heard") else None


def forgetful(engine: object) -> Forgetful | None:
    return cast("Forgetful", engine) if hasattr(engine, "forget") else None


def let_go_after_check(engine: object) -> None:
    """Have an engine let go of what it made for the questions of a check."""
    if hasattr(engine, "checked"):
        cast("Checked", engine).checked()
    elif (made := forgetful(engine)) is not None:
        made.forget()


def at_once(engine: object) -> Callable[[Question], Answer] | None:
    return cast("AtOnce", engine).at_once if hasattr(engine, "at_once") else None


def soon(engine: object) -> Callable[[Question, float], asyncio.Future[Said]] | None:
    return cast("Soon", engine).soon if hasattr(engine, "soon") else None


class IncidentKind(Enum):
    ERROR = "engine-error"
    DISAGREEMENT = "engine-disagreement"


@dataclass(frozen=True, slots=True)
class Incident:
    """Why no answer can be used; `description` names the engines and the rules."""

    kind: IncidentKind
    description: str


@dataclass(frozen=True, slots=True)
class Combined:
    """What all engines said. Either `answer` or `incident` is None, never both."""

    answers: Mapping[str, Answer | EngineError]
    answer: Answer | None
    incident: Incident | None


async def ask_all(
    engines: Sequence[Engine], question: Question, *, timeout_s: float | None = None
) -> Combined:
    """Ask all engines at once; each has `timeout_s` seconds from its turn, or where that is
    None as many as are its own.

    Raises:
        OverloadedError: An engine has too many questions to answer before this one.
        ConfigurationError: There is no engine, or two have one name.
    """
    names = [engine.name for engine in engines]
    if not names:
        raise ConfigurationError("no policy engine is configured; name at least one")
    if len(set(names)) != len(names):
        raise ConfigurationError("two policy engines have the same name")
    said = await _ask_each(engines, question, timeout_s)
    disputed = len({answer for answer in said if isinstance(answer, Answer)}) > 1
    for engine, answer in zip(engines, said, strict=True):
        if (told := watched(engine)) is not None:
            told.heard(answer, is_disputed=disputed and isinstance(answer, Answer))
    answers: dict[str, Answer | EngineError] = {}
    for name, answer in zip(names, said, strict=True):
        if isinstance(answer, OverloadedError):
            raise answer
        answers[name] = answer
    incident = _error(answers) or _disagreement(answers)
    first = answers[names[0]]
    if incident is not None or isinstance(first, EngineError):
        return Combined(answers, None, incident)
    return Combined(answers, first, None)


async def _ask_each(
    engines: Sequence[Engine], question: Question, timeout_s: float | None
) -> list[Said]:
    """What each says, in their order. Those that work elsewhere are asked first: meanwhile
    this thread is free for the others."""
    ready = [at_once(engine) for engine in engines]
    elsewhere = [
        _ask_elsewhere(engine, question, timeout_s)
        for engine, answer in zip(engines, ready, strict=True)
        if answer is None
    ]
    try:
        if elsewhere and len(elsewhere) < len(engines):
            await asyncio.sleep(0)  # they begin
        here = [
            _ask_here(engine, answer, question)
            for engine, answer in zip(engines, ready, strict=True)
            if answer is not None
        ]
        there = [await task for task in elsewhere]
    except BaseException:
        for task in elsewhere:
            task.cancel()
        raise
    in_turn, by_themselves = iter(here), iter(there)
    return [next(by_themselves if answer is None else in_turn) for answer in ready]


def _ask_elsewhere(
    engine: Engine, question: Question, timeout_s: float | None
) -> asyncio.Future[Said]:
    begun = soon(engine)
    if begun is not None:
        try:
            return begun(question, _limit_s(engine) if timeout_s is None else timeout_s)
        except Exception as error:
            answer = asyncio.get_running_loop().create_future()
            answer.set_result(_why_none(engine.name, error))
            return answer
    return asyncio.create_task(ask_one(engine, question, timeout_s=timeout_s))


def _limit_s(engine: Engine) -> float:
    own = watched(engine)
    return DEFAULT_TIMEOUT_S if own is None else own.timeout_s


def _ask_here(engine: Engine, answer: Callable[[Question], Answer], question: Question) -> Said:
    try:
        return answer(question)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return _why_none(engine.name, error)


async def ask_one(engine: Engine, question: Question, *, timeout_s: float | None = None) -> Said:
    """What one engine says within its time limit, or why it does not. Nothing escapes but a
    cancellation."""
    if timeout_s is None:
        timeout_s = _limit_s(engine)
    turns = one_at_a_time(engine)
    turn = nullcontext() if turns is None else turns.turn()
    try:
        async with turn:
            if (begun := soon(engine)) is not None:
                return await begun(question, timeout_s)
            async with asyncio.timeout(timeout_s):
                return await engine.ask(question)
    except TimeoutError:
        return EngineLateError(engine.name, f"no answer within {timeout_s:g} s")
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return _why_none(engine.name, error)


def _why_none(name: str, error: BaseException) -> EngineError | OverloadedError:
    if isinstance(error, EngineError | OverloadedError):
        return error
    # A fault of ours in an engine must still refuse, and so must a panic of one in Rust,
    # which pyo3 makes no Exception.
    return EngineAnswerError(name, f"it failed with {type(error).__name__}")


def undefined(engines: Sequence[Engine], said: Combined) -> Combined:
    """What comes of an answer that all engines gave and that is not the one defined: no
    answer, and an incident. Each is told, and lets go of what it could be wrong by."""
    for engine in engines:
        answer = said.answers[engine.name]
        if (made := forgetful(engine)) is not None:
            made.forget()
        if (told := watched(engine)) is not None:
            told.heard(answer, is_disputed=True)
    words = "the engines differ from the definition"
    return Combined(said.answers, None, Incident(IncidentKind.DISAGREEMENT, words))


def _error(answers: Mapping[str, Answer | EngineError]) -> Incident | None:
    errors = [answer for answer in answers.values() if isinstance(answer, EngineError)]
    if not errors:
        return None
    return Incident(IncidentKind.ERROR, "; ".join(str(error) for error in errors))


def _disagreement(answers: Mapping[str, Answer | EngineError]) -> Incident | None:
    given = {name: answer for name, answer in answers.items() if isinstance(answer, Answer)}
    for (one, left), (other, right) in combinations(given.items(), 2):
        if left != right:
            return Incident(IncidentKind.DISAGREEMENT, _differences(one, left, other, right))
    return None


def _differences(one: str, left: Answer, other: str, right: Answer) -> str:
    parts: list[str] = []
    for member in (field.name for field in fields(Answer)):
        a, b = getattr(left, member), getattr(right, member)
        parts += [f"only {one} has {_listed(a - b)} as {member}"] if a - b else []
        parts += [f"only {other} has {_listed(b - a)} as {member}"] if b - a else []
    return f"{one} and {other} differ: {'; '.join(parts)}"


def _listed(rules: frozenset[str]) -> str:
    shown = sorted(rules)[:_SHOWN_RULES]
    more = len(rules) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
