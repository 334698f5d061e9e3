"""A decision exported for tools of COSE: a signed statement with the receipt of the log (RFC
9943, section 6), checked with the keys of a trust file.

    18([protected  {1: -7, 3: DSSE, 4: key, 15: {1: log, 2: decision, 6: when},
                    16: "application/scitt-statement+cose", "charter-salt": 32 bytes},
        unprotected {394: [receipt]},
        the record as it was logged, signature])

The receipt is one of `gateway.verify.receipt` whose protected header has type and size of the
tree besides: {16: "application/scitt-receipt+cose", "charter-tree-size": 8}. Its unprotected
header may have "charter-checkpoint", the signed note that has the same root, with the
cosignatures of witnesses: each line of it is signed by itself.

The entry of the log follows from salt and record (`gateway.ledger.entry`); so this is the same
evidence as an answer with its proof, but that a key for receipts signs the tree where a
checkpoint has the signature of the log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway import cose
from gateway.cbor import Key, Value
from gateway.cose import CoseError, PublicKey, Sign1
from gateway.cose_key import thumbprint
from gateway.errors import AnswerDiffersError, JsonError, KeyMalformedError
from gateway.keys import DecisionPublicKey
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.entry import SALT_SIZE, commit, entry_leaf
from gateway.ledger.proof import VerifiedProof
from gateway.record.canonical import load_strict
from gateway.record.envelope import MAX_ENVELOPE
from gateway.record.statement import MAX_PAYLOAD_DEPTH
from gateway.verify import receipt as receipts
from gateway.verify.decision import LEEWAY, VerifiedDecision, check_expected, verify_record
from gateway.verify.receipt import Inclusion, Receipt, claims_of
from gateway.verify.receipt_note import check_note, note_of
from gateway.verify.refused import DecidedLaterError, KeyPeriodError
from gateway.verify.refused_receipts import (
    ReceiptFormError,
    ReceiptKeyError,
    ReceiptMissingError,
    ReceiptOriginError,
    ReceiptPeriodError,
    ReceiptSizeError,
    ReceiptStructureError,
    ReceiptUnwitnessedError,
    StatementAlgorithmError,
    StatementFormError,
    StatementKeyError,
    StatementSignatureError,
)
from gateway.verify.terms import ReceiptKey
from gateway.verify.trust import Trust

STATEMENT_TYPE = "application/scitt-statement+cose"
RECEIPT_TYPE = "application/scitt-receipt+cose"
PAYLOAD_TYPE = "application/vnd.dsse.envelope.v1+json"
SALT = "charter-salt"
SIZE = "charter-tree-size"
FIRST_BYTE = b"\xd2"  # of tag 18, with which no JSON and no archive begins

_MAX_RECEIPTS = 8


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it was read; nothing is verified. `issued_at` is in seconds since 1970."""

    message: Sign1
    record: bytes
    salt: bytes
    key_id: bytes
    subject: str
    issued_at: int

    def receipts(self) -> list[bytes]:
        """Its receipts, as they came."""
        found = self.message.unprotected.get(receipts.RECEIPTS)
        if found is None or found == []:
            raise ReceiptMissingError("the statement carries no receipt")
        if not isinstance(found, list) or len(found) > _MAX_RECEIPTS:
            raise ReceiptFormError(f"receipts are a list of 1 to {_MAX_RECEIPTS}")
        if not all(isinstance(one, bytes) for one in found):
            raise ReceiptFormError("each receipt is in a byte string")
        return cast("list[bytes]", found)


def cose_key(key: DecisionPublicKey) -> EllipticCurvePublicKey:
    """The key as the library has it."""
    public = load_pem_public_key(key.pem.encode())
    if not isinstance(public, EllipticCurvePublicKey):
        raise KeyMalformedError("the public key is not an ECDSA key")
    return public


def read_statement(data: bytes) -> Statement:
    """Read a statement in the one form that is exported.

    Raises:
        StatementFormError: Another form.
    """
    if len(data) > 2 * MAX_ENVELOPE:
        raise StatementFormError(f"a statement of more than {2 * MAX_ENVELOPE} bytes")
    try:
        message = cose.parse_sign1(data)
    except CoseError as error:
        raise StatementFormError(f"this is no COSE_Sign1: {error}") from error
    headers = message.protected
    if not message.is_tagged or message.payload is None:
        raise StatementFormError("a statement is under tag 18, and holds what it states")
    if headers.get(receipts.CONTENT_TYPE) != PAYLOAD_TYPE:
        raise StatementFormError(f"the payload is not said to be {PAYLOAD_TYPE}")
    if headers.get(receipts.TYPE) != STATEMENT_TYPE:
        raise StatementFormError(f"the message is not said to be {STATEMENT_TYPE}")
    salt, key_id, claims = headers.get(SALT), headers.get(receipts.KEY_ID), claims_of(headers)
    subject, issued_at = claims.get(receipts.SUBJECT), claims.get(receipts.ISSUED_AT)
    if not isinstance(salt, bytes) or len(salt) != SALT_SIZE or not isinstance(key_id, bytes):
        raise StatementFormError(f"the protected header has a key, and {SALT} of 32 bytes")
    if not isinstance(subject, str) or type(issued_at) is not int:
        raise StatementFormError("the claims name no decision, or no time")
    return Statement(message, message.payload, salt, key_id, subject, issued_at)


def verify_statement(
    data: bytes,
    trust: Trust,
    *,
    at: datetime | None = None,
    expect_id: str | None = None,
    expect_request: object = None,
) -> VerifiedDecision:
    """Check a statement and its receipts.

    Args:
        at: When it is judged; a decision made later is refused.
        expect_id: The id of the decision that was asked for.
        expect_request: The request that was asked, as JSON.

    Raises:
        RecordError: The statement, or the record in it, is not what was signed.
        LedgerError: A receipt does not hold.
        CannotTellError: No receipt that could show it, or witnesses are demanded.
    """
    statement = read_statement(data)
    _check_signature(statement, trust, at)
    try:
        record = load_strict(
            statement.record,
            max_bytes=MAX_ENVELOPE,
            max_depth=MAX_PAYLOAD_DEPTH,
            max_string=MAX_ENVELOPE,
        )
    except JsonError as error:
        raise StatementFormError(f"the payload is not strict JSON: {error}") from error

    notes: list[str] = []

    def find_place(body: bytes) -> tuple[VerifiedProof, Mapping[str, int]]:
        if body != statement.record:
            raise StatementFormError("the record is not in the form in which it is logged")
        place, note = _find_place(statement, trust)
        if note is None:
            return place, {}
        notes.append(note)
        return place, check_note(note, place, trust)

    verified = verify_record({"record": record}, trust, find_place, at=at)
    if statement.subject != verified.id:
        raise AnswerDiffersError(member="sub", expected=verified.id, found=statement.subject)
    check_expected(verified, expect_id, expect_request)
    if trust.terms.demands_witnesses and not notes:
        raise ReceiptUnwitnessedError("the trust file demands witnesses, and no receipt has any")
    return verified


def _check_signature(statement: Statement, trust: Trust, at: datetime | None) -> None:
    """By a decision key that counted when the statement was made, which is past."""
    made = _instant(statement.issued_at)
    for key in trust.decision_keys.values():
        public = cose_key(key)
        if thumbprint(public) == statement.key_id:
            _check_sign1(statement.message, public)
            period = trust.terms.periods.get(key.key_id)
            if made is None or (period is not None and not period.holds(made)):
                raise KeyPeriodError(f"key {key.key_id} did not count when the statement was made")
            if at is not None and made > at + LEEWAY:
                raise DecidedLaterError(f"stated at {made.isoformat()}, judged at {at.isoformat()}")
            return
    raise StatementKeyError("the statement names no decision key of the trust file")


def _check_sign1(message: Sign1, key: PublicKey) -> None:
    try:
        cose.verify_sign1(message, key, algorithms=(cose.ES256,))
    except cose.CoseAlgorithmError as error:
        raise StatementAlgorithmError(f"the statement: {error}") from error
    except cose.CoseSignatureError as error:
        raise StatementSignatureError(f"the statement: {error}") from error
    except CoseError as error:
        raise StatementFormError(f"the statement: {error}") from error


def _instant(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _find_place(statement: Statement, trust: Trust) -> tuple[VerifiedProof, str | None]:
    """Where a trusted log has the record, and the checkpoint that says so where a receipt has
    it. All receipts of trusted keys must hold."""
    leaf = entry_leaf(commit(statement.salt, statement.record))
    known = {thumbprint(cose_key(one.key)): one for one in trust.terms.receipt_keys}
    places = [
        (_place(found, known[found.key_id], leaf), note_of(found))
        for found in _readable(statement.receipts())
        if found.key_id in known
    ]
    if not places:
        raise ReceiptKeyError("no receipt names a receipt key of the trust file")
    return next((one for one in places if one[1] is not None), places[0])


def _readable(listed: list[bytes]) -> Iterator[Receipt]:
    ours = [one for one in listed if _is_ours(receipts.structure_of(one))]
    if not ours:
        raise ReceiptStructureError("no receipt is over a tree of RFC 9162")
    return (receipts.parse_receipt(one) for one in ours)


def _is_ours(structure: Value) -> bool:
    return type(structure) is int and structure == receipts.RFC9162_SHA256


def _place(receipt: Receipt, trusted: ReceiptKey, leaf: bytes) -> VerifiedProof:
    root = receipts.verify_inclusion_receipt(receipt, leaf, cose_key(trusted.key))
    headers: Mapping[Key, Value] = receipt.message.protected
    if headers.get(receipts.TYPE) != RECEIPT_TYPE:
        raise ReceiptFormError(f"the receipt is not said to be {RECEIPT_TYPE}")
    if receipt.issuer != trusted.origin:
        raise ReceiptOriginError(f"the receipt is of another log than {trusted.origin}")
    made = None if receipt.issued_at is None else _instant(receipt.issued_at)
    if made is None or not trusted.period.holds(made):
        raise ReceiptPeriodError(f"key {trusted.key.key_id} did not count, or nobody says when")
    proof = cast("Inclusion", receipt.proof)
    # One path can lead to one root from two places in trees of two sizes, and RFC 9942 signs the
    # root alone.
    if type(headers.get(SIZE)) is not int or headers[SIZE] != proof.tree_size:
        raise ReceiptSizeError("the size of the tree is not the one that was signed with its root")
    return VerifiedProof(proof.index, Checkpoint(trusted.origin, proof.tree_size, root))
