"""All ledgers of a state folder or a backup: the one that grows and those that have ended, each
by itself and held against the others."""

from dataclasses import dataclass
from pathlib import Path

from gateway.keeping import fsck
from gateway.keeping.across import check_across
from gateway.keeping.beside import check_beside
from gateway.keeping.ended import check_ended
from gateway.keeping.finding import Level
from gateway.keeping.fsck import Report
from gateway.keeping.progress import Told, nobody
from gateway.ledger.shards import shard_folders
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
    elsewhere = [one for report in reports for one in report.elsewhere]
    found, all_there = check_ended(folders, trust, reports)
    across = check_across(folders, elsewhere, all_there=all_there)
    return Whole(newest.beside([*found, *across]), ended)
