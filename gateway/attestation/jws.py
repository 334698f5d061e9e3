"""JSON Web Signatures in compact form (RFC 7515, section 7.1) under keys that are known
beforehand.

A token may bring its own key (`jwk`, `x5c`, `jku`, `x5u`), under which it verifies always: such
members are never read. Each key has its algorithms, whatever the header says.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.attestation.errors import (
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.errors import JsonError
from gateway.record.canonical import Json, load_strict

MAX_TOKEN = 128 * 1024
MIN_RSA_BITS = 2048
_MAX_DEPTH = 16
_MAX_VALUES = 10_000

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

_CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
_RSA = ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
_KNOWN = {*(one for names in _CURVES.values() for one in names), "EdDSA", *_RSA}
_PARSER = jwt.PyJWS()


class KnownKey(Protocol):
    """A key that may have signed, and its id where it has one."""

    @property
    def key(self) -> PublicKey: ...
    @property
    def kid(self) -> str | None: ...


K = TypeVar("K", bound=KnownKey)


@dataclass(frozen=True)
class Jws:
    """A token as it was read; nothing of it is verified yet."""

    raw: bytes
    algorithm: str
    kid: str | None
    payload: Mapping[str, Json]


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """The algorithms that a key may sign with; none for one that is too weak."""
    if isinstance(key, Ed25519PublicKey):
        return ("EdDSA",)
    if isinstance(key, RSAPublicKey):
        return _RSA if key.key_size >= MIN_RSA_BITS else ()
    return _CURVES.get(key.curve.name, ())


def read_key(*, pem: str | None = None, jwk: Mapping[str, str] | None = None) -> PublicKey:
    """A public key in PEM or as a JWK (RFC 7517): exactly one of them.

    Raises:
        ValueError: It is none, private, shared, or of a kind or size that signs no token here.
    """
    if (pem is None) == (jwk is None):
        raise ValueError("a key is in `pem` or in `jwk`")
    try:
        key = load_pem_public_key(pem.encode()) if pem is not None else _of_jwk(jwk or {})
    except (UnsupportedAlgorithm, jwt.PyJWTError, TypeError) as error:
        raise ValueError("no public key can be read") from error
    known = (ec.EllipticCurvePublicKey, Ed25519PublicKey, RSAPublicKey)
    if not isinstance(key, known) or not algorithms_of(key):
        raise ValueError("the key is not public, or of a kind or size that signs no token")
    return key


def _of_jwk(jwk: Mapping[str, str]) -> object:
    if jwk.get("kty") == "oct":
        raise ValueError("a shared secret is no public key")
    return cast("object", jwt.PyJWK.from_dict(dict(jwk), jwk.get("alg")).key)


def parse_jws(data: bytes) -> Jws:
    """The token in the bytes, in exactly three parts of base64url.

    Raises:
        EvidenceMalformedError: They are none, or header or payload is no object of JSON.
        EvidenceUnsupportedError: An algorithm or critical header that is not known.
    """
    if len(data) > MAX_TOKEN:
        raise EvidenceMalformedError(f"a token of more than {MAX_TOKEN} bytes")
    parts = data.split(b".")
    if len(parts) != 3:
        raise EvidenceMalformedError("a signed token has three parts")
    decoded = [decode_base64url(part) for part in parts]
    header, payload = _object(decoded[0], "header"), _object(decoded[1], "payload")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _KNOWN:
        raise EvidenceUnsupportedError("the token names no algorithm that is known here")
    if "crit" in header or "b64" in header:
        raise EvidenceUnsupportedError("the token has a critical header")
    if kid is not None and not isinstance(kid, str):
        raise EvidenceMalformedError("the key id of the token is no text")
    return Jws(data, algorithm, kid, payload)


def decode_base64url(text: bytes) -> bytes:
    """The bytes of base64url without padding, in its one spelling (RFC 7515, section 2).

    Raises:
        EvidenceMalformedError: It is none.
    """
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise EvidenceMalformedError("a part of the token is no base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise EvidenceMalformedError("a part of the token is no base64url")
    return data


def _object(data: bytes, name: str) -> dict[str, Json]:
    try:
        value = load_strict(
            data, max_bytes=MAX_TOKEN, max_depth=_MAX_DEPTH, max_values=_MAX_VALUES, floats=True
        )
    except JsonError as error:
        raise EvidenceMalformedError(f"the {name} of the token: {error}") from error
    if not isinstance(value, dict):
        raise EvidenceMalformedError(f"the {name} of the token is no object")
    return value


def verify_jws(jws: Jws, keys: Sequence[K]) -> K:
    """Check the signature.

    Args:
        keys: Those that may have signed. One with another id than the token's is left out.

    Returns:
        The key that signed.

    Raises:
        EvidenceIncompleteError: There is no such key.
        EvidenceSignatureError: None of them signed it.
    """
    candidates = by_kid(jws.kid, keys)
    for one in candidates:
        if jws.algorithm in algorithms_of(one.key) and _is_signed(jws, one.key):
            return one
    raise EvidenceSignatureError("no key that is pinned for it has signed the token")


def by_kid(kid: str | None, keys: Sequence[K]) -> list[K]:
    """The keys that may have an id.

    Raises:
        EvidenceIncompleteError: There is none.
    """
    found = [one for one in keys if kid is None or one.kid is None or one.kid == kid]
    if not found:
        shown = "".join(c if c.isprintable() and c != "`" else "?" for c in (kid or "(none)")[:60])
        raise EvidenceIncompleteError(f"no key is pinned with the id of the token, `{shown}`")
    return found


def _is_signed(jws: Jws, key: PublicKey) -> bool:
    try:
        _PARSER.decode_complete(jws.raw, key, algorithms=[jws.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True
