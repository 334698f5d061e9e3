"""What an external verifier concluded, as findings of ours: its words are taken over where they
speak against the attester, and where they approve, member by member.

0 says nothing, and so do -1 (the verifier failed) and 1 (it did not understand the evidence):
neither approves (AR4SI, draft-ietf-rats-ar4si, section 2.3.3).
"""

from gateway.attestation.evidence import Claims
from gateway.attestation.result import Finding
from gateway.attestation.vector import Tier, tier_of


def concluded(claims: Claims, name: str) -> tuple[list[Finding], list[str]]:
    """Findings, and what would have to be there to tell.

    Args:
        name: Of the section of the policy.
    """
    findings: list[Finding] = []
    lacking: list[str] = []
    said_by = claims.product or "the verifier"
    for part, one in claims.concluded.items():
        clause = f"{name}.concluded[{part}]"
        told = {m: value for m, value in one.vector.items() if tier_of(value) is not Tier.NONE}
        for member, value in told.items():
            words = f"{said_by} concludes {value} for `{part}`"
            findings.append(Finding(member, value, words, clause))
        lacking += [f"`{m}` of `{part}`" for m in sorted(one.vector.keys() - told.keys())]
        if not told:
            lacking.append(f"anything that {said_by} says of `{part}`")
        status = Tier(one.status)
        if status is Tier.NONE:
            lacking.append(f"a status that {said_by} gives `{part}`")
        elif status > max((tier_of(value) for value in told.values()), default=Tier.NONE):
            # By its own policy, a verifier may think worse of a part than of each member.
            words = f"{said_by} gives `{part}` status {status.word}"
            findings.append(Finding("configuration", int(status), words, clause))
    return findings, lacking
