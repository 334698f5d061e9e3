"""`charter keys` and its commands, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command

PURPOSES = ("decision", "checkpoint", "receipt", "cosignature", "release")
REPLACED = ("decision", "checkpoint", "receipt")


def _arguments(parser: ArgumentParser) -> None:
    from gateway.cli.key_options import add_custody, add_pin, place
    from gateway.cli.settings import take_over

    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")

    new = added.add_parser("new", help="make a key, in a file or in a token", allow_abbrev=False)
    new.add_argument("place", help="new file, or the pkcs11: URI that the key shall have")
    new.add_argument("--purpose", choices=PURPOSES, required=True, help="what it is for")
    new.add_argument(
        "--name", metavar="NAME", help="of a key for checkpoints or cosignatures: whose it is"
    )
    add_pin(new)
    options.add_format(new)
    new.set_defaults(run_keys=_to("new"))

    listed = added.add_parser("list", help="show every key, no secret", allow_abbrev=False)
    _add_place(listed, add_custody)
    options.add_format(listed)
    take_over(listed)
    listed.set_defaults(run_keys=_to("list_all"))

    rotate = added.add_parser(
        "rotate", help="have a new key take the place of one", allow_abbrev=False
    )
    rotate.add_argument("--purpose", choices=REPLACED, required=True, help="which key")
    rotate.add_argument(
        "--to",
        type=place,
        metavar="PLACE",
        help="where the new key is: `file`, which makes one, or the pkcs11: URI of one that "
        "`charter keys new` made (default: file)",
        default="file",
    )
    rotate.add_argument(
        "--lost", action="store_true", help="the old key is lost for good, and cannot sign this"
    )
    _add_place(rotate, add_custody)
    options.add_format(rotate)
    take_over(rotate)
    rotate.set_defaults(run_keys=_to("rotate_key"))

    retire = added.add_parser(
        "retire", help="end the checkpoint key that signs alongside another", allow_abbrev=False
    )
    _add_place(retire, add_custody)
    options.add_format(retire)
    take_over(retire)
    retire.set_defaults(run_keys=_to("retire_key"))

    export = added.add_parser("export", help="write public keys", allow_abbrev=False)
    options.add_state(export)
    export.add_argument(
        "--format",
        choices=("jwks", "pem", "vkey"),
        required=True,
        help="a JWK set, PEM, or verifier keys of C2SP signed-note",
    )
    export.add_argument(
        "--purpose",
        choices=REPLACED,
        help="which keys (default: decision; checkpoint for verifier keys)",
    )
    export.add_argument(
        "--ended", action="store_true", help="also those that count for old records alone"
    )
    export.set_defaults(run_keys=_to("export"))


def _add_place(parser: ArgumentParser, add_custody: Callable[[ArgumentParser], None]) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings of `charter serve`, which say where its keys are (default: the variable "
        "CHARTER_CONFIG)",
    )
    options.add_state(parser)
    add_custody(parser)


_DETAILS = """\
A key is made for one purpose and used for one. The gateway must not run while `rotate` and
`retire` change its keys: they take the lock of the log, in which the change is an entry, and
write the new trust.json. What they began and could not finish is finished by the same command.
See docs/keys.md."""


def _run(args: Namespace) -> int:
    code: int = args.run_keys(args)
    return code


def _to(name: str) -> Callable[[Namespace], int]:
    def run(args: Namespace) -> int:
        from gateway.cli import keys

        code: int = getattr(keys, name)(args)
        return code

    return run


COMMANDS = (Command("keys", "make, list, replace and export keys", _arguments, _run, _DETAILS),)
