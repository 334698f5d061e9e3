"""`charter ledger fsck` and `stats`: whether a ledger holds, and how large it is."""

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from dsl.printable import printable
from gateway.checked import Checked, write_checked
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.errors import ConfigurationError
from gateway.keeping.evidence import check_evidence
from gateway.keeping.finding import Finding
from gateway.keeping.fsck import QUICK, Report
from gateway.keeping.manifest import NAME as MANIFEST
from gateway.keeping.stats import Stats
from gateway.keeping.stats import stats as count
from gateway.keeping.whole import check_whole
from gateway.kept import FOLDER, kept_bundle
from gateway.ledger.shards import shard_folders
from gateway.verify.trust import MAX_TRUST, Trust

_MIB = 1024 * 1024


def fsck(args: Namespace) -> int:
    """Recompute the ledger of a state folder, and those of it that have ended."""
    trust = load_trust(args.state, args.trust)
    with shown(style=args.format) as told:
        whole = check_whole(
            args.state,
            trust,
            first=args.first,
            quick=args.quick,
            jobs=args.jobs,
            told=told,
            behind="notice" if (args.state / MANIFEST).exists() else "damage",
        )
        ledgers = [one / "ledger" for one in (args.state, *shard_folders(args.state))]
        last = QUICK if args.quick else None
        evidence = check_evidence(args.state, ledgers, last=last, told=told)
    ended = whole.ended
    report = whole.newest.beside([*kept_bundles(args.state, whole.newest, *ended), *evidence])
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
