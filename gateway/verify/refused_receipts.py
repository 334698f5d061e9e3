"""Why a signed statement or a receipt of COSE is refused."""

from gateway.errors import LedgerError, RecordError, SignatureError
from gateway.verify.refused import CannotTellError


class StatementFormError(RecordError):
    """It is no signed statement of a gateway in COSE."""

    reason = "cose-statement"


class StatementAlgorithmError(SignatureError):
    """Its algorithm is not protected, or not the one of decisions."""

    reason = "cose-algorithm"


class StatementSignatureError(SignatureError):
    """The signature of a trusted key over the statement does not hold."""

    reason = "cose-signature"


class StatementKeyError(SignatureError):
    """No trusted key is named by the statement."""

    reason = "cose-key-unknown"


class ReceiptFormError(LedgerError):
    """A receipt is not one of RFC 9942 with one proof."""

    reason = "receipt-malformed"


class ReceiptKeyError(LedgerError):
    """No trusted key signed a receipt."""

    reason = "receipt-key-unknown"


class ReceiptOriginError(LedgerError):
    """The receipt is of another log than its key."""

    reason = "receipt-origin"


class ReceiptPeriodError(LedgerError):
    """The receipt was signed when its key did not count, or says not when."""

    reason = "receipt-key-period"


class ReceiptSignatureError(LedgerError):
    """The signature does not hold over the root to which the proof leads: either was changed,
    or the receipt is of something else. A receipt does not carry the root, so that nobody can
    say which."""

    reason = "receipt-signature"


class ReceiptSizeError(LedgerError):
    """The proof is for another size of the tree than was signed with its root."""

    reason = "receipt-size"


class ReceiptNoteError(LedgerError):
    """The checkpoint beside a receipt is of another log, or of another size of the tree."""

    reason = "receipt-checkpoint"


class ReceiptMissingError(CannotTellError):
    """The statement carries no receipt."""

    reason = "receipt-missing"


class ReceiptStructureError(CannotTellError):
    """No receipt is of a structure that is known here."""

    reason = "receipt-structure"


class ReceiptUnwitnessedError(CannotTellError):
    """The trust file demands witnesses, and no receipt carries a checkpoint that they signed."""

    reason = "receipt-unwitnessed"
