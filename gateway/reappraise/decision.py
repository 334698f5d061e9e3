"""All evidence of one decision judged again, and the facts that the decision had of it.

Begin here: `reappraise`. The decision itself is verified before, by `gateway.verify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gateway.attestation.anchors import Anchors
from gateway.attestation.policy import AppraisalPolicy
from gateway.attestation.result import AttestationResult
from gateway.errors import GatewayError
from gateway.nodes.attested import Recorded, read_attested
from gateway.reappraise.again import Again, judge_again
from gateway.reappraise.documents import Documents
from gateway.reappraise.errors import AttestedFormError, EvidenceMissingError
from gateway.reappraise.facts import check_facts
from gateway.reappraise.since import stands
from gateway.reappraise.tombstone import find_tombstone
from gateway.verify import Trust, VerifiedDecision
from gateway.verify.refused import CannotTellError


@dataclass(frozen=True)
class Today:
    """By what is asked what stands of evidence now; without anchors, by those of then."""

    at: datetime
    policy: AppraisalPolicy
    anchors: Anchors | None = None


@dataclass(frozen=True)
class Piece:
    """What came out of one piece of evidence.

    Attributes:
        said: What the record says of it; None where that cannot be read.
        error: Why it did not come out the same; None where it did.
        now: What stands of it now, where that was asked and can be told.
    """

    said: Recorded | None
    error: GatewayError | None
    now: AttestationResult | None = None


@dataclass(frozen=True)
class Reappraised:
    """What came out of a decision. `facts` is what is wrong with the facts that it had of
    machines."""

    pieces: tuple[Piece, ...]
    facts: GatewayError | None = None

    @property
    def worst(self) -> GatewayError | None:
        """What is bad before what cannot be told; None where all of it came out the same."""
        errors = [*(piece.error for piece in self.pieces), self.facts]
        found = [one for one in errors if one is not None]
        return min(found, key=lambda one: isinstance(one, CannotTellError), default=None)


def reappraise(
    verified: VerifiedDecision,
    trust: Trust,
    documents: Documents,
    *,
    program: str,
    today: Today | None = None,
) -> Reappraised:
    """Judge the evidence of a decision again.

    Args:
        verified: The decision, whose record held.
        trust: For what the gateway says of evidence that it erased.
        program: What judges now, such as `charter/0.1.0`.
    """
    listed = verified.predicate.get("evidence")
    if not isinstance(listed, list):
        said = "the record does not say what evidence there was"
        return Reappraised((), AttestedFormError(said))
    tenant = str(verified.predicate.get("tenant"))
    pieces: list[Piece] = []
    held: list[Again] = []
    for one in cast("Sequence[object]", listed):
        said = read_attested(one)
        if said is None:
            pieces.append(Piece(None, AttestedFormError("what it says of evidence is not read")))
            continue
        try:
            again = judge_again(said, documents, tenant=tenant, program=program)
        except GatewayError as error:
            pieces.append(Piece(said, _or_erased(error, said, documents, trust)))
            continue
        held.append(again)
        now = None if today is None else _now(again, today)
        pieces.append(Piece(said, None, now))
    return Reappraised(tuple(pieces), _facts(verified, held, pieces))


def _now(again: Again, today: Today) -> AttestationResult:
    return stands(again, today.policy, today.anchors, at=today.at)


def _or_erased(
    error: GatewayError, said: Recorded, documents: Documents, trust: Trust
) -> GatewayError:
    if not isinstance(error, EvidenceMissingError):
        return error
    try:
        return find_tombstone(documents, said.evidence_sha256, trust) or error
    except GatewayError as worse:
        return worse


def _facts(
    verified: VerifiedDecision, held: Sequence[Again], pieces: Sequence[Piece]
) -> GatewayError | None:
    try:
        whole = len(held) == len(pieces)
        check_facts(verified.predicate, [one.attested for one in held], whole=whole)
    except GatewayError as error:
        return error
    return None
