"""`charter ledger rests-on` and its arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from gateway.cli import options

# Columns of `attested` by which a machine can be named, each an option of that name.
SAME = {
    "technology": "such as sev-snp",
    "product": "product line, such as Milan",
    "node": "id of the node",
    "attester": "id of the very device, in hexadecimal",
    "policy": "id of the appraisal policy",
    "tcb_status": "word of the maker for the firmware, such as OutOfDate",
}


def rests_arguments(added: Any) -> ArgumentParser:
    """The command below `charter ledger`."""
    rests: ArgumentParser = added.add_parser(
        "rests-on",
        help="list the decisions that rest on machines of some kind",
        allow_abbrev=False,
    )
    options.add_state(rests)
    for name, words in SAME.items():
        rests.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=words)
    rests.add_argument(
        "--firmware-at-most",
        type=_level,
        action="append",
        default=[],
        metavar="COMPONENT=LEVEL",
        help="this component at or below this level, or not told; repeatable, then any of them",
    )
    rests.add_argument(
        "--digest",
        type=_digest,
        metavar="SHA256",
        help="of the evidence, of a certificate or list it rested on, or of a policy",
    )
    rests.add_argument(
        "--all",
        action="store_true",
        help="also what did not count, and decisions that permit nothing",
    )
    rests.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
    for name, words in (("since", "logged from this instant on"), ("until", "logged before it")):
        rests.add_argument(f"--{name}", type=options.instant, metavar="INSTANT", help=words)
    rests.set_defaults(run_ledger=_rests)
    return rests


def _rests(args: Namespace) -> int:
    from gateway.cli.ledger_rests import rests_on

    return rests_on(args, SAME)


def _level(text: str) -> tuple[str, int]:
    part, sign, number = text.partition("=")
    if not part or not sign or not number.isascii() or not number.isdecimal() or len(number) > 10:
        raise ArgumentTypeError(f"`{text}` is not like microcode=72")
    return part, int(number)


def _digest(text: str) -> str:
    bare = text.removeprefix("sha256:")
    if len(bare) != 64 or not set(bare) <= set("0123456789abcdef"):
        raise ArgumentTypeError(f"`{text}` is no SHA-256: 64 digits of 0-9 and a-f")
    return f"sha256:{bare}"
