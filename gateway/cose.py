"""COSE_Sign1 (RFC 9052, section 4.2; algorithms of RFC 9053), verified with a key that is known
beforehand. What a message says about its own key is never a reason to believe it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway import cbor
from gateway.cbor import Key, Value
from gateway.errors import GatewayError

TAG = 18
ALGORITHM = 1
CRITICAL = 2
MIN_RSA_BITS = 2048

ES256, ES384, ES512, EDDSA = -7, -35, -36, -8
PS256, PS384, PS512 = -37, -38, -39
_HASHES: Mapping[int, hashes.HashAlgorithm] = {
    ES256: hashes.SHA256(), ES384: hashes.SHA384(), ES512: hashes.SHA512(),
    PS256: hashes.SHA256(), PS384: hashes.SHA384(), PS512: hashes.SHA512(),
}  # fmt: skip
# Each ECDSA algorithm with one curve, as deployed profiles have it.
_CURVES: Mapping[int, type[ec.EllipticCurve]] = {
    ES256: ec.SECP256R1, ES384: ec.SECP384R1, ES512: ec.SECP521R1,
}  # fmt: skip
_RSA = (PS256, PS384, PS512)
ALGORITHMS = (*_CURVES, EDDSA, *_RSA)

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | rsa.RSAPublicKey


class CoseError(GatewayError):
    """A COSE message does not count."""

    reason = "cose"


class CoseMalformedError(CoseError):
    """It is no COSE_Sign1, or has no payload, or says what is critical and not known here."""

    reason = "cose-malformed"


class CoseAlgorithmError(CoseError):
    """The algorithm is not protected, not allowed, or not one of the key."""

    reason = "cose-algorithm"


class CoseSignatureError(CoseError):
    """The signature does not hold."""

    reason = "cose-signature"


@dataclass(frozen=True)
class Sign1:
    """A message as it was read. `payload` is None where it is detached."""

    protected_raw: bytes
    protected: Mapping[Key, Value]
    unprotected: Mapping[Key, Value]
    payload: bytes | None
    signature: bytes
    is_tagged: bool

    def to_sign(self, payload: bytes, external: bytes) -> bytes:
        """The Sig_structure (section 4.4). An empty map is signed as no bytes."""
        protected = b"" if self.protected_raw == b"\xa0" else self.protected_raw
        return cbor.dumps(["Signature1", protected, external, payload])


def parse_sign1(data: bytes, *, max_depth: int = cbor.MAX_DEPTH) -> Sign1:
    """The message in the bytes, with tag 18 or without one.

    Raises:
        CoseMalformedError: It is none.
    """
    try:
        value = cbor.loads(data, max_depth=max_depth)
        is_tagged = isinstance(value, cbor.Tagged)
        if isinstance(value, cbor.Tagged):
            if value.tag != TAG:
                raise CoseMalformedError(f"the message is under tag {value.tag}, not {TAG}")
            value = value.value
        return _sign1(value, is_tagged=is_tagged)
    except cbor.CborError as error:
        raise CoseMalformedError(f"no COSE message: {error}") from error


def _sign1(value: Value, *, is_tagged: bool) -> Sign1:
    if not isinstance(value, list) or len(value) != 4:
        raise CoseMalformedError("a COSE_Sign1 is a list of four")
    raw, unprotected, payload, signature = value
    if not isinstance(raw, bytes) or not isinstance(signature, bytes):
        raise CoseMalformedError("protected headers and signature are byte strings")
    protected = cbor.loads(raw) if raw else {}
    if not isinstance(protected, dict) or not isinstance(unprotected, dict):
        raise CoseMalformedError("headers are maps")
    if payload is not None and not isinstance(payload, bytes):
        raise CoseMalformedError("the payload is a byte string or null")
    # Which of two would count depends on the reader.
    if protected.keys() & unprotected.keys():
        raise CoseMalformedError("a header is protected and unprotected (RFC 9052, section 3)")
    return Sign1(raw, protected, unprotected, payload, signature, is_tagged)


def verify_sign1(
    message: Sign1,
    key: PublicKey,
    *,
    payload: bytes | None = None,
    external: bytes = b"",
    algorithms: Collection[int] = ALGORITHMS,
    stated: int | None = None,
    known_critical: Collection[Key] = (),
) -> bytes:
    """Check the signature.

    Args:
        key: That of whoever must have signed.
        payload: Where it is detached.
        algorithms: Those that may have signed.
        stated: The algorithm of the key where that is known beforehand, so that no header has
            to name it; a protected header that names another is refused.
        known_critical: Labels that the caller understands; others may not be critical.

    Returns:
        The payload that was signed.

    Raises:
        CoseMalformedError: No payload, two, or an unknown critical header.
        CoseAlgorithmError: The algorithm is not protected, not allowed or not of the key.
        CoseSignatureError: It does not hold.
    """
    if (payload is None) == (message.payload is None):
        raise CoseMalformedError("the payload must be in the message or given, not both")
    signed = payload if message.payload is None else message.payload
    _check_critical(message, known_critical)
    algorithm = message.protected.get(ALGORITHM, stated)
    if stated is not None and algorithm != stated:
        raise CoseAlgorithmError("the protected header names another algorithm than is stated")
    if not isinstance(algorithm, int) or algorithm not in algorithms:
        raise CoseAlgorithmError("the protected header names no algorithm that is allowed")
    to_sign = message.to_sign(cast("bytes", signed), external)
    try:
        _verify(key, algorithm, message.signature, to_sign)
    except InvalidSignature as error:
        raise CoseSignatureError("the signature does not hold") from error
    return cast("bytes", signed)


def _check_critical(message: Sign1, known: Collection[Key]) -> None:
    if CRITICAL in message.unprotected:
        raise CoseMalformedError("critical headers must be protected")
    if CRITICAL not in message.protected:
        return
    named = message.protected[CRITICAL]
    if not isinstance(named, list) or not named:
        raise CoseMalformedError("critical headers are a list that names some")
    for label in named:
        if label not in known or label not in message.protected:
            raise CoseMalformedError(f"a critical header is not known: {label!r:.40}")


def _verify(key: PublicKey, algorithm: int, signature: bytes, signed: bytes) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if algorithm not in _CURVES or not isinstance(key.curve, _CURVES[algorithm]):
            raise CoseAlgorithmError("the algorithm is none of this key")
        der = _der(signature, (key.key_size + 7) // 8)
        key.verify(der, signed, ec.ECDSA(_HASHES[algorithm]))
    elif isinstance(key, Ed25519PublicKey):
        if algorithm != EDDSA:
            raise CoseAlgorithmError("the algorithm is none of this key")
        key.verify(signature, signed)
    else:
        if algorithm not in _RSA or key.key_size < MIN_RSA_BITS:
            raise CoseAlgorithmError("the algorithm is none of this key")
        digest = _HASHES[algorithm]
        salt = padding.PSS(padding.MGF1(digest), digest.digest_size)
        key.verify(signature, signed, salt, digest)


def _der(signature: bytes, size: int) -> bytes:
    """Two numbers of fixed length as the library takes them (RFC 9053, section 2.1)."""
    if len(signature) != 2 * size:
        raise CoseSignatureError(f"a signature of this key has {2 * size} bytes")
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
