"""Which engines stand: what a gateway tells of those it asks."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.pdp.engine import Engine
from gateway.pdp.health import Guarded


@dataclass(frozen=True, slots=True)
class EngineState:
    """An engine as whoever watches sees it; numbers are of the time since it was loaded."""

    name: str
    is_up: bool = True
    failures: int = 0
    restarts: int = 0


def states(engines: Sequence[Engine]) -> list[EngineState]:
    """How each is; of one that nobody guards nothing is known."""
    return [
        EngineState(engine.name, engine.down is None, engine.failures, engine.restarts)
        if isinstance(engine, Guarded)
        else EngineState(engine.name)
        for engine in engines
    ]


def first_down(engines: Sequence[Engine]) -> str | None:
    """Which engine is known to be down, in words that anybody may read; None where none is."""
    for engine in engines:
        if isinstance(engine, Guarded) and engine.down is not None:
            return f"the engine {engine.name} is down"
    return None


def all_stand(engines: Sequence[Engine]) -> bool:
    """Whether no engine is known to be down."""
    return all(not isinstance(engine, Guarded) or engine.down is None for engine in engines)
