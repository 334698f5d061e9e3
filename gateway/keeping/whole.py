"""All ledgers of a state folder or a backup: the one that grows and those that have ended, each
by itself and held against the others."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.keeping import fsck
from gateway.keeping.across import check_across
from gateway.keeping.beside import check_beside
from gateway.keeping.finding import Finding, Level
from gateway.keeping.fsck import Report
from gateway.keeping.progress import Told, nobody
from gateway.keeping.snapshot import open_snapshot
from gateway.ledger.shards import shard_folders
from gateway.record.canonical import load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import read_statement
from gateway.verify.trust import Trust

LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Whole:
    """Reports of the log that grows, with what was found between the logs, and of those that
    have ended, the newest first."""

    newest: Report
    ended: tuple[Report, ...]

    def reports(self) -> tuple[Report, ...]:
        """All of them, the one that grows last."""
        return (*self.ended, self.newest)


def check_whole(
    state: Path,
    trust: Trust,
    *,
    first: int = 0,
    quick: bool = False,
    jobs: int = 1,
    told: Told = nobody,
    behind: Level = "damage",
) -> Whole:
    """Check all ledgers of a folder; as `gateway.keeping.fsck.check`.

    Args:
        first: Of the log that grows.
        behind: As of `gateway.keeping.beside.check_beside`.

    Raises:
        SnapshotError: One of them cannot be read.
    """
    places = [state, *shard_folders(state)]
    folders = [one / LEDGER for one in places]
    reports: list[Report] = []
    for number, place in enumerate(places):
        report = fsck.check(
            place / LEDGER,
            trust,
            first=0 if number else first,
            quick=quick,
            jobs=jobs,
            told=told,
        )
        beside = check_beside(place, trust, quick=quick, behind=behind)
        reports.append(report.beside(beside))
    newest, ended = reports[0], tuple(reports[1:])
    sizes = {one.origin: one.size for one in ended}
    ends = _ends(trust, newest.origin)
    elsewhere = [one for report in (newest, *ended) for one in report.elsewhere]
    across = check_across(folders, elsewhere, all_there=ends.keys() <= sizes.keys())
    return Whole(newest.beside([*_ended_logs(ends, sizes, folders), *across]), ended)


def _ends(trust: Trust, newest: str) -> dict[str, int]:
    """How far logs that have ended came, as the trust file says."""
    ends: dict[str, int] = {}
    for origin, key in trust.terms.further_logs:
        last = trust.terms.last_sizes.get(key.vkey)
        if origin != newest and last is not None:
            ends[origin] = max(last, ends.get(origin, 0))
    return ends


def _ended_logs(
    ends: Mapping[str, int], sizes: Mapping[str, int], folders: Sequence[Path]
) -> list[Finding]:
    """What is missing of logs that have ended.

    Args:
        ends: How far they came.
        sizes: How many entries there are, by log.
        folders: Of all ledgers; that of a log begins with what is said of the one before.
    """
    lost = {origin for folder in folders if (origin := _lost_log(folder)) is not None}
    found: list[Finding] = []
    for origin, last in ends.items():
        if origin not in sizes:
            said = f"the log {origin} ended with {last} entries, and is not in `shards`"
            found.append(Finding("ended", said, level="notice"))
        elif sizes[origin] < last:
            said = f"the log {origin} ended with {last} entries, and {sizes[origin]} are there"
            found.append(Finding("ended", said, level="notice" if origin in lost else "damage"))
    return found


def _lost_log(folder: Path) -> str | None:
    """The log of which a ledger says, where it begins, that its newest entries were lost."""
    try:
        with open_snapshot(folder) as snapshot:
            record = snapshot.record(0)
        body = b"" if record is None else record.body
        value = load_strict(body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        said = read_statement(read_envelope(value).payload).predicate.get("log")
    except (GatewayError, sqlite3.Error):
        return None  # it is found to be damaged by whoever checks entries
    match said:
        case {"lost": True, "origin": str(origin)}:
            return origin
        case _:
            return None
