"""A copy of a state folder that is whole, checked, and says so: made while the gateway runs.

    <target>/manifest.json           what is in it, with digests
    <target>/ledger/ledger.sqlite3   the log as it stood at one moment; one file, no WAL
    <target>/trust.json, origin, decision.pem, in_force.json, bundles/, own_evidence/,
    <target>/shards/, timestamps/
    <target>/attestation.sqlite3     evidence of machines, and what it was judged by

No private key and no token is in it unless asked for, and never what was seen of the log
(`gateway.ledger.seen`): put back with an old log, that would hide that it is old.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.keeping import files
from gateway.keeping.errors import BackupError
from gateway.keeping.evidence import check_kept
from gateway.keeping.fsck import Report
from gateway.keeping.manifest import NAME, Manifest, digest_of, list_files
from gateway.keeping.progress import Told, nobody
from gateway.keeping.snapshot import open_snapshot
from gateway.keeping.whole import LEDGER, Whole, check_whole
from gateway.ledger import storage
from gateway.ledger.erased_after import meant
from gateway.verify.trust import MAX_TRUST, Trust

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made and checked; `digest` stands for all of it."""

    folder: Path
    manifest: Manifest
    digest: str
    report: Report


def back_up(
    state: Path,
    target: Path,
    *,
    now: datetime,
    with_keys: bool = False,
    quick: bool = False,
    jobs: int = 1,
    told: Told = nobody,
) -> Made:
    """Copy a state folder into a new folder.

    Args:
        state: Of a gateway, which may run.
        target: A folder that is not there yet.
        with_keys: Also the private keys and the hashes of tokens.
        quick: Check the newest entries of the copy, not all.

    Raises:
        BackupError: It cannot be made, or the ledger does not hold: then there is none.
        SnapshotError: There is no ledger.
        TrustError: The state folder has no trust file that can be read.
    """
    if target.exists() or target.is_symlink():
        raise BackupError(f"{target} exists already; name a folder that is not there")
    with new_folder(target) as made:
        _copy_ledgers(state, made, told)
        for name in files.stores_of(state):  # after what names what is in it
            files.copy_store(state / name, made / name)
        for name in files.files_of(state, with_keys=with_keys):
            files.copy(state / name, made / name)
        report = check_copy(made, quick=quick, jobs=jobs, told=told).newest
        manifest = _describe(made, report, now)
        files.write(made / NAME, manifest.to_bytes())
        files.put_in_place(made, target)
    return Made(target, manifest, digest_of(manifest), report)


def _copy_ledgers(state: Path, made: Path, told: Told) -> None:
    """Copy all ledgers, the one that grows last. What was erased in one that has ended while
    that was copied is copied again: the word for it may be in the copy of the other."""
    for _ in range(_TRIES):
        names = sorted(files.databases_of(state), reverse=True)  # `shards` before `ledger`
        for name in names:
            (made / name).unlink(missing_ok=True)
            files.copy_database((state / name).parent, (made / name).parent, told)
        if all(_erased_in(state / name) == _erased_in(made / name) for name in names):
            return
    raise BackupError(f"{state}: records are erased all the time; try again later")


def _erased_in(database: Path) -> list[object]:
    with open_snapshot(database.parent) as snapshot:
        return list(meant(snapshot.connection))


def check_copy(folder: Path, *, quick: bool, jobs: int, told: Told) -> Whole:
    """Check the ledgers of a copy by its own trust file.

    Raises:
        BackupError: One does not hold.
    """
    trust = read_trust(folder)
    if not (folder / LEDGER / storage.DATABASE).is_file():
        raise BackupError(f"there is no ledger in {folder}")
    whole = check_whole(folder, trust, quick=quick, jobs=jobs, told=told, behind="notice")
    for one in check_kept(folder):
        raise BackupError(f"the evidence beside the ledger does not hold, such as: {one.what}")
    for report in whole.reports():
        if not report.is_good:
            first = next(one for one in report.findings if one.level == "damage")
            raise BackupError(
                f"the ledger of {report.origin} does not hold ({report.damages} findings), such "
                f"as: {first.what}; run `charter ledger fsck`"
            )
    return whole


def read_trust(folder: Path) -> Trust:
    """The trust file of a state folder or a backup.

    Raises:
        BackupError: There is none.
        TrustError: It is none.
    """
    path = folder / "trust.json"
    try:
        with path.open("rb") as file:
            return Trust.from_json(file.read(MAX_TRUST + 1))
    except OSError as error:
        raise BackupError(f"{path}: cannot read it: {error.strerror}") from error


def _describe(folder: Path, report: Report, now: datetime) -> Manifest:
    with open_snapshot(folder / LEDGER) as snapshot:
        *_, (_, note, _) = snapshot.checkpoints(report.size)
    names = [
        *files.databases_of(folder),
        *files.stores_of(folder),
        *files.files_of(folder, with_keys=True),
    ]
    return Manifest(
        made_at=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        origin=report.origin,
        size=report.size,
        root=report.root or "",
        checkpoint=note,
        files=list_files(folder, names),
    )


@contextmanager
def new_folder(target: Path) -> Generator[Path]:
    """A folder beside the target that is removed again where it did not become the target."""
    made = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        made.mkdir(mode=0o700)
        yield made
    except OSError as error:
        words = error.strerror or "the disk does not answer"
        raise BackupError(f"{target}: cannot write it: {words}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
