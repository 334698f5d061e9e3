"""`charter ledger fsck` and `stats`: whether a ledger holds, and how large it is."""

import sqlite3
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dsl.printable import printable
from gateway.checked import Checked, write_checked
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.errors import ConfigurationError, GatewayError
from gateway.keeping import fsck as checking
from gateway.keeping.finding import Finding
from gateway.keeping.fsck import Report
from gateway.keeping.manifest import NAME as MANIFEST
from gateway.keeping.snapshot import open_snapshot
from gateway.keeping.stats import Stats
from gateway.keeping.stats import stats as count
from gateway.kept import FOLDER, kept_bundle
from gateway.ledger.shards import shard_folders
from gateway.record.canonical import load_strict
from gateway.record.envelope import MAX_ENVELOPE, read_envelope
from gateway.record.statement import read_statement
from gateway.verify.trust import MAX_TRUST, Trust

_MIB = 1024 * 1024


def fsck(args: Namespace) -> int:
    """Recompute the ledger of a state folder, and those of it that have ended."""
    trust = load_trust(args.state, args.trust)
    with shown(style=args.format) as told:
        check = partial(checking.check, trust=trust, quick=args.quick, jobs=args.jobs, told=told)
        report = check(args.state / "ledger", first=args.first)
        folders = [args.state / "ledger", *(one / "ledger" for one in shard_folders(args.state))]
        ended = [check(folder) for folder in folders[1:]]
        sizes = {one.origin: one.size for one in ended}
        report = report.beside(
            [
                *kept_bundles(args.state, report, *ended),
                *ended_logs(trust, report.origin, sizes, folders),
            ]
        )
    now = int(datetime.now(UTC).timestamp())
    told_of = (report.first, report.size, report.damages, report.notices)
    if not (args.state / MANIFEST).exists():  # what is added to a backup would spoil it
        write_checked(args.state, Checked(now, *told_of))  # for the metrics; no more than that
    verdicts = [(one, one.is_good and not (args.strict and one.notices)) for one in ended]
    good = report.is_good and not (args.strict and report.notices)
    if args.format == "json":
        more = {"ended": [one.to_json(good=verdict) for one, verdict in verdicts]} if ended else {}
        sys.stdout.write(to_json({**report.to_json(good=good), **more}))
    else:
        lines = [line for one in (*verdicts, (report, good)) for line in _said(*one)]
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return exit_codes.OK if all((good, *(one for _, one in verdicts))) else exit_codes.REFUSED


def kept_bundles(state: Path, *reports: Report) -> list[Finding]:
    """What is wrong with the bundles that decisions name, where any are kept there."""
    if not (state / FOLDER).is_dir():
        return []
    found: list[Finding] = []
    named = {digest: at for report in reports for digest, at in report.bundles.items()}
    for digest, index in named.items():
        try:
            if kept_bundle(state, digest) is None:
                said = f"bundle {digest}, with which entry {index} was decided, is not kept"
                found.append(Finding("bundle", said, index, level="notice"))
        except ConfigurationError as error:
            said = f"the bundle with which entry {index} was decided is damaged: {error}"
            found.append(Finding("bundle", said, index))
    return found


def ended_logs(
    trust: Trust, newest: str, sizes: Mapping[str, int], folders: Sequence[Path]
) -> list[Finding]:
    """What is missing of logs that have ended, as the trust file says how far they came.

    Args:
        newest: The log that grows.
        sizes: How many entries there are, by log.
        folders: Of all ledgers; that of a log begins with what is said of the one before.
    """
    ends: dict[str, int] = {}
    for origin, key in trust.terms.further_logs:
        last = trust.terms.last_sizes.get(key.vkey)
        if origin != newest and last is not None:
            ends[origin] = max(last, ends.get(origin, 0))
    lost = {origin for folder in folders if (origin := lost_log(folder)) is not None}
    found: list[Finding] = []
    for origin, last in ends.items():
        if origin not in sizes:
            said = f"the log {origin} ended with {last} entries, and is not in `shards`"
            found.append(Finding("ended", said, level="notice"))
        elif sizes[origin] < last:
            said = f"the log {origin} ended with {last} entries, and {sizes[origin]} are there"
            found.append(Finding("ended", said, level="notice" if origin in lost else "damage"))
    return found


def lost_log(folder: Path) -> str | None:
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


def stats(args: Namespace) -> int:
    """Count what is there."""
    with shown(style=args.format) as told:
        found = count(args.state / "ledger", whole=args.whole, told=told)
    if args.format == "json":
        sys.stdout.write(to_json(found.to_json()))
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _counted(found)))
    return exit_codes.OK


def load_trust(state: Path, named: Path | None) -> Trust:
    """The trust file that was named, or that of the state folder.

    Raises:
        ConfigurationError: It cannot be read.
        TrustError: It is none.
    """
    return Trust.from_json(read_file(named or state / "trust.json", limit=MAX_TRUST))


def _said(report: Report, good: bool) -> list[str]:
    lines = [line for one in report.findings for line in _finding(one)]
    more = report.damages + report.notices - len(report.findings)
    if more:
        lines.append(f"and {more:,} more")
    checked = f"entries {report.first:,} to {report.size - 1:,}" if report.size else "no entries"
    lines.append(
        f"{'OK' if good else 'DAMAGED'}: {report.origin}, {checked}, "
        f"{report.checkpoints:,} checkpoints; {report.damages:,} findings, "
        f"{report.notices:,} notices"
    )
    if report.root is not None:
        lines.append(f"  size  {report.size}")
        lines.append(f"  root  {report.root}")
    return lines


def _finding(one: Finding) -> list[str]:
    mark = "notice" if one.level == "notice" else "FOUND"
    named = f" [{one.id}]" if one.id else ""
    return [f"{mark} {one.check}: {one.what}{named}", f"  do: {one.do}"]


def _counted(found: Stats) -> list[str]:
    size = f"{found.database / _MIB:,.1f} MiB, {found.to_json()['bytes_an_entry']:,} bytes an entry"
    kept = f"{found.checkpoints:,} kept"
    return [
        f"{found.origin}: {found.entries:,} entries, {size}",
        f"  checkpoint   {found.checkpoint_size:,}, signed {found.checkpoint_logged}; {kept}",
        f"  logged       {found.first_logged or 'nothing yet'} to {found.last_logged or 'now'}",
        f"  growth       {found.a_day:,.1f} entries a day",
        *(f"  day          {day}  {number:,}" for day, number in found.days.items()),
        *(f"  tenant       {name}  {number:,}" for name, number in found.tenants.items()),
        *(
            f"  verdict      {name}  {number:,}  (of the newest {found.read:,})"
            for name, number in found.verdicts.items()
        ),
    ]
