"""A state folder from a backup: into a new folder only, and only what is whole.

A log that goes on from an old backup would sign other trees of sizes that it signed before,
and nobody could trust it again. So `restored.json` is left, by which `gateway.ledger.guard`
signs nothing until it knows how far the log had come; and what whoever restores has seen of
the log is kept where that looks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import CheckpointForkError, CheckpointOriginError, LedgerError
from gateway.keeping import files
from gateway.keeping.backup import LEDGER, check_copy, new_folder, read_trust
from gateway.keeping.errors import BackupError
from gateway.keeping.fsck import Report
from gateway.keeping.manifest import Manifest, check_digests, check_names, read_manifest
from gateway.keeping.progress import Told, nobody
from gateway.keeping.snapshot import open_snapshot
from gateway.keeping.tree import root_at
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.seen import Seen, SeenFile
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.trust import Trust

RESTORED = "restored.json"


@dataclass(frozen=True, slots=True)
class Restored:
    """A state folder that was put back.

    Attributes:
        seen: The size of the newest checkpoint that was given; None where none was.
        short_by: Entries that the log had then and that are not here.
        ended: Of logs that have ended, the newest first.
    """

    folder: Path
    manifest: Manifest
    digest: str
    report: Report
    seen: int | None
    short_by: int
    ended: tuple[Report, ...] = ()


def restore(
    backup: Path,
    state: Path,
    *,
    now: datetime,
    expect: str | None = None,
    seen: Sequence[bytes] = (),
    seen_file: Path | None = None,
    quick: bool = False,
    jobs: int = 1,
    told: Told = nobody,
) -> Restored:
    """Put a backup back.

    Args:
        state: A folder that is missing or empty.
        expect: The digest that the backup was made with.
        seen: Checkpoints of the log that others have seen, as signed notes.
        seen_file: Where the gateway keeps what was seen; the newest is put there, unless it
            knows a newer one.

    Raises:
        BackupError: The backup is not whole or not the one that is expected, the folder is
            not empty, or a checkpoint that was seen is of another history of the log.
    """
    manifest, digest = read_manifest(backup)
    if expect is not None and expect != digest:
        raise BackupError(f"{backup} has digest {digest}, not {expect}: it is another backup")
    _check_target(state)
    check_names(backup, manifest)
    with new_folder(state) as made:
        for one in manifest.files:
            files.copy(backup / one.path, made / one.path)
        check_digests(made, manifest, told)
        whole = check_copy(made, quick=quick, jobs=jobs, told=told)
        report = whole.newest
        if (report.size, report.root) != (manifest.size, manifest.root):
            raise BackupError(f"{backup}: the manifest names another tree than its ledger has")
        newest = check_seen(made, seen)
        files.write(made / RESTORED, _note(manifest, digest, now))
        if state.exists():
            state.rmdir()
        files.put_in_place(made, state)
    if newest is not None and seen_file is not None:
        _keep_seen(newest[1], seen_file, read_trust(state))
    size = None if newest is None else newest[0].size
    short_by = max(0, (size or 0) - report.size)
    return Restored(state, manifest, digest, report, size, short_by, whole.ended)


def check_seen(folder: Path, seen: Sequence[bytes]) -> tuple[Checkpoint, bytes] | None:
    """The newest checkpoint that was seen of the log in a folder.

    Raises:
        BackupError: One is not of this log, or of another history of it.
    """
    trust = read_trust(folder)
    newest: tuple[Checkpoint, bytes] | None = None
    with open_snapshot(folder / LEDGER) as snapshot:
        for data in seen:
            checkpoint = _read_seen(data, trust, snapshot.meta.get("origin", ""))
            if checkpoint.size <= snapshot.size:
                root = root_at(snapshot, checkpoint.size)
                if root != checkpoint.root:
                    error = CheckpointForkError(
                        tree_size=checkpoint.size, expected=checkpoint.root, found=root
                    )
                    raise BackupError(f"the ledger is not the one that was seen: {error}")
            if newest is None or checkpoint.size > newest[0].size:
                newest = (checkpoint, data)
    return newest


def _read_seen(data: bytes, trust: Trust, origin: str) -> Checkpoint:
    try:
        checkpoint = read_checkpoint(data, trust, witnessed=False)
        if checkpoint.origin != origin:
            raise CheckpointOriginError(expected=origin, found=checkpoint.origin)
    except LedgerError as error:
        raise BackupError(f"a checkpoint that was seen does not hold: {error}") from error
    return checkpoint


def _keep_seen(data: bytes, path: Path, trust: Trust) -> None:
    file, new = SeenFile(path), Seen.of(data.decode())
    keys = trust.log_keys(new.checkpoint.origin)
    known = [one for one in file.read() if one.is_akin(new.checkpoint.origin, keys)]
    if all(one.checkpoint.size < new.checkpoint.size and not one.ended for one in known):
        file.write(new, keys)


def _check_target(state: Path) -> None:
    if state.is_symlink() or (state.exists() and not state.is_dir()):
        raise BackupError(f"{state} is no folder; name a new or an empty one")
    if state.exists() and any(state.iterdir()):
        raise BackupError(f"{state} is not empty; name a new folder, and move the old one away")


def _note(manifest: Manifest, digest: str, now: datetime) -> bytes:
    at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    value = {
        "restored_at": at,
        "backup": digest,
        "made_at": manifest.made_at,
        "size": manifest.size,
        "root": manifest.root,
    }
    return (json.dumps(value, indent=1) + "\n").encode()
