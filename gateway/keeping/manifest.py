"""What a backup says it holds: `manifest.json`, whose own digest stands for all of it.

{"format": "charter-backup/v1", "made_at": "…", "origin": "…", "size": 1234,
 "root": "<hex>", "checkpoint": "<signed note>",
 "files": [{"path": "ledger/ledger.sqlite3", "bytes": 1, "sha256": "<hex>"}]}
"""

import hashlib
import json
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import JsonError
from gateway.keeping import files
from gateway.keeping.errors import BackupError
from gateway.keeping.progress import Told
from gateway.record.canonical import Json, load_strict

NAME = "manifest.json"
FORMAT = "charter-backup/v1"
_MAX_BYTES = 16 * 1024 * 1024
_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """One file, by its path from the folder of the backup."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`root` is that of the tree of `size` entries, in hex; `checkpoint` signs it."""

    made_at: str
    origin: str
    size: int
    root: str
    checkpoint: str
    files: tuple[File, ...]

    def to_bytes(self) -> bytes:
        value = {
            "format": FORMAT,
            "made_at": self.made_at,
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "checkpoint": self.checkpoint,
            "files": [
                {"path": one.path, "bytes": one.size, "sha256": one.sha256} for one in self.files
            ],
        }
        return (json.dumps(value, indent=1) + "\n").encode()

    @property
    def has_keys(self) -> bool:
        return any(files.is_secret(one.path) for one in self.files)


def list_files(folder: Path, names: Iterable[str]) -> tuple[File, ...]:
    """What is there, with digests."""
    found: list[File] = []
    for name in sorted(names):
        path = folder / name
        found.append(File(name, path.stat().st_size, files.digest(path)))
    return tuple(found)


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a backup and its digest, `sha256:<hex>`. No file is looked at yet.

    Raises:
        BackupError: There is none, or it names what no backup holds.
    """
    path = folder / NAME
    try:
        if path.exists() and not path.is_file():
            raise BackupError(f"{folder} is no backup: {path.name} is no file")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        value = load_strict(data, max_bytes=_MAX_BYTES, max_keys=1_000_000)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {path.name}: {error.strerror}") from error
    except JsonError as error:
        raise BackupError(f"{path}: {error}") from error
    return _manifest(path, value), f"sha256:{hashlib.sha256(data).hexdigest()}"


def _manifest(path: Path, value: Json) -> Manifest:
    match value:
        case {
            "format": str(form),
            "made_at": str(made_at),
            "origin": str(origin),
            "size": int(size),
            "root": str(root),
            "checkpoint": str(checkpoint),
            "files": list(listed),
        }:
            if form != FORMAT:
                raise BackupError(f"{path} is of format {form[:40]!r}, and this reads {FORMAT}")
            return Manifest(
                made_at, origin, size, root, checkpoint, tuple(_file(path, one) for one in listed)
            )
        case _:
            raise BackupError(f"{path} is no manifest of a backup")


def _file(path: Path, value: Json) -> File:
    match value:
        case {"path": str(name), "bytes": int(size), "sha256": str(digest)} if (
            # Only names that a backup writes: none leads out of the folder.
            files.is_known(name) and _HEX.fullmatch(digest)
        ):
            return File(name, size, digest)
        case {"path": str(name)}:
            raise BackupError(f"{path} names {name[:80]!r}, which no backup holds")
        case _:
            raise BackupError(f"{path} lists something that is no file")


def check_names(folder: Path, manifest: Manifest) -> None:
    """See that the files of a backup are those that are listed, and no others: each a file of
    that size, so that none leads elsewhere or has no end.

    Raises:
        BackupError: They are not.
    """
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    } - {NAME}
    listed = [one.path for one in manifest.files]
    if len(set(listed)) != len(listed):
        raise BackupError(f"{folder / NAME} lists a file twice")
    for name in sorted(there ^ set(listed)):
        state = "is not in the manifest" if name in there else "is missing"
        raise BackupError(f"{folder / name} {state}: the backup is not whole")
    for one in manifest.files:
        about = (folder / one.path).lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size != one.size:
            raise BackupError(f"{one.path} is not what was backed up: use another backup")


def check_digests(folder: Path, manifest: Manifest, told: Told) -> None:
    """See that each file that is listed holds what was backed up.

    Raises:
        BackupError: One does not.
    """
    whole = sum(one.size for one in manifest.files)
    done = 0
    for one in manifest.files:
        path = folder / one.path
        if path.is_symlink() or path.stat().st_size != one.size or files.digest(path) != one.sha256:
            raise BackupError(f"{one.path} is not what was backed up: use another backup")
        done += one.size
        told("comparing", done, whole)


def digest_of(manifest: Manifest) -> str:
    """What stands for the whole backup."""
    return f"sha256:{hashlib.sha256(manifest.to_bytes()).hexdigest()}"
