"""Rego in this process, through regopy, where no OPA server is configured.

Only modules that `dsl.to_rego` emitted are loaded: regopy takes a call it does not know
for undefined, and `not` of that for true. For the same reason the input is our own
JSON, with text as UTF-8 and not as escapes, which regopy leaves undecoded; and an
answer counts only if it is `ok()` and exactly the expected object.

The interpreter is not safe to share, so questions are put one at a time, in a thread:
regopy releases the interpreter's lock while it works. Whoever has a time limit waits for
a `turn` first. An interpreter that hangs keeps its turn, and every later question is
refused.

regopy looks at every rule, and takes milliseconds for it. So where a place is asked about
again and again, a module is prepared in which its facts and the dates are settled already
(`gateway.pdp.folded`). Cedar is not given such policies: a fault in folding would be a
difference between the two, and no permit.
"""

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from regopy import Bundle, Interpreter, LogLevel, RegoError

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_rego import rego_policy
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineError,
    EngineUnavailableError,
    OverloadedError,
)
from gateway.pdp.engine import AnswerCheck, RawAnswer, rego_answer
from gateway.pdp.folded import Folder, Key, only
from gateway.pdp.memo import Bounded

QUEUE_TIMEOUT_S = 0.5
# A module takes some 50 to 100 ms to make and 7 MB; a question saves 1 to 3 ms by it.
FOLD_AFTER = 64
MAX_FOLDED = 8
MAX_COUNTED = 4096
# Nobody is answered while a module is made, and that must be over before a queue is refused.
MAX_RULES_FOLDED = 32
_ENTRY_POINT = "charter/answer"

log = logging.getLogger("charter")


@dataclass(frozen=True, slots=True)
class _Slice:
    """A module, prepared. `digest` is that of the program it was compiled from, `facts` are
    the paths it reads."""

    interpreter: Interpreter
    bundle: Bundle
    digest: str
    facts: frozenset[str]


class RegoEngine:
    """regopy with one program loaded.

    Args:
        program: What to load.
        sliced: Whether to prepare a slice for each action, which is faster, or the
            whole program, as it is published. The answers are the same.
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
        if sliced:
            self._slices = {a: _load(only(program, a)) for a in program.actions}
        else:
            self._slices = dict.fromkeys(program.actions, _load(program))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="charter-rego")
        self._queue_timeout_s = queue_timeout_s
        self._turns = asyncio.Semaphore(1)
        self._turns_ended = 0
        self._work: Future[Any] | None = None  # what was begun last
        self._folder = Folder(program)
        self._fold_after = fold_after
        self._foldable = frozenset(
            action
            for action in program.actions
            if sum(action in rule.actions for rule in program.rules) <= MAX_RULES_FOLDED
        )
        self._asked: Bounded[Key, int] = Bounded(MAX_COUNTED)
        self._folded: Bounded[Key, _Slice] = Bounded(MAX_FOLDED)
        self._folding: asyncio.Task[None] | None = None

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
        part = self._slices.get(question.action)
        if part is None:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        if self._fold_after is not None and question.action in self._foldable:
            part = self._part_for(question) or part
        try:
            self._work = work = self._thread.submit(self._evaluate, part, question)
        except RuntimeError as error:
            raise EngineUnavailableError(self.name, "the engine is closed") from error
        return self._check.answer(await asyncio.wrap_future(work))

    # --- modules for places that are asked about often -----------------------------------

    def _part_for(self, question: Question) -> _Slice | None:
        """The module of a place, where there is one; after enough questions it is begun."""
        key = self._folder.key(question)
        if key is None:
            return None
        part = self._folded.get(key)
        if part is None:
            asked = (self._asked.get(key) or 0) + 1
            self._asked.put(key, asked)
            if asked >= (self._fold_after or 0) and self._is_idle():
                self._asked.put(key, 0)  # should it fail, try again, and not at once
                self._folding = asyncio.create_task(self._fold(key, question))
        return part

    def _is_idle(self) -> bool:
        return self._folding is None or self._folding.done()

    async def _fold(self, key: Key, question: Question) -> None:
        """Prepare a module; in a turn of its own, for no other question may run then."""
        with suppress(EngineError, OverloadedError, RuntimeError, ConfigurationError):
            async with self.turn():
                self._work = work = self._thread.submit(self._load_folded, question)
                part = await asyncio.wrap_future(work)
            if part is not None:
                self._folded.put(key, part)

    def _load_folded(self, question: Question) -> _Slice | None:
        program = self._folder.program(question)
        if evaluate(program, question) != evaluate(self._program, question):
            log.error("a program folded for %s answers otherwise; it is not used", question.action)
            return None
        return _load(program)

    async def close(self) -> None:
        if self._folding is not None and not self._folding.done():
            self._folding.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _evaluate(self, part: _Slice, question: Question) -> RawAnswer:
        # What no rule reads can be large, and cannot matter.
        read = {path: value for path, value in question.facts.items() if path in part.facts}
        try:
            document = json.dumps(replace(question, facts=read).document(), ensure_ascii=False)
            part.interpreter.set_input_term(document)
            output = part.interpreter.query_bundle_entrypoint(part.bundle, _ENTRY_POINT)
            results = output.results if output.ok() else []
        except (RegoError, ValueError, TypeError) as error:
            # A ValueError: what regopy printed is no JSON, as for some kinds of error.
            raise EngineAnswerError(self.name, f"the evaluation failed: {error}") from error
        if len(results) != 1 or len(results[0].expressions) != 1 or results[0].bindings:
            raise EngineAnswerError(self.name, "the evaluation gave no single answer")
        return rego_answer(self.name, results[0].expressions[0], part.digest)


def _load(part: Program) -> _Slice:
    policy = rego_policy(part)
    interpreter = Interpreter()
    interpreter.log_level = LogLevel.NONE
    interpreter.strict_built_in_errors = True
    try:
        interpreter.add_module("charter.rego", policy.module)
        if policy.data:
            interpreter.add_data_json(json.dumps(policy.data, ensure_ascii=False))
        bundle = interpreter.build(None, [_ENTRY_POINT])
    except RegoError as error:
        raise ConfigurationError(f"regopy does not accept the module: {error}") from error
    if not bundle.ok():
        raise ConfigurationError("regopy does not accept the module")
    return _Slice(interpreter, bundle, program_digest(part), paths_read(part))
