"""What a verifier concludes from evidence: an attestation result (RFC 9334, section 8.4)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from gateway.attestation.evidence import Claims, Technology, Used
from gateway.attestation.vector import Tier, Vector


class Verdict(Enum):
    """Whether the evidence counts. Undecided permits as little as refused."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNDECIDED = "undecided"


class Freshness(Enum):
    """How the evidence is tied to a time."""

    CHALLENGED = "challenged"  # it answers a challenge of ours, made for it alone
    BACKGROUND = "background"  # it brings no such answer, and could have been shown before


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the policy found.

    Attributes:
        member: Of the vector, such as `hardware`.
        value: That it gives the member.
        because: In words, for people.
        clause: Of the policy, such as `sev-snp.floor[Milan]`.
    """

    member: str
    value: int
    because: str
    clause: str


@dataclass(frozen=True)
class AttestationResult:
    """A judgement on evidence at one instant.

    Attributes:
        reason: A stable word for why it does not count; empty where it does.
        lacking: What would have to be there to tell.
        skipped: Clauses that named a check and waived it, with the reason they gave.
        valid_until: From when it does not count any more, whatever happens.
        evidence_sha256: Of the evidence as it was given.
        claims: What held; None where nothing did.
    """

    technology: Technology
    verdict: Verdict
    vector: Vector
    appraised_at: datetime
    policy_id: str
    policy_sha256: str
    freshness: Freshness
    evidence_sha256: str
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    lacking: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    valid_until: datetime | None = None
    claims: Claims | None = None
    used: tuple[Used, ...] = field(default=())

    @property
    def status(self) -> Tier:
        """The tier of the whole, never better than the worst member of the vector. What is
        not accepted is never affirming."""
        worst = self.vector.worst()
        if self.verdict is Verdict.ACCEPTED:
            return worst
        if self.verdict is Verdict.REFUSED:
            return max(worst, Tier.WARNING)
        return Tier.NONE if worst is Tier.AFFIRMING else worst
