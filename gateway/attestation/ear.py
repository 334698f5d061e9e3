"""An attestation result as an EAR (draft-ietf-rats-ear, section 3), for other relying parties."""

from typing import Any

from gateway.attestation.result import AttestationResult

PROFILE = "tag:ietf.org,2026:rats/ear#03"
DEVELOPER = "https://github.com/charter-gateway"


def ear_claims(result: AttestationResult, *, build: str, nonce: str | None) -> dict[str, Any]:
    """The claims of an EAR with one submodule, as JSON members of the draft.

    Args:
        build: Names the version of this verifier.
        nonce: That the evidence answers, as EAT spells it in JSON; None without one.

    Returns:
        What is to be signed, as a JWT claims set (RFC 7519).
    """
    module: dict[str, Any] = {
        "ear_status": result.status.word,
        "ear_trustworthiness_vector": result.vector.told(),
        "ear_appraisal_policy_ids": [f"{result.policy_id}@sha256:{result.policy_sha256}"],
    }
    if nonce is not None:
        module["eat_nonce"] = nonce
    claims: dict[str, Any] = {
        "eat_profile": PROFILE,
        "iat": int(result.appraised_at.timestamp()),
        "ear_verifier_id": {"developer": DEVELOPER, "build": build},
        "ear_status": result.status.word,
        "submods": {result.technology.value: module},
    }
    if result.valid_until is not None:
        claims["exp"] = int(result.valid_until.timestamp())
    return claims
