"""Whether evidence was made for a challenge: what its maker put into it, compared."""

import hmac

from gateway.attestation.errors import EvidenceNonceError
from gateway.attestation.evidence import Claims, Technology

# Fields of fixed length, which a shorter value fills from the left, zeros after it.
_FIXED = {Technology.SEV_SNP: 64, Technology.TDX: 64}


def check_bound(claims: Claims, expected: bytes) -> None:
    """Raise `EvidenceNonceError` unless the evidence holds exactly the expected bytes.

    Args:
        expected: Of a challenge that was given out; never empty.
    """
    if not expected:
        raise EvidenceNonceError("there is no challenge that the evidence could answer")
    size = _FIXED.get(claims.technology, len(expected))
    if len(expected) > size:
        raise EvidenceNonceError(f"{claims.technology.value} evidence has room for {size} bytes")
    if not hmac.compare_digest(claims.bound, expected.ljust(size, b"\0")):
        raise EvidenceNonceError("the evidence was not made for this challenge")
