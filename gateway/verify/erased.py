"""Check the tombstone of a decision that was erased: that this is what the gateway signed and
logged of it, and that the entry stands where it stood.

Of the decision itself nobody can tell any more; that is the verdict where all of it holds.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from gateway.errors import (
    AnswerDiffersError,
    AnswerMalformedError,
    CheckpointKeyUnknownError,
    CheckpointOriginError,
    DecisionMismatchError,
)
from gateway.ledger.proof import Proof, VerifiedProof, parse_place, verify_place
from gateway.record.canonical import Json
from gateway.verify.decision import VerifiedDecision, verify_decision
from gateway.verify.refused import DecisionErasedError
from gateway.verify.trust import Trust

_ACTION = "erase"


def verify_answer(
    answer: Mapping[str, object],
    trust: Trust,
    *,
    at: datetime | None = None,
    expect_id: str | None = None,
    expect_request: object = None,
) -> VerifiedDecision:
    """Check an answer, which can be the tombstone of one; as `verify_decision`.

    Raises:
        DecisionErasedError: It is a tombstone, and holds.
    """
    if "erased" in answer:
        raise _check_tombstone(answer, trust, at=at, expect_id=expect_id)
    return verify_decision(answer, trust, at=at, expect_id=expect_id, expect_request=expect_request)


def _check_tombstone(
    answer: Mapping[str, object],
    trust: Trust,
    *,
    at: datetime | None = None,
    expect_id: str | None = None,
) -> DecisionErasedError:
    """What a tombstone that holds leaves to be said; raises where it does not hold."""
    # No rules had a part in it.
    trust = replace(trust, terms=replace(trust.terms, rules={}))
    record = {name: answer[name] for name in ("record", "proof") if name in answer}
    said = verify_decision(record, trust, at=at)
    told = said.predicate.get("erased")
    if said.predicate.get("action") != _ACTION or not isinstance(told, dict):
        raise AnswerMalformedError("the record does not say that anything is erased")
    for member, signed in (
        ("erased", told),
        ("id", told.get("id")),
        ("erased_at", said.predicate.get("decided_at")),
    ):
        if answer.get(member) != signed:
            raise AnswerDiffersError(member=member, expected=signed, found=answer.get(member))
    found = str(told.get("id"))
    if expect_id not in (None, found):
        raise DecisionMismatchError(what="decision", expected=expect_id, found=found)
    _check_place(answer.get("place"), told, said, trust)
    return DecisionErasedError(
        f"decision {found} was erased at {said.predicate.get('decided_at')} by {told.get('by')}: "
        f"{told.get('reason')} ({told.get('authority')}); entry {said.index} of {said.origin} "
        f"says so, and entry {told.get('index')} is in its place"
    )


def _check_place(
    place: object, told: Mapping[str, Json], said: VerifiedDecision, trust: Trust
) -> None:
    if not isinstance(place, str):
        raise AnswerMalformedError("the tombstone carries no place of the erased entry")
    proof = parse_place(place)
    # Each log counts from 0: within one, what says why comes later.
    origin = str(told.get("log", said.origin))
    if not trust.log_keys(origin):
        raise CheckpointOriginError(expected=trust.origin, found=origin)
    verified = _verify_with_any(proof, trust, origin)
    is_later = origin != said.origin or verified.index < said.index
    if verified.index != told.get("index") or not is_later:
        raise AnswerDiffersError(member="place", expected=told.get("index"), found=verified.index)
    commitment = f"sha256:{proof.commitment.hex()}"
    if commitment != told.get("commitment"):
        raise AnswerDiffersError(
            member="place", expected=told.get("commitment"), found=cast("object", commitment)
        )


def _verify_with_any(proof: Proof, trust: Trust, origin: str) -> VerifiedProof:
    *others, last = trust.log_keys(origin)
    for key in others:
        try:
            place = verify_place(proof, key, origin=origin)
        except CheckpointKeyUnknownError:  # made with another key of that log
            continue
        trust.check_size(key, place.checkpoint.size)
        return place
    place = verify_place(proof, last, origin=origin)
    trust.check_size(last, place.checkpoint.size)
    return place
