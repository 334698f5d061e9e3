"""Ledgers to break: how the tests open them and what they check of every one."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint, check_extends, verify_checkpoint
from gateway.ledger.head import Receipt
from gateway.ledger.log import Log
from gateway.ledger.proof import verify_proof

ORIGIN = "ledger.example/eu"
KEY = CheckpointKey.generate(ORIGIN)
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def open_log(folder: Path, **options: Any) -> Log:
    settings: dict[str, Any] = {"origin": ORIGIN, "signer": KEY, "clock": lambda: NOW}
    return Log.open(folder, **{**settings, **options})


def body_of(entry_id: str) -> bytes:
    return f'{{"record of":"{entry_id}"}}'.encode()


def append(log: Log, *entry_ids: str) -> list[Receipt]:
    """Append entries together and wait for all of them."""
    answers = [log.append(one, "clinic-a", body_of(one)) for one in entry_ids]
    return [answer.result(timeout=30) for answer in answers]


def append_many(log: Log, first: int, last: int) -> list[Receipt]:
    return append(log, *(f"entry-{number}" for number in range(first, last)))


def checkpoint_of(log: Log, key: CheckpointKey = KEY) -> Checkpoint:
    return verify_checkpoint(log.latest_checkpoint().encode(), key.public, origin=ORIGIN)


def check_receipt(entry_id: str, receipt: Receipt) -> None:
    proof = verify_proof(body_of(entry_id), receipt.proof_text, KEY.public, origin=ORIGIN)
    assert (proof.index, proof.checkpoint.size) == (receipt.index, receipt.tree_size)


def check_proof(log: Log, entry_id: str, key: CheckpointKey = KEY) -> int:
    """Check the proof against the latest checkpoint; the index of the entry."""
    text = log.proof(entry_id)
    assert text is not None, f"{entry_id} is lost"
    proof = verify_proof(body_of(entry_id), text, key.public, origin=ORIGIN)
    assert proof.checkpoint.size == log.size
    return proof.index


def check_continues(log: Log, seen: Checkpoint, key: CheckpointKey = KEY) -> None:
    """Check that the log extends a checkpoint that it gave before."""
    new = checkpoint_of(log, key)
    path = log.consistency(seen.size, new.size) if seen.size else []
    check_extends(seen, new, path)


def tamper(folder: Path, statement: str, *arguments: object) -> None:
    """Change a closed ledger behind its back, without its triggers."""
    connection = sqlite3.connect(folder / storage.DATABASE)
    with connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        changed = connection.execute(statement, arguments).rowcount
    connection.close()
    assert changed > 0, "the case damages nothing"
