"""Keys that are not in use yet: made for a state folder, or found in a token."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.keys import (
    CheckpointKey,
    CheckpointPublicKey,
    CheckpointSigner,
    DecisionKey,
    DecisionSigner,
)
from gateway.keys.custody import (
    BEFORE_FILE,
    CHECKPOINT_FILE,
    DECISION_FILE,
    IN_FILE,
    RECEIPT_FILE,
    Custody,
    checkpoint_key,
    close,
    decision_key,
    receipt_key,
)
from gateway.keys.errors import RotationError
from gateway.rotation_plan import NEXT


def new_decision_key(custody: Custody, folder: Path, to: str) -> DecisionSigner:
    """A key that was made beside the one in use, or is made now, or is in a token."""
    if to != IN_FILE:
        return decision_key(replace(custody, decision=to), folder)
    path = folder / (DECISION_FILE + NEXT)
    return DecisionKey.load(path) if path.exists() else DecisionKey.create(path)


def new_receipt_key(custody: Custody, folder: Path, to: str) -> DecisionSigner:
    """As `new_decision_key`."""
    if to != IN_FILE:
        return receipt_key(replace(custody, receipt=to), folder)
    path = folder / (RECEIPT_FILE + NEXT)
    return DecisionKey.load(path) if path.exists() else DecisionKey.create(path)


def new_checkpoint_key(custody: Custody, folder: Path, to: str, *, name: str) -> CheckpointSigner:
    """As `new_decision_key`."""
    if to != IN_FILE:
        return checkpoint_key(replace(custody, checkpoint=to), folder, name=name)
    path = folder / (CHECKPOINT_FILE + NEXT)
    return (CheckpointKey.load if path.exists() else CheckpointKey.create)(path, name=name)


def find_log_keys(
    custody: Custody, folder: Path, name: str, wanted: Sequence[CheckpointPublicKey]
) -> list[CheckpointSigner]:
    """The keys of the log wherever they are, whatever was moved, in the order wanted.

    Raises:
        RotationError: One is nowhere.
    """
    there: dict[str, CheckpointSigner] = {}
    for file in (CHECKPOINT_FILE, CHECKPOINT_FILE + NEXT, BEFORE_FILE):
        if (folder / file).exists():
            key = CheckpointKey.load(folder / file, name=name)
            there[key.public.vkey] = key
    for place in {custody.checkpoint, custody.before} - {IN_FILE}:
        key = checkpoint_key(replace(custody, checkpoint=place), folder, name=name)
        there[key.public.vkey] = key
    missing = [one.vkey for one in wanted if one.vkey not in there]
    close(*(key for vkey, key in there.items() if vkey not in {one.vkey for one in wanted}))
    if missing:
        close(*there.values())
        raise RotationError(
            f"the change of keys that was begun needs the key {missing[0]}, which is in no place "
            "that the options name"
        )
    return [there[one.vkey] for one in wanted]
