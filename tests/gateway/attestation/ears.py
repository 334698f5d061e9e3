"""Attestation results made here, as external verifiers write them, to be damaged."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.attestation.ear_token import (
    DRAFT,
    TRUSTEE,
    VERAISON,
    Issuer,
    parse_token,
    verify_token,
)
from gateway.attestation.evidence import Claims
from tests.gateway.attestation.chains import AT

NOW = int(AT.timestamp())
NONCE = bytes(range(32))
VECTOR = {"instance-identity": 2, "configuration": 2, "executables": 3, "hardware": 2}
Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@cache
def key(name: str) -> Private:
    """One key for each name; its kind is the beginning of the name."""
    if name.startswith("RSA"):
        return rsa.generate_private_key(65537, 1024 if name == "RSA, weak" else 2048)
    if name.startswith("Ed"):
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[name[:5]])


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(signer: Private, algorithm: str, data: bytes) -> bytes:
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return signer.sign(data)
    digest = _HASHES.get(algorithm[2:], hashes.SHA256())
    if isinstance(signer, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return signer.sign(data, pss if algorithm[0] == "P" else padding.PKCS1v15(), digest)
    size = (signer.key_size + 7) // 8
    r, s = decode_dss_signature(signer.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(size) + s.to_bytes(size)


def jwt(payload: object, signer: Private, header: Mapping[str, object]) -> bytes:
    """A token with that header, whatever it says."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    body = b64(json.dumps(header).encode()) + b"." + b64(text)
    return body + b"." + b64(sign(signer, str(header["alg"]), body))


def cwt(payload: object, signer: Private, protected: Mapping[int, object]) -> bytes:
    first, body = cbor2.dumps(dict(protected)), cbor2.dumps(payload)
    to_sign = cbor2.dumps(["Signature1", first, b"", body])
    return cbor2.dumps(cbor2.CBORTag(18, [first, {}, body, sign(signer, "ES256", to_sign)]))


def dotted(profile: str = VERAISON) -> dict[str, Any]:
    """As Veraison and Trustee write it."""
    return {
        "eat_profile": profile,
        "iat": NOW - 10,
        "exp": NOW + 300,
        "eat_nonce": b64(NONCE).decode(),
        "ear.verifier-id": {"developer": "https://verifier.example", "build": "1"},
        "submods": {
            "cpu0": {
                "ear.status": "affirming",
                "ear.trustworthiness-vector": dict(VECTOR),
                "ear.appraisal-policy-id": "policy:cpu",
            }
        },
    }


def draft() -> dict[str, Any]:
    """As the draft has it."""
    return {
        "eat_profile": DRAFT,
        "iat": NOW - 10,
        "exp": NOW + 300,
        "ear_verifier_id": {"developer": "https://verifier.example", "build": "1"},
        "submods": {
            "cpu0": {
                "ear_status": "affirming",
                "ear_trustworthiness_vector": dict(VECTOR),
                "ear_appraisal_policy_ids": ["policy:cpu"],
                "eat_nonce": b64(NONCE).decode(),
            }
        },
    }


def numbered() -> dict[Any, Any]:
    """The same in CBOR."""
    return {
        265: DRAFT,
        6: NOW - 10,
        4: NOW + 300,
        1004: {0: "https://verifier.example", 1: "1"},
        266: {"cpu0": {1000: 2, 1001: {0: 2, 1: 2, 2: 3, 4: 2}, 1003: ["policy:cpu"], 10: NONCE}},
    }


@dataclass(frozen=True)
class Made:
    """A result with all that is needed to make and to verify it."""

    payload: Any = field(default_factory=dotted)
    signer: str = "P-256"
    header: Mapping[Any, object] = field(default_factory=lambda: {"alg": "ES256"})
    pinned: str = "P-256"
    kid: str | None = None
    profiles: frozenset[str] = frozenset({VERAISON, TRUSTEE, DRAFT})
    valid_from: date = date(2026, 1, 1)
    valid_until: date | None = date(2026, 12, 31)
    at: datetime = AT
    is_cbor: bool = False

    def token(self) -> bytes:
        make = cwt if self.is_cbor else jwt
        return make(self.payload, key(self.signer), self.header)

    def issuer(self) -> Issuer:
        public = key(self.pinned).public_key()
        return Issuer(
            "verifier.example", public, self.profiles, self.kid, self.valid_from, self.valid_until
        )

    def verify(self, data: bytes | None = None) -> Claims:
        token = parse_token(self.token() if data is None else data)
        return verify_token(token, issuers=[self.issuer()], at=self.at)

    def having(self, *path: str, value: object) -> "Made":
        """With another value at a place of the payload; None takes it away."""
        payload = json.loads(json.dumps(self.payload))
        place = payload
        for name in path[:-1]:
            place = place[name]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return replace(self, payload=payload)

    def of_cpu(self, name: str, value: object) -> "Made":
        return self.having("submods", "cpu0", name, value=value)


CBOR = Made(numbered(), header={1: -7}, is_cbor=True)
