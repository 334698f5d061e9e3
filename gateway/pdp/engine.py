"""What the gateway asks of a policy engine, and what it believes of the answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from dsl.core import Effect, Level, Program
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
    """What an engine said before anybody believed it. `broken` and `open` are None of a
    permit, `duties` and `preferred` of a refusal."""

    denied: Sequence[str]
    granted: Sequence[str]
    noted: Sequence[str]
    broken: Sequence[str] | None = None
    open: Sequence[str] | None = None
    duties: Sequence[str] | None = None
    preferred: Sequence[str] | None = None


def together(said: Sequence[RawAnswer]) -> RawAnswer:
    """What an engine says of a program, out of what it said of parts of it that each have all
    permissions: a permit where every part permits, and else a refusal with the reasons of
    those that refuse. At least one."""
    if len(said) == 1:
        return said[0]
    refusing = [one for one in said if one.broken is not None or one.open is not None]

    def union(parts: Iterable[Sequence[str] | None]) -> list[str]:
        return sorted({name for part in parts for name in part or ()})

    denied = union(one.denied for one in said)
    granted, noted = union(one.granted for one in said), union(one.noted for one in said)
    if refusing:
        broken, possible = (one.broken for one in refusing), (one.open for one in refusing)
        return RawAnswer(denied, granted, noted, broken=union(broken), open=union(possible))
    duties, preferred = (one.duties for one in said), (one.preferred for one in said)
    return RawAnswer(denied, granted, noted, duties=union(duties), preferred=union(preferred))


@dataclass(frozen=True, slots=True)
class Told:
    """Ids that an engine listed together, told apart by what they are in the program."""

    prohibitions: list[str]
    permissions: list[str]
    preferences: list[str]
    duties: list[str]
    noted: list[str]


class AnswerCheck:
    """Turns what an engine said into an answer, or into an `EngineAnswerError`.

    Only ids of the program in their own place pass; a permit comes with its duties and
    preferences and a refusal with its reasons; only rules that are not enforced are
    noted; and what is certainly broken must be denied.
    """

    def __init__(self, engine: str, program: Program) -> None:
        self._engine = engine
        self._prohibitions = _ids(program, Effect.FORBID)
        self._permissions = _ids(program, Effect.PERMIT)
        self._preferences = _ids(program, Effect.PREFER)
        self._duties = frozenset(
            duty.id for rule in program.rules if rule.level is Level.ENFORCE for duty in rule.duties
        )
        self._not_enforced = frozenset(
            rule.id
            for rule in program.rules
            if rule.level is not Level.ENFORCE and rule.effect in (Effect.FORBID, Effect.PERMIT)
        )

    def answer(self, raw: RawAnswer) -> Answer:
        denied = self._known(raw.denied, self._prohibitions, "denied")
        granted = self._known(raw.granted, self._permissions, "granted")
        noted = self._known(raw.noted, self._not_enforced, "noted")
        if granted and not denied:
            return self._permit(raw, granted, noted)
        return self._refusal(raw, denied, granted, noted)

    def _permit(self, raw: RawAnswer, granted: frozenset[str], noted: frozenset[str]) -> Answer:
        if raw.broken is not None or raw.open is not None:
            raise self._error("it permits and yet gives reasons to refuse")
        return Answer(
            frozenset(),
            granted,
            duties=self._known(raw.duties, self._duties, "duties"),
            preferred=self._known(raw.preferred, self._preferences, "preferred"),
            noted=noted,
        )

    def _refusal(
        self,
        raw: RawAnswer,
        denied: frozenset[str],
        granted: frozenset[str],
        noted: frozenset[str],
    ) -> Answer:
        if raw.duties is not None or raw.preferred is not None:
            raise self._error("it refuses and yet names duties or preferences")
        broken = self._known(raw.broken, self._prohibitions, "broken")
        possible = self._known(raw.open, self._permissions, "open")
        if not broken <= denied:
            # The two policies of one rule contradict each other.
            raise self._error(f"certainly broken but not denied: {_listed(broken - denied)}")
        if not granted <= possible:
            raise self._error(f"granted but not open: {_listed(granted - possible)}")
        return Answer(denied, frozenset(), broken=broken, open=possible, noted=noted)

    def told(self, ids: Sequence[str]) -> Told:
        """The ids told apart, for engines that list them together; what the program has
        not is among the prohibitions, and fails there."""
        told = Told([], [], [], [], [])
        places = (
            (self._permissions, told.permissions),
            (self._preferences, told.preferences),
            (self._duties, told.duties),
            (self._not_enforced, told.noted),
        )
        for identity in ids:
            places_of = (place for known, place in places if identity in known)
            next(places_of, told.prohibitions).append(identity)
        return told

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


# Of a permit, and of a refusal.
_MEMBERS = (
    ("denied", "granted", "noted", "duties", "preferred"),
    ("denied", "granted", "noted", "broken", "open"),
)


def rego_answer(engine: str, value: object, program_digest: str) -> RawAnswer:
    """What `data.charter.answer` says; exactly that object or an `EngineAnswerError`.

    The digest tells an old bundle on somebody's server from ours.
    """
    if not isinstance(value, Mapping):
        raise EngineAnswerError(engine, "the answer is no object")
    answer = cast("Mapping[str, object]", value)
    if answer.get("program") != program_digest:
        raise EngineAnswerError(engine, "the answer is that of another program")
    members = next((m for m in _MEMBERS if {"program", *m} == set(answer)), None)
    if members is None:
        raise EngineAnswerError(engine, "the answer has not the expected members")
    return RawAnswer(**{member: _strings(engine, answer[member], member) for member in members})


def _strings(engine: str, value: object, member: str) -> list[str]:
    if isinstance(value, list):
        items = cast("list[object]", value)
        if all(isinstance(item, str) for item in items):
            return cast("list[str]", items)
    raise EngineAnswerError(engine, f"`{member}` is no list of ids")


def _ids(program: Program, effect: Effect) -> frozenset[str]:
    enforced = (rule for rule in program.rules if rule.level is Level.ENFORCE)
    return frozenset(rule.id for rule in enforced if rule.effect is effect)


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids)[:5])
