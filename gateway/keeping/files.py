"""Files of a backup: which of a state folder belong in it, copied so that they last."""

import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import BufferedWriter
from pathlib import Path

from gateway.keeping.errors import BackupError
from gateway.keeping.evidence import open_evidence
from gateway.keeping.progress import Told
from gateway.keeping.snapshot import open_snapshot
from gateway.ledger import storage

# What a backup takes, by path from the state folder. Named one by one: a list of what to leave
# out would take along the next secret that somebody puts there.
_PUBLIC = re.compile(
    r"origin|trust\.json|decision\.pem|in_force\.json"
    r"|bundles/(?:bundle|catalogue)-[0-9a-f]{64}\.tar\.gz"
    r"|own_evidence/[0-9a-f]{64}\.json"
    r"|ledger/witnessed\.note"
    r"|timestamps/[0-9]+\.(?:checkpoint|tsr)"
    r"|shards/[0-9]+/(?:vkey|origin|trust\.json|ledger/witnessed\.note)"
    r"|shards/[0-9]+/timestamps/[0-9]+\.(?:checkpoint|tsr)"
)
_SECRET = re.compile(r"[a-z.]+\.key|tokens\.json|shards/[0-9]+/[a-z.]+\.key")
_DATABASE = re.compile(rf"(?:shards/[0-9]+/)?ledger/{re.escape(storage.DATABASE)}")
_STORE = re.compile(r"attestation\.sqlite3")
# The most that is looked at for a private key in a file that should be public.
_LOOKED_AT = 64 * 1024
_PRIVATE = b"PRIVATE KEY"
_PAGES = 4096  # of SQLite, copied at once


def files_of(state: Path, *, with_keys: bool) -> Iterator[str]:
    """The files of a state folder that belong in a backup, without databases, sorted."""
    for name in _names(state):
        if _PUBLIC.fullmatch(name) or (with_keys and _SECRET.fullmatch(name)):
            yield name


def databases_of(state: Path) -> Iterator[str]:
    """The ledgers of a state folder: the one that grows, and shards that are closed."""
    return (name for name in _names(state) if _DATABASE.fullmatch(name))


def stores_of(state: Path) -> Iterator[str]:
    """The stores beside the ledgers: that of evidence, where there is one."""
    return (name for name in _names(state) if _STORE.fullmatch(name))


def is_known(name: str) -> bool:
    """Whether a backup may hold a file of this name at all."""
    return any(one.fullmatch(name) for one in (_PUBLIC, _SECRET, _DATABASE, _STORE))


def is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name) is not None


def _names(folder: Path) -> list[str]:
    found: list[str] = []
    for place, _, names in os.walk(folder):
        below = Path(place).relative_to(folder)
        for name in names:
            path = Path(place) / name
            if path.is_file() and not path.is_symlink():
                found.append((below / name).as_posix())
    return sorted(found)


def copy(source: Path, target: Path) -> None:
    """Copy a small file, readable by its owner alone.

    Raises:
        BackupError: It should be public and holds a private key.
    """
    if not is_secret(target.name):
        with source.open("rb") as file:
            if _PRIVATE in file.read(_LOOKED_AT):
                raise BackupError(f"{source} should be public and holds a private key")
    make_folder(target.parent)
    with source.open("rb") as read, _create(target) as write:
        shutil.copyfileobj(read, write)
        write.flush()
        os.fsync(write.fileno())


def copy_database(source: Path, target: Path, told: Told) -> None:
    """Copy a ledger as it stands now, while its gateway may write: one file without a WAL.

    Args:
        source: The folder with the database.
        target: The folder to put it in.
    """
    make_folder(target)
    path = target / storage.DATABASE
    _create(path).close()
    with (
        open_snapshot(source) as snapshot,
        closing(sqlite3.connect(path, isolation_level=None)) as copied,
    ):
        copied.execute("PRAGMA synchronous=FULL")
        # The snapshot is a read transaction, so what is written meanwhile does not make the
        # copy begin anew.
        snapshot.connection.backup(
            copied,
            pages=_PAGES,
            progress=lambda _, left, of: told("copying", of - left, of),
            sleep=0,
        )
        copied.execute("PRAGMA journal_mode=DELETE")
    sync(path)


def copy_store(source: Path, target: Path) -> None:
    """Copy a store of evidence as it stands now: one file without a WAL. What is only for the
    moment stays behind: put back later, a challenge would be open again, and a machine would
    stand that has shown something else since.

    Raises:
        BackupError: It cannot be read.
    """
    _create(target).close()
    try:
        with (
            open_evidence(source) as store,
            closing(sqlite3.connect(target, isolation_level=None)) as copied,
        ):
            copied.execute("PRAGMA synchronous=FULL")
            store.backup(copied, pages=_PAGES, sleep=0)
            copied.execute("PRAGMA secure_delete=ON")
            copied.execute("PRAGMA journal_mode=DELETE")
            copied.execute("DELETE FROM challenge")
            copied.execute("DELETE FROM standing")
    except sqlite3.Error as error:
        raise BackupError(f"{source}: cannot copy it: {error}") from error
    sync(target)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, data: bytes) -> None:
    """Write a new file; on disk when this returns, but for its name."""
    with _create(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _create(path: Path) -> BufferedWriter:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def sync(path: Path) -> None:
    """Have a file or a folder on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(made: Path, target: Path) -> None:
    """Give a folder that is whole its name, after all that is in it is on disk."""
    for place, folders, _ in os.walk(made):
        for name in folders:
            sync(Path(place) / name)
    sync(made)
    os.rename(made, target)
    sync(target.parent)
