"""Evidence of a gateway, checked by whoever relies on a decision; after the decision itself.

 1. The signed record names this very document.
 2. The document is of the key that signed the decision, of the bundle and the catalogue that
    decided, and of the log that holds it; it is not younger than the decision.
 3. A TPM made the quote, with a restricted key that the relying party vouches for, itself or by
    an authority, at the time of the decision.
 4. The quote was made over exactly what the document says.
 5. Where there is a policy: the machine was started as it demands.
 6. Where the document says that the decision key is in that TPM, the same key certified it.

Without the last, the key may be elsewhere too: who copied it can go on naming an old document.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.errors import EvidenceNonceError
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import AppraisalPolicy
from gateway.attestation.result import AttestationResult, Freshness
from gateway.attestation.tpm_structures import parse_public
from gateway.attestation.verifiers import verify_bundle
from gateway.own_evidence.document import Document, read_document
from gateway.own_evidence.errors import (
    GatewayEvidenceAbsentError,
    GatewayEvidenceBoundError,
    GatewayEvidenceKeyError,
    GatewayEvidenceLaterError,
    GatewayEvidenceMalformedError,
    GatewayEvidenceOriginError,
    GatewayEvidenceOtherError,
    GatewayEvidenceRulesError,
    GatewayEvidenceUncertifiedError,
)
from gateway.own_evidence.resident import check_resident
from gateway.verify.decision import LEEWAY, VerifiedDecision
from gateway.verify.instant import parse_instant

_REFERENCE = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Relied:
    """What held of a gateway's evidence; `result` is None where no policy was given.
    `is_resident`: the decision key was made in the TPM and cannot leave it."""

    document: Document
    claims: Claims
    result: AttestationResult | None
    is_resident: bool


def check_gateway(
    verified: VerifiedDecision,
    data: bytes,
    anchors: Anchors,
    policy: AppraisalPolicy | None = None,
    *,
    resident: bool = False,
) -> Relied:
    """Check the document that a decision names.

    Args:
        verified: The decision, which was verified before.
        data: The document.
        anchors: Whose attestation keys count.
        policy: Judges how the machine was started; its verdict is in the result.
        resident: Whether the decision key must be in the TPM.

    Raises:
        GatewayEvidenceError: The document is not that of the gateway that decided.
        CannotTellError: The record names none, or one of a format that is not known.
        EvidenceError: The quote does not hold, or nobody can tell.
    """
    digest = _reference(verified)
    given = f"sha256:{sha256(data).hexdigest()}"
    if given != digest:  # before anybody reads what nobody signed
        raise GatewayEvidenceOtherError(f"the record names {digest}, the file is {given}")
    found = read_document(data)
    at = _decided_at(verified)
    _check_bound(found, verified, at)
    claims = verify_bundle(found.evidence, anchors, at=at)
    try:
        check_bound(claims, found.bound.data())
    except EvidenceNonceError as error:
        words = "the quote was made over something else than the document says"
        raise GatewayEvidenceBoundError(words) from error
    # Nobody vouches for it by itself: it is the key of the quote, which held.
    is_resident = check_resident(found, parse_public(found.evidence.one("public")))
    if resident and not is_resident:
        words = "nothing shows that the decision key is in the TPM and nowhere else"
        raise GatewayEvidenceUncertifiedError(words)
    if policy is None:
        return Relied(found, claims, None, is_resident)
    # No challenge of the relying party is in it.
    result = appraise(
        claims, policy, at=at, freshness=Freshness.BACKGROUND, evidence_sha256=found.sha256
    )
    return Relied(found, claims, result, is_resident)


def _reference(verified: VerifiedDecision) -> str:
    named = verified.predicate.get("gateway")
    if named is None:
        raise GatewayEvidenceAbsentError("the record names no evidence of its gateway")
    digest = named.get("evidence") if isinstance(named, dict) else None
    if not isinstance(digest, str) or _REFERENCE.fullmatch(digest) is None:
        raise GatewayEvidenceMalformedError("`gateway.evidence` of the record is no digest")
    return digest


def _decided_at(verified: VerifiedDecision) -> datetime:
    try:
        return parse_instant(verified.predicate.get("decided_at"))
    except ValueError as error:
        raise GatewayEvidenceMalformedError("the record does not say when it was made") from error


def _check_bound(found: Document, verified: VerifiedDecision, at: datetime) -> None:
    bound = found.bound
    if bound.key.key_id not in verified.key_ids:
        raise GatewayEvidenceKeyError(
            f"the evidence is of key {bound.key.key_id}, and {verified.key_ids[0]} signed"
        )
    for name, own in (("bundle", bound.bundle), ("catalogue", bound.catalogue)):
        decided = verified.predicate.get(name)
        if decided != own:
            raise GatewayEvidenceRulesError(f"the evidence is of {name} {own}, not {decided}")
    if bound.origin != verified.origin:
        raise GatewayEvidenceOriginError(
            f"the evidence is of log {bound.origin}, the decision in {verified.origin}"
        )
    if found.made_at > at + LEEWAY:
        raise GatewayEvidenceLaterError(
            f"the evidence was made at {found.made_at.isoformat()}, the decision at "
            f"{at.isoformat()}"
        )
