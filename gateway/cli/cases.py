"""Runs cases on engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from dsl.examples import Case, failure
from gateway.errors import EngineError
from gateway.pdp.engine import Engine
from gateway.pdp.engines import make_engines


@dataclass(frozen=True)
class Failed:
    """Why a case does not hold on one engine; `is_error` where the engine failed."""

    engine: str
    why: str
    is_error: bool = False


@dataclass(frozen=True)
class Result:
    """One case on one action, on all engines. `rule` is the rule it stands in, or the
    charter and the case file; `seconds` is the time of all engines together."""

    name: str
    charter: str
    rule: str
    title: str
    action: str
    file: str
    line: int
    column: int
    seconds: float
    failures: tuple[Failed, ...]


async def run_cases(listed: Sequence[Case], names: Sequence[str]) -> list[Result]:
    """The results, in the order of the cases."""
    loaded: dict[int, list[Engine]] = {}
    results: list[Result] = []
    try:
        for case in listed:
            if id(case.program) not in loaded:
                loaded[id(case.program)] = make_engines(names, case.program)
            results.append(await _run(case, loaded[id(case.program)]))
    finally:
        for engines in loaded.values():
            for engine in engines:
                await engine.close()
    return results


async def _run(case: Case, engines: Sequence[Engine]) -> Result:
    started = perf_counter()
    failures = [failed for engine in engines if (failed := await _failed(case, engine))]
    line, column = case.span.position
    return Result(
        case.name,
        case.rule.partition("/")[0],
        case.rule,
        case.title,
        case.action,
        case.span.source.name,
        line,
        column,
        perf_counter() - started,
        tuple(failures),
    )


async def _failed(case: Case, engine: Engine) -> Failed | None:
    try:
        why = failure(case, await engine.ask(case.question))
    except EngineError as error:
        return Failed(engine.name, str(error), is_error=True)
    return None if why is None else Failed(engine.name, why)
