"""Logs that have ended, held against what is said of their end: by the trust file, which strangers
have, and by the first entry of the log that came after, which has the last checkpoint.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.errors import GatewayError, LedgerError
from gateway.keeping.errors import SnapshotError
from gateway.keeping.finding import Finding
from gateway.keeping.fsck import Report
from gateway.keeping.snapshot import open_snapshot
from gateway.keeping.tree import root_at
from gateway.record.canonical import load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import read_statement
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.trust import Trust


@dataclass(frozen=True, slots=True)
class Before:
    """What a log says, where it begins, of the one before it: the last checkpoint of that, a
    signed note, and whether newer entries of it were lost."""

    origin: str
    last_size: int
    checkpoint: str
    lost: bool


def check_ended(
    folders: Sequence[Path], trust: Trust, reports: Sequence[Report]
) -> tuple[list[Finding], bool]:
    """Check that logs that have ended have all the entries they had, and no other ones.

    Args:
        folders: Of all ledgers, the one that grows first.
        reports: Of each.

    Returns:
        What was found, and whether every log that has ended is there.
    """
    logs = dict(zip([one.origin for one in reports], folders, strict=True))
    sizes = {one.origin: one.size for one in reports}
    told = [one for folder in folders if (one := said_before(folder)) is not None]
    ends = _ends(trust, reports[0].origin)
    for one in told:
        ends[one.origin] = max(one.last_size, ends.get(one.origin, 0))
    lost = {one.origin for one in told if one.lost}
    found = [*_missing(ends, sizes, lost)]
    for one in told:
        if one.origin in logs and sizes[one.origin] >= one.last_size:
            found += _other_end(one, logs[one.origin], trust)
    return found, ends.keys() <= sizes.keys()


def said_before(folder: Path) -> Before | None:
    """What a ledger says of the log before it; None where it is the first one."""
    try:
        with open_snapshot(folder) as snapshot:
            record = snapshot.record(0)
        body = b"" if record is None else record.body
        value = load_strict(body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
        said = cast("Mapping[str, Any]", read_statement(read_envelope(value).payload).predicate)
    except (GatewayError, sqlite3.Error):
        return None  # it is found to be damaged by whoever checks entries
    match said:
        case {
            "action": "new-log",
            "log": {"origin": str(origin), "last_size": int(size), "checkpoint": str(note)},
        }:
            return Before(origin, size, note, said["log"].get("lost") is True)
        case _:
            return None


def _ends(trust: Trust, newest: str) -> dict[str, int]:
    """How far logs that have ended came, as the trust file says."""
    ends: dict[str, int] = {}
    for origin, key in trust.terms.further_logs:
        last = trust.terms.last_sizes.get(key.vkey)
        if origin != newest and last is not None:
            ends[origin] = max(last, ends.get(origin, 0))
    return ends


def _missing(
    ends: Mapping[str, int], sizes: Mapping[str, int], lost: set[str]
) -> Iterator[Finding]:
    for origin, last in ends.items():
        if origin not in sizes:
            said = f"the log {origin} ended with {last} entries, and is not in `shards`"
            yield Finding("ended", said, level="notice")
        elif sizes[origin] < last:
            said = f"the log {origin} ended with {last} entries, and {sizes[origin]} are there"
            yield Finding("ended", said, level="notice" if origin in lost else "damage")


def _other_end(one: Before, folder: Path, trust: Trust) -> Iterator[Finding]:
    """That a log ended with the very tree that the next one says."""
    try:
        last = read_checkpoint(one.checkpoint.encode(), trust, witnessed=False)
    except LedgerError as error:
        said = (
            f"the last checkpoint of {one.origin}, as the next log has it, does not hold: {error}"
        )
        yield Finding("ended", said)
        return
    if (last.origin, last.size) != (one.origin, one.last_size):
        said = f"the next log has another checkpoint as the last one of {one.origin}"
        yield Finding("ended", said)
        return
    try:
        with open_snapshot(folder) as snapshot:
            root = root_at(snapshot, last.size)
    except SnapshotError:
        raise
    except (LedgerError, sqlite3.Error):
        return  # it is found to be damaged by whoever recomputes the tree
    if root != last.root:
        said = f"the log {one.origin} has other entries than those with which it ended"
        yield Finding("ended", said)
