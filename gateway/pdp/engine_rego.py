"""Rego in this process, through regopy, where no OPA server is configured.

Only modules that `dsl.to_rego` emitted are loaded: regopy takes a call it does not know
for undefined, and `not` of that for true. For the same reason the input is our own
JSON, with text as UTF-8 and not as escapes, which regopy leaves undecoded; and an
answer counts only if it is `ok()` and exactly the expected object.

The interpreter is not safe to share, so questions are put one at a time, in a thread:
regopy releases the interpreter's lock while it works. Whoever has a time limit waits for
a `turn` first. An interpreter that hangs keeps its turn, and every later question is
refused.

regopy looks at every rule, and takes milliseconds for it. So it is given modules of the rules
that can bear on a question, in which dates are settled, and where a place is asked about again
and again, its facts as well (`gateway.pdp.folded`); they come of the emitter of the published
module, and guard only the types of facts, for whether a fact is fit is looked at here first.
Cedar is not given folded policies: a fault in folding would be a difference, and no permit.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from dsl.core import Program
from dsl.core_json import program_digest
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
from gateway.pdp.fair import turn_of
from gateway.pdp.folded import Folder, Keys, named
from gateway.pdp.memo import Bounded
from gateway.pdp.rego_compact import Room
from gateway.pdp.rego_modules import Key, Module, Modules, load

QUEUE_TIMEOUT_S = 0.5
# A module takes some 10 to 30 ms to make; a question saves half a millisecond by it.
FOLD_AFTER = 64
# The same of a module for every place.
MAKE_AFTER = 8
MAX_COUNTED = 4096
# Of the modules made for what is asked often, in characters, each of which takes 25 bytes, or
# 270 where there is no room to compact it. Those for every question are kept besides.
MAX_CHARACTERS = 200_000

log = logging.getLogger("charter")


class RegoEngine:
    """regopy with one program loaded.

    Args:
        program: What to load.
        sliced: Whether to ask modules of what can bear on a question, or the whole program, as
            it is published. The answers are the same.
        queue_timeout_s: Seconds to wait for a turn.
        fold_after: How many questions about a place make it worth a module; None for never.
        alone: Whether nothing else has work here: then questions need no thread, and
            everything stands still for one.
        room: As of `gateway.pdp.rego_compact.Room`; one of its own where none is given.

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
        alone: bool = False,
        room: int | None = None,
    ) -> None:
        self._program = program
        self._alone = alone
        self._room = Room.make() if room is None else Room(room)
        self._check = AnswerCheck(self.name, program)
        self._whole = None if sliced else load(program, rego_policy(program), room=self._room)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="charter-rego")
        self._queue_timeout_s = queue_timeout_s
        self._turns = asyncio.Semaphore(1)
        self._turns_ended = 0
        self._work: Future[Any] | None = None  # what was begun last
        self._folder = Folder(program)
        self._fold_after = fold_after
        self._asked: Bounded[Key, int] = Bounded(MAX_COUNTED)
        self._modules = Modules(MAX_CHARACTERS)
        self._folding: asyncio.Task[None] | None = None
        self._general = dict(self._load_general() if sliced else ())

    def _load_general(self) -> Iterator[tuple[str, tuple[Module, ...]]]:
        """Modules for every question about an action, so that nobody waits for one. A lean
        module does not look at the action: two actions with the same rules share it."""
        made: dict[str, Module] = {}
        for action in self._program.actions:
            parts = [named(part, self._program.actions[0]) for part in self._folder.general(action)]
            digests = [program_digest(part) for part in parts]
            for digest, part in zip(digests, parts, strict=True):
                if digest not in made:
                    policy = rego_policy(part, lean=True)
                    made[digest] = load(part, policy, lean=True, room=self._room)
            yield action, tuple(made[digest] for digest in digests)

    def forget(self) -> None:
        """Let go of every module that is not the published one."""
        self._modules = Modules(MAX_CHARACTERS)
        self._folder.forget()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until no other question is evaluated, and let none be for the block; raises as
        `turn_of`."""
        limit_s = self._queue_timeout_s
        await turn_of(
            self.name,
            self._turns.acquire,
            lambda: self._turns_ended,
            limit_s,
            is_free=not self._turns.locked(),
        )
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

    @property
    def at_once(self) -> Callable[[Question], Answer] | None:
        """As `gateway.pdp.combine.AtOnce` says: alone, and while no module is made."""
        return self._answer if self._alone and not self._turns.locked() else None

    def _answer(self, question: Question) -> Answer:
        if question.action not in self._program.actions:
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        return self._check.answer(self._question(question)())

    async def ask(self, question: Question) -> Answer:
        if question.action not in self._program.actions:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        if self._alone:
            return self._answer(question)
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
        modules = self._modules_for(keys, question)
        return lambda: together([self._evaluate(module, question) for module in modules])

    # --- modules for what is asked about often ------------------------------------------

    def _modules_for(self, keys: Keys, question: Question) -> Sequence[Module]:
        """The smallest module there is, or several that have all together; after enough
        questions a smaller one is begun."""
        wide = keys.wide[0] if len(keys.wide) == 1 else None
        for key, after in ((keys.narrow, self._fold_after), (wide, MAKE_AFTER)):
            module = None if key is None else self._modules.get(key)
            if module is not None:
                return (module,)
            if key is not None:
                self._count(key, after, question)
        general = self._general[question.action]
        return [general[number] for number in keys.general]

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
            unknown = self._folder.unknown(key)
            policy = rego_policy(program, lean=True, unknown=unknown)
            return load(program, policy, lean=True, room=self._room)
        except ConfigurationError as error:
            raise EngineAnswerError(self.name, str(error)) from error

    def _unfolded(self, key: Key) -> Program:
        if self._folder.is_whole(key):
            return self._program
        return self._folder.unfolded(key[0], key[2])

    async def close(self) -> None:
        if self._folding is not None and not self._folding.done():
            self._folding.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _evaluate(self, module: Module, question: Question) -> RawAnswer:
        return rego_answer(self.name, module.ask(self.name, question), module.digest)
