"""The call `add-checkpoint` of C2SP tlog-witness v1, pure: bytes of a request, and what is
known of its log, to a verdict.

    old <size>
    <hash of the consistency proof in base64>...

    <checkpoint, a signed note>
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.errors import (
    CheckpointMalformedError,
    CheckpointSignatureError,
    LedgerError,
)
from gateway.keys import CheckpointPublicKey, decode_base64
from gateway.ledger.checkpoint import Checkpoint, check_extends, parse_checkpoint, parse_decimal
from gateway.ledger.merkle import EMPTY_ROOT, HASH_SIZE
from gateway.ledger.note import Note, NoteSignature, parse_note, verify_note
from gateway.witness.errors import RefusedError

MAX_REQUEST = 128 * 1024
MAX_PATH = 63
SIZE_TYPE = "text/x.tlog.size"
_ANY_LINE = "\u2014 x AAAAAAA=\n".encode()
BAD, FORBIDDEN, UNKNOWN, CONFLICT, UNPROCESSABLE = 400, 403, 404, 409, 422

Logs = Mapping[str, Sequence[CheckpointPublicKey]]
"""The keys that may sign checkpoints of a log, by its origin."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has the form; nothing is verified. `spoiled` says what is wrong with
    its signature lines, which have a status of their own."""

    old_size: int
    path: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint
    spoiled: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint of a log that was cosigned, and when, in seconds since 1970.

    `note` has the signature lines of the log that were verified, and no other.
    """

    checkpoint: Checkpoint
    note: str
    time: int


def write_request(old_size: int, path: Sequence[bytes], note: str) -> bytes:
    """The body of a request; `note` is a signed checkpoint."""
    hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in path)
    return f"old {old_size}\n{hashes}\n{note}".encode()


def read_request(body: bytes) -> Request:
    """Take a request apart.

    Raises:
        RefusedError: It is not in the form (400).
    """
    head, separator, note = body.partition(b"\n\n")
    try:
        old_size, path = _read_head(head if separator else b"")
        parsed, spoiled = _read_note(note)
        return Request(old_size, path, parsed, _parse(parsed), spoiled)
    except (ValueError, CheckpointMalformedError) as error:
        words = "a line is not ASCII" if isinstance(error, UnicodeError) else str(error)
        raise RefusedError(BAD, f"bad request: {words}") from error


def _read_head(head: bytes) -> tuple[int, tuple[bytes, ...]]:
    first, *lines = head.decode("ascii").split("\n")
    if not first.startswith("old "):
        raise ValueError("the lines before the first empty one do not begin with `old` and a size")
    if len(lines) > MAX_PATH:
        raise ValueError(f"the consistency proof has more than {MAX_PATH} lines")
    path = tuple(map(decode_base64, lines))
    if any(len(node) != HASH_SIZE for node in path):
        raise ValueError(f"a hash of the consistency proof has not {HASH_SIZE} bytes")
    return parse_decimal(first.removeprefix("old ")), path


def _read_note(data: bytes) -> tuple[Note, str]:
    """A note; where only its signature lines are wrong, its text alone, and what is wrong."""
    try:
        return parse_note(data), ""
    except CheckpointMalformedError as error:
        text, separator, _ = data.rpartition(b"\n\n")
        # With a line of any kind; what is wrong with the text is raised as such.
        parsed = parse_note(text + b"\n\n" + _ANY_LINE if separator else data)
        return replace(parsed, signatures=()), str(error)


def _parse(note: Note) -> Checkpoint:
    """As `parse_checkpoint`; a tree of size 0 with another root is read all the same, for it
    has a status of its own."""
    origin, _, rest = note.text.partition("\n")
    if rest.startswith("0\n"):
        like = parse_checkpoint(replace(note, text=f"{origin}\n1{rest[1:]}"))
        return replace(like, size=0)
    return parse_checkpoint(note)


def judge(request: Request, logs: Logs, seen: Seen | None) -> tuple[NoteSignature, ...]:
    """Decide whether the checkpoint may be cosigned, in the order of the specification.

    Args:
        seen: Of the log of the request.

    Returns:
        The signatures of the log that hold.

    Raises:
        RefusedError: It may not; the newest tree stays what it was.
    """
    new, old_size = request.checkpoint, request.old_size
    signed = check_signed(request, logs)
    if old_size > new.size:
        raise RefusedError(BAD, "bad request: the old size is above that of the checkpoint")
    known = seen.checkpoint if seen is not None else Checkpoint(new.origin, 0, EMPTY_ROOT)
    if old_size != known.size:
        raise RefusedError(CONFLICT, f"the latest size is {known.size}", known=known.size)
    # Also for a tree of size 0 with another root, and a proof from size 0 that is not empty.
    try:
        check_extends(known, new, request.path)
    except LedgerError as error:
        raise RefusedError(
            UNPROCESSABLE, f"the consistency proof does not hold: {error}"
        ) from error
    return signed


def check_signed(request: Request, logs: Logs) -> tuple[NoteSignature, ...]:
    """The signatures of the log that hold.

    Raises:
        RefusedError: Nobody knows the log (404), or none of its keys signed, or one that is
            known did not sign what its line says (403).
    """
    keys = logs.get(request.checkpoint.origin)
    if not keys:
        raise RefusedError(UNKNOWN, "unknown log")
    if request.spoiled:
        raise RefusedError(FORBIDDEN, f"invalid signature: {request.spoiled}")
    try:
        signed = {(key.name, key.key_id) for key in verify_note(request.note, keys)}
    except CheckpointSignatureError as error:
        raise RefusedError(FORBIDDEN, f"invalid signature: {error}") from error
    return tuple(line for line in request.note.signatures if (line.name, line.key_id) in signed)


def note_of(text: str, signatures: Sequence[NoteSignature]) -> str:
    """A note with these lines."""
    return f"{text}\n{''.join(map(write_line, signatures))}"


def write_line(line: NoteSignature) -> str:
    data = base64.b64encode(bytes.fromhex(line.key_id) + line.signature).decode()
    return f"\u2014 {line.name} {data}\n"
