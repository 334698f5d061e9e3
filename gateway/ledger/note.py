"""Signed notes (C2SP signed-note v1): a text, an empty line, and lines of signatures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import CheckpointKeyUnknownError, CheckpointMalformedError
from gateway.keys import CheckpointPublicKey, CheckpointSigner, decode_base64
from gateway.keys.overlap import alongside

MAX_NOTE = 256 * 1024
MAX_SIGNATURES = 64  # at least 16 must be accepted
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. `key_id` is the hex of four bytes; together with `name` it says
    which key signed."""

    name: str
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends in a newline and is what was signed. Not verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


def sign_note(text: str, signer: CheckpointSigner) -> str:
    """The note of `text`, which must end in a newline, with one signature, or with two while
    one key takes the place of another."""
    message = text.encode()
    lines = "".join(_signature_line(one, message) for one in alongside(signer))
    return f"{text}\n{lines}"


def _signature_line(signer: CheckpointSigner, message: bytes) -> str:
    signature = bytes.fromhex(signer.key_id) + signer.sign(message)
    return f"{_DASH}{signer.public.name} {base64.b64encode(signature).decode()}\n"


def parse_note(data: bytes) -> Note:
    """Split a note into its text and its signatures.

    Raises:
        CheckpointMalformedError: Not UTF-8, a control character other than newline, no
            final newline, no signature lines, or one that is not in the form.
    """
    if len(data) > MAX_NOTE:
        raise CheckpointMalformedError(f"the note is longer than {MAX_NOTE} bytes")
    if min(data.replace(b"\n", b""), default=0x20) < 0x20:
        raise CheckpointMalformedError("the note has a control character")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise CheckpointMalformedError("the note is not UTF-8") from error
    # The text may have empty lines: the last one separates it from the signatures.
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise CheckpointMalformedError("the note has no signature lines, or no final newline")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise CheckpointMalformedError(f"the note has more than {MAX_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(map(_parse_signature, signatures)))


def _parse_signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name or "+" in name or any(map(str.isspace, name)):
        raise CheckpointMalformedError("a signature line does not begin with dash and key name")
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        raise CheckpointMalformedError("a signature is not base64") from error
    if len(data) <= 4:
        raise CheckpointMalformedError("a signature is too short")
    return NoteSignature(name, data[:4].hex(), data[4:])


def verify_note(note: Note, keys: Sequence[CheckpointPublicKey]) -> tuple[CheckpointPublicKey, ...]:
    """Check all signatures by known keys; unknown keys are ignored.

    Returns:
        The keys that signed, each once, in the order of their lines.

    Raises:
        CheckpointSignatureError: A known key's signature does not hold, whatever the others
            are worth.
        CheckpointKeyUnknownError: No known key signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    message = note.text.encode()
    signed: dict[CheckpointPublicKey, None] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            key.verify(line.signature, message)
            signed[key] = None
    if not signed:
        names = ", ".join(f"{key.name}+{key.key_id}" for key in keys) or "none"
        raise CheckpointKeyUnknownError(f"no known key signed the checkpoint; known: {names}")
    return tuple(signed)
