"""Proving an engine: questions whose answers are known, put to it before it is believed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dsl.evaluate import Answer, verdict
from dsl.facts import Question
from dsl.vectors import Vector
from gateway.errors import EngineAnswerError, EngineUnavailableError

SAMPLE = 12
# A first question after a start can be slow, and nobody waits for it.
PATIENT_S = 5.0

Ask = Callable[[Question], Awaitable[Answer]]
# Raises an `EngineError` where an engine that is asked so is not to be believed.
Prove = Callable[[Ask], Awaitable[None]]


def sample(vectors: Sequence[Vector]) -> tuple[Vector, ...]:
    """Some of the vectors, from all over them, and at least one of each verdict."""
    step = max(1, len(vectors) // SAMPLE)
    chosen = dict.fromkeys(range(0, len(vectors), step))
    seen = {verdict(vectors[place].answer) for place in chosen}
    for place, vector in enumerate(vectors):
        if verdict(vector.answer) not in seen:
            seen.add(verdict(vector.answer))
            chosen[place] = None
    return tuple(vectors[place] for place in sorted(chosen))


async def prove(name: str, ask: Ask, vectors: Sequence[Vector]) -> None:
    """Put known questions to an engine.

    Raises:
        EngineError: It does not answer, or not as it must.
    """
    for vector in vectors:
        try:
            async with asyncio.timeout(PATIENT_S):
                answer = await ask(vector.question)
        except TimeoutError as error:
            raise EngineUnavailableError(name, f"no answer within {PATIENT_S:g} s") from error
        compare(name, answer, vector)


def compare(name: str, answer: Answer, vector: Vector) -> None:
    """Raise `EngineAnswerError` unless the answer is the known one."""
    if answer != vector.answer:
        found, right = verdict(answer).value, verdict(vector.answer).value
        words = f"it answers {found} to a question of the bundle, where {right} is right"
        raise EngineAnswerError(name, words if found != right else f"{words}, for other reasons")
