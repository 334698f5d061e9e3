"""Public keys as COSE_Key (RFC 9052, section 7; RFC 9053, section 7), and their thumbprints
(RFC 9679): by these, messages name who signed them."""

import hashlib
from collections.abc import Mapping
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor
from gateway.cbor import Key, Value
from gateway.cose import CoseMalformedError, PublicKey

_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_OKP, _EC2 = 1, 2
_ED25519 = 6
_CURVES: Mapping[int, ec.EllipticCurve] = {1: ec.SECP256R1(), 2: ec.SECP384R1(), 3: ec.SECP521R1()}
_PRIVATE = -4


def write_key(key: PublicKey) -> dict[Key, Value]:
    """The parameters that make the key the one it is (RFC 9679, section 4).

    Raises:
        CoseMalformedError: A key of another kind.
    """
    if isinstance(key, Ed25519PublicKey):
        return {_KTY: _OKP, _CRV: _ED25519, _X: key.public_bytes(Encoding.Raw, PublicFormat.Raw)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        for number, curve in _CURVES.items():
            if curve.name == key.curve.name:
                point, size = key.public_numbers(), (key.key_size + 7) // 8
                return {
                    _KTY: _EC2,
                    _CRV: number,
                    _X: point.x.to_bytes(size),
                    _Y: point.y.to_bytes(size),
                }
    raise CoseMalformedError("a key of a kind that is not written as COSE_Key here")


def read_key(value: Value) -> PublicKey:
    """The key; members that say what it is for are left aside.

    Raises:
        CoseMalformedError: Of another kind, no point of its curve, or with a private part.
    """
    members = cast("dict[Key, Value]", value) if isinstance(value, dict) else {}
    x, y = members.get(_X), members.get(_Y)
    if _PRIVATE in members or not isinstance(x, bytes):
        raise CoseMalformedError("this is no public COSE_Key")
    try:
        if members.get(_KTY) == _OKP and members.get(_CRV) == _ED25519:
            return Ed25519PublicKey.from_public_bytes(x)
        curve = _CURVES.get(cast("int", members.get(_CRV)))
        if members.get(_KTY) == _EC2 and curve is not None and isinstance(y, bytes):
            size = (curve.key_size + 7) // 8
            if len(x) == len(y) == size:
                return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except (ValueError, TypeError) as error:
        raise CoseMalformedError("the COSE_Key is no key of its curve") from error
    raise CoseMalformedError("a COSE_Key of another kind")


def thumbprint(key: PublicKey) -> bytes:
    """SHA-256 over the key in deterministic CBOR."""
    return hashlib.sha256(cbor.dumps(write_key(key))).digest()
