"""`charter corim` and its arguments; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command

TECHNOLOGIES = ("sev-snp", "azure-snp-vtpm", "tdx", "tpm", "nitro", "arm-cca")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("corim", type=Path, metavar="FILE", help="a CoRIM, signed or unsigned")
    parser.add_argument(
        "--signer",
        dest="signers",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="public key in PEM of a maker that you trust; may be given several times",
    )
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="take a file that nobody signed: you vouch for it, and the rows say so",
    )
    parser.add_argument(
        "--technology",
        choices=TECHNOLOGIES,
        help="of which the values are, where the file has no profile that tells",
    )
    parser.add_argument(
        "--name",
        dest="names",
        type=_name,
        action="append",
        default=[],
        metavar="KEY=MEASUREMENT",
        help="the measurement that a key of a file without a profile means, such as #5=launch; "
        "may be given several times",
    )
    parser.add_argument(
        "--environment",
        type=options.count,
        metavar="N",
        help="which one, where the file has values of several",
    )
    parser.add_argument("--at", metavar="RFC3339", help="as of this time (default: now)")


def _name(text: str) -> tuple[str, str]:
    key, equals, measurement = text.rpartition("=")
    if not key or not equals or not measurement:
        raise ArgumentTypeError(f"`{text}` is not KEY=MEASUREMENT")
    return key, measurement


_DETAILS = """\
Rows are printed as TOML, to be reviewed and put into an appraisal policy; what the file
says and no row can is listed above them. The exit codes are 0 rows, 2 the file does not
count, 4 cannot tell, 1 no row or could not look."""


def _import(args: Namespace) -> int:
    from gateway.cli.corim import import_corim

    return import_corim(args)


COMMANDS = (
    Command(
        "corim",
        "turn a maker's reference values into rows of a policy",
        _arguments,
        _import,
        _DETAILS,
    ),
)
