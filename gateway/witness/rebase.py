"""A proof against another checkpoint of the same log, later or earlier."""

import base64
from collections.abc import Callable, Sequence

from gateway.errors import InclusionProofError, LedgerError, ProofMalformedError
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.entry import entry_leaf
from gateway.ledger.merkle import verify_inclusion
from gateway.ledger.proof import Proof, parse_place, parse_proof

PathOf = Callable[[int, int], Sequence[bytes]]
"""The path of an entry in the tree of a size: `path_of(index, size)`."""


def index_of(proof: str) -> int:
    """The index of the entry that a proof is about."""
    return _parse(proof).index


def rebase(proof: str, checkpoint: Checkpoint, note: str, path_of: PathOf) -> str:
    """The proof of the same entry against `checkpoint`, which is the text of `note`.

    Raises:
        LedgerError: The tree of that size does not hold it.
    """
    parsed = _parse(proof)
    path = path_of(parsed.index, checkpoint.size)
    try:
        verify_inclusion(
            index=parsed.index,
            tree_size=checkpoint.size,
            leaf=entry_leaf(parsed.commitment),
            path=path,
            root=checkpoint.root,
        )
    except InclusionProofError as error:
        raise LedgerError(
            f"the ledger is damaged: entry {parsed.index} does not lead to the root that was "
            f"cosigned for size {checkpoint.size}; restore the ledger from a replica"
        ) from error
    # What a proof says of its entry is kept as it is, up to the line with the index.
    kept = proof.partition("\nindex ")[0]
    hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in path)
    return f"{kept}\nindex {parsed.index}\n{hashes}\n{note}"


def _parse(proof: str) -> Proof:
    try:
        return parse_proof(proof)
    except ProofMalformedError:
        return parse_place(proof)  # of an entry whose body is erased
