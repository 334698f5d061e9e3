"""Check that checkpoints of a log are of one history: that it was only ever added to."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.errors import CheckpointOriginError
from gateway.keys import decode_base64
from gateway.ledger.checkpoint import Checkpoint, check_extends, parse_checkpoint
from gateway.ledger.merkle import HASH_SIZE
from gateway.ledger.note import parse_note, verify_note
from gateway.verify.refused import ConsistencyMissingError, EvidenceError
from gateway.verify.trust import Trust

MAX_PATH_FILE = 64 * 1024
Paths = Mapping[tuple[int, int], Sequence[bytes]]
"""Consistency proofs by their old and new size."""


def read_checkpoint(data: bytes, trust: Trust, *, witnessed: bool = True) -> Checkpoint:
    """A checkpoint of a trusted log, cosigned by those who must have.

    Args:
        witnessed: Whether witnesses must have cosigned.

    Raises:
        LedgerError: See `verify_note`, `Trust.check_size` and `Terms.check_cosigned`.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note)
    keys = trust.log_keys(checkpoint.origin)
    if not keys:
        raise CheckpointOriginError(expected=trust.origin, found=checkpoint.origin)
    # Of the keys that signed, the first, which is the newest, says whether it counts.
    trust.check_size(verify_note(note, keys)[0], checkpoint.size)
    trust.terms.check_cosigned(note, demanded=witnessed)
    return checkpoint


def check_history(trees: Iterable[Checkpoint], newest: Checkpoint, paths: Paths) -> None:
    """Check that the newest tree extends all others.

    Args:
        trees: Verified, in any order.

    Raises:
        CheckpointOriginError: They are of two logs.
        CheckpointRollbackError: One that was seen before is larger than the newest.
        CheckpointForkError: One size, two roots.
        ConsistencyProofError: A path does not show it.
        ConsistencyMissingError: There is no path.
    """
    for tree in trees:
        path = paths.get((tree.size, newest.size))
        if tree.origin != newest.origin:
            raise CheckpointOriginError(expected=newest.origin, found=tree.origin)
        if path is None and 0 < tree.size < newest.size:
            raise ConsistencyMissingError(
                f"nothing shows that the tree of {newest.size} extends that of {tree.size}"
            )
        check_extends(tree, newest, path or ())


def read_path(data: bytes) -> tuple[bytes, ...]:
    """A consistency proof as text: one hash in base64 a line, as witnesses are sent it
    (C2SP tlog-witness).

    Raises:
        EvidenceError: Another shape.
    """
    if len(data) > MAX_PATH_FILE:
        raise EvidenceError(f"the consistency proof is longer than {MAX_PATH_FILE} bytes")
    try:
        nodes = tuple(map(decode_base64, data.decode("ascii").splitlines()))
    except ValueError as error:
        raise EvidenceError("a line of the consistency proof is not base64") from error
    if any(len(node) != HASH_SIZE for node in nodes):
        raise EvidenceError(f"a line of the consistency proof has not {HASH_SIZE} bytes")
    return nodes
