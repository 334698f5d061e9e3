"""`charter release` and `charter reload`, with their arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command
from gateway.cli.gateway_commands import DEFAULT_PORT


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    key = added.add_parser("key", help="make the key of an author", allow_abbrev=False)
    key.add_argument("key", type=Path, metavar="FILE", help="new file of the private key")
    key.set_defaults(run_release=_key)

    sign = added.add_parser(
        "sign", help="sign charters and catalogue, for gateways to load", allow_abbrev=False
    )
    sign.add_argument("number", type=_number, metavar="NUMBER", help="one more than the last")
    sign.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="private key of the author"
    )
    sign.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write (default: release.json in the folder of the charters)",
    )
    sign.add_argument("--replace", action="store_true", help="write over a release that is there")
    options.add_policies(sign)
    options.add_service(sign)
    sign.set_defaults(run_release=_sign, release=None)

    show = added.add_parser(
        "show", help="check a release, and say what it signs", allow_abbrev=False
    )
    show.add_argument("file", type=Path, metavar="FILE", help="the release")
    show.add_argument(
        "--authors", type=Path, metavar="FILE", required=True, help="public keys to believe, PEM"
    )
    show.set_defaults(run_release=_show)

    allow = added.add_parser(
        "allow", help="let a gateway load one older release, once", allow_abbrev=False
    )
    allow.add_argument("number", type=_number, metavar="NUMBER", help="the older release")
    allow.add_argument("--reason", required=True, metavar="TEXT", help="why; the log will say so")
    options.add_state(allow)
    allow.set_defaults(run_release=_allow)
    for command in (key, sign, show, allow):
        options.add_format(command)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or int(text) < 1:
        raise ArgumentTypeError(f"`{text}` is no number of a release: 1, 2, 3 and so on")
    return int(text)


def _run(args: Namespace) -> int:
    code: int = args.run_release(args)
    return code


def _key(args: Namespace) -> int:
    from gateway.cli.release import key

    return key(args)


def _sign(args: Namespace) -> int:
    from gateway.cli.release import sign

    return sign(args)


def _show(args: Namespace) -> int:
    from gateway.cli.release import show

    return show(args)


def _allow(args: Namespace) -> int:
    from gateway.cli.release import allow

    return allow(args)


def _reload_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=f"http://127.0.0.1:{DEFAULT_PORT}",
        help=f"address of the gateway (default: http://127.0.0.1:{DEFAULT_PORT})",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token of an operator (default: the variable CHARTER_TOKEN)",
    )
    options.add_format(parser)


def _reload(args: Namespace) -> int:
    from gateway.cli.release import reload

    return reload(args)


_RELEASE_DETAILS = """\
A release is an author's signature over one bundle and one catalogue: an in-toto statement in
a DSSE envelope (ECDSA P-256). Its number grows. A gateway with --authors loads nothing else,
and remembers the newest number across restarts: an older release is refused, unless an
operator allowed it on the machine of the gateway; the log keeps the reason.
What is signed is what the compiler of this version makes: sign again after an upgrade."""

_RELOAD_DETAILS = """\
The gateway reads charters and catalogue from its own disk, compiles them beside what is in
force, checks them on every engine, and then changes over at once: a question in flight ends
with what it began with. Where anything is wrong, it says so and nothing changes. The signal
SIGHUP does the same. Replace a folder as a whole, such as by a symbolic link that is turned
over: half of a change is a set of rules too."""

COMMANDS = (
    Command(
        "release",
        "sign what gateways decide with, and check it",
        _arguments,
        _run,
        _RELEASE_DETAILS,
    ),
    Command(
        "reload",
        "have a running gateway load its rules and catalogue anew",
        _reload_arguments,
        _reload,
        _RELOAD_DETAILS,
    ),
)
