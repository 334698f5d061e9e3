"""Where the keys of a gateway are: in files of its state folder, or in tokens.

A key service would be one more prefix here, and a class that keeps to
`gateway.keys.signer.RemoteSigner`.
"""

from dataclasses import dataclass
from pathlib import Path

from gateway.keys.checkpoint import CheckpointKey, CheckpointPublicKey
from gateway.keys.decision import DecisionKey, DecisionPublicKey
from gateway.keys.errors import CustodyError
from gateway.keys.hsm_keys import open_checkpoint_key, open_decision_key
from gateway.keys.pin import read_pin
from gateway.keys.signer import RemoteSigner, Signer
from gateway.keys.uri import SCHEME, parse

IN_FILE = "file"
DECISION_FILE, CHECKPOINT_FILE = "decision.key", "checkpoint.key"
RECEIPT_FILE = "receipt.key"
# Signs alongside the other while one key takes the place of another.
BEFORE_FILE = "checkpoint.before.key"


@dataclass(frozen=True, slots=True)
class Custody:
    """Each key is `file` or a URI of RFC 7512; `before` is the checkpoint key that ends."""

    decision: str = IN_FILE
    checkpoint: str = IN_FILE
    before: str = IN_FILE
    receipt: str = IN_FILE
    pin_file: Path | None = None


IN_FILES = Custody()


def check_custody(text: str) -> str:
    """What a setting may say of where a key is.

    Raises:
        CustodyError: It is neither `file` nor a URI that says enough.
    """
    if text.startswith(SCHEME):
        parse(text)
    elif text != IN_FILE:
        raise CustodyError(f"a key is in a `{IN_FILE}` of the state folder, or at a pkcs11: URI")
    return text


def decision_key(
    custody: Custody, folder: Path, *, make: bool = False
) -> Signer[DecisionPublicKey]:
    """The key that signs decisions.

    Args:
        make: Make one in a file where that is its place. Keys in tokens are there already:
            `charter keys new` makes them.

    Raises:
        ConfigurationError: It is not there, or is none that may sign decisions.
    """
    if custody.decision == IN_FILE:
        path = folder / DECISION_FILE
        return DecisionKey.create(path) if make else DecisionKey.load(path)
    uri = parse(custody.decision)
    return open_decision_key(uri, read_pin(uri.pin_file or custody.pin_file))


def receipt_key(custody: Custody, folder: Path) -> Signer[DecisionPublicKey]:
    """The key that signs receipts, made where its place is a file that is not there; raises as
    `decision_key`."""
    if custody.receipt == IN_FILE:
        path = folder / RECEIPT_FILE
        return DecisionKey.load(path) if path.exists() else DecisionKey.create(path)
    uri = parse(custody.receipt)
    return open_decision_key(uri, read_pin(uri.pin_file or custody.pin_file))


def checkpoint_key(
    custody: Custody, folder: Path, *, name: str, make: bool = False, before: bool = False
) -> Signer[CheckpointPublicKey]:
    """The key that signs checkpoints of the log of that name, or the one `before` it.

    Raises:
        ConfigurationError: As `decision_key`.
    """
    place = custody.before if before else custody.checkpoint
    if place == IN_FILE:
        path = folder / (BEFORE_FILE if before else CHECKPOINT_FILE)
        return (CheckpointKey.create if make else CheckpointKey.load)(path, name=name)
    uri = parse(place)
    return open_checkpoint_key(uri, read_pin(uri.pin_file or custody.pin_file), name=name)


def close(*signers: object) -> None:
    """Let go of keys that are elsewhere."""
    for signer in signers:
        if isinstance(signer, RemoteSigner):
            signer.close()
