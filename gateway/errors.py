"""What can go wrong in the gateway: one class per thing a caller can do about it.

Verification raises; it never returns a boolean. Messages are safe to show: they name
the field and what to do, never a secret and never a stack trace.
"""

from typing import ClassVar


class GatewayError(Exception):
    """Root of every error the gateway raises on purpose.

    `reason` is the stable word that reports and programs may compare.
    """

    reason: ClassVar[str] = "gateway-error"


# --- starting ------------------------------------------------------------------------


class ConfigurationError(GatewayError):
    """The gateway cannot start as it is told to; the message says what to change."""


class KeyFileError(ConfigurationError):
    """A key file is missing, malformed, of the wrong kind, or readable by others."""

    reason = "key-file"


class ReleaseError(ConfigurationError):
    """What is to be decided with is not what a trusted author signed, or is older than what
    was in force before. What is in force stays."""

    reason = "release"


class KeyMalformedError(GatewayError):
    """A public key is malformed, of the wrong kind, or one that nobody should trust."""

    reason = "key-malformed"


# --- asking --------------------------------------------------------------------------


class ReloadError(GatewayError):
    """Other rules and facts cannot come into force; those before them stay."""

    reason = "reload-refused"


class RequestError(GatewayError):
    """The question is malformed. `pointer` is the RFC 6901 pointer of the field; `kind` is
    the stable name of what is wrong, one of the problem types of the wire."""

    def __init__(self, detail: str, *, pointer: str = "", kind: str = "malformed-question") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.kind = kind


class AuthenticationError(GatewayError):
    """The caller did not prove who it is."""


class AuthorisationError(GatewayError):
    """The caller is known and may not do this."""


class CallersUnavailableError(GatewayError):
    """Nobody can be known at present: the tokens or the keys of an issuer cannot be read."""

    reason = "callers-unavailable"


class ClockError(GatewayError):
    """Nobody knows what time it is: the clock stepped, or is behind the newest record.
    Nothing was decided or recorded."""

    reason = "clock-in-doubt"


class SigningError(GatewayError):
    """A decision cannot be signed with the key that strangers were told to trust."""

    reason = "signing"


class FetchError(GatewayError):
    """Something could not be got from another host; the message names it."""

    reason = "fetch"


class FetchTimeoutError(FetchError):
    """Another host did not answer in time."""


class FactSourceError(GatewayError):
    """A fact source gave no answer that can be used; the facts are unknown. `status` is the
    word that records say it with."""

    reason = "fact-source"

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class IssuerKeysError(GatewayError):
    """The keys of an issuer are not what can be used."""

    reason = "issuer-keys"


class OverloadedError(GatewayError):
    """More is asked at once than can be decided in time. Nothing was decided or recorded;
    it may be asked again."""

    reason = "overloaded"


class DecisionTimeoutError(GatewayError):
    """No answer was ready in time. Nothing may be taken as permitted; the decision may be
    recorded nevertheless."""

    reason = "decision-timeout"


# --- engines -------------------------------------------------------------------------


class EngineError(GatewayError):
    """An engine gave no answer that can be used. Never a permit."""

    def __init__(self, engine: str, detail: str) -> None:
        super().__init__(f"{engine}: {detail}")
        self.engine = engine
        self.detail = detail


class EngineUnavailableError(EngineError):
    """The engine cannot be reached or did not answer in time."""


class EngineLateError(EngineUnavailableError):
    """It may answer the next time: its turn, or its answer, did not come in time."""


class EngineAnswerError(EngineError):
    """The engine reported an error, or its answer is not exactly the expected object."""


# --- reading JSON --------------------------------------------------------------------


class JsonError(GatewayError):
    """The bytes are not JSON that we read. `pointer` is the RFC 6901 pointer of the place,
    or empty where it is the text as a whole."""

    reason = "json-malformed"

    def __init__(self, detail: str, *, pointer: str = "") -> None:
        super().__init__(f"{detail} at {pointer}" if pointer else detail)
        self.detail = detail
        self.pointer = pointer


class DuplicateKeyError(JsonError):
    """An object has one name twice, and readers differ in which value they take."""


# --- records -------------------------------------------------------------------------


class RecordError(GatewayError):
    """A record is not what it claims to be."""

    reason = "record-invalid"


class CanonicalFormError(RecordError):
    """The value has no RFC 8785 form, or the bytes are not in it."""

    reason = "not-canonical"


class EnvelopeMalformedError(RecordError):
    """The envelope does not have the shape of DSSE."""

    reason = "envelope-malformed"


class PayloadTypeError(EnvelopeMalformedError):
    """The envelope carries another type of payload than the one expected."""

    reason = "payload-type"

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(f"payload type is {found!r}, expected {expected!r}")
        self.expected = expected
        self.found = found


class SignatureError(RecordError):
    """The signature does not hold, or no trusted key made it."""

    reason = "signature-invalid"


class KeyUnknownError(SignatureError):
    """No trusted key made a signature of the envelope. `found` are the key ids it names."""

    reason = "key-unknown"

    def __init__(self, *, expected: tuple[str, ...], found: tuple[str, ...]) -> None:
        super().__init__(
            f"no trusted key signed this: signed by {', '.join(found) or 'nobody'}, "
            f"trusted are {', '.join(expected) or 'none'}"
        )
        self.expected = expected
        self.found = found


class TooFewSignaturesError(KeyUnknownError):
    """Trusted keys signed the envelope, but fewer than must; one key counts once."""

    reason = "too-few-signatures"


class SignatureEncodingError(SignatureError):
    """The signature is not an ASN.1 pair in DER, as ECDSA signatures of DSSE are."""

    reason = "signature-encoding"


class SignatureRangeError(SignatureError):
    """A part of the signature is zero, negative, or not below the order of the curve."""

    reason = "signature-range"


class KeyIdMismatchError(SignatureError):
    """A trusted key made the signature, but it is named as another key's."""

    reason = "key-id-mismatch"

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(f"the signature names key {found!r}, but key {expected} made it")
        self.expected = expected
        self.found = found


class PayloadNotCanonicalError(CanonicalFormError):
    """The signed payload is not in RFC 8785 form."""

    reason = "payload-not-canonical"


class PayloadDuplicateKeyError(PayloadNotCanonicalError):
    """An object of the signed payload has one name twice."""

    reason = "payload-duplicate-key"


class PayloadLookalikeKeyError(PayloadNotCanonicalError):
    """A name in the signed payload only looks like another: another Unicode form of it, or
    one with an invisible character."""

    reason = "payload-lookalike-key"


class StatementMalformedError(RecordError):
    """The signed payload is not an in-toto Statement about a decision."""

    reason = "statement-malformed"


class TrustError(GatewayError):
    """The trust file says not, or says twice, which keys to trust."""

    reason = "trust-malformed"


class AnswerMalformedError(RecordError):
    """The answer to verify carries no record and proof, or is too large."""

    reason = "answer-malformed"


class AnswerDiffersError(RecordError):
    """A member around the record is not what was signed."""

    reason = "answer-differs-from-record"

    def __init__(self, *, member: str, expected: object, found: object) -> None:
        super().__init__(f"{member!r} of the answer is not the one that was signed")
        self.member = member
        self.expected = expected
        self.found = found


class DecisionMismatchError(RecordError):
    """A genuine record, but not of the decision, request or bundle asked for."""

    reason = "decision-mismatch"

    def __init__(self, *, what: str, expected: str, found: str) -> None:
        super().__init__(f"the record is of {what} {found}, asked for was {expected}")
        self.what = what
        self.expected = expected
        self.found = found


class RequestMismatchError(DecisionMismatchError):
    """A genuine record, but of another question than the one asked for."""

    reason = "request-mismatch"


class BundleMismatchError(DecisionMismatchError):
    """A genuine record, but made under other rules than those asked for."""

    reason = "bundle-mismatch"


# --- between our own processes --------------------------------------------------------


class WorkersError(GatewayError):
    """The processes of one gateway do not work together."""

    reason = "workers"


class FrameError(WorkersError):
    """What came from another process of ours is not what such a process sends."""

    reason = "frame-malformed"


class PeerError(WorkersError):
    """At the other end of a socket is another user, or nobody knows who."""

    reason = "peer-unknown"


# --- ledger --------------------------------------------------------------------------


class LedgerError(GatewayError):
    """The ledger contradicts itself or its proof, or cannot take entries."""

    reason = "ledger-invalid"


class LedgerUnavailableError(LedgerError):
    """The ledger takes no entries: it is locked, closed, or a write failed."""

    reason = "ledger-unavailable"


class EntryConflictError(LedgerError):
    """Another entry has this id already; nothing was appended."""

    reason = "entry-conflict"

    def __init__(self, *, entry_id: str, index: int) -> None:
        super().__init__(f"entry {index} has the id {entry_id!r} and another body or tenant")
        self.entry_id = entry_id
        self.index = index


class KeyTakenError(LedgerError):
    """The key under which this was to be logged has been used; nothing was appended."""

    reason = "key-taken"


class KeysExhaustedError(LedgerError):
    """The tenant has as many keys in use as it may; nothing was appended."""

    reason = "keys-exhausted"


class EntryMismatchError(LedgerError):
    """The proof is about another entry than this record."""

    reason = "entry-mismatch"

    def __init__(self, *, expected: bytes, calculated: bytes) -> None:
        super().__init__(
            f"the proof is about entry sha256:{expected.hex()}, "
            f"this record is sha256:{calculated.hex()}"
        )
        self.expected = expected
        self.calculated = calculated


class CheckpointMalformedError(LedgerError):
    """The checkpoint is not in the form of C2SP tlog-checkpoint."""

    reason = "checkpoint-malformed"


class CheckpointOriginError(LedgerError):
    """The checkpoint is of another log."""

    reason = "checkpoint-origin"

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(f"the checkpoint is of log {found!r}, expected {expected!r}")
        self.expected = expected
        self.found = found


class CheckpointSignatureError(LedgerError):
    """The checkpoint carries no valid signature of the expected log key."""

    reason = "checkpoint-signature"


class CheckpointKeyUnknownError(CheckpointSignatureError):
    """No key that is known made a signature of the checkpoint."""

    reason = "checkpoint-key-unknown"


class CheckpointRollbackError(LedgerError):
    """The checkpoint is older than one seen before."""

    reason = "checkpoint-rollback"

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"the checkpoint has size {found}, size {expected} was seen before")
        self.expected = expected
        self.found = found


class CheckpointForkError(LedgerError):
    """Two checkpoints of one log have one size and different roots: keep both, as proof."""

    reason = "checkpoint-fork"

    def __init__(self, *, tree_size: int, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"two roots for size {tree_size}: {expected.hex()} seen before, now {found.hex()}"
        )
        self.tree_size = tree_size
        self.expected = expected
        self.found = found


class CosignatureError(LedgerError):
    """A line that names a known witness is not its cosignature."""

    reason = "cosignature"


class WitnessQuorumError(LedgerError):
    """Fewer witnesses cosigned the checkpoint than must have; one witness counts once."""

    reason = "witness-quorum"

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"{found} known witnesses cosigned the checkpoint, expected {expected}")
        self.expected = expected
        self.found = found


class ProofMalformedError(LedgerError):
    """The proof is not in the form of C2SP tlog-proof."""

    reason = "proof-malformed"


class InclusionProofError(LedgerError):
    """The proof does not lead from the entry to the root in the checkpoint."""

    reason = "inclusion-proof"

    def __init__(self, detail: str, *, index: int, tree_size: int) -> None:
        super().__init__(f"entry {index} is not shown to be in the tree of {tree_size}: {detail}")
        self.index = index
        self.tree_size = tree_size


class InclusionRootError(InclusionProofError):
    """The path leads to another root."""

    reason = "inclusion-root"

    def __init__(self, *, index: int, tree_size: int, expected: bytes, calculated: bytes) -> None:
        detail = f"expected root {expected.hex()}, calculated {calculated.hex()}"
        super().__init__(detail, index=index, tree_size=tree_size)
        self.expected = expected
        self.calculated = calculated


class InclusionPathError(InclusionProofError):
    """The path has another number of hashes than an entry there needs."""

    reason = "inclusion-path"

    def __init__(self, *, index: int, tree_size: int, expected: int, found: int) -> None:
        detail = f"expected {expected} hashes, found {found}"
        super().__init__(detail, index=index, tree_size=tree_size)
        self.expected = expected
        self.found = found


class InclusionPathEmptyError(InclusionPathError):
    """The path is empty, though the tree holds more than the one entry."""

    reason = "inclusion-path-empty"


class ConsistencyProofError(LedgerError):
    """The proof does not show that the newer tree extends the older one."""

    reason = "consistency-proof"

    def __init__(self, detail: str, *, old_size: int, new_size: int) -> None:
        super().__init__(
            f"the tree of {new_size} is not shown to extend the tree of {old_size}: {detail}"
        )
        self.old_size = old_size
        self.new_size = new_size


class ConsistencySizesError(ConsistencyProofError):
    """The sizes are swapped, or the older tree is empty: there is nothing to prove."""

    reason = "consistency-sizes"


class ConsistencyPathError(ConsistencyProofError):
    """The path has another number of hashes than these two sizes need."""

    reason = "consistency-path"


class ConsistencyRootError(ConsistencyProofError):
    """The path leads to another root for the old or the new size."""

    reason = "consistency-root"

    def __init__(
        self, which: str, *, old_size: int, new_size: int, expected: bytes, calculated: bytes
    ) -> None:
        detail = f"expected {which} root {expected.hex()}, calculated {calculated.hex()}"
        super().__init__(detail, old_size=old_size, new_size=new_size)
        self.expected = expected
        self.calculated = calculated
