"""What a ledger holds, told apart: decisions, what the gateway did itself, and what is gone.

Nothing here is verified but that a body is the one that was logged: whether it was signed by
whom, `charter verify` and `charter ledger fsck` say.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

from gateway.errors import LedgerError
from gateway.keeping.snapshot import open_snapshot
from gateway.ledger.head import check_record
from gateway.ledger.shards import shard_folders
from gateway.ledger.storage import StoredRecord
from gateway.record.statement import PREDICATE_TYPE

LEDGER = "ledger"  # in a state folder

Predicate = Mapping[str, Any]


class Kind(Enum):
    """What an entry is to a replay."""

    DECISION = "decision"
    OWN = "own"  # something that the gateway did itself
    ERASED = "erased"
    DAMAGED = "damaged"
    FOREIGN = "foreign"  # a record of a form that this version does not know


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry. `predicate` is what was signed of a decision, and empty of all others;
    `logged_at` is RFC 3339 in UTC."""

    index: int
    id: str
    tenant: str
    logged_at: str
    kind: Kind
    predicate: Predicate = field(default_factory=dict[str, Any])


def ledgers_of(state: Path) -> list[Path]:
    """The folders of all ledgers of a state folder, the oldest first: those that have ended, and
    the one that is written to."""
    ended = [folder / LEDGER for folder in reversed(shard_folders(state))]
    return [*ended, state / LEDGER]


def read_stored(ledger: Path, first: int, end: int) -> Iterator[Stored]:
    """The entries from one index to before another, in order.

    Args:
        ledger: The folder with the database.

    Raises:
        LedgerError: There is no ledger that can be read.
    """
    with open_snapshot(ledger) as snapshot:
        for record in snapshot.records(first, end):
            yield stored(record)


def count_stored(ledger: Path) -> int:
    """How many entries there are; raises as `read_stored`."""
    with open_snapshot(ledger) as snapshot:
        return snapshot.size


def stored(record: StoredRecord) -> Stored:
    """What an entry is."""
    kind, predicate = _read(record)
    return Stored(record.index, record.id, record.tenant, record.logged_at, kind, predicate)


def _read(record: StoredRecord) -> tuple[Kind, Predicate]:
    if record.is_erased:
        return Kind.ERASED, {}
    try:
        check_record(record)
    except LedgerError:
        return Kind.DAMAGED, {}
    try:
        predicate = _predicate(record.body)
    except (ValueError, LookupError, TypeError, RecursionError):
        return Kind.FOREIGN, {}
    if predicate is None:
        return Kind.FOREIGN, {}
    return (Kind.DECISION, predicate) if "facts" in predicate else (Kind.OWN, {})


def _predicate(body: bytes) -> Predicate | None:
    envelope = json.loads(body)
    statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
    predicate = statement["predicate"]
    if statement["predicateType"] != PREDICATE_TYPE or not isinstance(predicate, dict):
        return None
    return cast("dict[str, Any]", predicate)
