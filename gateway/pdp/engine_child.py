"""An engine in a process of its own, asked over a socket.

The process is believed no more than a server: its answers are checked here, and carry the
digest of the program it loaded. When it ends, the question under way is unanswered, and it
is started again and proved before it is asked. A successor takes its place after so many
questions, for an engine may never give back the memory it took.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dsl.core import Program
from dsl.core_json import program_digest, program_to_json
from dsl.evaluate import Answer
from dsl.facts import Question, to_json
from dsl.fold import paths_read
from gateway.errors import EngineAnswerError, EngineUnavailableError
from gateway.pdp.child import Child, Confinement
from gateway.pdp.engine import AnswerCheck, rego_answer
from gateway.pdp.fair import FairLock, turn_of
from gateway.pdp.keeper import Keeper
from gateway.pdp.proving import Prove

QUEUE_TIMEOUT_S = 0.5
# Of its memory, when it is time for a successor; and not more often than that.
FULL = 0.75
RENEW_AFTER_S = 30.0


class ChildEngine:
    """An engine of `gateway.pdp.engines` in a process of its own.

    Args:
        name: Which.
        program: What it loads.
        given: What the process may take.
        prove: Puts known questions to a process that has just started; raises an
            `EngineError` where it is not to be believed.
        queue_timeout_s: Seconds to wait for a turn.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        given: Confinement,
        *,
        prove: Prove | None = None,
        queue_timeout_s: float = QUEUE_TIMEOUT_S,
    ) -> None:
        self.name = name
        self._check = AnswerCheck(name, program)
        self._digest = program_digest(program)
        self._program = program_to_json(program)
        self._read = paths_read(program)
        self._given = given
        self._prove = prove
        self._queue_timeout_s = queue_timeout_s
        self._turns = FairLock()
        self._turns_ended = 0
        self._keeper = Keeper(name, self._start)

    @property
    def restarts(self) -> int:
        return self._keeper.restarts

    @property
    def is_running(self) -> bool:
        return self._keeper.is_running

    async def open(self) -> None:
        """Start the process; raises an `EngineError` where it cannot be used."""
        await self._keeper.open()

    async def _start(self) -> Child:
        child = await Child.launch(self.name, self._program, self._given)
        if self._prove is not None:
            try:
                await self._prove(lambda question: self._put(child, question))
            except BaseException:
                await child.end()
                raise
        return child

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until no other question is evaluated, in turn by tenant, and let none be for the
        block; raises as `turn_of`."""
        await self.open()
        self._keeper.running()
        limit_s = self._queue_timeout_s
        await turn_of(
            self.name,
            self._turns.acquire,
            lambda: self._turns_ended,
            limit_s,
            is_free=self._turns.is_free,
        )
        try:
            yield
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        """The turn lasts until the process is free, even if nobody waits for that long."""

        def end(_: object = None) -> None:
            self._turns_ended += 1
            self._turns.release()

        try:
            under_way = self._keeper.running().free
        except EngineUnavailableError:
            under_way = None
        if under_way is None:
            end()
        else:
            under_way.add_done_callback(end)

    async def ask(self, question: Question) -> Answer:
        await self.open()
        child = self._keeper.running()
        answer = await self._put(child, question)
        self._renew_if_due(child)
        return answer

    async def _put(self, child: Child, question: Question) -> Answer:
        facts = question.facts
        # What no rule reads can be large, and cannot matter.
        read = {path: to_json(facts[path]) for path in facts if path in self._read}
        asked = {"action": question.action, "facts": read, "today": dict(question.today)}
        said = await child.ask(asked)
        if "answer" in said:
            return self._check.answer(rego_answer(self.name, said["answer"], self._digest))
        if "wrong" in said:
            raise EngineAnswerError(self.name, str(said["wrong"]))
        raise EngineUnavailableError(
            self.name, str(said.get("none", "its process gives no answer"))
        )

    def _renew_if_due(self, child: Child) -> None:
        is_full = child.size > FULL * (self._given.memory_mib << 20)
        is_due = child.asked >= self._given.questions
        age = asyncio.get_running_loop().time() - child.since
        if (is_full and age > RENEW_AFTER_S) or is_due:
            self._keeper.renew()

    def restart(self) -> None:
        """End the process; another is started."""
        self._keeper.condemn()

    def forget(self) -> None:
        """Have a successor take its place, which begins with nothing but the program."""
        self._keeper.renew()

    async def close(self) -> None:
        await self._keeper.close()
