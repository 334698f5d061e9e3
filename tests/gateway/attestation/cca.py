"""Arm CCA tokens made here: they hold, to be damaged."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor
from gateway.attestation.arm_cca import Endorsement, parse_token, verify_token
from gateway.attestation.evidence import Claims
from tests.gateway.attestation.chains import AT

CPAK = ec.generate_private_key(ec.SECP384R1())
RAK = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
POINT = RAK.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
IMPLEMENTATION, INSTANCE = b"I" * 32, b"\1" + b"U" * 32
ENDORSED = Endorsement(IMPLEMENTATION, INSTANCE, CPAK.public_key(), date(2026, 1, 1))


def platform() -> dict[Any, Any]:
    return {
        265: "tag:arm.com,2023:cca_platform#1.0.0",
        10: hashlib.sha256(POINT).digest(),
        2396: IMPLEMENTATION,
        256: INSTANCE,
        2401: b"\xcf" * 4,
        2395: 0x3003,
        2402: "sha-256",
        2399: [{1: "RMM", 2: b"r" * 32, 5: b"s" * 32, 6: "sha-256"}, {1: "BL2", 2: b"b" * 32}],
    }


def realm() -> dict[Any, Any]:
    return {
        265: "tag:arm.com,2023:realm#1.0.0",
        10: b"n" * 64,
        44235: bytes(64),
        44237: POINT,
        44236: "sha-512",
        44240: "sha-256",
        44238: b"i" * 64,
        44239: [bytes([number]) * 64 for number in range(4)],
    }


def sign1(claims: object, key: ec.EllipticCurvePrivateKey, protected: dict[Any, Any]) -> bytes:
    payload = cbor.dumps(claims)  # pyright: ignore[reportArgumentType]
    headers = cbor.dumps(protected)
    digest = SHA384() if key.key_size == 384 else SHA256()
    to_sign = cbor.dumps(["Signature1", headers, b"", payload])
    r, s = decode_dss_signature(key.sign(to_sign, ec.ECDSA(digest)))
    size = (key.key_size + 7) // 8
    message: Any = [headers, {}, payload, r.to_bytes(size) + s.to_bytes(size)]
    return cbor.dumps(cbor.Tagged(18, message))


@dataclass(frozen=True)
class Made:
    """What a token is made of, and how it is looked at."""

    platform: dict[Any, Any] = field(default_factory=platform)
    realm: dict[Any, Any] = field(default_factory=realm)
    cpak: ec.EllipticCurvePrivateKey = CPAK
    rak: ec.EllipticCurvePrivateKey = RAK
    protected: dict[Any, Any] = field(default_factory=lambda: {1: -35})
    endorsements: tuple[Endorsement, ...] = (ENDORSED,)
    at: datetime = AT
    tag: int = 399
    change: Callable[[bytes], bytes] = lambda data: data

    def token(self) -> bytes:
        parts: Any = {
            44234: sign1(self.platform, self.cpak, self.protected),
            44241: sign1(self.realm, self.rak, {1: -35 if self.rak.key_size == 384 else -7}),
        }
        return self.change(cbor.dumps(cbor.Tagged(self.tag, parts)))

    def verify(self) -> Claims:
        token = parse_token(self.token())
        return verify_token(token, endorsements=self.endorsements, at=self.at)

    def after(self, change: Callable[[bytes], bytes]) -> "Made":
        """With other bytes at last."""
        return replace(self, change=change)

    def on_platform(self, label: int, value: object) -> "Made":
        return replace(self, platform=_with(self.platform, label, value))

    def on_realm(self, label: int, value: object) -> "Made":
        return replace(self, realm=_with(self.realm, label, value))


def _with(claims: dict[Any, Any], label: int, value: object) -> dict[Any, Any]:
    """With another claim; without it where the value is `...`."""
    return {k: v for k, v in {**claims, label: value}.items() if v is not ...}
