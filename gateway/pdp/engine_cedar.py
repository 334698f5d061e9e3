"""Cedar in this process, through cedarpy.

A question is put to a slice of the published policies: those of the rules and duties that
can bear on it (`gateway.pdp.cedar_slices`), parsed once and kept. It costs one authorisation call
where the answer is a permit and two where it is none, on the event loop, for cedarpy holds
the interpreter's lock anyway.

A mistyped attribute would be an error inside a policy, and Cedar skips a policy with an
error, a prohibition as well; and values of two types are different, which is no error. All
policies have passed the schema strictly, so it is enough that each fact is exactly of its
type, which is looked at here together with its vocabulary, and that every day is there. The
whole program, as it is published, is asked with the schema besides.
"""

# cedarpy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cedarpy

from dsl.cedar_conditions import TODAY
from dsl.core import Program
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_cedar import (
    ASKED,
    DUTIES,
    WHY,
    CedarParts,
    cedar_parts,
    cedar_schema,
    policy_set,
    shared_values,
)
from gateway.errors import ConfigurationError, EngineAnswerError
from gateway.pdp.cedar_slices import CedarSlices, Slice, parsed_set
from gateway.pdp.engine import AnswerCheck, RawAnswer, Told
from gateway.pdp.fitness import IsFit, fitness, is_number

_PRINCIPAL = {"type": "Subject", "id": "subject"}
_RESOURCE = {"type": "Resource", "id": "resource"}
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class _Whole:
    """All policies as they are published, parsed."""

    decide: cedarpy.PolicySet
    why: cedarpy.PolicySet
    duties: cedarpy.PolicySet
    facts: tuple[tuple[str, IsFit], ...]


class CedarEngine:
    """Cedar with one program loaded.

    Args:
        program: What to load.
        sliced: Whether to ask slices, which is faster, or the whole program. The answers
            are the same.

    Raises:
        ConfigurationError: The emitted policies do not pass strict validation.
    """

    name = "cedar"

    def __init__(self, program: Program, *, sliced: bool = True) -> None:
        self._check = AnswerCheck(self.name, program)
        # As it is published, or with large sets of values read once and for all.
        self._parts = cedar_parts(program, shared=sliced)
        self._entities = _entities(shared_values(program) if sliced else {})
        self._actions = frozenset(program.actions)
        self._days = tuple((zone, TODAY + zone) for zone in program.time_zones())
        try:
            self._schema = _checked_schema(cedar_schema(program, shared=sliced), self._parts)
            self._whole = None if sliced else self._load_whole(program)
        except ValueError as error:
            raise ConfigurationError(f"Cedar does not accept the policies: {error}") from error
        self._slices = CedarSlices(program, self._parts) if sliced else None

    def forget(self) -> None:
        """Let go of every slice."""
        if self._slices is not None:
            self._slices.forget()

    def checked(self) -> None:
        """As `gateway.pdp.combine.Checked` says: all but what is for every question."""
        if self._slices is not None:
            self._slices.let_go()

    def _slice(self, question: Question) -> Slice | None:
        if self._slices is None:
            return None
        try:
            return self._slices.of(question)
        except ValueError as error:
            raise EngineAnswerError(self.name, f"it refuses a slice: {error}") from error

    def _load_whole(self, program: Program) -> _Whole:
        facts = tuple((path, fitness(program.facts[path])) for path in paths_read(program))
        policies = (self._parts.decide, self._parts.why, self._parts.duties)
        decide, why, duties = map(parsed_set, policies)
        return _Whole(decide, why, duties, facts)

    async def ask(self, question: Question) -> Answer:
        return self.at_once(question)

    def at_once(self, question: Question) -> Answer:
        """As `ask`, which waits for nothing."""
        if self._whole is not None and question.action in self._actions:
            return self._ask_whole(self._whole, question)
        part = self._slice(question)
        if part is None:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        context = self._context(part.facts, question)
        named = self._named(part.asked, ASKED + question.action, context)
        told = self._check.told(named)
        if told.permissions and not told.prohibitions:
            return self._check.answer(_permit(told, (), told.permissions))
        # Cedar's answer is in normal form: what refuses is named alone.
        return self._refusal(part.why, told.prohibitions, question.action, context)

    def _ask_whole(self, whole: _Whole, question: Question) -> Answer:
        """The same by Cedar's own decision."""
        context = self._context(whole.facts, question)
        allowed, ids = self._authorise(whole.decide, question.action, context)
        if not allowed:
            return self._refusal((whole.why,), ids, question.action, context)
        _, named = self._authorise(whole.duties, DUTIES + question.action, context)
        told = self._check.told(named)
        # Neither has a place among duties.
        return self._check.answer(_permit(told, [*told.prohibitions, *told.permissions], ids))

    def _refusal(
        self,
        policies: Sequence[cedarpy.PolicySet],
        denied: Sequence[str],
        action: str,
        context: str,
    ) -> Answer:
        """A refusal, with its reasons."""
        named = self._named(policies, WHY + action, context)
        told = self._check.told(named)
        broken = [*told.prohibitions, *told.duties, *told.preferences]
        raw = RawAnswer(denied, (), told.noted, broken=broken, open=told.permissions)
        return self._check.answer(raw)

    async def close(self) -> None:
        """There is nothing to close."""

    def _context(self, facts: Iterable[tuple[str, IsFit]], question: Question) -> str:
        """The facts that the rules read and the days, as Cedar's JSON. Each is exactly of the
        type that the schema gives it."""
        context: dict[str, object] = {}
        known = question.facts
        for path, is_fit in facts:
            value = known.get(path)
            if value is not None:
                if not is_fit(value):
                    raise EngineAnswerError(self.name, f"`{path}` is not in its fit form")
                context[path] = value
        for zone, attribute in self._days:
            day = question.today.get(zone)
            if not is_number(day):
                raise EngineAnswerError(self.name, f"there is no day for {zone}")
            context[attribute] = day
        return _ENCODE(context)

    def _named(self, sets: Sequence[cedarpy.PolicySet], action: str, context: str) -> list[str]:
        """The `@id` of every policy of some sets that applies, all of which permit."""
        return [name for one in sets for name in self._authorise(one, action, context)[1]]

    def _authorise(
        self, policies: cedarpy.PolicySet, action: str, context: str
    ) -> tuple[bool, list[str]]:
        """Whether Cedar allows, and the `@id` of every policy that determined it."""
        if len(policies) == 0:
            return False, []
        result = cedarpy.is_authorized(
            {
                "principal": _PRINCIPAL,
                "action": {"type": "Action", "id": action},
                "resource": _RESOURCE,
                "context": context,
            },
            policies,
            self._entities,
            # A slice is parts of what has passed the schema, and its context conforms to it.
            None if self._whole is None else self._schema,
        )
        diagnostics = result.diagnostics
        if diagnostics.errors or result.decision is cedarpy.Decision.NoDecision:
            detail = "; ".join(str(error) for error in diagnostics.errors) or "no decision"
            raise EngineAnswerError(self.name, detail)
        names = diagnostics.id_annotations_by_reason
        try:
            return result.allowed, [names[reason] for reason in diagnostics.reasons]
        except KeyError as reason:
            detail = f"the policy {reason} determined the answer and has no id"
            raise EngineAnswerError(self.name, detail) from reason


def _permit(told: Told, denied: Sequence[str], granted: Sequence[str]) -> RawAnswer:
    return RawAnswer(denied, granted, told.noted, duties=told.duties, preferred=told.preferences)


def _entities(values: Mapping[str, tuple[str, ...]]) -> cedarpy.Entities:
    resource = {"uid": _RESOURCE, "attrs": values, "parents": []}
    return cedarpy.Entities.from_json_str(json.dumps([resource] if values else []))


def _checked_schema(text: str, parts: CedarParts) -> cedarpy.Schema:
    """The schema, which all policies pass strictly, and so any of them; a ValueError where
    they do not."""
    schema = cedarpy.Schema.from_str(text)
    for policies in (parts.decide, parts.why, parts.duties, parts.asked):
        verdict = cedarpy.validate_policies(policy_set(policies), schema)
        if not verdict.validation_passed:
            raise ValueError("; ".join(str(error) for error in verdict.errors))
    return schema
