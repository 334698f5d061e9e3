"""Where an engine differs from the definition, as sentences."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question, settle_all
from gateway.errors import EngineError
from gateway.pdp.engine import Engine

# Days on both sides of every bound in `tests.corpus` and `tests.strategies`.
TURNS = (0, 17_676, 20_000, 20_010)
SOME_DAYS = sorted({day + by for day in TURNS for by in (-1, 0, 1)})


async def ask(engine: Engine, question: Question) -> Answer | EngineError:
    """The answer, or the error that refuses it."""
    try:
        return await engine.ask(question)
    except EngineError as error:
        return error


async def differences(
    engine: Engine, program: Program, questions: Iterable[Question]
) -> AsyncIterator[str]:
    """One sentence for each fit question that the engine answers otherwise."""
    for question in questions:
        answer, expected = await ask(engine, question), evaluate(program, question)
        if answer != expected:
            yield f"{engine.name} says {answer}, not {expected}, to {question.document()}"


async def openings(
    engine: Engine, program: Program, questions: Iterable[Question]
) -> AsyncIterator[str]:
    """One sentence for each raw question that the engine permits without a right to."""
    for question in questions:
        answer = await ask(engine, question)
        if permits(answer) and not permitted_when_fit(program, question):
            yield f"{engine.name} permits {question.facts} on {question.today}"


def permits(answer: Answer | EngineError) -> bool:
    return isinstance(answer, Answer) and answer.permits


def permitted_when_fit(program: Program, question: Question) -> bool:
    """Whether the definition permits once unfit facts are unknown. A day that is unknown
    permits nothing that is not permitted on every day."""
    fitted = replace(question, facts=settle_all(program.facts, question.facts))
    days = {zone: question.today.get(zone) for zone in program.time_zones()}
    unknown = [zone for zone, day in days.items() if not _is_day(day)]
    return all(
        evaluate(
            program, replace(fitted, today={**fitted.today, **dict.fromkeys(unknown, day)})
        ).permits
        for day in (SOME_DAYS if unknown else SOME_DAYS[:1])
    )


def _is_day(day: object) -> bool:
    return isinstance(day, int) and not isinstance(day, bool)
