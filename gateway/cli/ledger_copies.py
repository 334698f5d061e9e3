"""`charter ledger backup`, `restore` and `drill`: copies of a ledger that are known to hold."""

import sys
from argparse import Namespace
from datetime import UTC, datetime

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.files import read_file, write_file
from gateway.cli.output import to_json
from gateway.cli.progress import shown
from gateway.keeping.backup import Made, back_up
from gateway.keeping.drill import Receipt
from gateway.keeping.drill import drill as rehearse
from gateway.keeping.restore import Restored
from gateway.keeping.restore import restore as put_back
from gateway.ledger.note import MAX_NOTE
from gateway.state import seen_place


def backup(args: Namespace) -> int:
    """Copy a state folder."""
    with shown(style=args.format) as told:
        made = back_up(
            args.state,
            args.target,
            now=_now(),
            with_keys=args.with_keys,
            quick=args.quick,
            jobs=args.jobs,
            told=told,
        )
    if args.format == "json":
        sys.stdout.write(to_json(_made(made)))
        return exit_codes.OK
    _say(
        f"OK: {made.manifest.size:,} entries of {made.manifest.origin} are in {made.folder}",
        f"  digest  {made.digest}",
        f"  root    {made.manifest.root}",
    )
    if not made.manifest.has_keys:
        sys.stderr.write(
            "The private keys are not in it: keep them elsewhere, or nobody can go on with this "
            "log. Note the digest elsewhere too.\n"
        )
    return exit_codes.OK


def restore(args: Namespace) -> int:
    """Put a backup back."""
    with shown(style=args.format) as told:
        found = put_back(
            args.backup,
            args.state,
            now=_now(),
            expect=args.expect,
            seen=_seen(args),
            seen_file=seen_place(args.state),
            quick=args.quick,
            jobs=args.jobs,
            told=told,
        )
    if args.format == "json":
        sys.stdout.write(to_json(_restored(found)))
        return exit_codes.OK
    _say(
        f"OK: {found.report.size:,} entries of {found.report.origin} are in {found.folder}",
        f"  backup  {found.digest}, made {found.manifest.made_at}",
        f"  root    {found.report.root}",
    )
    for line in _advice(found):
        sys.stderr.write(f"{line}\n")
    return exit_codes.OK


def drill(args: Namespace) -> int:
    """Rehearse, and print the receipt."""
    with shown(style=args.format) as told:
        receipt = rehearse(
            args.state,
            clock=_now,
            seen=_seen(args),
            work=args.work,
            quick=args.quick,
            jobs=args.jobs,
            told=told,
        )
    if args.save is not None:
        write_file(args.save, to_json(receipt.to_json()).encode())
    if args.format == "json":
        sys.stdout.write(to_json(receipt.to_json()))
    else:
        _say(*_receipt(receipt))
    return exit_codes.OK


def _made(made: Made) -> dict[str, object]:
    return {
        "backup": str(made.folder),
        "digest": made.digest,
        "origin": made.manifest.origin,
        "size": made.manifest.size,
        "root": made.manifest.root,
        "with_keys": made.manifest.has_keys,
        "files": len(made.manifest.files),
    }


def _restored(found: Restored) -> dict[str, object]:
    return {
        "state": str(found.folder),
        "backup": found.digest,
        "made_at": found.manifest.made_at,
        "size": found.report.size,
        "root": found.report.root,
        "with_keys": found.manifest.has_keys,
        "seen_size": found.seen,
        "short_by": found.short_by,
    }


def _advice(found: Restored) -> list[str]:
    lines: list[str] = []
    if found.short_by:
        lines.append(
            f"The log had {found.short_by:,} more entries than this backup. It can be read and "
            "verified, and must not go on: a gateway will refuse to start with it. Begin a new "
            "shard."
        )
    elif found.seen is None:
        lines.append(
            "Nobody has said what the log was after this backup, so no gateway goes on with it. "
            "Get the newest checkpoint that a witness, a mirror or an auditor has, and start "
            "with --seen: two histories of one log cannot be mended."
        )
    if not found.manifest.has_keys:
        lines.append("The private keys were not in the backup: put them into the state folder.")
    return lines


def _receipt(receipt: Receipt) -> list[str]:
    lines = [
        f"OK: a backup of {receipt.origin} can be put back ({receipt.seconds:.1f} s)",
        f"  began    {receipt.began.astimezone(UTC).isoformat(timespec='seconds')}",
        f"  backup   {receipt.backup}",
        f"  size     {receipt.size}, and {receipt.running - receipt.size} more since",
        f"  root     {receipt.root}",
        f"  proved   entries {', '.join(map(str, receipt.proved)) or 'none'}",
    ]
    lines += [
        f"  ended    {one.origin}, {one.size} entries; proved {', '.join(map(str, one.proved))}"
        for one in receipt.ended
    ]
    if receipt.seen is not None:
        short = f"falls short by {receipt.short_by}" if receipt.short_by else "is extended"
        lines.append(f"  seen     checkpoint of {receipt.seen}, which {short}")
    return lines


def _seen(args: Namespace) -> list[bytes]:
    return [read_file(path, limit=MAX_NOTE) for path in args.seen]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def _now() -> datetime:
    return datetime.now(UTC)
