"""Rego in this process, through regopy, where no OPA server is configured.

Only modules that `dsl.to_rego` emitted are loaded: regopy takes a call it does not know
for undefined, and `not` of that for true. For the same reason the input is our own
JSON, with text as UTF-8 and not as escapes, which regopy leaves undecoded; and an
answer counts only if it is `ok()` and exactly the expected object.

The interpreter is not safe to share, so questions are put one at a time, in a thread:
regopy releases the interpreter's lock while it works. Whoever has a time limit waits for
a `turn` first. An interpreter that hangs keeps its turn, and every later question is
refused.

regopy looks at every rule, and takes milliseconds for it. So it is given modules of the
rules that can bear on a question, in which dates are settled, and where a place is asked
about again and again, its facts as well (`gateway.pdp.folded`); they come of the emitter of
the published module, and guard only the types of facts, for whether a fact is fit is looked
at here first. Cedar is not given folded policies: a fault in folding would be a difference
between the two, and no permit.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.to_rego import rego_policy
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineError,
    EngineUnavailableError,
    OverloadedError,
)
from gateway.pdp.engine import AnswerCheck, RawAnswer, rego_answer, together
from gateway.pdp.folded import Folder, Keys, Wide
from gateway.pdp.memo import Bounded
from gateway.pdp.rego_modules import Key, Module, Modules, load

QUEUE_TIMEOUT_S = 0.5
# A module takes some 10 to 30 ms to make; a question saves half a millisecond by it.
FOLD_AFTER = 64
# The same of a module for every place.
MAKE_AFTER = 8
MAX_COUNTED = 4096
# Of the modules that are kept, in characters; one takes some 270 bytes of memory for each.
# A program of many items may keep them all, once.
MAX_CHARACTERS, CHARACTERS_EACH = 200_000, 600

log = logging.getLogger("charter")


class RegoEngine:
    """regopy with one program loaded.

    Args:
        program: What to load.
        sliced: Whether to ask modules of what can bear on a question, which is faster, or
            the whole program, as it is published. The answers are the same.
        queue_timeout_s: Seconds to wait for a turn.
        fold_after: How many questions about one place make it worth a module of its own;
            None for never.

    Raises:
        ConfigurationError: regopy cannot build the emitted module.
    """

    name = "rego"

    def __init__(
        self,
        program: Program,
        *,
        sliced: bool = True,
        queue_timeout_s: float = QUEUE_TIMEOUT_S,
        fold_after: int | None = None,
    ) -> None:
        self._program = program
        self._check = AnswerCheck(self.name, program)
        self._whole = None if sliced else load(program, rego_policy(program))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="charter-rego")
        self._queue_timeout_s = queue_timeout_s
        self._turns = asyncio.Semaphore(1)
        self._turns_ended = 0
        self._work: Future[Any] | None = None  # what was begun last
        self._folder = Folder(program)
        self._fold_after = fold_after
        self._asked: Bounded[Key, int] = Bounded(MAX_COUNTED)
        each = CHARACTERS_EACH * max(map(len, self._folder.items()), default=0)
        self._characters = max(MAX_CHARACTERS, each)
        self._modules = Modules(self._characters)
        self._folding: asyncio.Task[None] | None = None
        self._general = dict(self._load_general() if sliced else ())

    def _load_general(self) -> Iterator[tuple[str, Module]]:
        """Modules for every question about an action, so that nobody waits for one."""
        for action in self._program.actions:
            part = self._folder.general(action)
            if part is not None:
                yield action, load(part, rego_policy(part, lean=True), lean=True)

    def forget(self) -> None:
        """Let go of every module that is not the published one."""
        self._modules = Modules(self._characters)
        self._folder.forget()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until no other question is evaluated, and let none be for the block.

        Raises:
            OverloadedError: The turn did not come in time, though others ended.
            EngineUnavailableError: It did not come in time, and none ended either.
        """
        before = self._turns_ended
        try:
            async with asyncio.timeout(self._queue_timeout_s):
                await self._turns.acquire()
        except TimeoutError as error:
            words = f"no turn within {self._queue_timeout_s:g} s"
            if self._turns_ended == before:
                raise EngineUnavailableError(self.name, words) from error
            raise OverloadedError(f"{self.name}: {words}") from error
        try:
            yield
        finally:
            self._end_turn(asyncio.get_running_loop())

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """The turn lasts until the thread is free, even if nobody waited for that long."""
        work, self._work = self._work, None

        def end() -> None:
            self._turns_ended += 1
            self._turns.release()

        def end_from_thread(_: object) -> None:
            try:
                loop.call_soon_threadsafe(end)
            except RuntimeError:  # the loop is closed, and nobody waits in it
                end()

        if work is None or work.done():
            end()
        else:
            work.add_done_callback(end_from_thread)

    async def ask(self, question: Question) -> Answer:
        if question.action not in self._program.actions:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        work = self._question(question)
        try:
            self._work = begun = self._thread.submit(work)
        except RuntimeError as error:
            raise EngineUnavailableError(self.name, "the engine is closed") from error
        return self._check.answer(await asyncio.wrap_future(begun))

    def _question(self, question: Question) -> Callable[[], RawAnswer]:
        """What to do in the thread for a question."""
        if self._whole is not None:
            return partial(self._evaluate, self._whole, question)
        keys = self._folder.keys(question)
        if keys is None:
            raise EngineAnswerError(self.name, "a fact or a day is not in its fit form")
        module = self._module_for(keys, question)
        if module is None:
            return partial(self._ask_groups, self._modules, keys.wide, question)
        return partial(self._evaluate, module, question)

    def _ask_groups(self, modules: Modules, keys: Sequence[Wide], question: Question) -> RawAnswer:
        """The answer out of those of the modules of several groups, made where they are not
        there."""
        said: list[RawAnswer] = []
        for key in keys:
            module = modules.get(key)
            if module is None:
                module = self._make(key, question)
                modules.put(key, module)
            said.append(self._evaluate(module, question))
        return together(said)

    # --- modules for what is asked about often ------------------------------------------

    def _module_for(self, keys: Keys, question: Question) -> Module | None:
        """The smallest module there is; after enough questions a smaller one is begun. None
        where there is none, and one must be made first."""
        general = self._general.get(question.action)
        wide = () if general is None else ((keys.wide[0], MAKE_AFTER),)
        for key, after in ((keys.narrow, self._fold_after), *wide):
            module = None if key is None else self._modules.get(key)
            if module is not None:
                return module
            if key is not None:
                self._count(key, after, question)
        return general

    def _count(self, key: Key, after: int | None, question: Question) -> None:
        if self._fold_after is None or after is None:
            return
        asked = (self._asked.get(key) or 0) + 1
        self._asked.put(key, asked)
        if asked >= after and self._is_idle():
            self._asked.put(key, 0)  # should it fail, try again, and not at once
            self._folding = asyncio.create_task(self._fold(key, question))

    def _is_idle(self) -> bool:
        return self._folding is None or self._folding.done()

    async def _fold(self, key: Key, question: Question) -> None:
        """Prepare a module; in a turn of its own, for no other question may run then."""
        modules = self._modules
        with suppress(EngineError, OverloadedError, RuntimeError):
            async with self.turn():
                self._work = work = self._thread.submit(self._make, key, question)
                modules.put(key, await asyncio.wrap_future(work))

    def _make(self, key: Key, question: Question) -> Module:
        """A module for the questions of a key, if it says of this one what it would say with
        nothing settled; of a group of items, that is not what the whole says."""
        program = self._folder.program(question, key)
        if evaluate(program, question) != evaluate(self._unfolded(key), question):
            log.error("a program folded for %s answers otherwise; it is not used", question.action)
            raise EngineAnswerError(self.name, "a slice of the program answers otherwise")
        try:
            return load(program, rego_policy(program, lean=True), lean=True)
        except ConfigurationError as error:
            raise EngineAnswerError(self.name, str(error)) from error

    def _unfolded(self, key: Key) -> Program:
        is_group = len(key) == 3 and key[0] not in self._general
        return self._folder.unfolded(key[0], key[2]) if is_group else self._program

    async def close(self) -> None:
        if self._folding is not None and not self._folding.done():
            self._folding.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _evaluate(self, module: Module, question: Question) -> RawAnswer:
        return rego_answer(self.name, module.ask(self.name, question), module.digest)
