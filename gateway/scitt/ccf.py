"""Receipts of CCF ledgers (draft-ietf-scitt-receipts-ccf-profile; structure 2 of RFC 9942).

    leaf = [hash of the transaction, evidence, hash of the statement]

The hash of a leaf is SHA-256 of the first, of SHA-256 of the second, and of the third. The
statement is hashed under tag 18 with an empty unprotected header: receipts are added there later.
"""

import hashlib
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor, cose
from gateway.cbor import Key, Value
from gateway.cose import CoseError, Sign1, parse_sign1, verify_sign1
from gateway.scitt.errors import ScittMalformedError, ScittReceiptError, ScittUndecidedError

_KEY_ID, _CLAIMS, _ISSUER = 4, 15, 1
_RECEIPTS, _STRUCTURE, _PROOFS = 394, 395, 396
_CCF = 2
_LEAF, _PATH = 1, 2
_MAX_PATH = 64
_HASH = 32

Services = Mapping[bytes, EllipticCurvePublicKey]
"""Keys of a ledger by what its receipts name them: SHA-256 of the SubjectPublicKeyInfo, in hex."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the ledger says of the statement: the evidence of the commit, such as
    `ce:458.12440:…`, and the transaction that signed it."""

    evidence: str
    signed_at: str | None


def read_services(data: bytes) -> Services:
    """The keys of a trust file of ledgers, `{"parameters": [{"serviceCertificate": base64}]}`.

    Raises:
        ScittMalformedError: It is none, or a key is not of an elliptic curve.
    """
    keys: dict[bytes, EllipticCurvePublicKey] = {}
    try:
        for one in cast("dict[str, Any]", json.loads(data))["parameters"]:
            der = b64decode(one["serviceCertificate"], validate=True)
            key = x509.load_der_x509_certificate(der).public_key()
            if not isinstance(key, EllipticCurvePublicKey):
                raise ScittMalformedError("the key of a service is not of an elliptic curve")
            spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            keys[hashlib.sha256(spki).hexdigest().encode()] = key
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ScittMalformedError("this is no list of services") from error
    return keys


def verify_receipts(statement: Sign1, services: Services, *, ledger: str) -> Registered:
    """Check that a ledger registered the statement.

    Args:
        ledger: As the receipt must name it.

    Raises:
        ScittUndecidedError: No receipt, of another structure, or of a service that is not known.
        ScittReceiptError: One of a known service does not hold.
        ScittMalformedError: A receipt is not of the form that it says.
    """
    listed = statement.unprotected.get(_RECEIPTS, [])
    if not isinstance(listed, list) or not listed:
        raise ScittUndecidedError("the statement has no receipt")
    found = [_verify(one, statement, services, ledger) for one in listed]
    held = [one for one in found if one is not None]
    if not held:
        raise ScittUndecidedError("no receipt is of a structure and a service that are known")
    return held[0]


def _verify(data: Value, statement: Sign1, services: Services, ledger: str) -> Registered | None:
    """None where it says nothing to us, such as a layout from before RFC 9942."""
    if not isinstance(data, bytes):
        return None
    try:
        receipt = parse_sign1(data)
    except CoseError:
        return None
    headers = receipt.protected
    structure, key_id = headers.get(_STRUCTURE), headers.get(_KEY_ID)
    if type(structure) is not int or structure != _CCF or key_id not in services:
        return None
    claims = headers.get(_CLAIMS)
    if not isinstance(claims, dict) or claims.get(_ISSUER) != ledger:
        raise ScittReceiptError("the receipt is of another ledger")
    if receipt.payload is not None:
        raise ScittMalformedError("a receipt does not carry the root, which is recomputed")
    root, evidence = _root(_proof(receipt), statement_hash(statement))
    try:
        verify_sign1(
            receipt,
            services[cast("bytes", key_id)],
            payload=root,
            algorithms=(cose.ES256, cose.ES384, cose.ES512),
        )
    except CoseError as error:
        raise ScittReceiptError(f"the receipt does not hold: {error}") from error
    told = headers.get("ccf.v1")
    signed_at = told.get("txid") if isinstance(told, dict) else None
    return Registered(evidence, signed_at if isinstance(signed_at, str) else None)


def statement_hash(statement: Sign1) -> bytes:
    """What a ledger keeps of a statement."""
    bare: Value = [statement.protected_raw, {}, statement.payload, statement.signature]
    return hashlib.sha256(cbor.dumps(cbor.Tagged(cose.TAG, bare))).digest()


def _proof(receipt: Sign1) -> Mapping[Key, Value]:
    match receipt.unprotected.get(_PROOFS):
        case {-1: [bytes(data)], **others} if not others:
            try:
                proof = cbor.loads(data)
            except cbor.CborError as error:
                raise ScittMalformedError(f"the proof is no CBOR: {error}") from error
            if isinstance(proof, dict):
                return proof
        case _:
            pass
    raise ScittMalformedError("a receipt has one proof of inclusion, a map in a byte string")


def _root(proof: Mapping[Key, Value], expected: bytes) -> tuple[bytes, str]:
    leaf, path = proof.get(_LEAF), proof.get(_PATH)
    match leaf:
        case [bytes(transaction), str(evidence), bytes(data)] if len(transaction) == _HASH:
            if data != expected:
                raise ScittReceiptError("the receipt is of another statement")
        case _:
            raise ScittMalformedError("a leaf has two hashes and the evidence between them")
    if not isinstance(path, list) or len(path) > _MAX_PATH:
        raise ScittMalformedError("the path is no list of hashes")
    told = hashlib.sha256(evidence.encode()).digest()
    here = hashlib.sha256(transaction + told + data).digest()
    for step in path:
        match step:
            case [bool(is_left), bytes(sibling)] if len(sibling) == _HASH:
                pair = sibling + here if is_left else here + sibling
                here = hashlib.sha256(pair).digest()
            case _:
                raise ScittMalformedError("a step of the path has a side and a hash")
    return here, evidence
