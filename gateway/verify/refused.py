"""Why evidence is refused, where no part of a record or a log is to blame alone."""

from gateway.errors import GatewayError, LedgerError, RecordError, SignatureError, TrustError


class TrustEmptyError(TrustError):
    """The trust file names no key to trust."""

    reason = "trust-empty"


class TrustKeyTwiceError(TrustError):
    """The trust file lists one key, or one id, twice."""

    reason = "trust-key-twice"


class TrustKeyRefusedError(TrustError):
    """A key of the trust file is malformed, weak, or not the one it is named as."""

    reason = "trust-key-refused"


class KeyPeriodError(SignatureError):
    """The decision was made when the key that signed it did not count."""

    reason = "key-period"


class CheckpointKeyPeriodError(LedgerError):
    """The checkpoint is larger than any that is believed from the key that signed it."""

    reason = "checkpoint-key-period"


class DecidedLaterError(RecordError):
    """The decision says that it was made after the time at which it is judged."""

    reason = "decided-later"


class DecidedWhenError(RecordError):
    """The record does not say in RFC 3339 when the decision was made."""

    reason = "decided-when"


class RulesUnknownError(RecordError):
    """The decision was made under rules that the trust file does not list."""

    reason = "rules-unknown"


class RulesPeriodError(RecordError):
    """The decision was made under rules that were not in force at that time."""

    reason = "rules-period"


class EvidenceError(GatewayError):
    """What was exported is not evidence that can be read."""

    reason = "evidence-malformed"


class EvidencePathError(EvidenceError):
    """A file of the archive would lie outside its folder, or is a link or a device."""

    reason = "evidence-path"


class EvidenceTwiceError(EvidenceError):
    """The archive has two files of one name."""

    reason = "evidence-twice"


class EvidenceTooLargeError(EvidenceError):
    """The archive is, or unpacks to, more than is read."""

    reason = "evidence-too-large"


class EvidenceIncompleteError(EvidenceError):
    """The archive does not hold exactly the decisions that it lists."""

    reason = "evidence-incomplete"


class DecisionAbsentError(EvidenceError):
    """All that is there is genuine, but the decision that was asked for is not there."""

    reason = "decision-absent"


class CannotTellError(GatewayError):
    """What is there contradicts nothing, and does not suffice. Never to be taken for good."""

    reason = "cannot-tell"


class DecisionErasedError(CannotTellError):
    """The decision was erased, and what says so is genuine."""

    reason = "erased"


class ConsistencyMissingError(CannotTellError):
    """Nothing shows how two checkpoints of one log belong together."""

    reason = "consistency-missing"


class TimestampUntrustedError(CannotTellError):
    """There is a timestamp, and the trust file names no authority that may have made it."""

    reason = "timestamp-untrusted"


class TimestampError(LedgerError):
    """The timestamp is no RFC 3161 token of a trusted authority over this checkpoint."""

    reason = "timestamp"


class TimestampImprintError(TimestampError):
    """The timestamp is over other bytes."""

    reason = "timestamp-imprint"


class TimestampChainError(TimestampError):
    """The certificate that signed does not lead to a trusted root, or not at that time."""

    reason = "timestamp-chain"


class TimestampPurposeError(TimestampError):
    """The certificate that signed is not for timestamps, and for these alone."""

    reason = "timestamp-purpose"


class TimestampPolicyError(TimestampError):
    """The timestamp was made under another policy."""

    reason = "timestamp-policy"


class EntriesError(LedgerError):
    """The entries of a log are not those of the tree that its checkpoint signs."""

    reason = "entries"


class EntriesMissingError(CannotTellError):
    """Some entries of the log are not there, so that nobody can say what the tree is."""

    reason = "entries-missing"
