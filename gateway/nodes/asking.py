"""The machine that a question names: what is found out about it before the question is decided.

Evidence is verified in a thread. Where it cannot be kept or looked up, nothing is known of the
machine, and questions that need nothing of it are decided as ever.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from dsl.core import Origin, Program
from gateway.attestation.errors import EvidenceError
from gateway.errors import ConfigurationError, RequestError
from gateway.nodes.attested import DECISION, Attested
from gateway.nodes.desk import Desk
from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.facts import RECORD, supplied, unreachable
from gateway.nodes.question import MEMBER, PLACE, Asked, take_attestation
from gateway.nodes.terms import Terms
from gateway.pdp.request import DecisionRequest
from gateway.pdp.supplied import NOTHING, Supplied

_MEMBERS = frozenset(("node", "challenge", "evidence"))
_WIRE = ("context", MEMBER)


@dataclass(frozen=True)
class Office:
    """Where evidence is taken: a desk, and what it judges by."""

    desk: Desk
    terms: Terms

    async def look(
        self,
        request: DecisionRequest,
        *,
        tenant: str,
        caller: str,
        now: datetime,
        site: str | None,
        check: Callable[[DecisionRequest], None],
    ) -> tuple[DecisionRequest, Supplied]:
        """What is known of the machine that a question names, and the question without it.

        Args:
            caller: Its id; a challenge is of one caller.
            site: As of `gateway.nodes.facts.stated`.
            check: Raises where the question is malformed; before evidence is taken in, so that
                no challenge is used up for nothing.

        Raises:
            RequestError: What it says of the machine is malformed, or there is no such machine.
        """
        rest, asked = take_attestation(request)
        if asked is None:
            return rest, NOTHING
        if asked.submission is not None:
            check(rest)
        try:
            attested = await asyncio.to_thread(self._found, asked, tenant, caller, now)
        except EvidenceStoreError:
            return rest, unreachable(asked.node)
        except EvidenceError as error:
            raise RequestError(str(error), pointer=f"{PLACE}/evidence") from error
        return rest, supplied(attested, asked.node, now=now, site=site)

    def _found(self, asked: Asked, tenant: str, caller: str, now: datetime) -> Attested | None:
        terms, shown = self.terms, asked.submission
        if shown is None:
            return self.desk.standing(terms, tenant=tenant, node=asked.node, now=now)
        return self.desk.submit(
            terms, shown, tenant=tenant, caller=caller, purpose=DECISION, now=now
        )


def refuse_evidence(request: DecisionRequest, program: Program) -> None:
    """Raise `RequestError` where a question shows evidence to a gateway that takes none. What
    else stands there is read with the vocabulary, as any member."""
    said = request.context.get(MEMBER)
    if not isinstance(said, dict) or lets_requests_state(program):
        return
    if cast("dict[str, object]", said).keys() <= _MEMBERS:
        raise RequestError(
            "this gateway takes no evidence of machines; leave it out", pointer=PLACE
        )


def lets_requests_state(program: Program) -> bool:
    """Whether a vocabulary has words of its own where a question names its machine."""
    wires = [fact.wire for fact in program.facts.values() if fact.origin is Origin.REQUEST]
    wires += [place.wire for place in program.places]
    return any(wire[: len(_WIRE)] == _WIRE for wire in wires)


def check_apart(program: Program, stated: frozenset[str]) -> None:
    """Hold the vocabulary and what fact sources may state against a register of nodes.

    Args:
        stated: The facts that fact sources may state, by path.

    Raises:
        ConfigurationError: Somebody else may state what evidence is to show.
    """
    if lets_requests_state(program):
        raise ConfigurationError(
            "a register of nodes needs `context.attestation` of a question for itself, and the "
            "vocabulary lets a request state something there: move that record"
        )
    both = sorted(path for path in stated if path.startswith(f"{RECORD}."))
    if both:
        raise ConfigurationError(
            f"a fact source may state `{both[0]}`, which evidence of nodes is to show: leave it "
            "to one of them"
        )
