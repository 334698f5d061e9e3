"""Cedar in this process, through cedarpy.

A question is put to a slice of the published policies: those of the rules and duties that
can bear on it (`gateway.pdp.slices`), parsed once and kept. It costs two authorisation
calls, on the event loop, for cedarpy holds the interpreter's lock anyway.

The schema goes with each call: without it a mistyped attribute would be an error
inside a policy, and Cedar skips a policy with an error, a prohibition as well. It
cannot hold a vocabulary, so facts are compared with theirs before the call.
"""

# cedarpy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import cedarpy

from dsl.cedar_conditions import TODAY
from dsl.core import FactType, Kind, Program
from dsl.evaluate import Answer
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS, Question
from dsl.fold import paths_read
from dsl.to_cedar import (
    DUTIES,
    WHY,
    CedarParts,
    Part,
    cedar_parts,
    cedar_schema,
    policy_set,
    shared_values,
)
from gateway.errors import ConfigurationError, EngineAnswerError
from gateway.pdp.engine import AnswerCheck, RawAnswer
from gateway.pdp.memo import Bounded
from gateway.pdp.slices import Index, Item, read_by

_PRINCIPAL = {"type": "Subject", "id": "subject"}
_RESOURCE = {"type": "Resource", "id": "resource"}


# Slices that are kept parsed; one of 60 policies takes a few milliseconds to parse.
MAX_SLICES = 64


@dataclass(frozen=True, slots=True)
class _Slice:
    """Policies, parsed. `facts` has a test of fitness for each fact read."""

    decide: cedarpy.PolicySet
    why: cedarpy.PolicySet
    duties: cedarpy.PolicySet
    facts: Mapping[str, Callable[[object], bool]]


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
        self._time_zones = program.time_zones()
        self._fitness = {path: _fitness(program.facts[path]) for path in paths_read(program)}
        try:
            self._schema = _checked_schema(cedar_schema(program, shared=sliced), self._parts)
            self._whole = None if sliced else self._load(None)
        except ValueError as error:
            raise ConfigurationError(f"Cedar does not accept the policies: {error}") from error
        # Cedar's slices are larger than those of other engines, of what they have in common.
        self._indexes = {a: Index(program, a, denied=False) for a in program.actions}
        self._slices: Bounded[tuple[str, int], _Slice] = Bounded(MAX_SLICES)

    def forget(self) -> None:
        """Let go of every slice."""
        self._slices = Bounded(MAX_SLICES)
        for index in self._indexes.values():
            index.forget()

    def _slice(self, question: Question) -> _Slice | None:
        """The policies to ask; None where no rule is about the action."""
        index = self._indexes.get(question.action)
        if index is None or self._whole is not None:
            return self._whole if index is not None else None
        key = (question.action, index.select(question).items)
        part = self._slices.get(key)
        if part is None:
            try:
                part = self._load({item.id: item for item in index.chosen(key[1])})
            except ValueError as error:
                raise EngineAnswerError(self.name, f"it refuses a slice: {error}") from error
            self._slices.put(key, part)
        return part

    def _load(self, chosen: Mapping[str, Item] | None) -> _Slice:
        """The policies of some rules and duties, or of all."""

        def parsed(parts: Iterable[Part]) -> cedarpy.PolicySet:
            kept = parts if chosen is None else (part for part in parts if part[0] in chosen)
            return cedarpy.PolicySet.from_str(policy_set(kept))

        fitness = self._fitness
        if chosen is not None:
            read = {path for item in chosen.values() for path in read_by(item.condition)}
            fitness = {path: self._fitness[path] for path in sorted(read)}
        parts = self._parts
        return _Slice(parsed(parts.decide), parsed(parts.why), parsed(parts.duties), fitness)

    async def ask(self, question: Question) -> Answer:
        return self.at_once(question)

    def at_once(self, question: Question) -> Answer:
        """As `ask`, which waits for nothing."""
        part = self._slice(question)
        if part is None:
            # No rule can apply to an action that no rule names.
            return self._check.answer(RawAnswer((), (), (), broken=(), open=()))
        context = self._context(part, question)
        allowed, ids = self._authorise(part.decide, "", question.action, context)
        if allowed:
            _, named = self._authorise(part.duties, DUTIES, question.action, context)
            told = self._check.told(named)
            return self._check.answer(
                RawAnswer(
                    # Nothing but these three has a place here.
                    [*told.prohibitions, *told.permissions],
                    ids,
                    told.noted,
                    duties=told.duties,
                    preferred=told.preferences,
                )
            )
        # Cedar names the prohibitions alone where one applies: its answer is in normal form.
        _, named = self._authorise(part.why, WHY, question.action, context)
        told = self._check.told(named)
        broken = [*told.prohibitions, *told.duties, *told.preferences]
        return self._check.answer(
            RawAnswer(ids, (), told.noted, broken=broken, open=told.permissions)
        )

    async def close(self) -> None:
        """There is nothing to close."""

    def _context(self, part: _Slice, question: Question) -> str:
        """The facts that the rules read and the days, as Cedar's JSON."""
        context: dict[str, object] = {}
        for path, is_fit in part.facts.items():
            value = question.facts.get(path)
            if value is not None:
                if not is_fit(value):
                    raise EngineAnswerError(self.name, f"`{path}` is not in its fit form")
                context[path] = value
        for zone in self._time_zones:
            if zone in question.today:
                context[TODAY + zone] = question.today[zone]
        try:
            return json.dumps(context)
        except (TypeError, ValueError) as error:
            raise EngineAnswerError(self.name, "a day is no number") from error

    def _authorise(
        self, policies: cedarpy.PolicySet, prefix: str, action: str, context: str
    ) -> tuple[bool, list[str]]:
        """Whether Cedar allows, and the `@id` of every policy that determined it."""
        if len(policies) == 0:
            return False, []
        result = cedarpy.is_authorized(
            {
                "principal": _PRINCIPAL,
                "action": {"type": "Action", "id": prefix + action},
                "resource": _RESOURCE,
                "context": context,
            },
            policies,
            self._entities,
            self._schema,
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


def _entities(values: Mapping[str, tuple[str, ...]]) -> cedarpy.Entities:
    resource = {"uid": _RESOURCE, "attrs": values, "parents": []}
    return cedarpy.Entities.from_json_str(json.dumps([resource] if values else []))


def _checked_schema(text: str, parts: CedarParts) -> cedarpy.Schema:
    """The schema, which all policies pass strictly, and so any of them; a ValueError where
    they do not."""
    schema = cedarpy.Schema.from_str(text)
    for policies in (parts.decide, parts.why, parts.duties):
        verdict = cedarpy.validate_policies(policy_set(policies), schema)
        if not verdict.validation_passed:
            raise ValueError("; ".join(str(error) for error in verdict.errors))
    return schema


def _fitness(fact: FactType) -> Callable[[object], bool]:
    """A test that is true of every value `dsl.facts.fit` gives, and of no value out of
    the vocabulary or not closed in the taxonomy; types alone are left to the schema."""
    match fact.kind:
        case Kind.TRUTH:
            return lambda value: isinstance(value, bool)
        case Kind.INTEGER:
            return _range_test(-MAX_INTEGER if fact.may_be_negative else 0, MAX_INTEGER)
        case Kind.DAY:
            return _range_test(FIRST_DAY, LAST_DAY)
        case Kind.TERM:
            return _term_test(fact)
        case Kind.TERMS:
            return _terms_test(fact)


def _range_test(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and least <= value <= most


def _term_test(fact: FactType) -> Callable[[object], bool]:
    if fact.values is None:
        return lambda value: (
            isinstance(value, str) and 0 < len(value) <= MAX_TERM_LENGTH and value.isprintable()
        )
    vocabulary = frozenset(fact.values)
    return lambda value: isinstance(value, str) and value in vocabulary


def _terms_test(fact: FactType) -> Callable[[object], bool]:
    is_term = _term_test(fact)
    above = {term: frozenset(terms) for term, terms in fact.broader.items() if terms}

    def is_fit(value: object) -> bool:
        if not isinstance(value, (tuple, list)):
            return False
        terms = cast("Sequence[str]", value)
        enough = len(terms) > 0 or fact.may_be_empty
        if not enough or len(terms) > MAX_TERMS or not all(is_term(term) for term in terms):
            return False
        return not above or all(above[t].issubset(terms) for t in terms if t in above)

    return is_fit
