"""`charter tpm` and its commands, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import options, tpm_options
from gateway.cli.command import Command


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    enrol = added.add_parser(
        "enrol", help="show the attestation key, as an anchor for others", allow_abbrev=False
    )
    enrol.add_argument(
        "--tpm",
        type=tpm_options.tcti,
        required=True,
        metavar="TCTI",
        help="the TPM 2.0, such as device:/dev/tpmrm0",
    )
    tpm_options.add_attestation_key(enrol)
    enrol.add_argument(
        "--ek-path",
        type=Path,
        metavar="FILE",
        help="authorities above the endorsement certificate of the TPM, PEM, the root last: "
        "check that the key is in a TPM of that maker, by credential activation",
    )
    enrol.add_argument(
        "--name", default="gateway", metavar="NAME", help="name of the anchor (default: gateway)"
    )
    options.add_format(enrol)
    enrol.set_defaults(run_tpm=_enrol)


_DETAILS = """\
What is printed is a row of a file of anchors: give it to whoever verifies, by a way that they
trust. See docs/gateway_evidence.md."""


def _enrol(args: Namespace) -> int:
    from gateway.cli.tpm import enrol

    return enrol(args)


def _run(args: Namespace) -> int:
    code: int = args.run_tpm(args)
    return code


COMMANDS = (
    Command("tpm", "enrol the TPM by which a gateway attests itself", _arguments, _run, _DETAILS),
)
