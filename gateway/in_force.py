"""In force: a bundle, a catalogue and what follows from the two, as one value.

A question takes it once, and is decided, spelled and dated with that alone. So what is in
force can be replaced between two questions, and no answer is of both.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

from gateway.bundle import Bundle
from gateway.nodes.terms import Terms
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.dates import LAST_DAY, boundaries, daily_zones, day_of, midnight
from gateway.pdp.decision import Outcome
from gateway.pdp.engine import Engine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.lenient import Lenient
from gateway.pdp.request import DecisionRequest
from gateway.pdp.search import Searcher
from gateway.pdp.standing import all_stand
from gateway.pdp.supplied import FactSources
from gateway.release import Release
from gateway.shapes import Shape, Shapes
from gateway.spelling import Speller

MAX_VALIDITY = timedelta(hours=1)
SITE = "site"  # the entity at which machines stand


def counts_until(now: datetime, ends: datetime | None) -> datetime:
    """Until when a decision of an instant counts, of which no fault is a part."""
    latest = now + MAX_VALIDITY
    return latest if ends is None else min(latest, ends)


class InForce:
    """One bundle and one catalogue, with the engines that have them loaded.

    Args:
        engines: With the program of the bundle loaded; they belong to this value.
        remember: How many answers to keep.
        engine_timeout_s: After how many seconds an engine has not answered; None for the
            time limit of each.
        release: By which an author signed the two, where only signed ones are loaded.
        sources: Asked for what nobody states; they belong to this value.
        catalogue_files: What the catalogue was read from, the lowest first.
        attestation: What evidence of machines is judged by, where it is taken.
    """

    def __init__(
        self,
        bundle: Bundle,
        catalogue: Catalogue,
        engines: Sequence[Engine],
        *,
        remember: int = 10_000,
        engine_timeout_s: float | None = None,
        release: Release | None = None,
        sources: FactSources | None = None,
        catalogue_files: Sequence[Path] = (),
        attestation: Terms | None = None,
    ) -> None:
        self.bundle = bundle
        self.catalogue = catalogue
        self.catalogue_files = tuple(catalogue_files)
        self.release = release
        self.sources = sources
        self.attestation = attestation
        self.since = monotonic()
        self.gateway_evidence: str | None = None
        program = bundle.program
        self.judge = Judge(
            program,
            catalogue,
            engines,
            remember=remember,
            timeout_s=engine_timeout_s,
            sources=sources,
        )
        self.searcher = Searcher(program, catalogue, self.judge, sources=sources)
        self.lenient = Lenient(program)
        self.speller = Speller(
            bundle=bundle.digest,
            catalogue=catalogue.digest,
            layers=[layer.digest for layer in catalogue.layers],
            remember=remember,
        )
        self.shapes = Shapes(program, remember if sources is None else 0)
        self._boundaries = boundaries(program)
        self._daily = daily_zones(program)
        self._questions = 0
        self._ended: asyncio.Event | None = None
        self.closed = asyncio.Event()  # nobody uses it any more

    @cached_property
    def opa(self) -> tuple[bytes, str]:
        """The part that a stock Open Policy Agent loads, and the ETag it is polled by."""
        data = self.bundle.opa_tarball()
        return data, f'"{sha256(data).hexdigest()}"'

    def named(self) -> dict[str, str]:
        """The digests by which records name what they were decided with."""
        return {"bundle": self.bundle.digest, "catalogue": self.catalogue.digest}

    def attested(self, evidence: str) -> None:
        """Take a document for the gateway's evidence of itself over these two, by its digest:
        before the first question."""
        self.gateway_evidence = evidence
        self.speller.attested(evidence)

    async def check(self) -> None:
        """Put the bundle's agreement vectors to every engine.

        Raises:
            ConfigurationError: An engine does not answer as the bundle says it must.
        """
        await self.judge.check((vector.question, vector.answer) for vector in self.bundle.vectors)

    def valid_until(self, judged: Judged, now: datetime) -> datetime:
        """At most `MAX_VALIDITY` ahead; never past a midnight at which a date of the bundle
        changes the law, nor past the last day for which the catalogue vouches, nor longer than
        what a source said may be believed. What came of a fault is valid for no time at all."""
        supplied = judged.joined.supplied
        open_for_fault = supplied.has_fault and judged.decision.outcome is Outcome.INDETERMINATE
        if judged.combined.incident is not None or open_for_fault:
            return now
        until = counts_until(now, self.ends(judged))
        return until if supplied.fresh_until is None else min(until, max(now, supplied.fresh_until))

    def ends(self, judged: Judged) -> datetime | None:
        """When the law or the catalogue that a judgement rests on may change, as far as a date
        says so."""
        ends: list[datetime] = []
        for zone, today in judged.joined.question.today.items():
            days = [day for day in self._boundaries.get(zone, ()) if day > today]
            days += [today + 1] if zone in self._daily and today < LAST_DAY else []
            ends += [midnight(day_of(day), ZoneInfo(zone)) for day in sorted(days)[:1]]
        if judged.joined.vouched_until not in (None, date.max):
            ends.append(midnight(judged.joined.vouched_until + timedelta(days=1), UTC))
        return min(ends, default=None)

    def site_of(self, request: DecisionRequest) -> str | None:
        """The site that is the resource of a question; None where it is something else."""
        resource = request.resource
        return resource.id if self.catalogue.entity_named(resource.type) == SITE else None

    # --- what questions of one shape lead to ---

    def shape(self, request: DecisionRequest, judged: Judged, tenant: str, now: datetime) -> Shape:
        """What a question of a tenant has led to, spelled but for what is its own."""
        return Shape(
            request.action.name,
            request.subject.properties.get("tenant"),
            self.judge.days_at(now),
            judged,
            self.speller.spelled(judged, tenant),
            self.ends(judged),
        )

    def leads_to(self, shape: Shape, now: datetime) -> bool:
        """Whether another question of a shape leads to the same at an instant. While an engine
        is down none does, as nothing is remembered then."""
        return shape.days == self.judge.days_at(now) and all_stand(self.judge.engines)

    # --- how long it is needed -------------------------------------------------------

    def in_use(self) -> "InUse":
        """Keeps the engines open until the block has ended."""
        return InUse(self)

    def begin(self) -> None:
        """A question begins to use it, and must `end`."""
        self._questions += 1

    def end(self) -> None:
        self._questions -= 1
        if self._ended is not None and not self._questions:
            self._ended.set()

    async def close(self) -> None:
        """Let go of the engines, when the last question that uses them has ended. No other
        may begin."""
        if self._questions:
            self._ended = self._ended or asyncio.Event()
            await self._ended.wait()
        try:
            await self.judge.close()
        finally:
            self.closed.set()


class InUse:
    """The block of a question. A class, since every question enters one."""

    __slots__ = ("_in_force",)

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    def __enter__(self) -> InForce:
        self._in_force.begin()
        return self._in_force

    def __exit__(self, *_: object) -> None:
        self._in_force.end()
