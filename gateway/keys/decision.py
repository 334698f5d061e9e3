"""Decision keys: ECDSA P-256 with SHA-256 (FIPS 186-5), which stock tools verify."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gateway.errors import KeyFileError, KeyMalformedError, SignatureError
from gateway.keys.files import read_private_key, write_private_key

_ES256 = ECDSA(hashes.SHA256())
_MAX_PEM = 4096


@dataclass(frozen=True, slots=True)
class DecisionPublicKey:
    """A P-256 key that may have signed a decision. `pem` is its SubjectPublicKeyInfo."""

    key_id: str
    pem: str
    _key: EllipticCurvePublicKey = field(repr=False, compare=False)

    @staticmethod
    def from_pem(pem: str) -> "DecisionPublicKey":
        """Read the one PEM spelling of a P-256 point: named curve, uncompressed.

        Raises:
            KeyMalformedError: Anything else, such as explicit curve parameters.
        """
        if len(pem) > _MAX_PEM:
            raise KeyMalformedError("the public key is too long to be a P-256 key")
        try:
            key = load_pem_public_key(pem.encode("ascii"))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyMalformedError("the public key is not PEM that can be read") from error
        public = DecisionPublicKey.of(key)
        if public.pem.strip() != pem.replace("\r\n", "\n").strip():
            raise KeyMalformedError(
                "the public key is not written as named curve P-256 and uncompressed point"
            )
        return public

    @staticmethod
    def of(key: object) -> "DecisionPublicKey":
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise KeyMalformedError("the public key is not an ECDSA key on curve P-256")
        spki = PublicFormat.SubjectPublicKeyInfo
        der = key.public_bytes(Encoding.DER, spki)
        pem = key.public_bytes(Encoding.PEM, spki).decode()
        return DecisionPublicKey(hashlib.sha256(der).hexdigest(), pem, key)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a DER signature (SEC 1 section C.5) with r and s in range.

        Raises:
            SignatureError: It does not hold. Raw 64-byte signatures are not DER.
        """
        try:
            self._key.verify(signature, message, _ES256)
        except InvalidSignature as error:
            raise SignatureError(f"the signature of key {self.key_id} does not hold") from error


class DecisionKey:
    """A P-256 private key in memory."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = DecisionPublicKey.of(key.public_key())
        self.key_id = self.public.key_id

    @staticmethod
    def generate() -> "DecisionKey":
        return DecisionKey(generate_private_key(SECP256R1()))

    @staticmethod
    def create(path: Path) -> "DecisionKey":
        """Make a key and keep it in a new file; see `gateway.keys.files`."""
        made = DecisionKey.generate()
        write_private_key(path, made._key)
        return made

    @staticmethod
    def load(path: Path) -> "DecisionKey":
        """Read the key of a file that only its owner can read.

        Raises:
            KeyFileError: Missing, readable by others, malformed, or of another kind.
        """
        key = read_private_key(path)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise KeyFileError(f"{path} holds no P-256 key; decisions are signed with ECDSA P-256")
        return DecisionKey(key)

    def sign(self, message: bytes) -> bytes:
        """A DER signature of the message, which is hashed here."""
        return self._key.sign(message, _ES256)
