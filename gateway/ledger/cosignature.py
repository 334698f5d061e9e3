"""Cosignatures of witnesses (C2SP tlog-cosignature v1, Ed25519), checked.

A witness signs the time and the text of a checkpoint, and says by it that it saw no other
history of this log. It is one more line of the note, of signature type 4:

    cosignature/v1
    time <seconds since 1970>
    <text of the note>
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import CosignatureError, KeyMalformedError, WitnessQuorumError
from gateway.keys import decode_base64
from gateway.keys.checkpoint import is_key_name
from gateway.keys.ed25519 import refuse_weak_key
from gateway.ledger.note import Note

_COSIGNATURE = b"\x04"  # C2SP signed-note, signature types
_TIME_SIZE = 8
_SIGNATURE_SIZE = 64


@dataclass(frozen=True, slots=True)
class WitnessPublicKey:
    """The Ed25519 key of a witness. `vkey` is its C2SP verifier key."""

    name: str
    key_id: str
    vkey: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @staticmethod
    def of(name: str, raw: bytes) -> "WitnessPublicKey":
        """The verifier key of a name and the 32 bytes of RFC 8032 section 5.1.5.

        Raises:
            KeyMalformedError: A bad name, or a key that nobody should trust.
        """
        if not is_key_name(name):
            raise KeyMalformedError("the name of a witness is empty, too long, or has a space")
        refuse_weak_key(raw)
        typed = _COSIGNATURE + raw
        key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex()
        vkey = f"{name}+{key_id}+{base64.b64encode(typed).decode()}"
        return WitnessPublicKey(name, key_id, vkey, Ed25519PublicKey.from_public_bytes(raw))

    @staticmethod
    def from_vkey(text: str) -> "WitnessPublicKey":
        """Read `<name>+<hex id>+<base64 of type and key>`.

        Raises:
            KeyMalformedError: Also where the id is not the one derived from the key.
        """
        name, _, rest = text.partition("+")
        try:
            typed = decode_base64(rest.partition("+")[2])
        except ValueError as error:
            raise KeyMalformedError("the verifier key is not name+id+base64") from error
        if typed[:1] != _COSIGNATURE:
            raise KeyMalformedError("the verifier key is not of signature type 4 (a witness)")
        public = WitnessPublicKey.of(name, typed[1:])
        if public.vkey != text:
            raise KeyMalformedError(f"the verifier key has not the id {public.key_id} of its key")
        return public

    def verify(self, signature: bytes, text: str) -> int:
        """Check a cosignature of the text of a note; when it was made, in seconds since 1970.

        Raises:
            CosignatureError: It does not hold, or states no time.
        """
        time = int.from_bytes(signature[:_TIME_SIZE], "big")
        if len(signature) != _TIME_SIZE + _SIGNATURE_SIZE or not 0 < time < 2**63:
            raise CosignatureError(f"the line of witness {self.name} is no cosignature")
        try:
            self._key.verify(signature[_TIME_SIZE:], cosigned_message(time, text))
        except InvalidSignature as error:
            raise CosignatureError(f"the cosignature of {self.name} does not hold") from error
        return time


def cosigned_message(time: int, text: str) -> bytes:
    """What a witness signs: `time` in seconds since 1970, `text` of the note."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def verify_cosignatures(
    note: Note, witnesses: Sequence[WitnessPublicKey], *, quorum: int
) -> dict[str, int]:
    """Check all lines of known witnesses; lines of others are ignored.

    Returns:
        When each of them signed, by its name; the later time where one signed twice.

    Raises:
        CosignatureError: A line that names a known witness does not hold.
        WitnessQuorumError: Fewer than `quorum` different witnesses.
    """
    signed = read_cosignatures(note, witnesses)
    if len(signed) < quorum:
        raise WitnessQuorumError(expected=quorum, found=len(signed))
    return {key.name: time for key, time in signed.items()}


def read_cosignatures(
    note: Note, witnesses: Sequence[WitnessPublicKey]
) -> dict[WitnessPublicKey, int]:
    """As `verify_cosignatures`, by witness, and whoever is missing."""
    known = {(key.name, key.key_id): key for key in witnesses}
    signed: dict[WitnessPublicKey, int] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            signed[key] = max(key.verify(line.signature, note.text), signed.get(key, 0))
    return signed
