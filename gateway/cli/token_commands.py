"""`charter token` and its three commands, with their arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command

DEFAULT_DAYS = 90
MAX_DAYS = 3660


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    create = added.add_parser("create", help="make a token, shown this once", allow_abbrev=False)
    create.add_argument(
        "--tenant",
        action="append",
        required=True,
        metavar="NAME",
        help="tenant that it speaks for; may be given several times",
    )
    create.add_argument(
        "--role",
        action="append",
        required=True,
        choices=("scheduler", "author", "auditor", "operator"),
        help="what its bearer does; may be given several times",
    )
    create.add_argument(
        "--action",
        action="append",
        metavar="NAME",
        help="action that it covers; may be given several times (default: every action)",
    )
    create.add_argument(
        "--days",
        type=_days,
        default=DEFAULT_DAYS,
        metavar="N",
        help=f"days that it counts (default: {DEFAULT_DAYS})",
    )
    create.add_argument("--label", default="", metavar="TEXT", help="whose it is, for people")
    create.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="write it to a new file that only its owner can read, and do not show it",
    )
    create.set_defaults(run_token=_create)
    listed = added.add_parser("list", help="show every token, no secret", allow_abbrev=False)
    listed.set_defaults(run_token=_list)
    revoked = added.add_parser("revoke", help="let a token count no more", allow_abbrev=False)
    revoked.add_argument("id", help="its id: what stands between the underscores")
    revoked.set_defaults(run_token=_revoke)
    for command in (create, listed, revoked):
        options.add_state(command)
        options.add_format(command)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise ArgumentTypeError(f"`{text}` is no number of days from 1 to {MAX_DAYS}")
    if not 1 <= int(text) <= MAX_DAYS:
        raise ArgumentTypeError(f"`{text}` is no number of days from 1 to {MAX_DAYS}")
    return int(text)


def _run(args: Namespace) -> int:
    code: int = args.run_token(args)
    return code


def _create(args: Namespace) -> int:
    from gateway.cli.token import create

    return create(args)


def _list(args: Namespace) -> int:
    from gateway.cli.token import list_all

    return list_all(args)


def _revoke(args: Namespace) -> int:
    from gateway.cli.token import revoke

    return revoke(args)


COMMANDS = (Command("token", "make, list and revoke tokens of callers", _arguments, _run),)
