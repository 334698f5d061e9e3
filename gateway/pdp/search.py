"""Search: for which entities, or actions, would a question be permitted?

Asking of each entity alone would give the same, and take too long. So entities are sorted
with the definition (`gateway.pdp.told_apart`, `dsl.evaluate`) into classes of one answer, and
the engines are asked about the first of each class, as for any decision: they must agree
with each other and with the definition, or nothing of that class is found.

What is found is no decision: nothing is recorded, and whoever acts asks for one first.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Literal

from dsl.core import OneOf, Origin, Place, Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.errors import OverloadedError, RequestError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import IncidentKind
from gateway.pdp.decision import Outcome
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.lenient import ActionSearch, Lenient, ResourceSearch, SubjectSearch, Understood
from gateway.pdp.memo import Bounded
from gateway.pdp.normalise import NO_CLAIMS, Claims, Days, Joined, Normaliser
from gateway.pdp.profiles import Profiles
from gateway.pdp.request import DecisionRequest
from gateway.pdp.search_sources import Join, SourceSearch, held, is_open
from gateway.pdp.supplied import NOTHING, FactSources, Supplied
from gateway.pdp.told_apart import Rows, atoms_of

Sought = Literal["subject", "resource"]
MAX_SEARCH_S = 2.0
_ROWS_KEPT = 16
_SHAPES = {"subject": SubjectSearch, "resource": ResourceSearch}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entity, by its id, or one action, by its name. `judged` is that of its class: of
    its facts, only those that rules tell apart are this one's."""

    id: str
    judged: Judged

    @property
    def permitted(self) -> bool:
        return self.judged.decision.outcome is Outcome.PERMIT

    @property
    def preference(self) -> int:
        return sum(preferred.rule.weight for preferred in self.judged.decision.preferences)

    @property
    def rank(self) -> tuple[bool, int, str]:
        """What comes first is less."""
        return (not self.permitted, -self.preference, self.id)


@dataclass(frozen=True)
class Searched:
    """Everything that was looked at: first what is permitted, more preferred first and then
    by id; then what is refused, by id. `asked` is how many questions were put."""

    candidates: tuple[Candidate, ...]
    asked: int

    @property
    def unanswered(self) -> int:
        """How many were refused because the engines gave no answer, or not one answer."""
        return sum(one.judged.combined.incident is not None for one in self.candidates)

    @staticmethod
    def of(candidates: Sequence[Candidate], asked: int) -> "Searched":
        return Searched(tuple(sorted(candidates, key=lambda one: one.rank)), asked)


@dataclass(frozen=True)
class _By:
    """Who searches, and under which profile."""

    tenant: str
    profile: str | None


class Searcher:
    """Searches with one program and one catalogue."""

    def __init__(
        self,
        program: Program,
        catalogue: Catalogue,
        judge: Judge,
        *,
        limit_s: float = MAX_SEARCH_S,
        sources: FactSources | None = None,
    ) -> None:
        self._sources = None if sources is None else SourceSearch(program, judge, sources)
        self._program = program
        self._catalogue = catalogue
        self._judge = judge
        self._limit_s = limit_s
        self._lenient = Lenient(program)
        self._normaliser = Normaliser(program, catalogue)
        self._profiles = Profiles(program)
        self._kept: Bounded[object, Rows] = Bounded(_ROWS_KEPT)

    async def entities(
        self, value: Mapping[str, object], sought: Sought, *, now: datetime, tenant: str
    ) -> Searched:
        """All entities of the type that stands at `sought`, whose id there is ignored. None
        where the question names something unknown.

        Raises:
            RequestError: The question has not the shape of a search.
            OverloadedError: It took too long; what was found out is remembered.
        """
        asked = self._lenient.read(value, _SHAPES[sought])
        days = self._normaliser.days_at(now)
        by = _By(tenant, self._profiles.of(tenant))
        watch = _Watch(self._limit_s)
        classes: dict[object, tuple[Joined, Answer, list[str]]] = {}
        for ids, known in self._alike(asked, sought, days, by):
            watch.check()
            request = _about(asked.request, sought, ids[0])
            joined = self._join(request, days, by, asked.claims)
            if joined is None:
                return Searched((), 0)  # the fault is in the question, whatever is sought
            answer = evaluate(self._program, joined.question)
            # What is unknown is named in a refusal, and what a caller disputes is unknown.
            unknown = (known, frozenset(joined.disputed))
            key = (answer, None if answer.permits else unknown)
            classes.setdefault(key, (joined, answer, []))[2].extend(ids)
            await asyncio.sleep(0)
        found: list[Candidate] = []
        for joined, answer, ids in classes.values():
            judged = held(await self._judged(joined, days, now, watch), answer)
            found += [Candidate(one, judged) for one in ids]

        def join(one: str, supplied: Supplied) -> tuple[DecisionRequest, Joined] | None:
            request = _about(asked.request, sought, one)
            joined = self._join(request, days, by, asked.claims, supplied)
            return joined and (request, joined)

        found = await self._with_sources(found, join, days, now, by, watch)
        return Searched.of(found, len(classes))

    async def actions(
        self, value: Mapping[str, object], names: Sequence[str], *, now: datetime, tenant: str
    ) -> Searched:
        """Of the actions named, each that can be asked about the subject and the resource;
        raises as `entities`."""
        self._lenient.read(value, ActionSearch)
        days = self._normaliser.days_at(now)
        by = _By(tenant, self._profiles.of(tenant))
        watch = _Watch(self._limit_s)
        found: list[Candidate] = []
        for name in names:
            watch.check()
            # Read anew for each: what belongs to a question depends on its action.
            asked = self._lenient.read({**value, "action": {"name": name}})
            joined = self._join(asked.request, days, by, asked.claims)
            if joined is not None:
                found.append(Candidate(name, await self._judged(joined, days, now, watch)))

        def join(one: str, supplied: Supplied) -> tuple[DecisionRequest, Joined] | None:
            asked = self._lenient.read({**value, "action": {"name": one}})
            joined = self._join(asked.request, days, by, asked.claims, supplied)
            return joined and (asked.request, joined)

        found = await self._with_sources(found, join, days, now, by, watch)
        return Searched.of(found, len(found))

    async def _judged(self, joined: Joined, days: Days, now: datetime, watch: "_Watch") -> Judged:
        """What engines say of a class. One that gave no answer is asked once more: a class
        may be thousands of places, and all would be missing for one late answer."""
        watch.check()
        judged = await self._judge.judge_joined(joined, days, now)
        incident = judged.combined.incident
        if incident is not None and incident.kind is IncidentKind.ERROR:
            watch.check()
            judged = await self._judge.judge_joined(joined, days, now)
        return judged

    async def _with_sources(
        self,
        found: list[Candidate],
        join: Join,
        days: Days,
        now: datetime,
        by: _By,
        watch: "_Watch",
    ) -> list[Candidate]:
        """The same candidates, with what sources say of those that are open."""
        if self._sources is None:
            return found
        ids = [one.id for one in found if is_open(one.judged)]
        said = await self._sources.judged(
            ids, join, days=days, now=now, tenant=by.tenant, check=watch.check
        )
        return [Candidate(one.id, said.get(one.id, one.judged)) for one in found]

    def _join(
        self,
        request: DecisionRequest,
        days: Days,
        by: _By,
        claims: Claims,
        supplied: Supplied = NOTHING,
    ) -> Joined | None:
        """The facts of one question; None where it names something unknown."""
        try:
            return self._normaliser.join_on(request, days, by.profile, claims, by.tenant, supplied)
        except RequestError:
            return None

    # --- what there is ---

    def _alike(
        self, asked: Understood, sought: Sought, days: Days, by: _By
    ) -> Iterator[tuple[list[str], object]]:
        """Ids of which every condition that matters has one value, with what of theirs is
        known."""
        request = asked.request
        action = request.action.name
        place = self._place(sought, action)
        if place is None:
            yield from (([one], one) for one in self._named(sought, action))
            return
        wire_type = request.subject.type if sought == "subject" else request.resource.type
        if self._catalogue.entity_named(wire_type) != place.entity:
            return
        rows = self._rows(place, action, days)
        around = self._around(request, place, days, by)
        if rows and around is not None:
            yield from rows.alike(around, [p for p in asked.claims if p in rows.read])

    def _rows(self, place: Place, action: str, days: Days) -> Rows:
        key = (place.record, action, days.utc, tuple(sorted(days.today.items())))
        known = self._kept.get(key)
        if known is None:
            rows = self._normaliser.rows(place, days.of_catalogue)
            known = Rows(self._program, place, action, days.today, rows)
            self._kept.put(key, known)
        return known

    def _around(
        self, request: DecisionRequest, place: Place, days: Days, by: _By
    ) -> Question | None:
        """The question without what the catalogue knows of the entity that is sought."""
        first = next(self._normaliser.rows(place, days.of_catalogue), None)
        if first is None:
            return None
        sought: Sought = "subject" if place.wire == ("subject",) else "resource"
        joined = self._join(_about(request, sought, first[0]), days, by, NO_CLAIMS)
        if joined is None:
            return None
        prefix = f"{place.record}."
        facts = {p: v for p, v in joined.question.facts.items() if not p.startswith(prefix)}
        return replace(joined.question, facts=facts)

    def _place(self, sought: Sought, action: str) -> Place | None:
        places = (p for p in self._program.places if p.wire == (sought,) and action in p.actions)
        return next(places, None)

    def _named(self, sought: Sought, action: str) -> list[str]:
        """Where the catalogue does not know them, the ids that rules name."""
        paths = {
            path
            for path, fact in self._program.facts.items()
            if fact.wire == (sought, "id") and fact.origin is Origin.REQUEST
        }
        found = {
            value
            for atom in atoms_of(self._program, action)
            if isinstance(atom, OneOf) and atom.path in paths
            for value in atom.values
        }
        return sorted(found)


class _Watch:
    """Ends a search that takes too long."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._end = monotonic() + limit_s

    def check(self) -> None:
        if monotonic() > self._end:
            raise OverloadedError(f"a search took more than {self._limit_s:g} s")


def _about(request: DecisionRequest, sought: Sought, entity_id: str) -> DecisionRequest:
    part = request.subject if sought == "subject" else request.resource
    return request.model_copy(update={sought: part.model_copy(update={"id": entity_id})})
