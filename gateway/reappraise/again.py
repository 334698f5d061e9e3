"""One piece of evidence judged again, and the result held against what the record says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.errors import AppraisalPolicyError, EvidenceError, EvidenceNonceError
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.nodes import errors as nodes
from gateway.nodes.attested import DECISION, STANDING, Attested, Recorded
from gateway.nodes.judged import judge, without
from gateway.nodes.register import Register, read_register
from gateway.reappraise.documents import Documents
from gateway.reappraise.errors import (
    AppraisedOtherwiseError,
    AttestedFormError,
    EvidenceMissingError,
    EvidenceStateError,
    TermsMissingError,
    TermsUnreadableError,
)
from gateway.reappraise.libraries import check_libraries
from gateway.record.canonical import Json, canonicalise

Read = TypeVar("Read")

# Reasons that the gateway had besides the evidence, so that nobody else can have them again.
_OF_STATE: Mapping[str, type[EvidenceError]] = {
    one.reason: one
    for one in (EvidenceNonceError, nodes.NodeRolledBackError, nodes.EvidenceErasedError)
}
# Said in words, which another version may put in others.
_WORDS = ("lacking", "skipped")
# Beyond it there is no instant from which a result could count for its time.
LAST_YEAR = 9000
_OF_ERRORS = "verification"
_SHOWN = 120


@dataclass(frozen=True)
class Again:
    """Evidence that came out as it did then.

    Attributes:
        document: The evidence, as it was given.
        anchors: That it was verified by.
    """

    attested: Attested
    document: bytes
    anchors: Anchors


def judge_again(said: Recorded, documents: Documents, *, tenant: str, program: str) -> Again:
    """Judge the evidence that a record names by the documents that it names, at the instant
    that it names.

    Args:
        program: What judges now, such as `charter/0.1.0`.

    Raises:
        AttestedFormError: The record says what no gateway says.
        CannotTellError: A document is not there, or the result rested on something else too.
        AppraisedOtherwiseError: It comes to another result.
    """
    if said.purpose not in (STANDING, DECISION):
        raise AttestedFormError(f"evidence is not shown for {said.purpose!r:.40}")
    document = documents.find(said.evidence_sha256)
    if document is None:
        raise EvidenceMissingError(f"no file holds the evidence sha256:{said.evidence_sha256}")
    policy, anchors, register = _terms(said, documents)
    if said.appraised_at.year > LAST_YEAR:
        raise AppraisedOtherwiseError(f"nothing was judged in the year {said.appraised_at.year}")
    try:
        attested = judge(
            document,
            node=said.node,
            purpose=said.purpose,
            nonce=said.nonce,
            tenant=tenant,
            at=said.appraised_at,
            policy=policy,
            anchors=anchors,
            register=register,
            verifier=program,
        )
    except (EvidenceError, nodes.UnknownNodeError) as error:
        if isinstance(error, EvidenceError) and error.is_undecided:
            raise TermsUnreadableError(f"the evidence cannot be read here: {error}") from error
        raise AppraisedOtherwiseError(f"nothing could be judged: {error}") from error
    _compare(said, attested, document)
    return Again(attested, document, anchors)


def _terms(said: Recorded, documents: Documents) -> tuple[AppraisalPolicy, Anchors, Register]:
    terms = said.terms
    policy = _read(documents, terms.policy_sha256, "appraisal policy", read_policy)
    anchors = Anchors()
    if terms.anchors_sha256:
        anchors = _read(documents, terms.anchors_sha256, "file of anchors", read_anchors)
    return policy, anchors, _read(documents, terms.register_sha256, "register", read_register)


def _read(documents: Documents, sha256: str, what: str, read: Callable[[bytes], Read]) -> Read:
    data = documents.find(sha256)
    if data is None:
        raise TermsMissingError(f"no file holds the {what} sha256:{sha256}")
    try:
        return read(data)
    except (AppraisalPolicyError, nodes.RegisterError) as error:
        raise TermsUnreadableError(f"the {what} sha256:{sha256}: {error}") from error


# --- comparing -----------------------------------------------------------------------


def _compare(said: Recorded, found: Attested, document: bytes) -> None:
    other = said.body.get("verifier") != found.verifier
    differing = differences(said.body, found.body(), other_version=other)
    if not differing:
        return
    state = _OF_STATE.get(said.reason)
    if state is not None:
        refused = without(found, state("")).body()
        if not (differences(said.body, refused, other_version=other).keys() - {"findings"}):
            raise EvidenceStateError(
                f"it was refused ({said.reason}) for what the gateway knew besides, which the "
                "documents do not show"
            )
    check_libraries(document, then=said.reason, now=found.result.reason)
    name, (then, now) = next(iter(differing.items()))
    more = f", and {len(differing) - 1} more" if len(differing) > 1 else ""
    by = f"; judged by {said.body.get('verifier')} then" if other else ""
    raise AppraisedOtherwiseError(
        f"`{name}` is {_shown(then)} in the record and {_shown(now)} again{more}{by}"
    )


def differences(
    said: Mapping[str, Json], found: Mapping[str, Json], *, other_version: bool
) -> dict[str, tuple[Json, Json]]:
    """The members that differ, with both values; None for what is not there.

    Args:
        other_version: Words, and members that only one of both has, may differ.
    """
    differing: dict[str, tuple[Json, Json]] = {}
    for name in sorted(said.keys() | found.keys()):
        if name == "verifier" or (
            other_version and (name in _WORDS or name not in said or name not in found)
        ):
            continue
        then, now = said.get(name), found.get(name)
        if name == "findings":
            then, now = (_comparable(one, words=not other_version) for one in (then, now))
        # As bytes: True is no 1, and what is not there is not null.
        if (name in said) != (name in found) or canonicalise(then) != canonicalise(now):
            differing[name] = then, now
    return differing


def _comparable(findings: Json, *, words: bool) -> Json:
    """Findings without what may be said otherwise: all words of another version, and those of
    an error, in which a library may have its say."""
    if not isinstance(findings, list):
        return findings
    return [
        {name: value for name, value in one.items() if name != "because"}
        if isinstance(one, dict) and not (words and one.get("clause") != _OF_ERRORS)
        else one
        for one in findings
    ]


def _shown(value: Json) -> str:
    text = canonicalise(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
