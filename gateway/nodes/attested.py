"""What one piece of evidence of one node came to, as decisions, answers and records have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Literal, cast

from gateway.attestation.appraise import SKEW
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.result import AttestationResult, Verdict
from gateway.record.canonical import Json

STANDING, DECISION = "standing", "decision"
Purpose = Literal["standing", "decision"]


class Strength(Enum):
    """How it is known that the node stands at its site; the later is the stronger."""

    DECLARED = "declared"  # the operator says that nodes of this name do
    ENROLLED = "enrolled"  # this very device does
    MEASURED = "measured"  # besides, it measured the tag of its place


@dataclass(frozen=True)
class Submission:
    """Evidence as somebody sent it.

    Attributes:
        document: The RFC 8785 form of the evidence object, whose SHA-256 names it.
        challenge: The id of the challenge that it is said to answer.
    """

    node: str
    document: bytes
    challenge: str | None = None


@dataclass(frozen=True)
class Named:
    """What it was judged by. `anchors_sha256` is empty where no anchors were given."""

    policy_id: str
    policy_sha256: str
    anchors_sha256: str
    register_sha256: str


@dataclass(frozen=True)
class Attested:
    """A result with the node that it is of.

    Attributes:
        nonce: The challenge that it answered; None where it answered none.
        verifier: The program that judged, such as `charter/0.1.0`.
    """

    node: str
    site: str
    strength: Strength
    tenant: str
    result: AttestationResult
    terms: Named
    nonce: bytes | None
    verifier: str
    purpose: str

    @property
    def is_genuine(self) -> bool:
        """Whether it is evidence of the node's own device, accepted or not."""
        return self.result.claims is not None

    def counts_at(self, now: datetime) -> bool:
        """Whether anything of it may be believed at an instant. What was judged after it was
        judged by a clock that was ahead, and would count for too long."""
        result, until = self.result, self.result.valid_until
        begun = result.appraised_at <= now + SKEW
        return begun and result.verdict is Verdict.ACCEPTED and until is not None and now < until

    def body(self) -> dict[str, Json]:
        """As records and answers say it; the same for the same value."""
        result, terms = self.result, self.terms
        return {
            "node": self.node,
            "site": self.site,
            "place": self.strength.value,
            "purpose": self.purpose,
            "technology": result.technology.value,
            "digest": digest(result.evidence_sha256),
            "nonce": None if self.nonce is None else self.nonce.hex(),
            "freshness": result.freshness.value,
            "appraised_at": instant(result.appraised_at),
            "valid_until": None if result.valid_until is None else instant(result.valid_until),
            "verdict": result.verdict.value,
            "reason": result.reason,
            "status": result.status.word,
            "vector": {name: int(value) for name, value in result.vector.told().items()},
            "findings": [
                {
                    "member": found.member,
                    "value": int(found.value),
                    "because": found.because,
                    "clause": found.clause,
                }
                for found in result.findings
            ],
            "lacking": list(result.lacking),
            "skipped": list(result.skipped),
            "policy": {"id": terms.policy_id, "digest": digest(terms.policy_sha256)},
            "anchors": digest(terms.anchors_sha256) if terms.anchors_sha256 else None,
            "register": digest(terms.register_sha256),
            "used": [{"kind": one.kind, "digest": digest(one.sha256)} for one in result.used],
            "verifier": self.verifier,
            **_of_claims(result.claims),
        }


def _of_claims(claims: Claims | None) -> dict[str, Json]:
    held = Claims(Technology.EAR) if claims is None else claims
    return {
        "product": held.product,
        "firmware": dict(held.firmware),
        "tcb_status": held.tcb_status,
        "advisories": list(held.advisories),
        "attester": held.attester_id,
        "measurements": {name: value.hex() for name, value in held.measurements.items()},
        "gpus": [_gpu(part) for part in held.parts if part.technology is Technology.NVIDIA_GPU],
    }


def _gpu(part: Claims) -> dict[str, Json]:
    return {
        "product": part.product,
        "firmware": dict(part.firmware),
        "confidential": part.is_confidential,
        "attester": part.attester_id,
    }


def digest(sha256: str) -> str:
    return f"sha256:{sha256}"


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as all of a record."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_written(moment: datetime) -> datetime:
    """The instant as a record can say it: who judges again by the record has no other."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


# --- what a record says of it --------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """What a recorded decision says of evidence, as far as it takes to judge it again. Digests
    are in hexadecimal; `body` is all that it says."""

    node: str
    site: str
    strength: Strength
    purpose: str
    technology: Technology
    evidence_sha256: str
    nonce: bytes | None
    appraised_at: datetime
    verdict: Verdict
    reason: str
    terms: Named
    body: Mapping[str, Json]


def read_attested(body: object) -> Recorded | None:
    """What a member of `evidence` of a record says; None where it is none of ours."""
    try:
        said = cast("Mapping[str, Json]", body)
        policy = cast("Mapping[str, Json]", said["policy"])
        nonce, anchors = said["nonce"], said["anchors"]
        return Recorded(
            node=_text(said["node"]),
            site=_text(said["site"]),
            strength=Strength(said["place"]),
            purpose=_text(said["purpose"]),
            technology=Technology(said["technology"]),
            evidence_sha256=_sha256(said["digest"]),
            nonce=None if nonce is None else bytes.fromhex(_text(nonce)),
            appraised_at=datetime.fromisoformat(_text(said["appraised_at"])).astimezone(UTC),
            verdict=Verdict(said["verdict"]),
            reason=_text(said["reason"]),
            terms=Named(
                _text(policy["id"]),
                _sha256(policy["digest"]),
                "" if anchors is None else _sha256(anchors),
                _sha256(said["register"]),
            ),
            body=said,
        )
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _sha256(value: Json) -> str:
    name, _, found = _text(value).partition(":")
    if name != "sha256" or len(found) != 64 or bytes.fromhex(found).hex() != found:
        raise ValueError("not a digest")
    return found
