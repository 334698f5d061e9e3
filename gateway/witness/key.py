"""The key of a witness: Ed25519 for cosignatures (C2SP tlog-cosignature v1), nothing else.

Its signatures are deterministic (RFC 8032 section 5.1.6): the same time and text give the
same line again, so a line need not be stored.
"""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import KeyFileError
from gateway.keys.files import read_private_key, write_private_key
from gateway.ledger.cosignature import WitnessPublicKey, cosigned_message


class WitnessKey:
    """An Ed25519 private key in memory, under the name of its witness."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = WitnessPublicKey.of(name, key.public_key().public_bytes_raw())

    @staticmethod
    def generate(name: str) -> "WitnessKey":
        """A key in memory alone; raises `KeyMalformedError` for a name that is none."""
        return WitnessKey(name, Ed25519PrivateKey.generate())

    @staticmethod
    def create(path: Path, *, name: str) -> "WitnessKey":
        """Make a key and keep it in a new file; see `gateway.keys.files`."""
        made = WitnessKey.generate(name)
        write_private_key(path, made._key)
        return made

    @staticmethod
    def load(path: Path, *, name: str) -> "WitnessKey":
        """Read the key of a file that only its owner can read.

        Raises:
            KeyFileError: Missing, readable by others, malformed, or of another kind.
        """
        key = read_private_key(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} holds no Ed25519 key; a witness signs with Ed25519")
        return WitnessKey(name, key)

    def cosign(self, time: int, text: str) -> str:
        """The line of a note: at `time`, in seconds since 1970, `text` was the newest."""
        signed = time.to_bytes(8, "big") + self._key.sign(cosigned_message(time, text))
        data = base64.b64encode(bytes.fromhex(self.public.key_id) + signed).decode()
        return f"\u2014 {self.public.name} {data}\n"
