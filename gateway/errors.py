"""What can go wrong in the gateway: one class per thing a caller can do about it.

Verification raises; it never returns a boolean. Messages are safe to show: they name
the field and what to do, never a secret and never a stack trace.
"""


class GatewayError(Exception):
    """Root of every error the gateway raises on purpose."""


# --- starting ------------------------------------------------------------------------


class ConfigurationError(GatewayError):
    """The gateway cannot start as it is told to; the message says what to change."""


class KeyFileError(ConfigurationError):
    """A key file is missing, malformed, of the wrong kind, or readable by others."""


# --- asking --------------------------------------------------------------------------


class RequestError(GatewayError):
    """The question is malformed. `pointer` is the RFC 6901 pointer of the field."""

    def __init__(self, detail: str, *, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


class AuthenticationError(GatewayError):
    """The caller did not prove who it is."""


class AuthorisationError(GatewayError):
    """The caller is known and may not do this."""


# --- engines -------------------------------------------------------------------------


class EngineError(GatewayError):
    """An engine gave no answer that can be used. Never a permit."""

    def __init__(self, engine: str, detail: str) -> None:
        super().__init__(f"{engine}: {detail}")
        self.engine = engine
        self.detail = detail


class EngineUnavailableError(EngineError):
    """The engine cannot be reached or did not answer in time."""


class EngineAnswerError(EngineError):
    """The engine reported an error, or its answer is not exactly the expected object."""


# --- records -------------------------------------------------------------------------


class RecordError(GatewayError):
    """A record is not what it claims to be."""


class CanonicalFormError(RecordError):
    """The value has no RFC 8785 form, or the bytes are not in it."""


class EnvelopeMalformedError(RecordError):
    """The envelope or its payload does not have the shape of the standard."""


class SignatureError(RecordError):
    """The signature does not hold, or no trusted key made it."""


# --- ledger --------------------------------------------------------------------------


class LedgerError(GatewayError):
    """The ledger contradicts itself or its proof, or cannot take entries."""


class LedgerUnavailableError(LedgerError):
    """The ledger takes no entries: it is locked, closed, or a write failed."""


class CheckpointMalformedError(LedgerError):
    """The checkpoint is not in the form of C2SP tlog-checkpoint."""


class CheckpointSignatureError(LedgerError):
    """The checkpoint carries no valid signature of the expected log key."""


class ProofMalformedError(LedgerError):
    """The proof is not in the form of C2SP tlog-proof, or its size cannot be right."""


class InclusionProofError(LedgerError):
    """The proof does not lead to the root in the checkpoint."""

    def __init__(self, *, index: int, tree_size: int, expected: bytes, calculated: bytes) -> None:
        super().__init__(
            f"entry {index} is not in the tree of size {tree_size}: "
            f"expected root {expected.hex()}, calculated {calculated.hex()}"
        )
        self.index = index
        self.tree_size = tree_size
        self.expected = expected
        self.calculated = calculated
