"""Check one decision offline, without trusting the gateway that made it.

 1. A trusted key signed the record, and it is of the expected type.
 2. The signed payload is a canonical in-toto Statement about one request.
 3. The log holds this very record: commitment, checkpoint, inclusion.
 4. What surrounds the record in the answer is what was signed.
 5. It is the decision, of the request and under the bundle, that was asked for.

Not checked here: whether the decision follows from its facts (`dsl.evaluate` does that),
and whether the checkpoint continues an earlier one (`check_extends` does that).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from gateway.errors import (
    AnswerDiffersError,
    AnswerMalformedError,
    BundleMismatchError,
    CanonicalFormError,
    CheckpointKeyUnknownError,
    DecisionMismatchError,
    JsonError,
    RequestMismatchError,
    StatementMalformedError,
)
from gateway.ledger.note import parse_note
from gateway.ledger.proof import VerifiedProof, parse_proof, verify_proof
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.record.envelope import MAX_ENVELOPE, VerifiedPayload, read_envelope, verify_envelope
from gateway.record.statement import (
    MAX_PAYLOAD_DEPTH,
    PAYLOAD_TYPE,
    digest_request,
    read_statement,
)
from gateway.verify.instant import parse_instant, same_instant
from gateway.verify.refused import (
    DecidedLaterError,
    DecidedWhenError,
    KeyPeriodError,
    RulesPeriodError,
    RulesUnknownError,
)
from gateway.verify.trust import Trust

MAX_ANSWER = 4 * 1024 * 1024
DECISIONS = ("permit", "deny", "indeterminate")
# Two clocks that are both right differ by less.
LEEWAY = timedelta(seconds=60)

# Members of an answer that carry the evidence; all others must be in the signed predicate.
_EVIDENCE = {"record", "proof"}
# Members that an answer must not leave out once it says anything around the record.
_ANSWERED = (
    "id",
    "decision",
    "entities",
    "grounds",
    "reasons",
    "missing",
    "obligations",
    "advice",
    "bundle",
    "engines",
    "decided_at",
    "valid_until",
)
# Members that name a time: compared as instants, for others may write them in another zone.
_TIMES = {"decided_at", "valid_until"}


@dataclass(frozen=True, slots=True)
class VerifiedDecision:
    """A decision whose record, place in the log and surroundings all held.

    `index` is its entry in the log `origin`, in the tree of `tree_size` with root `root`;
    `request_digest` is the SHA-256 of the request in RFC 8785, in hex; `cosigned` says when
    witnesses signed that tree, in seconds since 1970.
    """

    id: str
    decision: str
    predicate: Mapping[str, Json]
    request_digest: str
    key_ids: tuple[str, ...]
    origin: str
    index: int
    tree_size: int
    root: bytes
    cosigned: Mapping[str, int] = field(default_factory=dict[str, int])


def read_answer(data: bytes) -> Mapping[str, object]:
    """Read the JSON text of an answer.

    Raises:
        AnswerMalformedError: Not strict JSON, too large, or no object.
    """
    try:
        value = load_strict(
            data, max_bytes=MAX_ANSWER, max_depth=MAX_PAYLOAD_DEPTH, max_string=MAX_ENVELOPE
        )
    except JsonError as error:
        raise AnswerMalformedError(f"the answer is not strict JSON: {error}") from error
    if not isinstance(value, dict):
        raise AnswerMalformedError("the answer is no object")
    return value


def verify_decision(
    answer: Mapping[str, object],
    trust: Trust,
    *,
    at: datetime | None = None,
    expect_id: str | None = None,
    expect_request: object = None,
    expect_bundle: str | None = None,
) -> VerifiedDecision:
    """Check an answer of the gateway, or a bare `{"record", "proof"}`.

    Lists of the answer, such as its reasons, may stand in another order than was signed.

    Args:
        at: When it is judged; a decision made later is refused.
        expect_id: The id of the decision that was asked for.
        expect_request: The request that was asked, as JSON.
        expect_bundle: The digest of the bundle that should have decided.

    Raises:
        RecordError: The record, or what surrounds it, is not what was signed.
        LedgerError: The log does not hold it.
            Either has the stable word for what is wrong in `reason`.
    """
    proof = answer.get("proof")
    if not isinstance(answer.get("record"), dict) or not isinstance(proof, str):
        raise AnswerMalformedError("the answer carries no record and proof")
    verified = verify_record(answer, trust, lambda body: _find_place(body, proof, trust), at=at)
    check_expected(verified, expect_id, expect_request, expect_bundle)
    return verified


def check_expected(
    verified: VerifiedDecision,
    expect_id: str | None,
    expect_request: object = None,
    expect_bundle: str | None = None,
) -> None:
    """That it is the decision, of the request and under the bundle, that was asked for."""
    if expect_id is not None and expect_id != verified.id:
        raise DecisionMismatchError(what="decision", expected=expect_id, found=verified.id)
    found = str(verified.predicate.get("bundle"))
    if expect_bundle is not None and expect_bundle != found:
        raise BundleMismatchError(what="bundle", expected=expect_bundle, found=found)
    if expect_request is not None:
        _check_request(expect_request, verified.request_digest)


Place = tuple[VerifiedProof, Mapping[str, int]]
"""Where an entry is, and when witnesses signed that."""


def verify_record(
    answer: Mapping[str, object],
    trust: Trust,
    find_place: Callable[[bytes], Place],
    *,
    at: datetime | None,
) -> VerifiedDecision:
    """Check the record of an answer and what surrounds it, wherever its place is told.

    Args:
        find_place: Of the body that was logged; raises where no trusted log holds it.

    Raises:
        RecordError, LedgerError: As `verify_decision`.
    """
    # 1, 2: parsed only once the signature held, and from the bytes that were signed.
    envelope = read_envelope(answer.get("record"))
    signed = verify_envelope(
        envelope,
        trust.decision_keys,
        payload_type=PAYLOAD_TYPE,
        threshold=trust.terms.threshold,
    )
    statement = read_statement(signed.payload)
    # 3: the envelope has one JSON form, so this is the very body that was logged.
    place, cosigned = find_place(envelope.to_bytes())
    # 4, 5
    _check_surroundings(answer, statement.predicate)
    decision_id, decision = _read_predicate(statement.predicate)
    _check_times(statement.predicate, signed, trust, at)
    return VerifiedDecision(
        id=decision_id,
        decision=decision,
        predicate=statement.predicate,
        request_digest=statement.request_digest,
        key_ids=signed.key_ids,
        origin=place.checkpoint.origin,
        index=place.index,
        tree_size=place.checkpoint.size,
        root=place.checkpoint.root,
        cosigned=cosigned,
    )


def _find_place(body: bytes, proof: str, trust: Trust) -> Place:
    """Where a trusted log holds the body, and when witnesses cosigned that."""
    checkpoint = parse_proof(proof).checkpoint
    stated = checkpoint.partition("\n")[0]
    # Of a log that nobody trusts, the first one says what was expected.
    origin = stated if trust.log_keys(stated) else trust.origin
    place = _verify_with_any(body, proof, trust, origin)
    return place, trust.terms.check_cosigned(parse_note(checkpoint.encode()))


def _verify_with_any(body: bytes, proof: str, trust: Trust, origin: str) -> VerifiedProof:
    *others, last = trust.log_keys(origin)
    for key in others:
        try:
            place = verify_proof(body, proof, key, origin=origin)
        except CheckpointKeyUnknownError:  # made with another key of that log
            continue
        trust.check_size(key, place.checkpoint.size)
        return place
    place = verify_proof(body, proof, last, origin=origin)
    trust.check_size(last, place.checkpoint.size)
    return place


def _read_predicate(predicate: Mapping[str, Json]) -> tuple[str, str]:
    decision_id, decision = predicate.get("id"), predicate.get("decision")
    if not isinstance(decision_id, str) or not decision_id:
        raise StatementMalformedError("the predicate has no id")
    if not isinstance(decision, str) or decision not in DECISIONS:
        raise StatementMalformedError(f"the decision is none of {', '.join(DECISIONS)}")
    return decision_id, decision


def _check_times(
    predicate: Mapping[str, Json], signed: VerifiedPayload, trust: Trust, at: datetime | None
) -> None:
    """That the keys and the rules counted when the decision was made, and that this is past."""
    periods, rules = trust.terms.periods, trust.terms.rules
    bundle = str(predicate.get("bundle"))
    if rules and bundle not in rules:
        raise RulesUnknownError(f"the trust file does not list the rules {bundle}")
    dated = [(one, periods[one]) for one in signed.key_ids if one in periods]
    if not dated and not rules and at is None:
        return
    try:
        made = parse_instant(predicate.get("decided_at"))
    except ValueError as error:
        raise DecidedWhenError(f"decided_at is {error}") from error
    counted = [one for one in signed.key_ids if one not in periods or periods[one].holds(made)]
    if len(counted) < trust.terms.threshold:
        raise KeyPeriodError(f"key {dated[0][0]} did not count at {made.isoformat()}")
    if rules and not rules[bundle].holds(made):
        raise RulesPeriodError(f"the rules {bundle} were not in force at {made.isoformat()}")
    if at is not None and made > at + LEEWAY:
        raise DecidedLaterError(f"made at {made.isoformat()}, judged at {at.isoformat()}")


def _check_surroundings(answer: Mapping[str, object], predicate: Mapping[str, Json]) -> None:
    shown = answer.keys() - _EVIDENCE
    if not all(isinstance(cast("object", name), str) for name in shown):
        raise AnswerMalformedError("a name in the answer is no string")
    if not shown:
        return
    # Also those left out: an answer without its obligations reads as one that has none.
    for member in sorted(shown.union(name for name in _ANSWERED if name in predicate)):
        expected, found = predicate.get(member), answer.get(member)
        absent = (member in predicate) != (member in answer)
        if member in _TIMES and not absent and same_instant(expected, found):
            continue
        if absent or _unordered(expected) != _unordered(found):
            raise AnswerDiffersError(member=member, expected=expected, found=found)


def _unordered(value: object) -> list[bytes]:
    """The canonical forms of the elements of a list, sorted, or of any other value."""
    try:
        if isinstance(value, list):
            elements = cast("list[object]", value)
            return [b"list", *sorted(map(_canonical, elements))]
        return [_canonical(value)]
    except CanonicalFormError as error:
        raise AnswerMalformedError(f"a member of the answer is refused: {error}") from error


def _canonical(value: object) -> bytes:
    return canonicalise(value, max_depth=MAX_PAYLOAD_DEPTH)


def _check_request(request: object, recorded: str) -> None:
    try:
        digest = digest_request(request)
    except CanonicalFormError as error:
        raise AnswerMalformedError(f"the request to compare with is refused: {error}") from error
    if digest != recorded:
        raise RequestMismatchError(what="request", expected=digest, found=recorded)
