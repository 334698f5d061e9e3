"""`charter attest` and its arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "evidence",
        type=Path,
        metavar="FILE",
        help="evidence in JSON, of format charter-evidence/v1",
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="appraisal policy (default: that of the installed pack)",
    )
    parser.add_argument(
        "--anchors",
        type=Path,
        metavar="FILE",
        help="keys, authorities and platforms that you vouch for (default: those of hardware "
        "makers alone)",
    )
    parser.add_argument("--at", metavar="RFC3339", help="judge as of this time (default: now)")
    parser.add_argument(
        "--nonce",
        metavar="HEX",
        help="what the evidence must answer; without it, the evidence is background alone",
    )
    parser.add_argument(
        "--ear", action="store_true", help="print the result as an EAR (JSON, unsigned)"
    )
    options.add_format(parser)


_DETAILS = """\
Nothing is asked of the network: certificates and lists must be in the file. The exit codes
are 0 accepted, 2 refused, 4 cannot tell, 1 could not look."""


def _attest(args: Namespace) -> int:
    from gateway.cli.attest import attest

    return attest(args)


COMMANDS = (Command("attest", "verify evidence of a machine", _arguments, _attest, _DETAILS),)
