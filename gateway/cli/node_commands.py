"""`charter node` and its two commands, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command


def _arguments(parser: ArgumentParser) -> None:
    added = parser.add_subparsers(metavar="WHAT", required=True, title="what to do")
    credential = added.add_parser(
        "credential", help="make what only the TPM of the machine can open", allow_abbrev=False
    )
    for flag, words in (
        ("--ek-certificate", "certificate of the TPM, from tpm2_getekcertificate; DER or PEM"),
        ("--ek-path", "authorities above it, PEM, the one that you trust last"),
        ("--ek-public", "public area of its endorsement key, from tpm2_createek -u"),
        ("--ak-public", "that of its attestation key, from tpm2_readpublic -f tss"),
    ):
        credential.add_argument(flag, type=Path, required=True, metavar="FILE", help=words)
    credential.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder for the enrolment"
    )
    credential.set_defaults(run_node=_credential)
    admit = added.add_parser(
        "admit", help="print the rows of a machine that has opened it", allow_abbrev=False
    )
    admit.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the enrolment")
    admit.add_argument(
        "--found",
        type=Path,
        required=True,
        metavar="FILE",
        help="what the machine found, from tpm2_activatecredential -o",
    )
    admit.add_argument("--id", required=True, metavar="NAME", help="name of the node")
    admit.add_argument(
        "--site", required=True, metavar="ID", help="site of the catalogue at which it stands"
    )
    admit.set_defaults(run_node=_admit)
    for command in (credential, admit):
        options.add_format(command)


_DETAILS = """\
What is printed at the end are rows for the register of nodes and for the anchors of a
gateway: review them, and put them there. See docs/attestation.md."""


def _credential(args: Namespace) -> int:
    from gateway.cli.node import credential

    return credential(args)


def _admit(args: Namespace) -> int:
    from gateway.cli.node import admit

    return admit(args)


def _run(args: Namespace) -> int:
    code: int = args.run_node(args)
    return code


COMMANDS = (Command("node", "enrol a machine whose evidence counts", _arguments, _run, _DETAILS),)
