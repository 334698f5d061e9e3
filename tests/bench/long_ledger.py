"""A state folder whose log is long already, filled faster than a gateway would.

    python tests/bench/long_ledger.py FOLDER ENTRIES

Entries have ids as decisions have, and bodies of `BODY` bytes instead of the 7 KB of a
real one, so that a million fit where no disk is spare. All go in with few commits and
nothing waits for the disk: a machine that stops meanwhile leaves a folder to throw away.
"""

import os
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.identifiers import uuid7
from gateway.keys import CheckpointSigner
from gateway.ledger import storage
from gateway.ledger.bodies import Packer
from gateway.ledger.entry import SALT_SIZE, commit
from gateway.ledger.head import make_head
from gateway.ledger.storage import StoredRecord
from gateway.ledger.tree import GrowingTree, Tile
from gateway.self_check import ACTION, own_record
from gateway.state import DEFAULT_ORIGIN, DEFAULT_TENANT, open_state

BODY = 512
_GROUP = 8192


def make(folder: Path, entries: int) -> str:
    """A state folder with a log of so many entries; its token."""
    state = open_state(folder)
    assert state.new_token is not None, "the folder was made earlier"
    state.open_ledger().close()
    now = datetime.now(UTC)
    connection = storage.open_connection(folder / "ledger" / storage.DATABASE)
    try:
        # The gateway sets and reads back what it needs when it opens the file.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")  # KiB
        _fill(connection, entries - 1, state.checkpoint_key)
    finally:
        connection.close()
    # A gateway proves the newest entry before it serves.
    record_id = uuid7(now, os.urandom)
    body = own_record(record_id, now, ACTION, {}, state.decision_key)
    with state.open_ledger() as log:
        log.append(record_id, DEFAULT_TENANT, body).result()
    return state.new_token


def _fill(connection: sqlite3.Connection, entries: int, key: CheckpointSigner) -> None:
    packer = Packer()
    tree = GrowingTree.restore(0, lambda _level, _index: b"", [])
    # Before anything that the gateway will log.
    begin = datetime.now(UTC) - timedelta(days=1)
    for first in range(0, entries, _GROUP):
        connection.execute("BEGIN IMMEDIATE")
        records, tiles = _group(tree, first, min(first + _GROUP, entries), begin)
        storage.insert_records(connection, records)
        storage.insert_bodies(connection, records, packer.pack([one.body for one in records]))
        storage.insert_tiles(connection, tiles)
        connection.execute("COMMIT")
        tree.forget_full_tiles()
    head = make_head(
        tree, DEFAULT_ORIGIN, lambda level, at: storage.read_tile(connection, level, at), key
    )
    logged_at = begin.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    storage.insert_checkpoint(connection, tree.size, head.note, logged_at)


def _group(
    tree: GrowingTree, first: int, end: int, begin: datetime
) -> tuple[list[StoredRecord], list[Tile]]:
    records: list[StoredRecord] = []
    tiles: list[Tile] = []
    salts = os.urandom(SALT_SIZE * (end - first))
    for index in range(first, end):
        at = begin + timedelta(milliseconds=index / 1000)
        salt = salts[SALT_SIZE * (index - first) :][:SALT_SIZE]
        body = b'{"entry":"%0*d"}' % (BODY - 12, index)
        commitment = commit(salt, body)
        logged_at = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        records.append(
            StoredRecord(
                index, uuid7(at, os.urandom), DEFAULT_TENANT, commitment, salt, body, logged_at
            )
        )
        tiles += tree.append(records[-1].leaf_hash)
    return records, tiles


if __name__ == "__main__":
    start = time.monotonic()
    print(make(Path(sys.argv[1]), int(sys.argv[2])))
    print(f"{time.monotonic() - start:.1f} s")
