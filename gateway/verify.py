"""Check one decision offline, without trusting the gateway that made it.

 1. A trusted key signed the record, and it is of the expected type.
 2. The signed payload is a canonical in-toto Statement about one request.
 3. The log holds this very record: commitment, checkpoint, inclusion.
 4. What surrounds the record in the answer is what was signed.
 5. It is the decision, of the request and under the bundle, that was asked for.

Not checked here: whether the decision follows from its facts (`dsl.evaluate` does that),
and whether the checkpoint continues an earlier one (`check_extends` does that).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from gateway.errors import (
    AnswerDiffersError,
    AnswerMalformedError,
    CanonicalFormError,
    DecisionMismatchError,
    JsonError,
    KeyMalformedError,
    StatementMalformedError,
    TrustError,
)
from gateway.keys import CheckpointPublicKey, DecisionPublicKey
from gateway.ledger.proof import verify_proof
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope, verify_envelope
from gateway.record.statement import (
    MAX_PAYLOAD_DEPTH,
    PAYLOAD_TYPE,
    digest_request,
    read_statement,
)

TRUST_FORMAT = "charter-trust/v1"
MAX_TRUST = 256 * 1024
MAX_ANSWER = 4 * 1024 * 1024
DECISIONS = ("permit", "deny", "indeterminate")

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


# --- trust ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: one log, and the keys that sign decisions, by their id."""

    origin: str
    log_key: CheckpointPublicKey
    decision_keys: Mapping[str, DecisionPublicKey]

    @staticmethod
    def from_json(data: bytes) -> "Trust":
        """Read a trust file.

            {"format": "charter-trust/v1", "log": {"origin", "vkey"},
             "decision_keys": [{"keyid", "pem"}]}

        Raises:
            TrustError: Another shape, no decision key, two of one id, an id that is not
                its key's, or a key that nobody should trust.
        """
        try:
            value = load_strict(data, max_bytes=MAX_TRUST)
        except JsonError as error:
            raise TrustError(f"the trust file is not strict JSON: {error}") from error
        file = _members(value, ("format", "log", "decision_keys"), "the trust file")
        if file["format"] != TRUST_FORMAT:
            raise TrustError(f"the trust file is not of format {TRUST_FORMAT}")
        log = _members(file["log"], ("origin", "vkey"), "log")
        origin = _text(log["origin"], "origin")
        try:
            log_key = CheckpointPublicKey.from_vkey(_text(log["vkey"], "vkey"))
            return Trust(origin, log_key, _decision_keys(file["decision_keys"]))
        except KeyMalformedError as error:
            raise TrustError(f"a key of the trust file is refused: {error}") from error

    def to_json(self) -> dict[str, Json]:
        """The value that a trust file holds."""
        return {
            "format": TRUST_FORMAT,
            "log": {"origin": self.origin, "vkey": self.log_key.vkey},
            "decision_keys": [
                {"keyid": key.key_id, "pem": key.pem} for key in self.decision_keys.values()
            ],
        }


def _decision_keys(value: Json) -> Mapping[str, DecisionPublicKey]:
    if not isinstance(value, list) or not value:
        raise TrustError("decision_keys lists no key")
    keys: dict[str, DecisionPublicKey] = {}
    for element in value:
        entry = _members(element, ("keyid", "pem"), "a decision key")
        key = DecisionPublicKey.from_pem(_text(entry["pem"], "pem"))
        if entry["keyid"] != key.key_id:
            raise TrustError(f"a decision key is named {entry['keyid']!r}, but is {key.key_id}")
        if key.key_id in keys:
            raise TrustError(f"decision key {key.key_id} is listed twice")
        keys[key.key_id] = key
    return MappingProxyType(keys)


def _members(value: Json, names: tuple[str, ...], what: str) -> dict[str, Json]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise TrustError(f"{what} has exactly {', '.join(names)}")
    return value


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise TrustError(f"{name} is no text")
    return value


# --- decision ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedDecision:
    """A decision whose record, place in the log and surroundings all held.

    `index` is its entry in the log `origin`, in the tree of `tree_size` with root `root`;
    `request_digest` is the SHA-256 of the request in RFC 8785, in hex.
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
    expect_id: str | None = None,
    expect_request: object = None,
    expect_bundle: str | None = None,
) -> VerifiedDecision:
    """Check an answer of the gateway, or a bare `{"record", "proof"}`.

    Lists of the answer, such as its reasons, may stand in another order than was signed.

    Args:
        expect_id: The id of the decision that was asked for.
        expect_request: The request that was asked, as JSON.
        expect_bundle: The digest of the bundle that should have decided.

    Raises:
        RecordError: The record, or what surrounds it, is not what was signed.
        LedgerError: The log does not hold it.
            Either has the stable word for what is wrong in `reason`.
    """
    record, proof = answer.get("record"), answer.get("proof")
    if not isinstance(record, dict) or not isinstance(proof, str):
        raise AnswerMalformedError("the answer carries no record and proof")
    # 1, 2: parsed only once the signature held, and from the bytes that were signed.
    envelope = read_envelope(cast("object", record))
    signed = verify_envelope(envelope, trust.decision_keys, payload_type=PAYLOAD_TYPE)
    statement = read_statement(signed.payload)
    # 3: the envelope has one JSON form, so this is the very body that was logged.
    place = verify_proof(envelope.to_bytes(), proof, trust.log_key, origin=trust.origin)
    # 4, 5
    _check_surroundings(answer, statement.predicate)
    decision_id, decision = _read_predicate(statement.predicate)
    _expect("decision", expect_id, decision_id)
    _expect("bundle", expect_bundle, str(statement.predicate.get("bundle")))
    if expect_request is not None:
        _expect("request", _digest(expect_request), statement.request_digest)
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
    )


def _read_predicate(predicate: Mapping[str, Json]) -> tuple[str, str]:
    decision_id, decision = predicate.get("id"), predicate.get("decision")
    if not isinstance(decision_id, str) or not decision_id:
        raise StatementMalformedError("the predicate has no id")
    if not isinstance(decision, str) or decision not in DECISIONS:
        raise StatementMalformedError(f"the decision is none of {', '.join(DECISIONS)}")
    return decision_id, decision


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


def _digest(request: object) -> str:
    try:
        return digest_request(request)
    except CanonicalFormError as error:
        raise AnswerMalformedError(f"the request to compare with is refused: {error}") from error


def _expect(what: str, expected: str | None, found: str) -> None:
    if expected is not None and expected != found:
        raise DecisionMismatchError(what=what, expected=expected, found=found)
