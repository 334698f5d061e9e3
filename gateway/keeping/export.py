"""Rows of a ledger for other programs: NDJSON, or Parquet by way of DuckDB.

Both are written under another name, synced, and get their name last. Rows are streamed.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BufferedWriter
from pathlib import Path

from gateway.keeping import files
from gateway.keeping.errors import ExportError
from gateway.keeping.progress import Told, nobody
from gateway.keeping.rows import DECISIONS, Row, row_of
from gateway.keeping.snapshot import open_snapshot

Write = Callable[[Iterable[Row], Path], int]
"""Writes rows to a new file; how many there were."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries, and what of them.

    Attributes:
        tenant: Of this tenant alone.
        since, until: Logged from this instant on, and before that one.
        first: From this entry on.
        without: Columns that are left out: what is not needed should not travel.
    """

    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first: int = 0
    without: frozenset[str] = frozenset()

    def columns(self) -> Mapping[str, str]:
        """The columns that are left.

        Raises:
            ExportError: One that should be left out is none.
        """
        unknown = sorted(self.without - DECISIONS.keys())
        if unknown:
            raise ExportError(
                f"there is no column `{unknown[0]}`; there are: {', '.join(DECISIONS)}"
            )
        return {name: kind for name, kind in DECISIONS.items() if name not in self.without}


def decision_rows(folder: Path, wanted: Wanted, told: Told = nobody) -> Iterator[Row]:
    """The rows of a ledger as it stands when the first is asked for.

    Args:
        folder: The one with the database.

    Raises:
        SnapshotError: There is no ledger.
        ExportError: An entry is no record of ours.
    """
    columns = wanted.columns()
    with open_snapshot(folder) as snapshot:
        for record in snapshot.records(wanted.first, snapshot.size):
            told("rows", record.index + 1 - wanted.first, snapshot.size - wanted.first)
            if wanted.tenant not in (None, record.tenant) or not _is_within(
                record.logged_at, wanted
            ):
                continue
            try:
                row = row_of(record)
            except (ValueError, LookupError, TypeError) as error:
                raise ExportError(
                    f"entry {record.index} is no record of Charter: run `charter ledger fsck`"
                ) from error
            yield {name: row[name] for name in columns}


def _is_within(logged_at: str, wanted: Wanted) -> bool:
    if wanted.since is None and wanted.until is None:
        return True
    at = datetime.fromisoformat(logged_at)
    return (wanted.since is None or wanted.since <= at) and (
        wanted.until is None or at < wanted.until
    )


def write_lines(rows: Iterable[Row], file: BufferedWriter) -> int:
    """Write rows as NDJSON; how many there were."""
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def write_ndjson(rows: Iterable[Row], path: Path) -> int:
    """As `Write`."""
    with path.open("xb") as file:
        return write_lines(rows, file)


def export(rows: Iterable[Row], target: Path, write: Write) -> int:
    """Write rows to a file that is whole or not there; how many there were.

    Raises:
        ExportError: It exists already, or cannot be written.
    """
    if target.exists() or target.is_symlink():
        raise ExportError(f"{target} exists already; name a new file")
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        count = write(rows, beside)
        beside.chmod(0o600)
        files.sync(beside)
        beside.rename(target)
        files.sync(target.parent)
    except OSError as error:
        raise ExportError(f"{target}: cannot write it: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
    return count
