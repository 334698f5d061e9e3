"""The receipt of one entry: a C2SP tlog-proof@v1 file, checked offline.

Its `extra` line carries the salt of the entry and then the digest that the entry commits
to (see `gateway.ledger.entry`). The digest follows from salt and body; it is there so
that a proof of another entry is told from a damaged one, and so that the place in the log
of an erased body can still be shown: then the line carries the digest alone.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import EntryMismatchError, InclusionProofError, ProofMalformedError
from gateway.keys import CheckpointPublicKey, decode_base64
from gateway.ledger.checkpoint import Checkpoint, parse_decimal, verify_checkpoint
from gateway.ledger.entry import DIGEST_SIZE, SALT_SIZE, commit, entry_leaf
from gateway.ledger.merkle import HASH_SIZE, Nodes, verify_inclusion
from gateway.ledger.note import MAX_NOTE

MAX_PATH = 63
MAX_PROOF = MAX_NOTE + 8 * 1024
_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof file in its parts; nothing is verified. `checkpoint` is a signed note."""

    salt: bytes
    commitment: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """Where an entry is: at `index` of the tree of `checkpoint`, signed by the log."""

    index: int
    checkpoint: Checkpoint


def write_proof(
    *, salt: bytes, commitment: bytes, index: int, path: Sequence[bytes], checkpoint: str
) -> str:
    """The text of a proof file; without a salt that of an entry whose body is erased."""
    return proof_text(salt, commitment, index, b"".join(map(b2a_base64, path)), checkpoint)


def proof_text(salt: bytes, commitment: bytes, index: int, lines: bytes, checkpoint: str) -> str:
    """As `write_proof`, of a path that is written in lines already."""
    extra = b2a_base64(salt + commitment)
    return f"{_HEADER}\nextra {extra.decode()}index {index}\n{lines.decode()}\n{checkpoint}"


def path_lines(
    first: int, count: int, size: int, nodes: Nodes, edge: Sequence[bytes]
) -> list[bytes]:
    """The `inclusion_path` of each of `count` leaves from `first` on, of a tree of `size`, as it
    is written. From where two paths meet they are one, and it is written once.

    Args:
        edge: The `right_edge` of the tree.
    """
    if not 0 <= first < first + count <= size:
        raise InclusionProofError("no such entry", index=first + count - 1, tree_size=size)
    lines = [b""]  # of the ancestors of these leaves, from a level up
    for level in reversed(range((size - 1).bit_length())):
        low, last = first >> level, (size - 1) >> level
        above = low >> 1
        here: list[bytes] = []
        for index in range(low, ((first + count - 1) >> level) + 1):
            sibling = index ^ 1
            rest = lines[(index >> 1) - above]
            # The last node of a level may be incomplete; beyond it there is none.
            if sibling < last or (sibling == last and (sibling + 1) << level <= size):
                rest = b2a_base64(nodes(level, sibling)) + rest
            elif sibling == last:
                rest = b2a_base64(edge[level]) + rest
            here.append(rest)
        lines = here
    return lines


def parse_proof(text: str) -> Proof:
    """Read a proof file; the checkpoint in it is left as it is.

    Raises:
        ProofMalformedError: A line is missing, misplaced, or not in its one spelling.
    """
    return _parse(text, SALT_SIZE)


def parse_place(text: str) -> Proof:
    """Read the proof file of an entry whose body is erased, which has no salt; raises as
    `parse_proof`."""
    return _parse(text, 0)


def _parse(text: str, salt_size: int) -> Proof:
    if len(text) > MAX_PROOF:
        raise ProofMalformedError(f"the proof is longer than {MAX_PROOF} characters")
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != _HEADER:
        raise ProofMalformedError(f"the first line is not {_HEADER}")
    if len(lines) < 3 or not separator or not checkpoint:
        raise ProofMalformedError("a proof has lines extra and index, and a checkpoint")
    _, extra, index, *hashes = lines
    if len(hashes) > MAX_PATH:
        raise ProofMalformedError(f"more than {MAX_PATH} hashes")
    salt_and_commitment = _decode(extra, "extra ", salt_size + DIGEST_SIZE)
    return Proof(
        salt_and_commitment[:salt_size],
        salt_and_commitment[salt_size:],
        _index(index),
        tuple(_decode(line, "", HASH_SIZE) for line in hashes),
        checkpoint,
    )


def _index(line: str) -> int:
    try:
        return parse_decimal(line.removeprefix("index ") if line.startswith("index ") else "")
    except ValueError as error:
        raise ProofMalformedError("no index line with a decimal number") from error


def _decode(line: str, prefix: str, size: int) -> bytes:
    name = prefix.strip() or "hash"
    try:
        data = decode_base64(line.removeprefix(prefix) if line.startswith(prefix) else " ")
    except ValueError as error:
        raise ProofMalformedError(f"no {name} line in base64") from error
    if len(data) != size:
        raise ProofMalformedError(f"the {name} line has {len(data)} bytes, not {size}")
    return data


def verify_proof(body: bytes, text: str, key: CheckpointPublicKey, *, origin: str) -> VerifiedProof:
    """Check that the log `origin`, whose key is `key`, holds `body`.

    Raises:
        ProofMalformedError: The text is no proof file.
        EntryMismatchError: The proof is about another body.
        CheckpointMalformedError, CheckpointOriginError, CheckpointSignatureError: The
            checkpoint is none of this log's.
        InclusionProofError: The path does not lead to the root in the checkpoint.
    """
    proof = parse_proof(text)
    calculated = commit(proof.salt, body)
    if calculated != proof.commitment:
        raise EntryMismatchError(expected=proof.commitment, calculated=calculated)
    return verify_place(proof, key, origin=origin)


def verify_place(proof: Proof, key: CheckpointPublicKey, *, origin: str) -> VerifiedProof:
    """Check where the entry of a proof is; its body may be erased.

    Raises:
        CheckpointMalformedError, CheckpointOriginError, CheckpointSignatureError,
        InclusionProofError: As `verify_proof`.
    """
    try:
        data = proof.checkpoint.encode()
    except UnicodeEncodeError as error:
        raise ProofMalformedError("the checkpoint has a lone surrogate") from error
    checkpoint = verify_checkpoint(data, key, origin=origin)
    verify_inclusion(
        index=proof.index,
        tree_size=checkpoint.size,
        leaf=entry_leaf(proof.commitment),
        path=proof.path,
        root=checkpoint.root,
    )
    return VerifiedProof(proof.index, checkpoint)
