"""`charter ledger` and its commands, with their arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from gateway.cli import key_options, options
from gateway.cli.command import Command
from gateway.cli.ledger_documents_command import documents_arguments, erase_evidence_arguments
from gateway.cli.ledger_rests_command import rests_arguments

MAX_JOBS = 64


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    for add in (
        _fsck_arguments,
        _stats_arguments,
        _backup_arguments,
        _restore_arguments,
        _drill_arguments,
        _export_arguments,
        rests_arguments,
        _tiles_arguments,
        _erase_arguments,
        _hold_arguments,
        _release_arguments,
        documents_arguments,
        erase_evidence_arguments,
        _shard_arguments,
    ):
        command = add(added)
        options.add_format(command)


def _fsck_arguments(added: Any) -> ArgumentParser:
    fsck: ArgumentParser = added.add_parser(
        "fsck", help="recompute everything that the ledger serves", allow_abbrev=False
    )
    options.add_state(fsck)
    _add_trust(fsck)
    fsck.add_argument(
        "--quick",
        action="store_true",
        help="the newest entries alone, and not the pages of the database",
    )
    fsck.add_argument(
        "--from",
        dest="first",
        type=_number,
        default=0,
        metavar="N",
        help="begin at this entry, and believe the tiles before it as far as the next "
        "checkpoint shows them (default: 0)",
    )
    _add_jobs(fsck)
    fsck.add_argument("--strict", action="store_true", help="let notices count as damage")
    fsck.set_defaults(run_ledger=_fsck)
    return fsck


def _stats_arguments(added: Any) -> ArgumentParser:
    stats: ArgumentParser = added.add_parser(
        "stats", help="how large the ledger is, of whom, and how it grows", allow_abbrev=False
    )
    options.add_state(stats)
    stats.add_argument(
        "--whole",
        action="store_true",
        help="read the verdict of every entry, not of the newest ones alone",
    )
    stats.set_defaults(run_ledger=_stats)
    return stats


def _backup_arguments(added: Any) -> ArgumentParser:
    backup: ArgumentParser = added.add_parser(
        "backup",
        help="copy the state of a gateway, which may run, and check it",
        allow_abbrev=False,
    )
    backup.add_argument("target", type=Path, metavar="FOLDER", help="new folder to write")
    options.add_state(backup)
    backup.add_argument(
        "--with-keys",
        action="store_true",
        help="also the private keys and the hashes of tokens: whoever has such a backup can "
        "sign in the name of this gateway",
    )
    _add_checking(backup)
    backup.set_defaults(run_ledger=_backup)
    return backup


def _restore_arguments(added: Any) -> ArgumentParser:
    restore: ArgumentParser = added.add_parser(
        "restore", help="put a backup into a new state folder, and check it", allow_abbrev=False
    )
    restore.add_argument("backup", type=Path, metavar="FOLDER", help="the backup")
    restore.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="state folder to make; missing or empty",
    )
    restore.add_argument(
        "--expect",
        metavar="DIGEST",
        help="what `charter ledger backup` said of this backup, sha256:...",
    )
    _add_seen(restore)
    _add_checking(restore)
    restore.set_defaults(run_ledger=_restore)
    return restore


def _drill_arguments(added: Any) -> ArgumentParser:
    drill: ArgumentParser = added.add_parser(
        "drill",
        help="back up, restore elsewhere, check, prove and compare; print a receipt",
        allow_abbrev=False,
    )
    options.add_state(drill)
    _add_seen(drill)
    drill.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="where there is room for two copies, which are removed again (default: the "
        "folder for temporary files)",
    )
    drill.add_argument(
        "--save", type=Path, metavar="FILE", help="also write the receipt there, as JSON"
    )
    _add_checking(drill)
    drill.set_defaults(run_ledger=_drill)
    return drill


def _export_arguments(added: Any) -> ArgumentParser:
    export: ArgumentParser = added.add_parser(
        "export", help="write decisions as rows for other programs", allow_abbrev=False
    )
    options.add_state(export)
    export.add_argument(
        "--as",
        dest="form",
        choices=("ndjson", "parquet"),
        default="ndjson",
        help="lines of JSON, or Parquet, which needs the extra `parquet` (default: ndjson)",
    )
    export.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="new file (default: standard output)"
    )
    export.add_argument(
        "--table",
        choices=("decisions", "zones"),
        default="decisions",
        help="decisions, or what members of zones rest on in each bundle (default: decisions)",
    )
    export.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
    for name, words in (("since", "logged from this instant on"), ("until", "logged before it")):
        export.add_argument(
            f"--{name}",
            type=options.instant,
            metavar="INSTANT",
            help=f"{words}, such as 2026-11-22T00:00:00Z",
        )
    export.add_argument(
        "--from",
        dest="first",
        type=_number,
        default=0,
        metavar="N",
        help="from this entry on (default: 0)",
    )
    export.add_argument(
        "--without",
        type=options.names,
        default=[],
        metavar="COLUMNS",
        help="columns to leave out, with commas between, such as facts",
    )
    export.set_defaults(run_ledger=_export)
    return export


def _tiles_arguments(added: Any) -> ArgumentParser:
    tiles: ArgumentParser = added.add_parser(
        "tiles",
        help="write the log as files that any web server can serve (C2SP tlog-tiles)",
        allow_abbrev=False,
    )
    tiles.add_argument(
        "folder", type=Path, metavar="FOLDER", help="where to write; again, only what is new"
    )
    options.add_state(tiles)
    tiles.add_argument(
        "--shard", type=_number, metavar="N", help="the log that ended as number N, from 1"
    )
    tiles.set_defaults(run_ledger=_tiles)
    return tiles


def _erase_arguments(added: Any) -> ArgumentParser:
    from gateway.cli.key_places import add_key_places

    erase: ArgumentParser = added.add_parser(
        "erase",
        help="erase the body of a record on legal grounds, while no gateway runs",
        allow_abbrev=False,
    )
    erase.add_argument("id", metavar="ID", help="the decision")
    options.add_state(erase)
    options.add_grounds(erase)
    add_key_places(erase)
    erase.set_defaults(run_ledger=_erase)
    return erase


def _hold_arguments(added: Any) -> ArgumentParser:
    hold: ArgumentParser = added.add_parser(
        "hold",
        help="keep a record from being erased until it is released, while no gateway runs",
        allow_abbrev=False,
    )
    hold.set_defaults(hold=None, release=False)
    return _holding(hold, "why it must be kept, for ever in the log; it must not name a person")


def _release_arguments(added: Any) -> ArgumentParser:
    release: ArgumentParser = added.add_parser(
        "release", help="let go of a record that is held, while no gateway runs", allow_abbrev=False
    )
    release.add_argument(
        "--hold", metavar="ID", help="the entry that holds it, where there are several"
    )
    release.set_defaults(release=True)
    return _holding(release, "why it need not be kept, for ever in the log")


def _holding(parser: ArgumentParser, why: str) -> ArgumentParser:
    from gateway.cli.key_places import add_key_places

    parser.add_argument("id", metavar="ID", help="the decision")
    options.add_state(parser)
    for name, words in (
        ("reason", why),
        ("authority", "on whose word, or by which article of which law"),
        ("by", "who has it done"),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="TEXT", help=words)
    add_key_places(parser)
    parser.set_defaults(run_ledger=_hold)
    return parser


def _shard_arguments(added: Any) -> ArgumentParser:
    from gateway.cli.key_places import add_key_places

    shard: ArgumentParser = added.add_parser(
        "shard",
        help="end the log and begin another in its place, while no gateway runs",
        allow_abbrev=False,
    )
    options.add_state(shard)
    # Not `origin`, which is a setting and the name of the log that ends.
    shard.add_argument("--origin", dest="next_origin", metavar="NAME", help="name of the next log")
    shard.add_argument("--reason", metavar="TEXT", help="why, for its first entry")
    shard.add_argument(
        "--prepare",
        action="store_true",
        help="only make the key of the next log and name it in trust.json, so that whoever "
        "verifies knows it before it signs; the log goes on",
    )
    shard.add_argument(
        "--lost",
        action="store_true",
        help="the newest entries of the log are gone for good: end it where it was last seen",
    )
    _add_seen(shard)
    shard.add_argument(
        "--seen-file",
        type=Path,
        metavar="FILE",
        help="log.seen_file of the gateway, where it is set",
    )
    shard.add_argument(
        "--to",
        type=key_options.place,
        default="file",
        metavar="PLACE",
        help="where the key of the next log is: `file`, which makes one, or the pkcs11: URI of "
        "one that `charter keys new` made (default: file)",
    )
    add_key_places(shard)
    shard.set_defaults(run_ledger=_shard)
    return shard


def _add_seen(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--seen",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="checkpoint of the log that somebody else kept, such as a witness; repeatable",
    )


def _add_checking(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="check the newest entries of the copy, not all"
    )
    _add_jobs(parser)


def _add_jobs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="processes that check entries (default: 1)",
    )


def _add_trust(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="trust file to believe (default: trust.json of the state folder, which shows "
        "nothing where somebody changed both)",
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise ArgumentTypeError(f"`{text}` is no number of an entry: 0, 1, 2 and so on")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_JOBS:
        raise ArgumentTypeError(f"`{text}` is no number of processes from 1 to {MAX_JOBS}")
    return int(text)


def _run(args: Namespace) -> int:
    code: int = args.run_ledger(args)
    return code


def _fsck(args: Namespace) -> int:
    from gateway.cli.ledger_check import fsck

    return fsck(args)


def _stats(args: Namespace) -> int:
    from gateway.cli.ledger_check import stats

    return stats(args)


def _backup(args: Namespace) -> int:
    from gateway.cli.ledger_copies import backup

    return backup(args)


def _restore(args: Namespace) -> int:
    from gateway.cli.ledger_copies import restore

    return restore(args)


def _drill(args: Namespace) -> int:
    from gateway.cli.ledger_copies import drill

    return drill(args)


def _export(args: Namespace) -> int:
    from gateway.cli.ledger_export import export

    return export(args)


def _tiles(args: Namespace) -> int:
    from gateway.cli.ledger_log import tiles

    return tiles(args)


def _erase(args: Namespace) -> int:
    from gateway.cli.ledger_writes import erase

    return erase(args)


def _hold(args: Namespace) -> int:
    from gateway.cli.ledger_writes import hold

    return hold(args)


def _shard(args: Namespace) -> int:
    from gateway.cli.ledger_log import shard

    return shard(args)


_DETAILS = """\
All but `erase`, `erase-evidence`, `hold`, `release` and `shard` read the ledger as it stands at
one moment, while its gateway runs or without it. `fsck` exits with 0 where everything holds, with
2 and a list where something does not, and with 1 where it could not look."""

COMMANDS = (
    Command("ledger", "check, copy and look into the log of decisions", _arguments, _run, _DETAILS),
)
