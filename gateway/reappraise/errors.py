"""Why evidence of a decision does not come out again as its record says. Each has the stable
word of `docs/reason_codes.md` in `reason`."""

from gateway.verify.refused import CannotTellError, EvidenceError


class AttestedFormError(EvidenceError):
    """The record says something of evidence that cannot be read."""

    reason = "reappraisal-malformed"


class AppraisedOtherwiseError(EvidenceError):
    """The same evidence, judged by the same documents at the same instant, comes to another
    result than the record says."""

    reason = "reappraisal-differs"


class FactsDifferError(EvidenceError):
    """The record states facts of a machine that do not follow from its evidence."""

    reason = "reappraisal-facts"


class EvidenceMissingError(CannotTellError):
    """The evidence that the record names is not there."""

    reason = "evidence-missing"


class TermsMissingError(CannotTellError):
    """A policy, anchors or a register that the record names is not there."""

    reason = "terms-missing"


class TermsUnreadableError(CannotTellError):
    """A document is the one that the record names, and this program cannot read it."""

    reason = "terms-unreadable"


class EvidenceErasedError(CannotTellError):
    """The evidence was erased, and what says so is genuine."""

    reason = "evidence-erased"


class EvidenceStateError(CannotTellError):
    """The result rested on what the gateway knew besides, such as that a challenge was used."""

    reason = "evidence-state"


class LibraryMissingError(CannotTellError):
    """A library by which evidence of that kind is told good is missing, here or then."""

    reason = "library-missing"
