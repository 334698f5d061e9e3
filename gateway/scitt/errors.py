"""Why a statement of somebody else does not count."""

from gateway.errors import GatewayError


class ScittError(GatewayError):
    """The statement does not count."""

    reason = "scitt"


class ScittMalformedError(ScittError):
    """It is not of the form that it should have."""

    reason = "scitt-malformed"


class ScittIssuerError(ScittError):
    """It was not issued by who should have."""

    reason = "scitt-issuer"


class ScittReceiptError(ScittError):
    """A receipt does not show that the ledger holds this statement."""

    reason = "scitt-receipt"


class ScittUndecidedError(ScittError):
    """Something that would show it is missing or of a kind that is not known here: nothing
    contradicts it, and it must not be taken for good."""

    reason = "scitt-undecided"
