"""By which TPM a gateway attests itself, as the command line says it; no logic."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.own_evidence.quoting import TpmPlace

_PCRS = "0,1,2,3,4,5,6,7"
_MAX_PCR = 23


def add_tpm(parser: ArgumentParser) -> None:
    """The TPM of a gateway that attests itself."""
    parser.add_argument(
        "--tpm",
        type=tcti,
        metavar="TCTI",
        help="attest this gateway by a TPM 2.0, such as device:/dev/tpmrm0: it quotes over the "
        "decision key and the bundle at each start and reload, and decisions name the quote; "
        "needs tpm2-tools",
    )
    parser.add_argument(
        "--tpm-pcrs",
        type=pcrs,
        default=_PCRS.split(","),
        metavar="NUMBERS",
        help=f"PCRs of the SHA-256 bank that are quoted, with commas between (default: {_PCRS})",
    )
    parser.add_argument(
        "--tpm-decision-key",
        type=handle,
        metavar="HANDLE",
        help="where in the TPM the decision key is, which --decision-key uses as a token: the "
        "attestation key then certifies that it cannot leave",
    )
    add_attestation_key(parser)


def add_attestation_key(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tpm-key",
        type=handle,
        metavar="HANDLE",
        help="attestation key that is kept in the TPM, such as 0x81010002 (default: one made "
        "from the seed of the TPM, the same each time)",
    )
    parser.add_argument(
        "--tpm-ak-path",
        type=Path,
        metavar="FILE",
        help="certificate of the attestation key and those above it, PEM, to be published with "
        "the quote",
    )


def tcti(text: str) -> str:
    """How to reach a TPM."""
    from gateway.own_evidence.tools import check_tcti

    try:
        return check_tcti(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def pcrs(text: str) -> list[str]:
    """Numbers of PCRs, each once, in order."""
    numbers = [one.strip() for one in text.split(",")]
    right = all(one.isascii() and one.isdecimal() and len(one) <= 2 for one in numbers)
    if not right or len(set(map(int, numbers))) != len(numbers):
        raise ArgumentTypeError(f"`{text}`: write numbers of PCRs such as 0,1,2, each once")
    found = sorted(map(int, numbers))
    if found[-1] > _MAX_PCR:
        raise ArgumentTypeError(f"`{text}`: PCRs are numbered from 0 to {_MAX_PCR}")
    return [str(number) for number in found]


def handle(text: str) -> str:
    """A key that is kept in a TPM (TCG TPM 2.0 Library, Part 2, section 7.4)."""
    try:
        number = int(text, 16)
    except ValueError:
        number = 0
    if not text.startswith("0x") or not 0x81000000 <= number <= 0x81FFFFFF:
        raise ArgumentTypeError(f"`{text}` is no handle such as 0x81010002")
    return f"{number:#010x}"


def place_of(args: Namespace) -> "TpmPlace | None":
    """What the arguments say; None where the gateway does not attest itself."""
    from gateway.own_evidence.quoting import TpmPlace

    if args.tpm is None:
        return None
    return TpmPlace(
        args.tpm,
        tuple(map(int, args.tpm_pcrs)),
        args.tpm_key,
        args.tpm_decision_key,
        args.tpm_ak_path,
    )
