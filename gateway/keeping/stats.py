"""How large a ledger is, of whom, and how it grows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from gateway.keeping.payload import read_predicate
from gateway.keeping.progress import Told, nobody
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.ledger.storage import StoredRecord

NEWEST = 10_000
_DAYS = 7


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of one ledger.

    Attributes:
        tenants: Entries of each tenant; those of the gateway itself among them.
        verdicts: Of the newest `read` entries, how many of each; what the gateway recorded of
            itself by its action, and `erased`.
        days: Entries by day (UTC), the last seven days on which something was logged.
        a_day: Entries a day over the days since the first of those seven.
        database: Bytes of the database with its WAL.
        body_bytes: Bytes of the bodies of the newest `read` entries, as they were signed.
    """

    origin: str
    entries: int
    tenants: Mapping[str, int]
    verdicts: Mapping[str, int]
    read: int
    days: Mapping[str, int]
    a_day: float
    first_logged: str | None
    last_logged: str | None
    database: int
    body_bytes: int
    checkpoint_size: int
    checkpoint_logged: str
    checkpoints: int

    def to_json(self) -> dict[str, object]:
        each = self.database / self.entries if self.entries else 0.0
        return {
            "origin": self.origin,
            "entries": self.entries,
            "tenants": dict(self.tenants),
            "verdicts": dict(self.verdicts),
            "verdicts_of_newest": self.read,
            "days": dict(self.days),
            "entries_a_day": round(self.a_day, 1),
            "first_logged": self.first_logged,
            "last_logged": self.last_logged,
            "database_bytes": self.database,
            "bytes_an_entry": round(each),
            "bytes_a_body": round(self.body_bytes / self.read) if self.read else 0,
            "bytes_a_day": round(each * self.a_day),
            "checkpoints": self.checkpoints,
            "checkpoint": {"size": self.checkpoint_size, "logged_at": self.checkpoint_logged},
        }


def stats(folder: Path, *, whole: bool = False, told: Told = nobody) -> Stats:
    """Look at the ledger in a folder.

    Args:
        whole: Read every entry and not the newest ones alone.

    Raises:
        SnapshotError: There is none.
    """
    with open_snapshot(folder) as snapshot:
        first = 0 if whole else max(0, snapshot.size - NEWEST)
        verdicts: Counter[str] = Counter()
        body_bytes = 0
        for record in snapshot.records(first, snapshot.size):
            verdicts[_verdict(record)] += 1
            body_bytes += len(record.body)
            told("entries", record.index - first + 1, snapshot.size - first)
        return _stats(snapshot, verdicts, snapshot.size - first, body_bytes)


def _stats(snapshot: Snapshot, verdicts: Counter[str], read: int, body_bytes: int) -> Stats:
    connection = snapshot.connection
    tenants = dict(
        connection.execute("SELECT tenant, count(*) FROM record GROUP BY tenant ORDER BY 2 DESC")
    )
    days = _last_days(snapshot)
    count, size, logged = connection.execute(
        "SELECT count(*), max(tree_size), max(logged_at) FROM checkpoint"
    ).fetchone()
    ends = [_logged(snapshot, index) for index in (0, snapshot.size - 1)]
    return Stats(
        origin=snapshot.meta.get("origin", ""),
        entries=snapshot.size,
        tenants=tenants,
        verdicts=dict(verdicts.most_common()),
        read=read,
        days=days,
        a_day=_growth(days),
        first_logged=ends[0],
        last_logged=ends[1],
        database=_bytes(snapshot.path),
        body_bytes=body_bytes,
        checkpoint_size=int(size),
        checkpoint_logged=str(logged),
        checkpoints=int(count),
    )


def _verdict(record: StoredRecord) -> str:
    if record.is_erased:
        return "erased"
    try:
        predicate = read_predicate(record.body)
    except (ValueError, LookupError, TypeError):
        return "unreadable"
    if "facts" not in predicate:
        return f"own: {predicate.get('action')}"
    return str(predicate.get("decision"))


def _last_days(snapshot: Snapshot) -> dict[str, int]:
    """Entries by day, looking back from the newest: the days that an index finds quickly."""
    found: dict[str, int] = {}
    end = snapshot.size
    while end and len(found) < _DAYS:
        day = str(_logged(snapshot, end - 1))[:10]
        first = _first_of_day(snapshot, day, end)
        found[day] = end - first
        end = first
    return dict(sorted(found.items()))


def _first_of_day(snapshot: Snapshot, day: str, end: int) -> int:
    """By halving: times go up, but for what a clock did that was set."""
    low, high = 0, end - 1
    while low < high:
        middle = (low + high) // 2
        if str(_logged(snapshot, middle))[:10] < day:
            low = middle + 1
        else:
            high = middle
    return low


def _logged(snapshot: Snapshot, index: int) -> str | None:
    row = snapshot.connection.execute(
        "SELECT logged_at FROM record WHERE idx = ?", (index,)
    ).fetchone()
    return None if row is None else str(row[0])


def _growth(days: Mapping[str, int]) -> float:
    if not days:
        return 0.0
    first, last = (date.fromisoformat(day) for day in (min(days), max(days)))
    return sum(days.values()) / ((last - first + timedelta(days=1)).days)


def _bytes(path: Path) -> int:
    beside = (path, path.with_name(path.name + "-wal"))
    return sum(one.stat().st_size for one in beside if one.exists())
