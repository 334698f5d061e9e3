"""Where the keys of a gateway are, as the command line says it; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.keys.custody import Custody

_FILE = "file"
_PLACE = f"`{_FILE}` of the state folder, or the pkcs11: URI of one in a token"


def add_custody(parser: ArgumentParser) -> None:
    """Where the keys of a state folder are."""
    for flag, whose in (
        ("--decision-key", "key that signs decisions"),
        ("--checkpoint-key", "key that signs the log"),
        ("--checkpoint-key-before", "key that signs the log alongside while it is replaced"),
        ("--receipt-key", "key that signs receipts of `charter receipt`"),
    ):
        parser.add_argument(
            flag,
            type=place,
            default=_FILE,
            metavar="PLACE",
            help=f"{whose}: {_PLACE} (default: {_FILE})",
        )
    add_pin(parser)


def add_pin(parser: ArgumentParser) -> None:
    """Where the PIN of a token is."""
    parser.add_argument(
        "--pin-file",
        type=Path,
        metavar="FILE",
        help="PIN of the token, in a file that only its owner can read (default: the variable "
        "CHARTER_PKCS11_PIN)",
    )


def place(text: str) -> str:
    """Where a key is."""
    if text == _FILE:
        return text
    from gateway.keys.custody import check_custody
    from gateway.keys.errors import CustodyError

    try:
        return check_custody(text)
    except CustodyError as error:
        raise ArgumentTypeError(str(error)) from error


def custody_of(args: Namespace) -> "Custody":
    """What the arguments say; files of the state folder where the command has no such options."""
    from gateway.keys.custody import Custody

    return Custody(
        decision=getattr(args, "decision_key", _FILE),
        checkpoint=getattr(args, "checkpoint_key", _FILE),
        before=getattr(args, "checkpoint_key_before", _FILE),
        receipt=getattr(args, "receipt_key", _FILE),
        pin_file=getattr(args, "pin_file", None),
    )
