"""Whether the key that signs decisions is itself in the TPM: made there, never to leave it, and
certified by the attestation key of the quote (TCG TPM 2.0 Library, Part 3, TPM2_Certify).
"""

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation import tpm
from gateway.attestation import tpm_structures as structures
from gateway.attestation.errors import EvidenceError
from gateway.attestation.tpm_structures import Public, parse_public
from gateway.own_evidence.document import Document
from gateway.own_evidence.errors import GatewayEvidenceCertificationError

_FOREVER_THERE = (structures.FIXED_TPM, structures.FIXED_PARENT, structures.SENSITIVE_ORIGIN)


def check_resident(found: Document, attestation_key: Public) -> bool:
    """Whether the decision key of a document is in the TPM; False where nobody says so.

    Args:
        attestation_key: Of the quote, which was verified: it counts.

    Raises:
        GatewayEvidenceCertificationError: The document says so, and it does not hold.
    """
    said = found.certification
    if said is None:
        return False
    try:
        public = parse_public(said.public)
        by = tpm.AttestationKey.of(attestation_key, tpm.Vouched.PINNED)
        tpm.verify_certified(said.attest, said.signature, by=by, public=public)
    except EvidenceError as error:
        raise GatewayEvidenceCertificationError(f"the certification: {error}") from error
    spki = public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if spki != found.bound.key.pem:
        raise GatewayEvidenceCertificationError("the certification is of no decision key")
    if not public.has(*_FOREVER_THERE, structures.SIGN):
        raise GatewayEvidenceCertificationError(
            f"the decision key may be outside of the TPM too ({public.attributes:#x})"
        )
    return True
