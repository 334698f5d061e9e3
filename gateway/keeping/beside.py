"""What lies beside a ledger, or in it without being part of the log: cosignatures of witnesses,
timestamps, and keys under which questions were asked. Held against the log that they speak of.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway.errors import GatewayError, LedgerError, TrustError
from gateway.keeping.finding import Finding, Level
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.keeping.tree import nodes_of
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.merkle import Nodes, tree_root
from gateway.ledger.note import MAX_NOTE
from gateway.ledger.once import KEY_SIZE
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.refused import TimestampChainError, TimestampPolicyError
from gateway.verify.timestamp import MAX_TOKEN, check_imprint, verify_timestamp
from gateway.verify.trust import Trust

COSIGNED = Path("ledger", "witnessed.note")
STAMPS = Path("timestamps")
_NAME = re.compile(r"(0|[1-9][0-9]{0,18})\.(?:checkpoint|tsr)", re.ASCII)
_MOST = 20
# A token is judged by itself: whether the clock of this machine is right is another question.
_AT = datetime(9000, 1, 1, tzinfo=UTC)


def check_beside(
    folder: Path, trust: Trust, *, quick: bool = False, behind: Level = "damage"
) -> list[Finding]:
    """Check what lies beside the ledger of a folder.

    Args:
        folder: Of a gateway, a backup, or a log that has ended.
        quick: The newest timestamp alone.
        behind: What it is where the ledger has fewer entries than were cosigned or stamped.
            Of a copy these are a notice: files were copied after the ledger.

    Raises:
        SnapshotError: There is no ledger.
    """
    # Before the ledger, which grows meanwhile.
    cosigned = _read(folder / COSIGNED, MAX_NOTE)
    sizes = _sizes(folder / STAMPS)
    sizes = sizes[-1:] if quick else sizes
    found: list[Finding] = []
    try:
        with open_snapshot(folder / "ledger") as snapshot:
            trees = _Trees(snapshot, trust, behind)
            if cosigned is not None:
                found += trees.check(cosigned, "cosignature", "the checkpoint of witnesses")
            for size in sizes:
                found += _stamp(trees, folder / STAMPS, size, trust)
            found += _keys(snapshot)
    except (sqlite3.Error, LedgerError) as error:
        if isinstance(error, LedgerError) and error.reason == "ledger-unreadable":
            raise
        found.append(Finding("database", f"a database cannot be read: {error}"))
    return found


class _Trees:
    """The log at each size, for checkpoints that others have signed too."""

    def __init__(self, snapshot: Snapshot, trust: Trust, behind: Level) -> None:
        self._snapshot = snapshot
        self._trust = trust
        self._behind: Level = behind
        self._nodes: Nodes | None = None

    def check(self, data: bytes, check: str, what: str) -> Iterator[Finding]:
        """That a checkpoint is of this log, and each line that can be checked holds."""
        try:
            tree = read_checkpoint(data, self._trust, witnessed=False)
        except LedgerError as error:
            yield Finding(check, f"{what} does not hold: {error}")
            return
        if tree.origin != self._snapshot.meta.get("origin", ""):
            yield Finding(check, f"{what} is of another log, {tree.origin}")
        elif tree.size > self._snapshot.size:
            said = f"{what} is of {tree.size} entries, and {self._snapshot.size} are there"
            yield Finding(check, said, tree.size, level=self._behind)
        elif self._root(tree) != tree.root:
            said = f"{what} is of another history: at {tree.size} entries it has another root"
            yield Finding(check, said, tree.size)

    def _root(self, tree: Checkpoint) -> bytes:
        self._nodes = self._nodes or nodes_of(self._snapshot)
        return tree_root(tree.size, self._nodes)


def _stamp(trees: _Trees, folder: Path, size: int, trust: Trust) -> Iterator[Finding]:
    what = f"the timestamp over {size} entries"
    checkpoint = _read(folder / f"{size}.checkpoint", MAX_NOTE)
    token = _read(folder / f"{size}.tsr", MAX_TOKEN)
    if token is None:
        return  # it was stopped before the authority had answered, and counts for nothing
    if checkpoint is None:
        yield Finding("timestamp", f"{what} is there without its checkpoint", size)
        return
    yield from trees.check(checkpoint, "timestamp", f"the checkpoint of {what}")
    if checkpoint.split(b"\n", 2)[1:2] != [str(size).encode()]:
        yield Finding("timestamp", f"{what} is over a checkpoint of another size", size)
    accepted = trust.terms.timestamps
    try:
        if accepted is None:
            check_imprint(token, checkpoint)
        else:
            verify_timestamp(token, checkpoint, accepted, at=_AT)
    except (TimestampChainError, TimestampPolicyError) as error:
        said = f"{what} is not of an authority that is trusted: {error}"
        yield Finding("timestamp", said, size, level="notice")
    except TrustError as error:
        yield Finding("timestamp", f"{what} cannot be checked: {error}", size, level="notice")
    except GatewayError as error:
        yield Finding("timestamp", f"{what} does not hold: {error}", size)


def _keys(snapshot: Snapshot) -> Iterator[Finding]:
    """That each key leads to decisions of its tenant that are in this log."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'once'"
    if snapshot.connection.execute(query).fetchone() is None:
        return  # which `check_structure` says
    found = 0
    for key, tenant, request, answer in snapshot.connection.execute(
        "SELECT key, tenant, request, answer FROM once"
    ):
        wrong = _wrong_key(snapshot.connection, bytes(key), tenant, bytes(request), answer)
        if wrong is not None and found < _MOST:
            found += 1
            yield Finding("once", f"the key {bytes(key).hex()[:16]} of {tenant!r} {wrong}")


def _wrong_key(
    connection: sqlite3.Connection, key: bytes, tenant: str, request: bytes, answer: str
) -> str | None:
    if len(key) != KEY_SIZE or len(request) != KEY_SIZE:
        return "is not of the size of a digest"
    try:
        parts: object = json.loads(answer)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list):
        return "does not say what leads to its answer"
    for part in cast("list[object]", parts):
        if isinstance(part, str):
            row = connection.execute("SELECT tenant FROM record WHERE id = ?", (part,)).fetchone()
            if row is None or row[0] != tenant:
                return f"leads to {part!r}, which is no decision of that tenant in this log"
    return None


def _sizes(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    names = (_NAME.fullmatch(one.name) for one in folder.iterdir())
    return sorted({int(one[1]) for one in names if one is not None})


def _read(path: Path, limit: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"{path}: cannot read it: {error.strerror}") from error
