"""Receipts of COSE (RFC 9942) over trees of RFC 9162 with SHA-256: that an entry is in a log, or
that a log was only added to.

    18([protected  {1: algorithm, 4: key, 395: 1, 15: {1: log, 6: when}},
        unprotected {396: {-1: [bstr .cbor [size, index, [hash]]]}},
        null, signature])

What is signed is the root of the tree. It is not in the receipt: it follows from the proof and
the entry, so that nobody can take a root for good that was not recomputed. Sizes and index are
not signed, and others can lead to the same root over the same path: who needs them must have
them from a signed place, as `gateway.verify.transparent` has the size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from gateway import cbor, cose
from gateway.cbor import Key, Value
from gateway.cose import CoseAlgorithmError, CoseError, PublicKey, Sign1
from gateway.ledger.checkpoint import MAX_SIZE
from gateway.ledger.merkle import HASH_SIZE, consistency_root, inclusion_root
from gateway.verify.refused_receipts import ReceiptFormError, ReceiptSignatureError

# Labels of header parameters (RFC 9052, section 3.1; RFC 9597; RFC 9942, section 8).
KEY_ID, CONTENT_TYPE, CLAIMS, TYPE = 4, 3, 15, 16
RECEIPTS, STRUCTURE, PROOFS = 394, 395, 396
ISSUER, SUBJECT, ISSUED_AT = 1, 2, 6
RFC9162_SHA256 = 1
INCLUSION, CONSISTENCY = -1, -2

MAX_RECEIPT = 64 * 1024
_MAX_PATH = 63


@dataclass(frozen=True, slots=True)
class Inclusion:
    """An entry at `index` of the tree of `tree_size` entries."""

    tree_size: int
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Consistency:
    """A tree of `old_size` entries that became one of `new_size`."""

    old_size: int
    new_size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it was read, with its one proof; nothing is verified. `issuer` and
    `issued_at` (seconds since 1970) are what its claims say."""

    message: Sign1
    proof: Inclusion | Consistency
    key_id: bytes
    issuer: str | None
    issued_at: int | None


def structure_of(data: bytes) -> Value:
    """The number of the structure that a receipt is over.

    Raises:
        ReceiptFormError: It is no COSE_Sign1, or does not say it in its protected header.
    """
    return _message(data).protected.get(STRUCTURE)


def _message(data: bytes) -> Sign1:
    if len(data) > MAX_RECEIPT:
        raise ReceiptFormError(f"a receipt of more than {MAX_RECEIPT} bytes")
    try:
        message = cose.parse_sign1(data)
    except CoseError as error:
        raise ReceiptFormError(f"the receipt is no COSE_Sign1: {error}") from error
    if not message.is_tagged:
        raise ReceiptFormError("a receipt is under tag 18")
    if STRUCTURE not in message.protected:
        raise ReceiptFormError("the protected header does not say of which structure it is")
    return message


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt over a tree of RFC 9162.

    Raises:
        ReceiptFormError: Another structure, no proof or several, or a root beside them.
    """
    message = _message(data)
    if message.protected[STRUCTURE] != RFC9162_SHA256:
        raise ReceiptFormError("the receipt is over another structure than a tree of RFC 9162")
    if message.payload is not None:
        raise ReceiptFormError("a receipt does not carry the root, which is recomputed")
    key_id = message.protected.get(KEY_ID)
    if not isinstance(key_id, bytes):
        raise ReceiptFormError("the protected header names no key")
    claims = message.protected.get(CLAIMS, {})
    if not isinstance(claims, dict):
        raise ReceiptFormError("the claims are no map")
    issuer, at = claims.get(ISSUER), claims.get(ISSUED_AT)
    return Receipt(
        message,
        _proof(message.unprotected.get(PROOFS)),
        key_id,
        issuer if isinstance(issuer, str) else None,
        at if isinstance(at, int) and not isinstance(at, bool) else None,
    )


def _proof(value: Value) -> Inclusion | Consistency:
    if not isinstance(value, dict) or len(value) != 1:
        raise ReceiptFormError("a receipt has proofs of one kind")
    ((kind, listed),) = value.items()
    if kind not in (INCLUSION, CONSISTENCY):
        raise ReceiptFormError(f"proofs of kind {kind!r:.40}")
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], bytes):
        raise ReceiptFormError("a receipt has one proof here, in a byte string")
    try:
        proof = cbor.loads(listed[0])
    except cbor.CborError as error:
        raise ReceiptFormError(f"the proof is no CBOR: {error}") from error
    if not isinstance(proof, list) or len(proof) != 3:
        raise ReceiptFormError("a proof has two numbers and a path")
    first, second, path = proof
    hashes = tuple(_hash(one) for one in path) if isinstance(path, list) else None
    if hashes is None or len(hashes) > _MAX_PATH:
        raise ReceiptFormError("the path of the proof is no list of hashes")
    numbers = _number(first), _number(second)
    return (Inclusion if kind == INCLUSION else Consistency)(*numbers, hashes)


def _number(value: Value) -> int:
    if type(value) is not int or not 0 <= value <= MAX_SIZE:
        raise ReceiptFormError("a size or an index is no whole number from 0")
    return value


def _hash(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) != HASH_SIZE:
        raise ReceiptFormError(f"a hash has {HASH_SIZE} bytes")
    return value


def verify_inclusion_receipt(receipt: Receipt, leaf: bytes, key: PublicKey) -> bytes:
    """Check that the owner of the key signed a tree that holds this leaf.

    Returns:
        The root of that tree.

    Raises:
        ReceiptFormError: It shows something else, or is not signed as it says.
        InclusionProofError: The tree can have no such path.
        ReceiptSignatureError: The signature does not hold over the root that follows.
    """
    proof = receipt.proof
    if not isinstance(proof, Inclusion):
        raise ReceiptFormError("the receipt does not show that a log holds an entry")
    root = inclusion_root(index=proof.index, tree_size=proof.tree_size, leaf=leaf, path=proof.path)
    return _signed(receipt, root, key)


def verify_consistency_receipt(receipt: Receipt, old_root: bytes, key: PublicKey) -> bytes:
    """Check that the owner of the key signed a tree that extends the one of `old_root`.

    Returns:
        The root of the newer tree.

    Raises:
        ReceiptFormError, ReceiptSignatureError: As `verify_inclusion_receipt`.
        ConsistencyProofError: The path does not begin at the older tree.
    """
    proof = receipt.proof
    if not isinstance(proof, Consistency):
        raise ReceiptFormError("the receipt does not show that a log was only added to")
    root = consistency_root(
        old_size=proof.old_size, new_size=proof.new_size, old_root=old_root, path=proof.path
    )
    return _signed(receipt, root, key)


def _signed(receipt: Receipt, root: bytes, key: PublicKey) -> bytes:
    try:
        return cose.verify_sign1(receipt.message, key, payload=root)
    except CoseAlgorithmError as error:
        raise ReceiptFormError(f"the receipt: {error}") from error
    except cose.CoseMalformedError as error:
        raise ReceiptFormError(f"the receipt: {error}") from error
    except cose.CoseSignatureError as error:
        raise ReceiptSignatureError(
            "the signature of the receipt does not hold over the root to which its proof leads"
        ) from error


def claims_of(headers: Mapping[Key, Value]) -> Mapping[Key, Value]:
    """The claims (RFC 9597) of protected headers; none where they are malformed."""
    found = headers.get(CLAIMS)
    return cast("Mapping[Key, Value]", found) if isinstance(found, dict) else {}
