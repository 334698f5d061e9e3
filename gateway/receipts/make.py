"""A signed statement of a decision, with a receipt over the same tree and the same leaf.

Whoever makes it repeats in COSE what the log said in its checkpoint: no root is signed that no
checkpoint of the log signs. So neither the log nor its key is needed.
"""

from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway import cbor, cose
from gateway.cbor import Key, Value
from gateway.cose_key import thumbprint
from gateway.errors import AnswerMalformedError
from gateway.keys import DecisionPublicKey
from gateway.keys.signer import Signer
from gateway.ledger.proof import Proof, parse_proof
from gateway.record.envelope import read_envelope
from gateway.verify import receipt as receipts
from gateway.verify.decision import VerifiedDecision, verify_decision
from gateway.verify.receipt_note import NOTE, cosigned_only
from gateway.verify.transparent import (
    PAYLOAD_TYPE,
    RECEIPT_TYPE,
    SALT,
    SIZE,
    STATEMENT_TYPE,
    cose_key,
    verify_statement,
)
from gateway.verify.trust import Trust

_SIZE = 32  # bytes of each half of a signature
_P256 = Signer[DecisionPublicKey]


def make_statement(
    answer: Mapping[str, object],
    trust: Trust,
    *,
    decision: _P256,
    receipt: _P256,
    now: datetime,
) -> bytes:
    """The statement of an answer.

    Args:
        trust: What strangers are told to trust, with the key of the receipt.
        decision: Signs the statement.
        receipt: Signs the root of the tree.

    Raises:
        RecordError, LedgerError: The answer does not hold, so that nothing is signed.
        CannotTellError: The trust file would not have strangers believe it.
    """
    proof = answer.get("proof")
    if not isinstance(proof, str):
        raise AnswerMalformedError("the answer carries no record and proof")
    verified = verify_decision(answer, trust, at=now)
    read = parse_proof(proof)
    made = _receipt(verified, read, receipt, now, cosigned_only(read.checkpoint, trust))
    headers: dict[Key, Value] = {
        **_headers(decision, verified.origin, now, subject=verified.id),
        receipts.CONTENT_TYPE: PAYLOAD_TYPE,
        receipts.TYPE: STATEMENT_TYPE,
        SALT: read.salt,
    }
    body = read_envelope(answer["record"]).to_bytes()
    statement = _sign1(headers, {receipts.RECEIPTS: [made]}, body, decision)
    verify_statement(statement, trust, at=now)
    return statement


def _receipt(
    verified: VerifiedDecision, proof: Proof, signer: _P256, now: datetime, note: str | None
) -> bytes:
    headers: dict[Key, Value] = {
        **_headers(signer, verified.origin, now),
        receipts.TYPE: RECEIPT_TYPE,
        receipts.STRUCTURE: receipts.RFC9162_SHA256,
        SIZE: verified.tree_size,
    }
    place = cbor.dumps([verified.tree_size, verified.index, list(proof.path)])
    proofs: dict[Key, Value] = {receipts.INCLUSION: [place]}
    unprotected: dict[Key, Value] = {receipts.PROOFS: proofs}
    if note is not None:
        unprotected[NOTE] = note
    return _sign1(headers, unprotected, verified.root, signer, detached=True)


def _headers(
    signer: _P256, issuer: str, now: datetime, subject: str | None = None
) -> dict[Key, Value]:
    claims: dict[Key, Value] = {receipts.ISSUER: issuer, receipts.ISSUED_AT: int(now.timestamp())}
    if subject is not None:
        claims[receipts.SUBJECT] = subject
    key_id = thumbprint(cose_key(signer.public))
    return {cose.ALGORITHM: cose.ES256, receipts.KEY_ID: key_id, receipts.CLAIMS: claims}


def _sign1(
    headers: dict[Key, Value],
    unprotected: dict[Key, Value],
    payload: bytes,
    signer: _P256,
    *,
    detached: bool = False,
) -> bytes:
    protected = cbor.dumps(headers)
    # COSE has the two numbers one after another (RFC 9053, section 2.1), and not in DER.
    r, s = decode_dss_signature(signer.sign(cbor.dumps(["Signature1", protected, b"", payload])))
    signature = r.to_bytes(_SIZE) + s.to_bytes(_SIZE)
    message: Value = [protected, unprotected, None if detached else payload, signature]
    return cbor.dumps(cbor.Tagged(cose.TAG, message))
