"""An engine in a process of its own, asked over a socket.

The process is believed no more than a server: its answers are checked here, and carry the
digest of the program it loaded. When it ends, the question under way is unanswered, and it
is started again and proved before it is asked. A successor takes its place after so many
questions, for an engine may never give back the memory it took.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from dsl.core import Program
from dsl.core_json import program_digest, program_to_json
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.fold import paths_read
from gateway.errors import EngineAnswerError, EngineError, EngineUnavailableError
from gateway.pdp.batches import Batches, Replies, Said
from gateway.pdp.child import Child, Confinement
from gateway.pdp.engine import AnswerCheck, rego_answer
from gateway.pdp.frames import text
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
        self._batches = Batches(name, self._put_all, self._read_reply, queue_timeout_s)
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
                await self._prove(lambda question: self._prove_by(child, question))
            except BaseException:
                await child.end()
                raise
        return child

    @property
    def soon(self) -> Callable[[Question, float], asyncio.Future[Said]] | None:
        """As `gateway.pdp.combine.Soon` says: once it was opened."""
        return self._soon if self._keeper.is_open else None

    def _soon(self, question: Question, limit_s: float) -> asyncio.Future[Said]:
        try:
            self._keeper.running()
            text = self._text(question)
        except EngineError as error:
            answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
            answer.set_result(error)
            return answer
        return self._batches.soon(text, limit_s)

    def _put_all(self, questions: Sequence[bytes]) -> Replies:
        child = self._keeper.running()
        replies = child.put(questions)
        replies.add_done_callback(lambda _: self._renew_if_due(child))
        return replies

    async def ask(self, question: Question) -> Answer:
        await self.open()
        said = await self._soon(question, self._given.hang_s)
        if isinstance(said, Answer):
            return said
        raise said

    async def _prove_by(self, child: Child, question: Question) -> Answer:
        said = self._read_reply(await child.ask(self._text(question)))
        if isinstance(said, Answer):
            return said
        raise said

    def _text(self, question: Question) -> bytes:
        """A question as it is put.

        Raises:
            EngineAnswerError: It has something that is no JSON.
        """
        # What no rule reads can be large, and cannot matter.
        read = {path: value for path, value in question.facts.items() if path in self._read}
        asked = {"action": question.action, "facts": read, "today": question.today}
        try:
            return text(asked)
        except (TypeError, ValueError) as error:
            raise EngineAnswerError(self.name, "the question is no JSON") from error

    def _read_reply(self, said: Mapping[str, object]) -> Said:
        try:
            if "answer" in said:
                return self._check.answer(rego_answer(self.name, said["answer"], self._digest))
        except EngineError as error:
            return error
        if "wrong" in said:
            return EngineAnswerError(self.name, str(said["wrong"]))
        words = str(said.get("none", "its process gives no answer"))
        return EngineUnavailableError(self.name, words)

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
