"""`charter verify ANSWER --re-appraise`: evidence of the decision judged again, in words and
for programs."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gateway.attestation.anchors import MAX_FILE as MAX_ANCHORS
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.errors import AppraisalPolicyError
from gateway.attestation.policy import MAX_FILE as MAX_POLICY
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import AttestationResult, Verdict
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError, GatewayError
from gateway.nodes.attested import instant
from gateway.reappraise.decision import Piece, Reappraised, Today, reappraise
from gateway.reappraise.documents import read_documents
from gateway.verify import Trust, VerifiedDecision
from gateway.verify.refused import CannotTellError

_HEADS = {"bad": "NOT VERIFIED", "cannot tell": "CANNOT TELL"}
_SAID = {
    "bad": "the record holds, and its evidence does not come out as it says",
    "cannot tell": "the record holds, and whether its evidence comes out as it says is not shown",
}
_CODES = {
    "good": exit_codes.OK,
    "bad": exit_codes.REFUSED,
    "cannot tell": exit_codes.INDETERMINATE,
}
_WORDS = {
    Verdict.ACCEPTED: "stands",
    Verdict.REFUSED: "does not stand",
    Verdict.UNDECIDED: "cannot tell",
}


def judge_again(args: Namespace, verified: VerifiedDecision, trust: Trust) -> Reappraised:
    """Judge the evidence of a decision by the documents that were given.

    Raises:
        ConfigurationError: A file is not there, or none of what it should be.
    """
    documents = read_documents(args.re_appraise)
    today = None
    if args.appraisal_now is not None:
        anchors = None if args.anchors_now is None else _anchors(args.anchors_now)
        today = Today(datetime.now(UTC), _policy(args.appraisal_now), anchors)
    program = f"charter/{version('charter-gateway')}"
    return reappraise(verified, trust, documents, program=program, today=today)


def _policy(path: Path) -> AppraisalPolicy:
    try:
        return read_policy(read_file(path, limit=MAX_POLICY))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _anchors(path: Path) -> Anchors:
    try:
        return read_anchors(read_file(path, limit=MAX_ANCHORS))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def code_of(error: GatewayError | None) -> int:
    """The exit code."""
    return _CODES[_verdict(error)]


def _verdict(error: GatewayError | None) -> str:
    if error is None:
        return "good"
    return "cannot tell" if isinstance(error, CannotTellError) else "bad"


# --- for people ----------------------------------------------------------------------


def lines(found: Reappraised) -> Iterator[str]:
    """What came out of all, and a line or two for each piece of evidence."""
    error = found.worst
    verdict = _verdict(error)
    if error is not None:
        yield f"{_HEADS[verdict]} ({error.reason}): {_SAID[verdict]}"
    elif found.pieces:
        yield "OK: the evidence of the decision comes out as its record says"
    else:
        yield "OK: the decision names no evidence"
    for piece in found.pieces:
        yield f"  {_named(piece)}: {_outcome(piece)}"
        if piece.now is not None:
            yield f"    now: {_standing(piece.now)}"
    if found.facts is not None:
        yield f"  facts: {_verdict(found.facts)} ({found.facts.reason}): {found.facts}"


def _named(piece: Piece) -> str:
    if piece.said is None:
        return "evidence"
    return f"evidence sha256:{piece.said.evidence_sha256} of node {piece.said.node}"


def _outcome(piece: Piece) -> str:
    if piece.error is not None or piece.said is None:
        reason = piece.error.reason if piece.error is not None else ""
        return f"{_verdict(piece.error)} ({reason}): {piece.error}"
    then = piece.said.verdict.value
    why = f" ({piece.said.reason})" if piece.said.reason else ""
    return f"comes out as it did at {instant(piece.said.appraised_at)}: {then}{why}"


def _standing(result: AttestationResult) -> str:
    head = f"{_WORDS[result.verdict]} by policy {result.policy_id} at {_now(result)}"
    if result.verdict is Verdict.ACCEPTED:
        return head
    words = [one.because for one in result.findings if not 2 <= one.value <= 31]
    return f"{head} ({result.reason}): {'; '.join([*words, *result.lacking])}"


# --- for programs --------------------------------------------------------------------


def members(found: Reappraised) -> dict[str, object]:
    """What came out, in the place of what is said of the record alone."""
    error = found.worst
    said = {} if error is None else {"reason": error.reason, "detail": str(error)}
    evidence = [_body(piece) for piece in found.pieces]
    return {"verdict": _verdict(error), **said, "evidence": evidence}


def _body(piece: Piece) -> dict[str, object]:
    said, error = piece.said, piece.error
    return {
        "node": None if said is None else said.node,
        "digest": None if said is None else f"sha256:{said.evidence_sha256}",
        "verdict": _verdict(error),
        "reason": "verified" if error is None else error.reason,
        "detail": None if error is None else str(error),
        "then": None
        if said is None
        else {
            "at": instant(said.appraised_at),
            "verdict": said.verdict.value,
            "reason": said.reason,
        },
        "now": None if piece.now is None else _result(piece.now),
    }


def _result(result: AttestationResult) -> dict[str, object]:
    return {
        "at": _now(result),
        "stands": _WORDS[result.verdict],
        "verdict": result.verdict.value,
        "reason": result.reason,
        "policy": {"id": result.policy_id, "digest": f"sha256:{result.policy_sha256}"},
        "findings": [
            {
                "member": one.member,
                "value": int(one.value),
                "because": one.because,
                "clause": one.clause,
            }
            for one in result.findings
        ],
        "lacking": list(result.lacking),
        "skipped": list(result.skipped),
    }


def _now(result: AttestationResult) -> str:
    return instant(result.appraised_at)
