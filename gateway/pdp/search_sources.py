"""Search with fact sources: what is open for want of facts is asked about, one by one.

What the catalogue alone permits or forbids for certain, no source changes: it only adds what
is not known. So only candidates in between are asked about, and of many the first.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from gateway.pdp.combine import Incident, IncidentKind
from gateway.pdp.decision import UNANSWERED, Outcome
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.normalise import Days, Joined
from gateway.pdp.request import DecisionRequest
from gateway.pdp.supplied import NOTHING, FactSources, Supplied

MAX_ASKED = 100  # candidates of one search
_AT_ONCE = 25

# The question about one candidate, with its facts; None where it names something unknown.
Join = Callable[[str, Supplied], tuple[DecisionRequest, Joined] | None]


def is_open(judged: Judged) -> bool:
    """Whether an answer may become another with more facts."""
    is_settled = judged.decision.outcome is not Outcome.INDETERMINATE
    return not is_settled and judged.combined.incident is None


def held(judged: Judged, answer: Answer) -> Judged:
    """A judgement held to the definition: engines that agree with each other and not with
    it are not believed."""
    if judged.combined.answer in (None, answer):
        return judged
    words = "the engines differ from the definition"
    incident = Incident(IncidentKind.DISAGREEMENT, words)
    combined = replace(judged.combined, answer=None, incident=incident)
    return Judged(judged.joined, combined, UNANSWERED)


@dataclass(frozen=True)
class SourceSearch:
    """Judges candidates once more with what sources say of them."""

    program: Program
    judge: Judge
    sources: FactSources

    async def judged(
        self,
        ids: Sequence[str],
        join: Join,
        *,
        days: Days,
        now: datetime,
        tenant: str,
        check: Callable[[], None],
    ) -> dict[str, Judged]:
        """The judgements of those of whom sources said something, by id.

        Args:
            ids: Of candidates that are open.
            check: Raises where the search has taken too long.
        """
        asked, found = sorted(ids)[:MAX_ASKED], dict[str, Judged]()
        for start in range(0, len(asked), _AT_ONCE):
            check()
            some = asked[start : start + _AT_ONCE]
            judged = await asyncio.gather(
                *(self._one(one, join, days, now, tenant) for one in some)
            )
            found |= {one: said for one, said in zip(some, judged, strict=True) if said is not None}
        return found

    async def _one(
        self, one: str, join: Join, days: Days, now: datetime, tenant: str
    ) -> Judged | None:
        known = join(one, NOTHING)
        if known is None:
            return None
        request, joined = known
        supplied = await self.sources.ask(joined.named(request, tenant), now)
        more = join(one, supplied) if supplied.statements else None
        if more is None:
            return None
        answer = evaluate(self.program, more[1].question)
        return held(await self.judge.judge_joined(more[1], days, now), answer)
