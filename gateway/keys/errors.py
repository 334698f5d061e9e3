"""What can go wrong with keys that live elsewhere, and with the purposes of keys."""

from typing import ClassVar

from gateway.errors import ConfigurationError, SigningError


class SigningUnavailableError(SigningError):
    """The key cannot be reached at present: its token is lost, its module hangs, or its
    service does not answer. Nothing was signed; it may be asked again."""

    reason = "signer-unavailable"


class CustodyError(ConfigurationError):
    """A key cannot be used where the configuration says that it is.

    `is_final`: trying again could do harm, as a wrong PIN does that locks a token.
    """

    reason = "key-custody"

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class KeyPurposeError(ConfigurationError):
    """One key has two purposes: what is signed for one could be shown for the other."""

    reason: ClassVar[str] = "key-purpose"


class RotationError(ConfigurationError):
    """Keys cannot be changed as asked; what was in use still is."""

    reason = "key-rotation"
