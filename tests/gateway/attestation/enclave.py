"""Nitro documents made here: they hold, to be damaged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import cbor
from gateway.attestation.chain import fingerprint
from gateway.attestation.evidence import Claims
from gateway.attestation.nitro import parse_document, verify_document
from tests.gateway.attestation.chains import AT, Issued, issue

ROOT = issue("aws.nitro-enclaves", ca=True)
REGION = issue("region", ROOT, ca=True)
ZONE = issue("zone", REGION, ca=True)
LEAF = issue("enclave", ZONE, cert_sign=False)


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def payload() -> dict[str, Any]:
    return {
        "module_id": "i-0-enc0",
        "digest": "SHA384",
        "timestamp": int(AT.timestamp() * 1000),
        "pcrs": {number: bytes([number + 1]) * 48 for number in range(16)},
        "certificate": der(LEAF),
        "cabundle": [der(ROOT), der(REGION), der(ZONE)],
        "public_key": None,
        "user_data": b"user",
        "nonce": b"nonce",
    }


@dataclass(frozen=True)
class Made:
    """What a document is made of, and how it is looked at."""

    payload: dict[Any, Any] = field(default_factory=payload)
    protected: bytes = cbor.dumps({1: -35})
    key: ec.EllipticCurvePrivateKey = LEAF.key  # pyright: ignore[reportAssignmentType]
    tag: int | None = None
    at: datetime = AT + timedelta(minutes=1)
    anchors: frozenset[str] = frozenset({fingerprint(ROOT.certificate)})
    change: Callable[[bytes], bytes] = lambda data: data

    def document(self) -> bytes:
        body = cbor.dumps(self.payload)
        to_sign = cbor.dumps(["Signature1", self.protected, b"", body])
        r, s = decode_dss_signature(self.key.sign(to_sign, ec.ECDSA(SHA384())))
        size = (self.key.key_size + 7) // 8
        message: Any = [self.protected, {}, body, r.to_bytes(size) + s.to_bytes(size)]
        data = cbor.dumps(message if self.tag is None else cbor.Tagged(self.tag, message))
        return self.change(data)

    def verify(self) -> Claims:
        return verify_document(parse_document(self.document()), at=self.at, anchors=self.anchors)

    def after(self, change: Callable[[bytes], bytes]) -> "Made":
        """With other bytes at last."""
        return replace(self, change=change)

    def having(self, **members: Any) -> "Made":
        """With other members; those that are `...` are left out."""
        changed = self.payload | members
        return replace(self, payload={k: v for k, v in changed.items() if v is not ...})
