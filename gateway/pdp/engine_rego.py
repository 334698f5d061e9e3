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

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, cast

from regopy import Bundle, Interpreter, LogLevel, RegoError

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_rego import RegoPolicy, rego_policy
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineError,
    EngineUnavailableError,
    OverloadedError,
)
from gateway.pdp.engine import AnswerCheck, RawAnswer, rego_answer
from gateway.pdp.folded import Folder, Narrow, Wide
from gateway.pdp.memo import Bounded

QUEUE_TIMEOUT_S = 0.5
# A module takes some 10 to 30 ms to make; a question saves half a millisecond by it.
FOLD_AFTER = 64
MAX_COUNTED = 4096
# Of the modules that are kept, in characters; one takes some 270 bytes of memory for each.
MAX_CHARACTERS = 200_000
_ENTRY_POINT = "charter/answer"

log = logging.getLogger("charter")

Key = Wide | Narrow


@dataclass(frozen=True, slots=True)
class _Module:
    """A module, prepared. `digest` is that of the program it was compiled from, `facts` are
    the paths it reads, `size` is its length in characters, `lean` whether it is no published
    one."""

    interpreter: Interpreter
    bundle: Bundle
    digest: str
    facts: frozenset[str]
    size: int
    lean: bool
    time_zones: tuple[str, ...]


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
        self._whole = None if sliced else _load(program, rego_policy(program))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="charter-rego")
        self._queue_timeout_s = queue_timeout_s
        self._turns = asyncio.Semaphore(1)
        self._turns_ended = 0
        self._work: Future[Any] | None = None  # what was begun last
        self._folder = Folder(program)
        self._fold_after = fold_after
        self._asked: Bounded[Narrow, int] = Bounded(MAX_COUNTED)
        self._modules = _Modules(MAX_CHARACTERS)
        self._folding: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Let go of every module that is not the published one."""
        self._modules = _Modules(MAX_CHARACTERS)
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
        narrow = self._module_of_place(keys.narrow, question)
        if narrow is not None:
            return partial(self._evaluate, narrow, question)
        module = self._modules.get(keys.wide)
        if module is None:
            return partial(self._make_and_evaluate, self._modules, keys.wide, question)
        return partial(self._evaluate, module, question)

    def _make_and_evaluate(self, modules: "_Modules", key: Key, question: Question) -> RawAnswer:
        module = self._make(key, question)
        modules.put(key, module)
        return self._evaluate(module, question)

    # --- modules for places that are asked about often -----------------------------------

    def _module_of_place(self, key: Narrow | None, question: Question) -> _Module | None:
        """The module of a place, where there is one; after enough questions it is begun."""
        if key is None or self._fold_after is None:
            return None
        module = self._modules.get(key)
        if module is None:
            asked = (self._asked.get(key) or 0) + 1
            self._asked.put(key, asked)
            if asked >= self._fold_after and self._is_idle():
                self._asked.put(key, 0)  # should it fail, try again, and not at once
                self._folding = asyncio.create_task(self._fold(key, question))
        return module

    def _is_idle(self) -> bool:
        return self._folding is None or self._folding.done()

    async def _fold(self, key: Narrow, question: Question) -> None:
        """Prepare a module; in a turn of its own, for no other question may run then."""
        modules = self._modules
        with suppress(EngineError, OverloadedError, RuntimeError):
            async with self.turn():
                self._work = work = self._thread.submit(self._make, key, question)
                modules.put(key, await asyncio.wrap_future(work))

    def _make(self, key: Key, question: Question) -> _Module:
        """A module for the questions of a key, if it says of this one what the whole does."""
        program = self._folder.program(question, key)
        if evaluate(program, question) != evaluate(self._program, question):
            log.error("a program folded for %s answers otherwise; it is not used", question.action)
            raise EngineAnswerError(self.name, "a slice of the program answers otherwise")
        try:
            return _load(program, rego_policy(program, lean=True), lean=True)
        except ConfigurationError as error:
            raise EngineAnswerError(self.name, str(error)) from error

    async def close(self) -> None:
        if self._folding is not None and not self._folding.done():
            self._folding.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _evaluate(self, part: _Module, question: Question) -> RawAnswer:
        # What no rule reads can be large, and cannot matter.
        # Nobody has looked at what the whole program is asked with.
        asked = cast("Mapping[str, object]", question.facts)
        read = {
            path: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
            for path, value in asked.items()
            if path in part.facts and value is not None  # null is as good as nothing
        }
        try:
            document = json.dumps({**_about(question, part), "facts": read}, ensure_ascii=False)
            part.interpreter.set_input_term(document)
            output = part.interpreter.query_bundle_entrypoint(part.bundle, _ENTRY_POINT)
            results = output.results if output.ok() else []
        except (RegoError, ValueError, TypeError) as error:
            # A ValueError: what regopy printed is no JSON, as for some kinds of error.
            raise EngineAnswerError(self.name, f"the evaluation failed: {error}") from error
        if len(results) != 1 or len(results[0].expressions) != 1 or results[0].bindings:
            raise EngineAnswerError(self.name, "the evaluation gave no single answer")
        said = results[0].expressions[0]
        return rego_answer(self.name, _joined(said) if part.lean else said, part.digest)


class _Modules:
    """Modules by key, as many as fit a size, least recently used out first. They are put
    there by one thread and looked up by another."""

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self._known: OrderedDict[Key, _Module] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> _Module | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: Key, module: _Module) -> None:
        with self._lock:
            self._known[key] = module
            while len(self._known) > 1 and self._size() > self._characters:
                self._known.popitem(last=False)

    def _size(self) -> int:
        return sum(module.size for module in self._known.values())


def _about(question: Question, part: _Module) -> dict[str, object]:
    if part.lean:
        return {"today": {zone: question.today[zone] for zone in part.time_zones}}
    return {"action": question.action, "today": dict(question.today)}


def _joined(said: object) -> object:
    """The answer of a lean module as that of a published one; what is otherwise stays as it
    is, and will not be believed."""
    if not isinstance(said, dict):
        return said
    return {member: _flat(listed) for member, listed in said.items()}


def _flat(listed: object) -> object:
    if isinstance(listed, list) and all(isinstance(part, list) for part in listed):
        return [name for part in listed for name in part]
    return listed


def _load(part: Program, policy: RegoPolicy, *, lean: bool = False) -> _Module:
    # Comments are for people.
    module = "\n".join(line for line in policy.module.split("\n") if not line.startswith("#"))
    interpreter = Interpreter()
    interpreter.log_level = LogLevel.NONE
    interpreter.strict_built_in_errors = True
    try:
        interpreter.add_module("charter.rego", module)
        if policy.data:
            interpreter.add_data_json(json.dumps(policy.data, ensure_ascii=False))
        bundle = interpreter.build(None, [_ENTRY_POINT])
    except RegoError as error:
        raise ConfigurationError(f"regopy does not accept the module: {error}") from error
    if not bundle.ok():
        raise ConfigurationError("regopy does not accept the module")
    digest = program_digest(part)
    return _Module(
        interpreter, bundle, digest, paths_read(part), len(module), lean, part.time_zones()
    )
