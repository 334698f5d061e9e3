"""What can be wrong with evidence: one class per answer to "why does it not count?".

Each says whether the evidence is bad or whether nobody can tell; neither permits anything.
"""

from typing import ClassVar

from gateway.errors import GatewayError


class EvidenceError(GatewayError):
    """The evidence does not count.

    Attributes:
        is_undecided: Something is lacking to tell whether it is good, so that the same evidence
            may count another time; otherwise it is bad.
    """

    reason = "evidence"
    is_undecided: ClassVar[bool] = False


class EvidenceMalformedError(EvidenceError):
    """The bytes are not of the format they claim, too short, too long or too deep."""

    reason = "evidence-malformed"


class EvidenceUnsupportedError(EvidenceError):
    """A version, algorithm, profile or product that is not known here."""

    reason = "evidence-unsupported"
    is_undecided = True


class EvidenceSignatureError(EvidenceError):
    """A signature over evidence, or over what vouches for it, does not hold."""

    reason = "evidence-signature"


class EvidenceChainError(EvidenceError):
    """The signing key does not lead to a pinned authority of the technology."""

    reason = "evidence-chain"


class EvidenceExpiredError(EvidenceError):
    """A certificate, list or statement is not valid at the instant of the appraisal."""

    reason = "evidence-expired"


class EvidenceRevokedError(EvidenceError):
    """A certificate was revoked."""

    reason = "evidence-revoked"


class EvidenceBindingError(EvidenceError):
    """Parts that must belong together do not: report and certificate, CPU and GPU, quote and
    key, event log and registers."""

    reason = "evidence-binding"


class EvidenceNonceError(EvidenceError):
    """It was not made for this challenge."""

    reason = "evidence-nonce"


class EvidenceTcbError(EvidenceError):
    """No level of the vendor's statement is met, or the level is revoked."""

    reason = "evidence-tcb"


class EvidenceDisputedError(EvidenceError):
    """Two verifiers do not agree about it."""

    reason = "evidence-disputed"


class EvidenceIncompleteError(EvidenceError):
    """An endorsement, a key, a list or a statement is lacking that would tell."""

    reason = "evidence-incomplete"
    is_undecided = True


class AppraisalPolicyError(EvidenceError):
    """An appraisal policy or a file of reference values is malformed; the message names the
    field."""

    reason = "appraisal-policy"
