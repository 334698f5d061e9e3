"""A rehearsal: back up, put back elsewhere, check, prove, and compare with what is running.

What comes out is a receipt: on which day it was shown that a backup of this log can be put
back, and that the log it gives is the one that is running.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.keeping.backup import LEDGER, back_up, read_trust
from gateway.keeping.errors import BackupError
from gateway.keeping.progress import Told, nobody
from gateway.keeping.restore import Restored, check_seen, restore
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.keeping.tree import nodes_of, root_at
from gateway.ledger.merkle import inclusion_path
from gateway.ledger.proof import write_proof
from gateway.ledger.shards import shard_folders
from gateway.verify.decision import verify_decision
from gateway.verify.trust import Trust

FORMAT = "charter-drill/v1"


@dataclass(frozen=True, slots=True)
class Ended:
    """A log that has ended, as it was put back; `proved` are entries of it."""

    origin: str
    size: int
    root: str
    proved: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "proved": list(self.proved),
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a drill has shown.

    Attributes:
        size, root: Of the log that was put back.
        running: The size of the running log when it was compared.
        proved: Entries whose record was proved from the log that was put back.
        seen: The newest checkpoint that others had seen; `short_by` entries more than that
            are not in the backup.
        ended: Logs that have ended, the newest first.
    """

    origin: str
    began: datetime
    seconds: float
    backup: str
    size: int
    root: str
    running: int
    proved: tuple[int, ...]
    seen: int | None
    short_by: int
    ended: tuple[Ended, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "origin": self.origin,
            "began": self.began.astimezone(UTC).isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "backup": self.backup,
            "size": self.size,
            "root": self.root,
            "running_size": self.running,
            "proved": list(self.proved),
            "seen_size": self.seen,
            "short_by": self.short_by,
            "ended": [one.to_json() for one in self.ended],
        }


def drill(
    state: Path,
    *,
    clock: Callable[[], datetime],
    seen: Sequence[bytes] = (),
    work: Path | None = None,
    quick: bool = False,
    jobs: int = 1,
    told: Told = nobody,
) -> Receipt:
    """Rehearse with the ledger of a state folder, whose gateway may run.

    Args:
        seen: Checkpoints that others have seen, as signed notes.
        work: Where there is room for two copies of the ledger; removed again.

    Raises:
        BackupError: A step of it failed.
    """
    began = clock()
    check_seen(state, seen)
    with tempfile.TemporaryDirectory(prefix="charter-drill-", dir=work) as folder:
        made = back_up(state, Path(folder) / "backup", now=began, quick=quick, jobs=jobs, told=told)
        restored = restore(
            made.folder,
            Path(folder) / "state",
            now=began,
            expect=made.digest,
            seen=seen,
            quick=quick,
            jobs=jobs,
            told=told,
        )
        proved, ended = _prove(restored), _prove_ended(state, restored)
        running = compare(state, restored)
    return Receipt(
        origin=restored.report.origin,
        began=began,
        seconds=(clock() - began).total_seconds(),
        backup=made.digest,
        size=restored.report.size,
        root=str(restored.report.root),
        running=running,
        proved=proved,
        seen=restored.seen,
        short_by=restored.short_by,
        ended=ended,
    )


def _prove(restored: Restored) -> tuple[int, ...]:
    """Prove entries at the ends and in the middle as an auditor would check them."""
    return _prove_log(restored.folder / LEDGER, read_trust(restored.folder))


def _prove_ended(state: Path, restored: Restored) -> tuple[Ended, ...]:
    """The same of logs that have ended, which must be there as they are in the state folder."""
    trust = read_trust(restored.folder)
    here = {one.name: one for one in shard_folders(restored.folder)}
    there = {one.name: one for one in shard_folders(state)}
    if here.keys() != there.keys():
        raise BackupError("another log ended while the backup was made: begin again")
    proved: list[Ended] = []
    for folder, report in zip(here.values(), restored.ended, strict=True):
        with open_snapshot(there[folder.name] / LEDGER) as running:
            root = root_at(running, running.size).hex()
            if (running.size, root) != (report.size, report.root):
                raise BackupError(f"the log {report.origin} was put back as another one")
        indices = _prove_log(folder / LEDGER, trust)
        proved.append(Ended(report.origin, report.size, str(report.root), indices))
    return tuple(proved)


def _prove_log(ledger: Path, trust: Trust) -> tuple[int, ...]:
    with open_snapshot(ledger) as snapshot:
        size = snapshot.size
        *_, (_, note, _) = snapshot.checkpoints(size)
        chosen = sorted({0, size // 2, size - 1} if size else set())
        return tuple(index for index in chosen if _proves(snapshot, index, trust, note))


def _proves(snapshot: Snapshot, index: int, trust: Trust, checkpoint: str) -> bool:
    record = snapshot.record(index)
    if record is None:
        raise BackupError(f"entry {index} of the restored ledger is missing")
    if record.is_erased:  # there is nothing left to prove
        return False
    path = inclusion_path(index, snapshot.size, nodes_of(snapshot))
    proof = write_proof(
        salt=record.salt,
        commitment=record.commitment,
        index=index,
        path=path,
        checkpoint=checkpoint,
    )
    # Cosignatures are not stored with every checkpoint, and say nothing of this copy.
    alone = replace(trust, terms=trust.terms.without_witnesses())
    verify_decision({"record": json.loads(record.body), "proof": proof}, alone, expect_id=record.id)
    return True


def compare(state: Path, restored: Restored) -> int:
    """See that the running log extends the restored one; the size that it has now."""
    with open_snapshot(state / LEDGER) as running:
        if running.size < restored.report.size:
            raise BackupError(
                f"the running ledger has {running.size} entries, and its backup had "
                f"{restored.report.size}"
            )
        root = root_at(running, restored.report.size).hex()
        if root != restored.report.root:
            raise BackupError(
                f"at {restored.report.size} entries the running ledger has root {root}, and the "
                f"restored one {restored.report.root}"
            )
        return running.size
