"""Checkpoints (C2SP tlog-checkpoint v1): what a log was, signed."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import (
    CheckpointForkError,
    CheckpointMalformedError,
    CheckpointOriginError,
    CheckpointRollbackError,
)
from gateway.keys import CheckpointPublicKey, CheckpointSigner, decode_base64
from gateway.ledger.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from gateway.ledger.note import Note, parse_note, sign_note, verify_note

MAX_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's tree at one size. `extensions` are lines that the log added; they are kept
    and mean nothing here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "\n".join((self.origin, str(self.size), root, *self.extensions, ""))


def sign_checkpoint(checkpoint: Checkpoint, signer: CheckpointSigner) -> str:
    """The checkpoint as a signed note."""
    return sign_note(checkpoint.text(), signer)


def parse_decimal(text: str) -> int:
    """A size or an index: ASCII digits without leading zero, below 2^63.

    Raises:
        ValueError: Anything else.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise ValueError("not a decimal number without leading zero")
    return int(text)


def parse_checkpoint(note: Note) -> Checkpoint:
    """Read the text of a note as a checkpoint; nothing is verified.

    Raises:
        CheckpointMalformedError: Fewer than three lines, an empty line, or a bad field.
    """
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise CheckpointMalformedError("a checkpoint has origin, size and root, and no empty line")
    origin, size, root, *extensions = lines
    try:
        parsed = Checkpoint(origin, parse_decimal(size), decode_base64(root), tuple(extensions))
    except ValueError as error:
        raise CheckpointMalformedError("the size or the root is not written canonically") from error
    if len(parsed.root) != HASH_SIZE:
        raise CheckpointMalformedError(f"the root has {len(parsed.root)} bytes, not {HASH_SIZE}")
    if parsed.size == 0 and parsed.root != EMPTY_ROOT:
        raise CheckpointMalformedError("size 0 with a root that is not of the empty tree")
    return parsed


def verify_checkpoint(
    data: bytes,
    key: CheckpointPublicKey,
    *,
    origin: str,
    earlier: Sequence[CheckpointPublicKey] = (),
) -> Checkpoint:
    """Read a checkpoint of the log `origin` and check its signature by the log's key.

    Args:
        earlier: Keys that the log had before; the signature of one is enough.

    Raises:
        CheckpointMalformedError: See `parse_note` and `parse_checkpoint`.
        CheckpointOriginError: It is of another log.
        CheckpointSignatureError: The log's key did not sign it.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note)
    if checkpoint.origin != origin:
        raise CheckpointOriginError(expected=origin, found=checkpoint.origin)
    verify_note(note, [key, *earlier])
    return checkpoint


def check_extends(seen: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """Check that a verified checkpoint continues one that was verified before.

    Args:
        path: The consistency proof from `seen.size` to `new.size`; empty from size 0.

    Raises:
        CheckpointOriginError: They are of two logs.
        CheckpointRollbackError: The new one is the smaller one.
        CheckpointForkError: One size, two roots.
        ConsistencyProofError: The path does not show it.
    """
    if new.origin != seen.origin:
        raise CheckpointOriginError(expected=seen.origin, found=new.origin)
    if new.size < seen.size:
        raise CheckpointRollbackError(expected=seen.size, found=new.size)
    if new.size == seen.size and new.root != seen.root:
        raise CheckpointForkError(tree_size=new.size, expected=seen.root, found=new.root)
    if seen.size == 0 and not path:
        return
    verify_consistency(
        old_size=seen.size, new_size=new.size, old_root=seen.root, new_root=new.root, path=path
    )
