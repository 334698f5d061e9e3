"""Checkpoint keys: Ed25519 (RFC 8032) behind the names and verifier keys of C2SP signed-note."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import CheckpointSignatureError, KeyFileError, KeyMalformedError
from gateway.keys.ed25519 import refuse_weak_key
from gateway.keys.encoding import decode_base64
from gateway.keys.files import read_private_key, write_private_key

_NOTE_ED25519 = b"\x01"  # C2SP signed-note, signature types
_MAX_NAME = 256


def is_key_name(name: str) -> bool:
    """Whether we give a key this name: C2SP signed-note, and nothing invisible in it."""
    return 0 < len(name) <= _MAX_NAME and name.isprintable() and not set(name) & {" ", "+"}


@dataclass(frozen=True, slots=True)
class CheckpointPublicKey:
    """An Ed25519 key that may have signed a note. `vkey` is its C2SP verifier key."""

    name: str
    key_id: str
    vkey: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @staticmethod
    def of(name: str, raw: bytes) -> "CheckpointPublicKey":
        """The verifier key of a name and the 32 bytes of RFC 8032 section 5.1.5.

        Raises:
            KeyMalformedError: A bad name, or a key that nobody should trust.
        """
        if not is_key_name(name):
            raise KeyMalformedError(
                "the key name is empty, too long, or has a space, plus or control"
            )
        refuse_weak_key(raw)
        typed = _NOTE_ED25519 + raw
        key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex()
        vkey = f"{name}+{key_id}+{base64.b64encode(typed).decode()}"
        return CheckpointPublicKey(name, key_id, vkey, Ed25519PublicKey.from_public_bytes(raw))

    @staticmethod
    def from_vkey(text: str) -> "CheckpointPublicKey":
        """Read `<name>+<hex id>+<base64 of type and key>` (C2SP signed-note, verifier keys).

        Raises:
            KeyMalformedError: Also where the id is not the one derived from the key.
        """
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        try:
            typed = decode_base64(encoded)
        except ValueError as error:
            raise KeyMalformedError("the verifier key is not name+id+base64") from error
        if typed[:1] != _NOTE_ED25519:
            raise KeyMalformedError("the verifier key is not of signature type 1 (Ed25519)")
        public = CheckpointPublicKey.of(name, typed[1:])
        if public.vkey != text:
            raise KeyMalformedError(f"the verifier key has not the id {public.key_id} of its key")
        return public

    @property
    def pem(self) -> str:
        """Its SubjectPublicKeyInfo (RFC 8410)."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check an Ed25519 signature.

        Raises:
            CheckpointSignatureError: It does not hold.
        """
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise CheckpointSignatureError(
                f"the signature of key {self.name}+{self.key_id} does not hold"
            ) from error


class CheckpointKey:
    """An Ed25519 private key in memory, named as the log that it signs for."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = CheckpointPublicKey.of(name, key.public_key().public_bytes_raw())
        self.key_id = self.public.key_id

    @staticmethod
    def generate(name: str) -> "CheckpointKey":
        return CheckpointKey(name, Ed25519PrivateKey.generate())

    @staticmethod
    def create(path: Path, *, name: str) -> "CheckpointKey":
        """Make a key and keep it in a new file; see `gateway.keys.files`."""
        made = CheckpointKey.generate(name)
        write_private_key(path, made._key)
        return made

    @staticmethod
    def load(path: Path, *, name: str) -> "CheckpointKey":
        """Read the key of a file that only its owner can read.

        Raises:
            KeyFileError: Missing, readable by others, malformed, or of another kind.
        """
        key = read_private_key(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} holds no Ed25519 key; checkpoints are signed with Ed25519")
        return CheckpointKey(name, key)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of RFC 8032 section 5.1.6."""
        return self._key.sign(message)
