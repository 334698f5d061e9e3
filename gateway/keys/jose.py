"""Decision keys in the formats of JOSE: a JWK (RFC 7517) and signed JWTs (RFC 7515, 7519)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.errors import KeyMalformedError
from gateway.keys.checkpoint import CheckpointPublicKey
from gateway.keys.decision import DecisionPublicKey
from gateway.keys.encoding import decode_base64
from gateway.keys.signer import Signer

_SIZE = 32  # bytes of a coordinate, and of each half of a signature


def public_jwk(key: DecisionPublicKey) -> dict[str, str]:
    """The key for signatures with ES256; its `kid` is the id of the key."""
    public = load_pem_public_key(key.pem.encode())
    if not isinstance(public, EllipticCurvePublicKey):
        raise KeyMalformedError("the public key is not an ECDSA key")
    point = public.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _encoded(point.x.to_bytes(_SIZE)),
        "y": _encoded(point.y.to_bytes(_SIZE)),
        "kid": key.key_id,
        "alg": "ES256",
        "use": "sig",
    }


def public_log_jwk(key: CheckpointPublicKey) -> dict[str, str]:
    """The key of a log, of Ed25519 (RFC 8037); its `kid` is its name and id of C2SP."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _encoded(decode_base64(key.vkey.split("+", 2)[2])[1:]),
        "kid": f"{key.name}+{key.key_id}",
        "alg": "EdDSA",
        "use": "sig",
    }


def sign_jwt(claims: Mapping[str, object], signer: Signer[DecisionPublicKey]) -> str:
    """A JWT of these claims, signed with ES256."""
    header = {"alg": "ES256", "kid": signer.key_id, "typ": "JWT"}
    parts = [_encoded(json.dumps(one, separators=(",", ":")).encode()) for one in (header, claims)]
    message = ".".join(parts)
    # JOSE has the two numbers one after another (RFC 7518, section 3.4), and not in DER.
    r, s = decode_dss_signature(signer.sign(message.encode()))
    return f"{message}.{_encoded(r.to_bytes(_SIZE) + s.to_bytes(_SIZE))}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
