"""Rego modules in regopy: loaded, asked, and kept as long as there is room.

Only modules that `dsl.to_rego` emitted may be loaded; see `gateway.pdp.engine_rego`.
"""

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from threading import Lock
from typing import cast

from regopy import Bundle, Input, Interpreter, RegoError

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_rego import RegoPolicy
from gateway.errors import ConfigurationError, EngineAnswerError
from gateway.pdp.folded import Narrow, Wide
from gateway.pdp.lean import facts_read, joined_answer, lean_document
from gateway.pdp.rego_compact import Room, new_interpreter

_ENTRY_POINT = "charter/answer"

Key = Wide | Narrow


@dataclass(frozen=True, slots=True)
class Module:
    """A module, prepared. `digest` is that of the program it was compiled from, `facts` are
    the paths it reads and `time_zones` the zones, `size` is its length in characters, `lean`
    whether it is no published one. It must not be asked by two threads at once."""

    interpreter: Interpreter
    bundle: Bundle
    digest: str
    facts: frozenset[str]
    time_zones: tuple[str, ...]
    size: int
    lean: bool

    def ask(self, engine: str, question: Question) -> object:
        """What it says to a question, in the form of a published module.

        Raises:
            EngineAnswerError: Of this engine: it gives no single answer.
        """
        try:
            if self.lean:
                document = lean_document(question, self.facts, self.time_zones)
                self.interpreter.set_input(Input(escaped(document)))
            else:
                self.interpreter.set_input_term(
                    json.dumps(self._document(question), ensure_ascii=False)
                )
            output = self.interpreter.query_bundle_entrypoint(self.bundle, _ENTRY_POINT)
            results = output.results if output.ok() else []
        except (RegoError, ValueError, TypeError) as error:
            # A ValueError: what regopy printed is no JSON, as for some kinds of error.
            raise EngineAnswerError(engine, f"the evaluation failed: {error}") from error
        if len(results) != 1 or len(results[0].expressions) != 1 or results[0].bindings:
            raise EngineAnswerError(engine, "the evaluation gave no single answer")
        said = results[0].expressions[0]
        return joined_answer(said) if self.lean else said

    def _document(self, question: Question) -> dict[str, object]:
        read = facts_read(question, self.facts)
        return {"action": question.action, "today": dict(question.today), "facts": read}


def escaped(value: object) -> object:
    """A value as regopy takes it without a text of JSON in between, which costs twice as much:
    strings as they stand in JSON, for it compares them so. Fit values alone, for it cuts a
    string at a zero and a number at 64 bits."""
    if isinstance(value, str):
        return encode_basestring(value)[1:-1]
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {encode_basestring(name)[1:-1]: escaped(member) for name, member in members.items()}
    if isinstance(value, list | tuple):
        return [escaped(member) for member in cast("Sequence[object]", value)]
    return value


class Modules:
    """Modules by key, as many as fit a size, least recently used out first. They are put
    there by one thread and looked up by another."""

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self._known: OrderedDict[Key, Module] = OrderedDict()
        self._lock = Lock()

    def kept(self) -> list[Key]:
        with self._lock:
            return list(self._known)

    def get(self, key: Key) -> Module | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: Key, module: Module) -> None:
        with self._lock:
            self._known[key] = module
            while len(self._known) > 1 and self.size > self.characters:
                self._known.popitem(last=False)

    @property
    def size(self) -> int:
        """Characters of all of them."""
        return sum(module.size for module in self._known.values())


def load(
    program: Program, policy: RegoPolicy, *, lean: bool = False, room: Room | None = None
) -> Module:
    """The module of a program, prepared; `lean` as it was emitted. With a room it takes a tenth
    of the memory.

    Raises:
        ConfigurationError: regopy cannot build it.
    """
    # Comments are for people.
    text = "\n".join(line for line in policy.module.split("\n") if not line.startswith("#"))
    interpreter = new_interpreter()
    try:
        interpreter.add_module("charter.rego", text)
        if policy.data:
            interpreter.add_data_json(json.dumps(policy.data, ensure_ascii=False))
        bundle = interpreter.build(None, [_ENTRY_POINT])
    except RegoError as error:
        raise ConfigurationError(f"regopy does not accept the module: {error}") from error
    if not bundle.ok():
        raise ConfigurationError("regopy does not accept the module")
    if room is not None:
        interpreter, bundle = room.compact(interpreter, bundle)
    return Module(
        interpreter,
        bundle,
        program_digest(program),
        paths_read(program),
        program.time_zones(),
        len(text),
        lean,
    )
