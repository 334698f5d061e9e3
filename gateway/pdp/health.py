"""Health of an engine: it is asked while it is believed, and believed while it answers.

An engine that fails three times in a row, or misjudges a question whose answer is known, is
down: it is asked nothing more, so nobody waits for it, and every question is an incident
until it has answered a sample of the bundle's agreement vectors as it must. It is tried
again and again, later each time, and a process of ours is started again.

Known questions are put to it all the time as well, so that an engine that nobody asks is not
found dead by the first who does, and one that begins to lie is found out by us.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import Context
from itertools import cycle
from typing import Protocol, runtime_checkable

from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.vectors import Vector
from gateway.errors import EngineAnswerError, EngineError, EngineUnavailableError, OverloadedError
from gateway.pdp.combine import (
    DEFAULT_TIMEOUT_S,
    Said,
    ask_one,
    at_once,
    forgetful,
    let_go_after_check,
    one_at_a_time,
    soon,
)
from gateway.pdp.engine import Engine
from gateway.pdp.proving import compare, sample
from gateway.pdp.stop import Stop

FAILURES = 3
BEAT_S = 5.0
# The limit of a known question while nobody waits for it.
PROVE_S = 2.0
# Between two tries of an engine that is down; doubled from the first to the last.
FIRST_TRY_S, LAST_TRY_S = 0.1, 5.0
# One look at a disputed engine in so many seconds: a question that is disputed every time
# must not keep the engines from others.
LOOK_AGAIN_S = 10.0

log = logging.getLogger("charter")


@runtime_checkable
class Managed(Protocol):
    """An engine with a process of ours."""

    restarts: int
    is_running: bool

    async def open(self) -> None:
        """Start it; raises an `EngineError`."""
        ...

    def restart(self) -> None: ...


class Guarded:
    """An engine with its health.

    Args:
        engine: What is asked.
        vectors: Known questions; of the program the engine has loaded.
        timeout_s: Seconds to answer a question from its turn.
        stop: What a disagreement does besides.
    """

    def __init__(
        self,
        engine: Engine,
        vectors: Sequence[Vector],
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        stop: Stop | None = None,
    ) -> None:
        self.name = engine.name
        self.timeout_s = timeout_s
        self.failures = 0  # since the start, for whoever counts
        self._engine = engine
        self._managed = engine if isinstance(engine, Managed) else None
        self._turns = one_at_a_time(engine)
        self._sample = sample(vectors)
        self._stop = stop
        self._in_a_row = 0
        self._why: str | None = None  # it is down
        self._looked: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = False
        self._opening = asyncio.Lock()

    @property
    def down(self) -> str | None:
        """Why the next question will not be answered; None where it should be."""
        if self._stop is not None and self._stop.why is not None:
            return self._stop.why
        if self._why is None and self._managed is not None and self._opened:
            return None if self._managed.is_running else "its process starts again"
        return self._why

    @property
    def restarts(self) -> int:
        """How often a process of ours ended and nobody had asked it to."""
        return 0 if self._managed is None else self._managed.restarts

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """As `gateway.pdp.combine.OneAtATime` says. The first one waits for the engine to
        start."""
        if not self._opened:
            await self._open()
        if (why := self.down) is not None:
            raise EngineUnavailableError(self.name, why)
        turns = self._turns
        async with nullcontext() if turns is None else turns.turn():
            yield

    @property
    def at_once(self) -> Callable[[Question], Answer] | None:
        """As `gateway.pdp.combine.AtOnce` says."""
        return at_once(self._engine) if self._opened and self.down is None else None

    @property
    def soon(self) -> Callable[[Question, float], asyncio.Future[Said]] | None:
        """As `gateway.pdp.combine.Soon` says."""
        return soon(self._engine) if self._opened and self.down is None else None

    async def ask(self, question: Question) -> Answer:
        return await self._engine.ask(question)

    async def _open(self) -> None:
        async with self._opening:
            if self._opened:
                return
            if self._managed is not None:
                await self._managed.open()
            self._opened = True
            if self._sample:
                self._begin(self._beat())

    def checked(self) -> None:
        """A check has ended: let go of what was made for its questions, which are no caller's.
        A process of ours keeps it, for that would have to start again."""
        if self._managed is None:
            let_go_after_check(self._engine)

    def forget(self) -> None:
        """As `gateway.pdp.combine.Forgetful` says."""
        if (made := forgetful(self._engine)) is not None:
            made.forget()

    def heard(self, said: Said, *, is_disputed: bool) -> None:
        """As `gateway.pdp.combine.Watched` says."""
        if isinstance(said, Answer):
            self._in_a_row = 0
            if is_disputed:
                if self._stop is not None:
                    self._stop.disputed(self.name)
                self._look()
        elif isinstance(said, EngineError):
            self.failures += 1
            self._in_a_row += self.down is None
            if self._in_a_row >= FAILURES:
                self._fall(said.detail)

    # --- down and up again ---------------------------------------------------------------

    def _fall(self, why: str) -> None:
        if self._why is not None or not self._sample:
            return
        self._why = f"it is down: {why}"
        log.error("engine %s is down: %s", self.name, why)
        self._begin(self._mend())

    async def _mend(self) -> None:
        pause = FIRST_TRY_S
        while True:
            await asyncio.sleep(pause)
            try:
                await self._prove()
                break
            except EngineError as error:
                self._why = f"it is down: {error.detail}"
                if self._managed is not None:
                    self._managed.restart()
            except OverloadedError:
                pass  # try later
            pause = min(2 * pause, LAST_TRY_S)
        self._why, self._in_a_row = None, 0
        log.warning("engine %s answers again, as it must", self.name)

    def _look(self) -> None:
        """Find out whether it is this engine that is wrong. It is asked on meanwhile: its
        answers are compared."""
        now = asyncio.get_running_loop().time()
        if self._why is None and (self._looked is None or now - self._looked > LOOK_AGAIN_S):
            self._looked = now
            self._begin(self._find_out())

    async def _find_out(self) -> None:
        try:
            await self._prove()
        except EngineError as error:
            self._fall(error.detail)
        except OverloadedError:
            pass  # its answers are compared

    async def _prove(self) -> None:
        """Raises where it is not to be believed, or cannot be asked."""
        for vector in self._sample:
            await self._put(vector, PROVE_S)

    async def _put(self, vector: Vector, timeout_s: float) -> None:
        """Put a known question; raises `EngineError` where it fails or answers otherwise, and
        `OverloadedError`."""
        said = await ask_one(self._engine, vector.question, timeout_s=timeout_s)
        if not isinstance(said, Answer):
            raise said
        compare(self.name, said, vector)

    # --- all the time --------------------------------------------------------------------

    async def _beat(self) -> None:
        for vector in cycle(self._sample):
            await asyncio.sleep(BEAT_S if not self._in_a_row else BEAT_S / 5)
            if self._stop is not None:
                self._stop.look()
            if self._why is not None:
                continue
            try:
                await self._put(vector, self.timeout_s)
                self._in_a_row = 0
            except EngineAnswerError as error:
                self.failures += 1
                self._fall(error.detail)
            except EngineError as error:
                self.heard(error, is_disputed=False)
            except OverloadedError:
                pass  # it is at work

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        # In no context: what is logged there is about no request.
        task = asyncio.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._engine.close()
