"""The checkpoint beside a receipt: the same root, as the log signed it and witnesses cosigned it.

It is in the unprotected header of the receipt, as each line of it is signed by itself. Without
it a receipt holds where nobody demands witnesses.
"""

from collections.abc import Mapping

from gateway.errors import CheckpointForkError
from gateway.ledger.note import parse_note
from gateway.ledger.proof import VerifiedProof
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.receipt import Receipt
from gateway.verify.refused_receipts import ReceiptFormError, ReceiptNoteError
from gateway.verify.trust import Trust

NOTE = "charter-checkpoint"


def cosigned_only(note: str, trust: Trust) -> str | None:
    """A checkpoint that others than its log have signed too; None where nobody has."""
    parsed = parse_note(note.encode())
    keys = trust.log_keys(parsed.text.partition("\n")[0])
    own = {(key.name, key.key_id) for key in keys}
    others = any((one.name, one.key_id) not in own for one in parsed.signatures)
    return note if others else None


def note_of(receipt: Receipt) -> str | None:
    """The signed note of a receipt; None where it has none.

    Raises:
        ReceiptFormError: Something else is in its place.
    """
    note = receipt.message.unprotected.get(NOTE)
    if note is not None and not isinstance(note, str):
        raise ReceiptFormError(f"{NOTE} is no text")
    return note


def check_note(note: str, place: VerifiedProof, trust: Trust) -> Mapping[str, int]:
    """Check that the log signed the very tree of a receipt as a checkpoint.

    Returns:
        When each witness cosigned it, in seconds since 1970.

    Raises:
        ReceiptNoteError: It is of another log, or of another size.
        CheckpointForkError: It has another root.
        LedgerError: As `read_checkpoint`; also where witnesses that are demanded are missing.
    """
    data = note.encode()
    signed = read_checkpoint(data, trust)
    tree = place.checkpoint
    if (signed.origin, signed.size) != (tree.origin, tree.size):
        raise ReceiptNoteError(f"{NOTE} is of another tree than the receipt")
    if signed.root != tree.root:
        raise CheckpointForkError(tree_size=signed.size, expected=tree.root, found=signed.root)
    return trust.terms.check_cosigned(parse_note(data))
