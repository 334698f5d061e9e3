"""One key, one purpose. A key is known by its fingerprint, whatever file or token it is in: the
SHA-256 of its SubjectPublicKeyInfo in DER, in hex."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.keys.checkpoint import CheckpointPublicKey
from gateway.keys.encoding import decode_base64
from gateway.keys.errors import KeyPurposeError


class Purpose(Enum):
    """What a key is for."""

    DECISION = "decision"
    CHECKPOINT = "checkpoint"
    COSIGNATURE = "cosignature"
    RELEASE = "release"
    TLS = "tls"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Use:
    """A key in use; `where` is told to a person."""

    fingerprint: str
    purpose: Purpose
    where: str


def fingerprint(key: PublicKeyTypes) -> str:
    """Of a public key of any kind."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def fingerprint_of_vkey(vkey: str) -> str:
    """Of the Ed25519 key in a verifier key of C2SP signed-note, whatever its type and name."""
    return fingerprint(Ed25519PublicKey.from_public_bytes(raw_of_vkey(vkey)))


def raw_of_vkey(vkey: str) -> bytes:
    """The 32 bytes of the Ed25519 key in a verifier key that was read before."""
    return decode_base64(vkey.split("+", 2)[2])[1:]


def fingerprint_of_log(key: CheckpointPublicKey) -> str:
    """Of a checkpoint key."""
    return fingerprint_of_vkey(key.vkey)


def bind(uses: Iterable[Use]) -> None:
    """Refuse a key that is in use for two purposes.

    Raises:
        KeyPurposeError: It names the key and both places.
    """
    known: dict[str, Use] = {}
    for use in uses:
        other = known.setdefault(use.fingerprint, use)
        if other.purpose is not use.purpose:
            raise KeyPurposeError(
                f"one key, {use.fingerprint[:16]}, is used for two purposes: "
                f"{other.purpose.value} ({other.where}) and {use.purpose.value} ({use.where}); "
                "make another key for one of them"
            )
