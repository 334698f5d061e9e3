"""The ledger: an append-only log in one folder, with one writer.

Appends are durable before they are answered. Reads go through a connection of their own
and never make the writer wait. At start the right edge is rebuilt and compared with the
last signed checkpoint; what contradicts itself is not opened.
"""

import logging
import os
import sqlite3
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointPublicKey, CheckpointSigner
from gateway.ledger import storage
from gateway.ledger.bodies import Unpacker
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.guard import Guard, LedgerEndedError
from gateway.ledger.head import Head, Receipt, check_record, make_head, restore_head
from gateway.ledger.lock import lock_file
from gateway.ledger.merkle import consistency_path, inclusion_path, tree_root
from gateway.ledger.migrate import OLD_VERSION, migrate
from gateway.ledger.once import Once, create_table
from gateway.ledger.once import find as find_once
from gateway.ledger.pending import Pending, promise
from gateway.ledger.schema import SCHEMA_VERSION, create_schema
from gateway.ledger.storage import Connect, StoredRecord
from gateway.ledger.tree import GrowingTree
from gateway.ledger.writer import Clock, Random, Writer, rfc3339

ENDED = "ended_by"  # in the meta table, with the origin of the log that took its place
MAX_ID = 256
MAX_BODY = 4 * 1024 * 1024
_TILES_KEPT = 256
# More than a turn of an event loop ever logs: a thread that writes beside it wants the interpreter.
_TURN = 1_000_000

_said = logging.getLogger("charter")


class Log:
    """An open ledger; see `open`. Methods may be called from any thread."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, resources: ExitStack) -> None:
        self._writer = writer
        self._reader = reader
        self._resources = resources
        self._reading = threading.Lock()
        self._unpacker = Unpacker(reader)
        self._read_tile = lru_cache(_TILES_KEPT)(self._read_tile_from_disk)

    @staticmethod
    def open(
        folder: Path,
        *,
        origin: str,
        signer: CheckpointSigner,
        clock: Clock,
        random: Random = os.urandom,
        earlier: Sequence[CheckpointPublicKey] = (),
        connect: Connect = storage.open_connection,
        guard: Guard | None = None,
    ) -> "Log":
        """Open the ledger in a folder, or start one there.

        Args:
            origin: The name of the log in its checkpoints.
            clock: Gives the instant that entries are marked with.
            earlier: Keys that it had before that of `signer`.
            guard: Compares it with what was seen of its log; from now on it belongs to it.

        Raises:
            LedgerUnavailableError: Another process has it open.
            LedgerError: It is of another origin or key, of a newer version, or damaged.
        """
        with ExitStack() as resources:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = folder / storage.DATABASE
                # SQLite gives its side files the mode of this one.
                check_place = resources.enter_context(lock_file(path))
                connection = _connect(resources, connect, path)
                reader = _connect(resources, connect, path)
                reader.execute("PRAGMA query_only=ON")
                if storage.is_empty(connection):
                    _start(connection, origin, signer, rfc3339(clock()))
                    _sync(folder)
                _check_identity(storage.read_meta(connection), origin, signer.public, earlier)
                moved = migrate(connection)
                if moved:
                    _said.warning("the log was of version 1: %d entries are moved", moved)
                create_table(connection)
                tree, head = restore_head(connection, origin, signer.public, earlier)
                if guard is not None:
                    root_at = _root_at(head, connection)
                    guard.check(head.checkpoint, root_at, [signer.public, *earlier])
                writer = Writer(
                    connection, tree, head,
                    signer=signer, clock=clock, random=random, check_place=check_place,
                )  # fmt: skip
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"the ledger in {folder} cannot be opened: {error}") from error
            resources.callback(writer.close)
            if guard is not None:
                guard.keep(lambda: writer.head.note)
                # Called by whoever closes the writer first, and so after that.
                resources.callback(guard.close)
            return Log(writer, reader, resources.pop_all())
        raise AssertionError("unreachable: the stack suppresses nothing")

    def close(self) -> None:
        """Finish what is queued and what is read, then close. Later appends are refused, and
        later reads raise `LedgerError`."""
        self._writer.close()
        # SQLite does not survive the end of a connection that another thread reads from.
        with self._reading:
            self._resources.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        """Have an event loop write from now on, instead of a thread, or a thread again. Called in
        the thread of that loop.

        A loop that has nothing to do but this needs nobody to be woken, and no second thread
        that wants the interpreter. It does nothing else while the disk syncs."""
        self._writer.write_in(loop)

    # --- appending -------------------------------------------------------------------

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """Log a body under an id; the future is done once it is on disk.

        The same id with the same body and tenant again gives the entry that exists.

        The future raises:
            EntryConflictError: The id exists with another body or tenant.
            LedgerUnavailableError: Closed, or the write failed: then the entry may or may
                not be there, and asking again with the same id tells.
            LedgerError: The id or the body is none that can be stored.
        """
        return self.append_all([(entry_id, tenant, body)])[0]

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        """Log several bodies, each with its id and tenant, in one commit group; futures as
        of `append`. What cannot be stored is refused alone.

        Args:
            once: The key under which they are logged, used up with them and not without.

        The futures also raise:
            KeyTakenError: The key is used up already; nothing was appended.
            KeysExhaustedError: The tenant has no room for one more.
        """
        return promise(self.hand_over, entries, once=once)

    def hand_over(self, pending: Sequence[Pending]) -> None:
        """Log what belongs together, each in one commit group; each is told what became of it.
        What cannot be stored is refused alone; outcomes as `append_all`."""
        for one in pending:
            for at, entry in enumerate(one.entries):
                refusal = _refuse(*entry)
                if refusal is not None:
                    one.outcomes[at] = LedgerError(refusal)
        self._writer.submit(pending)

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """Log a body that says why, and with it, in one commit, overwrite body and salt of the
        entry `target`. The same again gives the entry that exists; as `append`.

        The future also raises:
            ErasureRefusedError: There is no such entry, or it says why another was erased.
            ErasedEntryError: It was erased before, for what another entry says.
        """
        entry = (entry_id, tenant, body)
        return promise(self.hand_over, [entry], erases=target)[0]

    def is_tidy(self) -> bool:
        """Whether nothing of what is erased is left in the files of the ledger; until then it
        is tried again every second."""
        return self._writer.is_tidy()

    def repeats(self, text: bytes) -> None:
        """Keep the bodies that come as a difference from a text that says what they repeat. It
        is kept for ever: nothing may be in it that could have to be erased."""
        self._writer.repeats(text)

    # --- reading ---------------------------------------------------------------------

    @property
    def eager(self) -> int:
        return _TURN

    @property
    def size(self) -> int:
        """The number of entries that the latest checkpoint covers."""
        return self._writer.head.size

    def refusal(self) -> str | None:
        """Why the next append will fail, as far as is known; None where it should not."""
        return self._writer.refusal()

    def is_broken(self) -> bool:
        """Whether it has stopped for good, so that only opening it again can help."""
        return self._writer.is_broken()

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Have somebody told how many entries each commit makes durable. It is called in
        the thread that writes, and must be quick and not fail."""
        self._writer.on_commit = told

    def latest_checkpoint(self) -> str:
        """The latest signed checkpoint (C2SP tlog-checkpoint)."""
        return self._writer.head.note

    def get(self, entry_id: str, *, tenant: str | None = None) -> StoredRecord | None:
        """The entry of an id, or None; of that tenant alone where one is named. An entry of
        another is looked for and not found in the same way as one that is not there.

        Raises:
            ErasedEntryError: Its body is erased; `proof` still shows its place.
            LedgerError: It is not on disk as it was logged.
        """
        head = self._writer.head
        if tenant is None:
            return self._whole(self._find(head, "id = ?", entry_id))
        return self._whole(self._find(head, "id = ? AND tenant = ?", entry_id, tenant))

    def get_at(self, index: int) -> StoredRecord | None:
        """The entry at an index, or None; raises as `get`."""
        return self._whole(self._find(self._writer.head, "idx = ?", index))

    def find_once(self, key: bytes, now: int) -> Once | None:
        """What is known of a key that is used up at an instant, in seconds since 1970.

        Raises:
            LedgerUnavailableError: The disk does not answer.
        """
        try:
            with self._reading:
                return find_once(self._reader, key, now)
        except sqlite3.Error as error:
            raise LedgerUnavailableError(f"the ledger cannot be read: {error}") from error

    def proof(self, entry_id: str) -> str | None:
        """The proof of an entry against the latest checkpoint, or None. Of an erased one it
        has no salt, and shows the place alone.

        Raises:
            LedgerError: The disk gave back something else than was logged.
        """
        head = self._writer.head
        record = self._find(head, "id = ?", entry_id)
        return None if record is None else head.checked_receipt(record, self._read_tile).proof_text

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The path from the tree of `old_size` to that of `new_size` (RFC 6962, 2.1.2).

        Raises:
            ConsistencyProofError: No such sizes.
            LedgerError: `new_size` is not reached yet, or a tile is damaged.
        """
        head = self._writer.head
        if new_size > head.size:
            raise LedgerError(f"the ledger has {head.size} entries, not {new_size}")
        return consistency_path(old_size, new_size, head.view.nodes(self._read_tile))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path of an entry in the tree of `size`, which may be an older one (RFC 6962,
        2.1.1); raises as `consistency`, and `InclusionProofError` for no such entry."""
        head = self._writer.head
        if size > head.size:
            raise LedgerError(f"the ledger has {head.size} entries, not {size}")
        return inclusion_path(index, size, head.view.nodes(self._read_tile))

    def witnessed(self) -> str | None:
        """None: nobody cosigns what is asked of the log itself."""
        return None

    def _whole(self, found: StoredRecord | None) -> StoredRecord | None:
        if found is None or not found.is_erased:
            return found
        try:
            with self._reading:
                eraser = found.erased_after or storage.find_eraser(self._reader, found.index) or ""
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error
        raise ErasedEntryError(entry_id=found.id, index=found.index, erasure_id=eraser)

    def _find(self, head: Head, where: str, *keys: str | int) -> StoredRecord | None:
        try:
            with self._reading:
                # What is committed and not published yet is not answered yet either.
                published = f"{where} AND idx < ?"
                found = storage.read_records(
                    self._reader, published, (*keys, head.size), self._unpacker
                )
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error
        if not found:
            return None
        check_record(found[0])
        return found[0]

    def _read_tile_from_disk(self, level: int, index: int) -> bytes:
        try:
            with self._reading:
                return storage.read_tile(self._reader, level, index)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error


def _refuse(entry_id: str, tenant: str, body: bytes) -> str | None:
    for name, text in (("id", entry_id), ("tenant", tenant)):
        if not 0 < len(text) <= MAX_ID or not text.isprintable():
            return f"the {name} of an entry has 1 to {MAX_ID} printable characters"
    if not 0 < len(body) <= MAX_BODY:
        return f"the body of an entry has 1 to {MAX_BODY} bytes"
    return None


# --- opening -------------------------------------------------------------------------


def _connect(resources: ExitStack, connect: Connect, path: Path) -> sqlite3.Connection:
    connection = connect(path)
    resources.callback(connection.close)
    storage.make_durable(connection)
    return connection


def _start(
    connection: sqlite3.Connection, origin: str, signer: CheckpointSigner, logged_at: str
) -> None:
    # An empty log has a checkpoint too, so that one without is always a damaged one.
    head = make_head(GrowingTree.restore(0, _no_tile, []), origin, _no_tile, signer)
    connection.execute("BEGIN IMMEDIATE")
    create_schema(connection)
    identity = {"origin": origin, "vkey": signer.public.vkey}
    version = {"schema_version": str(SCHEMA_VERSION)}
    storage.insert_meta(connection, identity | version)
    storage.insert_checkpoint(connection, 0, head.note, logged_at)
    connection.execute("COMMIT")


def _root_at(head: Head, connection: sqlite3.Connection) -> Callable[[int], bytes]:
    def read(level: int, index: int) -> bytes:
        return storage.read_tile(connection, level, index)

    return lambda size: tree_root(size, head.view.nodes(read))


def _no_tile(_level: int, _index: int) -> bytes:
    raise LedgerError("an empty log has no tiles")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_identity(
    meta: dict[str, str],
    origin: str,
    key: CheckpointPublicKey,
    earlier: Sequence[CheckpointPublicKey],
) -> None:
    version = meta.get("schema_version", "")
    if version not in (str(SCHEMA_VERSION), OLD_VERSION):
        raise LedgerError(
            f"the ledger is of schema version {version or 'unknown'}, and this program "
            f"knows {SCHEMA_VERSION}: use the version of Charter that wrote it"
        )
    if ENDED in meta:
        raise LedgerEndedError(
            f"the log {meta.get('origin')!r} has ended, and {meta[ENDED]!r} has taken its place"
        )
    if meta.get("origin") != origin:
        raise LedgerError(f"the ledger is of origin {meta.get('origin')!r}, not {origin!r}")
    # It began with the first of its keys.
    if meta.get("vkey") not in {key.vkey, *(one.vkey for one in earlier)}:
        raise LedgerError(
            f"the ledger is signed by {meta.get('vkey')}, and the configured key is {key.vkey}"
        )
