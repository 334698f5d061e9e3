"""Rego in this process, through regopy, where no OPA server is configured.

Only modules that `dsl.to_rego` emitted are loaded: regopy takes a call it does not know
for undefined, and `not` of that for true. For the same reason the input is our own
JSON, with text as UTF-8 and not as escapes, which regopy leaves undecoded; and an
answer counts only if it is `ok()` and exactly the expected object.

The interpreter is not safe to share, so questions are put one at a time, in a thread:
regopy releases the interpreter's lock while it works. An interpreter that hangs keeps
that thread, and every later question runs into its time limit, which refuses.
"""

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from regopy import Bundle, Interpreter, LogLevel, RegoError

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.fold import slice_by_action
from dsl.to_rego import rego_policy
from gateway.errors import ConfigurationError, EngineAnswerError, EngineUnavailableError
from gateway.pdp.engine import AnswerCheck, RawAnswer, rego_answer

_ENTRY_POINT = "charter/answer"


@dataclass(frozen=True, slots=True)
class _Slice:
    """A module, prepared. `digest` is that of the program it was compiled from."""

    interpreter: Interpreter
    bundle: Bundle
    digest: str


class RegoEngine:
    """regopy with one program loaded.

    Args:
        program: What to load.
        sliced: Whether to prepare a slice for each action, which is faster, or the
            whole program, as it is published. The answers are the same.

    Raises:
        ConfigurationError: regopy cannot build the emitted module.
    """

    name = "rego"

    def __init__(self, program: Program, *, sliced: bool = True) -> None:
        self._check = AnswerCheck(self.name, program)
        if sliced:
            self._slices = {a: _load(slice_by_action(program, a)) for a in program.actions}
        else:
            self._slices = dict.fromkeys(program.actions, _load(program))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="charter-rego")

    async def ask(self, question: Question) -> Answer:
        part = self._slices.get(question.action)
        if part is None:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), broken=(), open=()))
        loop = asyncio.get_running_loop()
        try:
            raw = loop.run_in_executor(self._thread, self._evaluate, part, question)
        except RuntimeError as error:
            raise EngineUnavailableError(self.name, "the engine is closed") from error
        return self._check.answer(await raw)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _evaluate(self, part: _Slice, question: Question) -> RawAnswer:
        try:
            document = json.dumps(question.document(), ensure_ascii=False)
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
    return _Slice(interpreter, bundle, program_digest(part))
