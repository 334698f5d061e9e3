"""One piece of evidence of one node, judged at one instant: all that can be done again later.

Neither store nor clock nor network: with the same bytes, files and instant the same comes out,
so that an auditor repeats with it what the gateway did.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise, refused
from gateway.attestation.bundle import EvidenceBundle, read_bundle
from gateway.attestation.errors import EvidenceError
from gateway.attestation.evidence import Claims, Technology, earliest
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import ANY, AppraisalPolicy, Dated
from gateway.attestation.result import AttestationResult, Finding, Freshness, Verdict
from gateway.attestation.vector import Identity, Vector
from gateway.attestation.verifiers import verify_bundle
from gateway.nodes.attested import Attested, Named, Strength, as_written
from gateway.nodes.errors import NodeDeviceError
from gateway.nodes.register import Node, Register

MISPLACED = "node-place"
# Fields of a fixed length, which a challenge fills from the left, zeros after it.
_ROOM = {Technology.ARM_CCA: 64}


def judge(
    document: bytes,
    *,
    node: str,
    purpose: str,
    nonce: bytes | None,
    tenant: str,
    at: datetime,
    policy: AppraisalPolicy,
    anchors: Anchors,
    register: Register,
    verifier: str,
) -> Attested:
    """Verify and appraise evidence of a node.

    Args:
        document: Evidence of format `charter-evidence/v1`.
        nonce: The challenge that it is to answer; without one it is background alone.
        at: The instant of the judgement; taken as a record can write it.

    Raises:
        EvidenceError: The document is none, so that there is nothing to verify.
        UnknownNodeError: The register has no such node on that day.
    """
    bundle = read_bundle(document)
    at = as_written(at)
    row = register.find(node, at.date())
    result, strength = _result(bundle, row, nonce, policy, anchors, at)
    if result.verdict is Verdict.ACCEPTED:
        change = _next_change(result, policy, anchors, register, node)
        result = replace(result, valid_until=earliest([result.valid_until, change]))
    terms = Named(policy.id, policy.sha256, anchors.sha256, register.sha256)
    return Attested(node, row.site, strength, tenant, result, terms, nonce, verifier, purpose)


def without(attested: Attested, error: EvidenceError) -> Attested:
    """The same, refused for a reason that only the gateway knows, such as a challenge that was
    used before. Nothing of it holds then."""
    result = attested.result
    undecided = error.is_undecided
    return replace(
        attested,
        result=replace(
            result,
            verdict=Verdict.UNDECIDED if undecided else Verdict.REFUSED,
            vector=Vector(),
            reason=error.reason,
            findings=(Finding("instance-identity", 0, str(error), "verification"),),
            lacking=(),
            skipped=(),
            freshness=Freshness.BACKGROUND,
            valid_until=result.appraised_at,
            claims=None,
            used=(),
        ),
    )


def _result(
    bundle: EvidenceBundle,
    row: Node,
    nonce: bytes | None,
    policy: AppraisalPolicy,
    anchors: Anchors,
    at: datetime,
) -> tuple[AttestationResult, Strength]:
    strength = Strength.DECLARED if row.is_any else Strength.ENROLLED
    try:
        claims = verify_bundle(bundle, anchors, at=at)
        if nonce is not None:
            check_bound(claims, nonce.ljust(_ROOM.get(claims.technology, 0), b"\0"))
        _check_device(claims, row)
    except EvidenceError as error:
        result = refused(bundle.technology, error, policy, at=at, evidence_sha256=bundle.sha256)
        if isinstance(error, NodeDeviceError):
            # Its signatures hold: the machine is another.
            result = replace(result, vector=Vector(instance_identity=Identity.UNRECOGNISED))
        return result, strength
    result = appraise(
        claims,
        policy,
        at=at,
        freshness=Freshness.BACKGROUND if nonce is None else Freshness.CHALLENGED,
        evidence_sha256=bundle.sha256,
    )
    words = _misplaced(claims, row)
    if words is not None:
        return _at_no_place(result, row, words), strength
    return result, strength if row.place is None else Strength.MEASURED


def _check_device(claims: Claims, row: Node) -> None:
    if claims.technology is not row.technology:
        raise NodeDeviceError(
            f"node `{row.id}` shows evidence of {row.technology.value}, and this is of "
            f"{claims.technology.value}"
        )
    if row.attesters != ANY and claims.attester_id not in row.attesters:
        found = claims.attester_id or "a device that is not told"
        raise NodeDeviceError(f"{found:.130} is no device of node `{row.id}`")


def _misplaced(claims: Claims, row: Node) -> str | None:
    if row.place is None:
        return None
    found = claims.measurements.get(row.place.measurement)
    if found is None:
        # A node that was carried away could leave out what would show it.
        return f"`{row.place.measurement}`, the tag of its place, was not measured"
    if found.hex() not in row.place.any_of:
        return f"`{row.place.measurement}` is {found.hex()}, which is not the tag of {row.site}"
    return None


def _at_no_place(result: AttestationResult, row: Node, words: str) -> AttestationResult:
    """Refused for its place; what was found of the machine stays."""
    value = Identity.UNTRUSTWORTHY
    finding = Finding("instance-identity", value, words, f"nodes.{row.id}.place")
    return replace(
        result,
        verdict=Verdict.REFUSED,
        reason=MISPLACED,
        vector=replace(result.vector, instance_identity=value),
        findings=(*result.findings, finding),
    )


# --- until when ----------------------------------------------------------------------


def _next_change(
    result: AttestationResult,
    policy: AppraisalPolicy,
    anchors: Anchors,
    register: Register,
    node: str,
) -> datetime | None:
    """The first midnight after it at which a dated row that matters begins or ends. A result
    counts no longer: it was judged by the rows of its day."""
    rows: list[Dated] = [policy.terms, *register.rows.get(node, ())]
    claims = result.claims
    parts = () if claims is None else (claims, *claims.parts)
    for technology in {part.technology for part in parts}:
        section = policy.sections.get(technology)
        if section is not None:
            rows += [*section.floor, *section.refuse, *section.reference]
    rows += [row for row, _ in anchors.tpm_keys]
    rows += anchors.tpm_authorities
    days = [(row.valid_from, row.valid_until) for row in rows]
    days += [(one.valid_from, one.valid_until) for one in anchors.cca_platforms]
    days += [(one.valid_from, one.valid_until) for one in anchors.ear_issuers]
    found = [midnight for first, last in days for midnight in _midnights(first, last)]
    return min((one for one in found if one > result.appraised_at), default=None)


def _midnights(first: date | None, last: date | None) -> list[datetime]:
    days = [] if first is None else [first]
    if last is not None and last < date.max:
        days.append(last + timedelta(days=1))
    return [datetime.combine(day, time(), UTC) for day in days]
