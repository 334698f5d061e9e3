"""What the gateway asks of a policy engine, and what it believes of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from dsl.core import Effect, Program
from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.errors import EngineAnswerError


class Engine(Protocol):
    """One engine with one program loaded.

    `ask` gives the answer `dsl.evaluate.evaluate` defines, in the same normal form, or
    raises an `EngineError`; nothing else escapes. It may be called by many tasks at
    once. After `close` it must not be asked.
    """

    @property
    def name(self) -> str:
        """A short name for records and messages, such as `cedar`."""
        ...

    async def ask(self, question: Question) -> Answer: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What an engine said before anybody believed it. The last three are None where the
    engine was not asked, or had nothing to add."""

    denied: Sequence[str]
    granted: Sequence[str]
    broken: Sequence[str] | None = None
    open: Sequence[str] | None = None
    duties: Sequence[str] | None = None


class AnswerCheck:
    """Turns what an engine said into an answer, or into an `EngineAnswerError`.

    Only ids of the program in their own place pass; a permit comes with its duties and
    a refusal with its reasons; and what is certainly broken must be denied.
    """

    def __init__(self, engine: str, program: Program) -> None:
        self._engine = engine
        self._prohibitions = _ids(program, Effect.FORBID)
        self._permissions = _ids(program, Effect.PERMIT)
        self._duties = frozenset(duty.id for rule in program.rules for duty in rule.duties)

    def answer(self, raw: RawAnswer) -> Answer:
        denied = self._known(raw.denied, self._prohibitions, "denied")
        granted = self._known(raw.granted, self._permissions, "granted")
        if granted and not denied:
            if raw.broken is not None or raw.open is not None:
                raise self._error("it permits and yet gives reasons to refuse")
            return Answer(denied, granted, duties=self._known(raw.duties, self._duties, "duties"))
        if raw.duties is not None:
            raise self._error("it refuses and yet names duties")
        broken = self._known(raw.broken, self._prohibitions, "broken")
        possible = self._known(raw.open, self._permissions, "open")
        if not broken <= denied:
            # The two policies of one rule contradict each other.
            raise self._error(f"certainly broken but not denied: {_listed(broken - denied)}")
        if not granted <= possible:
            raise self._error(f"granted but not open: {_listed(granted - possible)}")
        return Answer(denied, frozenset() if denied else granted, broken=broken, open=possible)

    def partition(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Ids of prohibitions and of permissions told apart, for engines that list them
        together; what is neither goes with the former and fails there."""
        possible = [identity for identity in ids if identity in self._permissions]
        return [identity for identity in ids if identity not in self._permissions], possible

    def _known(
        self, ids: Sequence[str] | None, allowed: frozenset[str], member: str
    ) -> frozenset[str]:
        if ids is None:
            raise self._error(f"`{member}` is missing")
        found = frozenset(ids)
        if not found <= allowed:
            raise self._error(
                f"`{member}` names what the program has not: {_listed(found - allowed)}"
            )
        if len(found) != len(ids):
            raise self._error(f"`{member}` names a rule twice")
        return found

    def _error(self, detail: str) -> EngineAnswerError:
        return EngineAnswerError(self._engine, detail)


def rego_answer(engine: str, value: object, program_digest: str) -> RawAnswer:
    """What `data.charter.answer` says; exactly that object or an `EngineAnswerError`.

    The digest tells an old bundle on somebody's server from ours.
    """
    if not isinstance(value, Mapping):
        raise EngineAnswerError(engine, "the answer is no object")
    answer = cast("Mapping[str, object]", value)
    if answer.get("program") != program_digest:
        raise EngineAnswerError(engine, "the answer is that of another program")
    if set(answer) == {"program", "denied", "granted", "duties"}:
        members = ("denied", "granted", "duties")
    elif set(answer) == {"program", "denied", "granted", "broken", "open"}:
        members = ("denied", "granted", "broken", "open")
    else:
        raise EngineAnswerError(engine, "the answer has not the expected members")
    return RawAnswer(**{member: _strings(engine, answer[member], member) for member in members})


def _strings(engine: str, value: object, member: str) -> list[str]:
    if isinstance(value, list):
        items = cast("list[object]", value)
        if all(isinstance(item, str) for item in items):
            return cast("list[str]", items)
    raise EngineAnswerError(engine, f"`{member}` is no list of ids")


def _ids(program: Program, effect: Effect) -> frozenset[str]:
    return frozenset(rule.id for rule in program.rules if rule.effect is effect)


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids)[:5])
