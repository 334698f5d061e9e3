"""What stands of evidence now: the same bytes under the policy and the certificates of today.

Another question than whether the decision was right: nobody could know then what is known now.
"""

from dataclasses import replace
from datetime import datetime

from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise, refused
from gateway.attestation.bundle import read_bundle
from gateway.attestation.errors import EvidenceError, EvidenceExpiredError
from gateway.attestation.evidence import Claims
from gateway.attestation.policy import AppraisalPolicy
from gateway.attestation.result import AttestationResult, Finding, Verdict
from gateway.attestation.verifiers import verify_bundle
from gateway.reappraise.again import Again


def stands(
    again: Again, policy: AppraisalPolicy, anchors: Anchors | None, *, at: datetime
) -> AttestationResult:
    """Judge evidence that was judged again by a policy of today. How long ago it was made is
    not asked: it was for the day of the decision.

    Args:
        anchors: Of today; without them those of then.
        at: Now.

    Returns:
        A result. Where certificates or lists have ended since, it is refused as
        `evidence-expired`, and says what the policy finds besides.
    """
    vouched = again.anchors if anchors is None else anchors
    bundle = read_bundle(again.document)
    expired: EvidenceExpiredError | None = None
    try:
        try:
            claims = _verify(again.document, vouched, at)
        except EvidenceExpiredError as error:
            expired = error
            then = again.attested.result.appraised_at
            claims = _verify(again.document, vouched, then)
    except EvidenceError as error:
        return refused(bundle.technology, error, policy, at=at, evidence_sha256=bundle.sha256)
    result = appraise(
        _undated(claims),
        policy,
        at=at,
        freshness=again.attested.result.freshness,
        evidence_sha256=bundle.sha256,
    )
    return result if expired is None else _expired(result, expired)


def _verify(document: bytes, anchors: Anchors, at: datetime) -> Claims:
    """The claims that hold at an instant; raises as `verify_bundle`."""
    return verify_bundle(read_bundle(document), anchors, at=at)


def _undated(claims: Claims) -> Claims:
    parts = tuple(_undated(part) for part in claims.parts)
    return replace(claims, produced_at=None, parts=parts)


def _expired(result: AttestationResult, error: EvidenceExpiredError) -> AttestationResult:
    finding = Finding("hardware", 0, str(error), "verification")
    return replace(
        result,
        verdict=Verdict.REFUSED,
        reason=error.reason,
        findings=(finding, *result.findings),
        valid_until=result.appraised_at,
    )
