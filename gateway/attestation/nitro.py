"""Attestation documents of AWS Nitro Enclaves (AWS Nitro Enclaves user guide, "Verifying the
root of trust"; NSM API, "Attestation process").

A document lives as long as its certificate, three hours: a stored one is verified at the
instant of the decision, never at now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway import cbor, cose
from gateway.attestation.chain import read_certificate, used, verify_chain
from gateway.attestation.errors import (
    EvidenceChainError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Technology

# SHA-256 of the DER of "AWS Nitro Enclaves Root-G1", as AWS publishes it.
ROOT = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
PRODUCT = "Nitro"
MAX_DOCUMENT = 64 * 1024
_MAX_CABUNDLE = 7
_PCR_SIZES = (32, 48, 64)
_DEBUG_PCRS = ("pcr0", "pcr1", "pcr2")
# Optional members, and the most bytes of each.
_OPTIONAL = {"public_key": 1024, "user_data": 512, "nonce": 512}
_MAX_TIME = 1 << 48


@dataclass(frozen=True)
class Document:
    """A document as it was read. What is absent or null is None."""

    message: cose.Sign1
    module_id: str
    at: datetime
    pcrs: Mapping[int, bytes]
    certificate: x509.Certificate
    cabundle: tuple[x509.Certificate, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None


def parse_document(data: bytes) -> Document:
    """The document in the bytes of a COSE_Sign1, with tag 18 or without.

    Raises:
        EvidenceMalformedError: It is none, or a member is missing or out of its bounds.
        EvidenceUnsupportedError: Its digest is another than SHA-384.
    """
    if len(data) > MAX_DOCUMENT:
        raise EvidenceMalformedError(f"a document of more than {MAX_DOCUMENT} bytes")
    try:
        message = cose.parse_sign1(data)
        payload = cbor.loads(message.payload or b"")
    except (cose.CoseError, cbor.CborError) as error:
        raise EvidenceMalformedError(f"no Nitro document: {error}") from error
    if not isinstance(payload, dict):
        raise EvidenceMalformedError("the payload of the document is no map")
    if payload.get("digest") != "SHA384":
        raise EvidenceUnsupportedError("the document has another digest than SHA384")
    module_id = payload.get("module_id")
    if not isinstance(module_id, str) or not 0 < len(module_id) <= 200:
        raise EvidenceMalformedError("`module_id` is a text of 1 to 200 characters")
    return Document(
        message=message,
        module_id=module_id,
        at=_time(payload.get("timestamp")),
        pcrs=_pcrs(payload.get("pcrs")),
        certificate=read_certificate(_bytes(payload, "certificate")),
        cabundle=_cabundle(payload.get("cabundle")),
        **{name: _optional(payload, name, most) for name, most in _OPTIONAL.items()},
    )


def _time(value: object) -> datetime:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MAX_TIME:
        raise EvidenceMalformedError("`timestamp` is a number of milliseconds")
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value)


def _pcrs(value: object) -> dict[int, bytes]:
    if not isinstance(value, dict) or not 0 < len(cast("dict[object, object]", value)) <= 32:
        raise EvidenceMalformedError("`pcrs` is a map of 1 to 32")
    found: dict[int, bytes] = {}
    for number, digest in cast("dict[object, object]", value).items():
        if not isinstance(number, int) or not 0 <= number < 32:
            raise EvidenceMalformedError("a PCR has a number from 0 to 31")
        if not isinstance(digest, bytes) or len(digest) not in _PCR_SIZES:
            raise EvidenceMalformedError(f"PCR {number} has 32, 48 or 64 bytes")
        found[number] = digest
    return found


def _bytes(payload: Mapping[cbor.Key, cbor.Value], name: str) -> bytes:
    value = payload.get(name)
    if not isinstance(value, bytes) or not value:
        raise EvidenceMalformedError(f"`{name}` is a string of bytes")
    return value


def _optional(payload: Mapping[cbor.Key, cbor.Value], name: str, most: int) -> bytes | None:
    value = payload.get(name)
    if value is not None and (not isinstance(value, bytes) or len(value) > most):
        raise EvidenceMalformedError(f"`{name}` is a string of at most {most} bytes")
    return value


def _cabundle(value: object) -> tuple[x509.Certificate, ...]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    if not 0 < len(listed) <= _MAX_CABUNDLE:
        raise EvidenceMalformedError(f"`cabundle` is a list of 1 to {_MAX_CABUNDLE} certificates")
    found: list[x509.Certificate] = []
    for one in listed:
        if not isinstance(one, bytes):
            raise EvidenceMalformedError("a certificate of `cabundle` is a string of bytes")
        found.append(read_certificate(one))
    return tuple(found)


def verify_document(
    document: Document, *, at: datetime, anchors: frozenset[str] = frozenset({ROOT})
) -> Claims:
    """Check the chain of a document to a pinned root, and its signature.

    Args:
        at: The instant of the judgement; certificates must be valid then.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    path = [document.certificate, *reversed(document.cabundle)]
    ends = verify_chain(path, anchors=anchors, at=at, check_leaf=_check_leaf)
    key = document.certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise EvidenceChainError("the certificate of the document has no key of an elliptic curve")
    try:
        cose.verify_sign1(document.message, key, algorithms=(cose.ES384,))
    except cose.CoseAlgorithmError as error:
        raise EvidenceUnsupportedError("the document is not signed with ES384") from error
    except cose.CoseSignatureError as error:
        raise EvidenceSignatureError("the signature of the document does not hold") from error
    except cose.CoseError as error:
        raise EvidenceMalformedError(str(error)) from error
    return _claims(document, path, ends)


def _check_leaf(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise EvidenceChainError("the certificate does not say what its key is for") from error
    if not usage.digital_signature:
        raise EvidenceChainError("the key of the certificate is not for signatures")


def _claims(document: Document, path: Sequence[x509.Certificate], ends: datetime) -> Claims:
    measurements = {f"pcr{number}": digest for number, digest in document.pcrs.items()}
    first = [measurements.get(name) for name in _DEBUG_PCRS]
    detail: dict[str, str | int | bool] = {"module_id": document.module_id}
    for name in ("public_key", "user_data"):
        value = cast("bytes | None", getattr(document, name))
        if value is not None:
            detail[f"{name}_sha256"] = sha256(value).hexdigest()
    return Claims(
        Technology.NITRO,
        product=PRODUCT,
        # An enclave in debug mode has zeros where its measurements would be.
        is_debug=None if None in first else any(not any(one or b"") for one in first),
        measurements=measurements,
        bound=document.nonce or b"",
        produced_at=document.at,
        valid_until=ends,
        used=used("certificate", path),
        detail=detail,
    )
