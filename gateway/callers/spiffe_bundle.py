"""Bundles of trust domains as SPIFFE publishes them (SPIFFE Trust Domain and Bundle, section
4): JWK sets of authorities."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.errors import IssuerKeysError

MAX_BUNDLE = 1024 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048
_MAX_NUMBER = 2**53

JwtAuthority = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True)
class SpiffeBundle:
    """What vouches in a trust domain.

    Attributes:
        x509_authorities: For certificates.
        jwt_authorities: For tokens, by key id.
        sequence: Grows with each change, where it is told.
        refresh_hint_s: How long it may be kept before it is read again.
    """

    x509_authorities: tuple[x509.Certificate, ...] = ()
    jwt_authorities: Mapping[str, JwtAuthority] | None = None
    sequence: int | None = None
    refresh_hint_s: int | None = None


def read_bundle(data: bytes) -> SpiffeBundle:
    """The bundle in the bytes of a JWK set; keys of a use that is not known are left out.

    Raises:
        IssuerKeysError: It is none, names no authority, or one that is none.
    """
    document = _document(data)
    certificates: list[x509.Certificate] = []
    keys: dict[str, JwtAuthority] = {}
    for jwk in _listed(document):
        if jwk.get("use") == "x509-svid":
            certificates.append(_certificate(jwk))
        elif jwk.get("use") == "jwt-svid":
            _add(jwk, keys)
    if not certificates and not keys:
        raise IssuerKeysError("the bundle names no authority")
    return SpiffeBundle(
        tuple(certificates),
        keys,
        _number(document, "spiffe_sequence"),
        _number(document, "spiffe_refresh_hint"),
    )


def read_jwt_authorities(data: bytes) -> Mapping[str, JwtAuthority]:
    """The keys of a JWK set that is for tokens alone, by key id.

    Raises:
        IssuerKeysError: It is none, empty, or a key has no id of its own.
    """
    keys: dict[str, JwtAuthority] = {}
    for jwk in _listed(_document(data)):
        _add(jwk, keys)
    if not keys:
        raise IssuerKeysError("the set names no authority")
    return keys


# --- JWK sets ------------------------------------------------------------------------


def _document(data: bytes) -> dict[str, object]:
    if len(data) > MAX_BUNDLE:
        raise IssuerKeysError(f"a bundle of more than {MAX_BUNDLE} bytes")
    try:
        value = cast("object", json.loads(data, object_pairs_hook=_once))
    except (ValueError, RecursionError) as error:
        raise IssuerKeysError("this is not JSON, or says a thing twice") from error
    if not isinstance(value, dict):
        raise IssuerKeysError("a bundle is a JSON object")
    return cast("dict[str, object]", value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member comes twice")
    return found


def _listed(document: Mapping[str, object]) -> list[dict[str, object]]:
    listed = document.get("keys", [])
    if not isinstance(listed, list) or len(cast("list[object]", listed)) > MAX_KEYS:
        raise IssuerKeysError(f"`keys` is a list of at most {MAX_KEYS}")
    found = cast("list[object]", listed)
    if not all(isinstance(one, dict) for one in found):
        raise IssuerKeysError("a key is no object")
    return cast("list[dict[str, object]]", found)


def _add(jwk: dict[str, object], keys: dict[str, JwtAuthority]) -> None:
    key_id = jwk.get("kid")
    if not isinstance(key_id, str) or not key_id or key_id in keys:
        raise IssuerKeysError("an authority of tokens has no id of its own")
    keys[key_id] = _key(jwk)


def _key(jwk: dict[str, object]) -> JwtAuthority:
    if "d" in jwk:
        raise IssuerKeysError("it publishes a private key")
    if jwk.get("kty") not in ("EC", "RSA"):
        raise IssuerKeysError("an authority has a key of another kind than EC and RSA")
    try:
        key = cast("object", jwt.PyJWK.from_dict(jwk, _algorithm(jwk)).key)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise IssuerKeysError("a key cannot be read") from error
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise IssuerKeysError("a key is not public")
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise IssuerKeysError(f"an RSA key has fewer than {MIN_RSA_BITS} bits")
    return key


def _algorithm(jwk: Mapping[str, object]) -> str:
    """That reads such a key; which algorithm a token may have is asked of the token."""
    curves = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
    return curves.get(str(jwk.get("crv")), "ES256") if jwk.get("kty") == "EC" else "RS256"


def _certificate(jwk: dict[str, object]) -> x509.Certificate:
    """The one certificate of `x5c`; the key beside it must be the same."""
    listed = jwk.get("x5c")
    if not isinstance(listed, list) or len(cast("list[object]", listed)) != 1:
        raise IssuerKeysError("an authority of certificates has exactly one in `x5c`")
    try:
        der = base64.b64decode(str(cast("list[object]", listed)[0]), validate=True)
        found = x509.load_der_x509_certificate(der)
        is_right, key = is_authority(found), found.public_key()
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IssuerKeysError("a certificate in `x5c` cannot be read") from error
    if not is_right:
        raise IssuerKeysError("a certificate in `x5c` is of no authority")
    if _key({name: value for name, value in jwk.items() if name != "x5c"}) != key:
        raise IssuerKeysError("a certificate in `x5c` has another key than it says")
    return found


def _number(document: Mapping[str, object], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise IssuerKeysError(f"`{name}` is a whole number")
    return value


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may vouch for others, by what it says of itself.

    Raises:
        ValueError: It cannot be read.
    """
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.key_cert_sign or usage.crl_sign
