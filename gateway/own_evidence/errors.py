"""What can be wrong with a gateway's evidence of itself: while it is made, and for somebody who
relies on a decision.
"""

from gateway.errors import ConfigurationError, RecordError
from gateway.verify.refused import CannotTellError


class OwnEvidenceError(ConfigurationError):
    """The gateway cannot attest itself as it is told to; the message says what to change."""

    reason = "own-evidence"


class TpmEndorsementError(OwnEvidenceError):
    """Nothing shows that the attestation key is in a TPM of a known maker."""

    reason = "tpm-endorsement"


# --- relying on it -------------------------------------------------------------------


class GatewayEvidenceError(RecordError):
    """The evidence is not that of the gateway that made the decision."""

    reason = "gateway-evidence"


class GatewayEvidenceMalformedError(GatewayEvidenceError):
    """The document, or the reference to it in the record, is not what it should be."""

    reason = "gateway-evidence-malformed"


class GatewayEvidenceOtherError(GatewayEvidenceError):
    """The record names another document."""

    reason = "gateway-evidence-other"


class GatewayEvidenceKeyError(GatewayEvidenceError):
    """It is of another key than the one that signed the decision."""

    reason = "gateway-evidence-key"


class GatewayEvidenceRulesError(GatewayEvidenceError):
    """It is of another bundle or another catalogue than decided."""

    reason = "gateway-evidence-rules"


class GatewayEvidenceOriginError(GatewayEvidenceError):
    """It is of the gateway of another log."""

    reason = "gateway-evidence-origin"


class GatewayEvidenceLaterError(GatewayEvidenceError):
    """It says that it was made after the decision that names it."""

    reason = "gateway-evidence-later"


class GatewayEvidenceBoundError(GatewayEvidenceError):
    """The quote was made over something else than the document says."""

    reason = "gateway-evidence-bound"


class GatewayEvidenceCertificationError(GatewayEvidenceError):
    """It says that the decision key is in the TPM, and that does not hold."""

    reason = "gateway-evidence-certification"


class GatewayEvidenceUncertifiedError(CannotTellError):
    """Nothing says that the decision key is in the TPM and nowhere else."""

    reason = "gateway-evidence-uncertified"


class GatewayEvidenceAbsentError(CannotTellError):
    """The record names no evidence of the gateway."""

    reason = "gateway-evidence-absent"


class GatewayEvidenceUnsupportedError(CannotTellError):
    """The document is of another format than is known here."""

    reason = "gateway-evidence-unsupported"
