"""`charter node`: enrol a machine with a TPM, in two steps with the machine between them."""

import json
import os
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from dsl.printable import printable
from gateway.attestation.chain import MAX_CERTIFICATE, MAX_CHAIN, read_certificate, read_pem_chain
from gateway.attestation.errors import EvidenceError
from gateway.cli import exit_codes
from gateway.cli.files import check_private, read_file, write_file, write_private
from gateway.cli.output import to_json
from gateway.errors import ConfigurationError
from gateway.nodes import enrolment
from gateway.nodes.errors import EnrolmentError, RegisterError

CREDENTIAL, BEGUN = "credential.bin", "enrolment.json"
_MAX_PUBLIC = 4 * 1024
_MAX_FOUND = 1024


def credential(args: Namespace) -> int:
    """Make a credential that only one TPM can open."""
    folder: Path = args.out
    kept = folder / BEGUN
    if kept.exists():
        raise ConfigurationError(f"{kept}: an enrolment was begun here; name another folder")
    path = [_certificate(args.ek_certificate), *_chain(args.ek_path)]
    ek = read_file(args.ek_public, limit=_MAX_PUBLIC)
    ak = read_file(args.ak_public, limit=_MAX_PUBLIC)
    try:
        sealed, begun = enrolment.begin(path, ek, ak, at=datetime.now(UTC), random=os.urandom)
    except EvidenceError as error:
        return _refused(error.reason, str(error))
    write_private(kept, json.dumps(begun.model_dump(), indent=2).encode() + b"\n")
    write_file(folder / CREDENTIAL, sealed.file())
    told = {"credential": str(folder / CREDENTIAL), "enrolment": str(kept)}
    if args.format == "json":
        sys.stdout.write(to_json(told))
    else:
        sys.stdout.write(
            f"The TPM is one of the maker. Send {printable(told['credential'])} to the machine, "
            "have its TPM\nopen it (tpm2_activatecredential), and admit it with what it found. "
            f"Keep\n{printable(told['enrolment'])} here: it holds the secret.\n"
        )
    return exit_codes.OK


def admit(args: Namespace) -> int:
    """Print the rows of a machine whose TPM has opened its credential."""
    kept: Path = args.folder / BEGUN
    check_private(kept)
    data = read_file(kept, limit=enrolment.MAX_FILE)
    found = read_file(args.found, limit=_MAX_FOUND)
    try:
        begun = enrolment.read_begun(data)
        admitted = enrolment.admit(begun, found, node=args.id, site=args.site, at=datetime.now(UTC))
    except EnrolmentError as error:
        return _refused(error.reason, str(error))
    except RegisterError as error:
        raise ConfigurationError(f"--id, --site: {error}") from error
    if args.format == "json":
        told = {"device": admitted.device, "node": admitted.node, "anchor": admitted.anchor}
        sys.stdout.write(to_json(told))
    else:
        sys.stdout.write(f"# to the register of nodes\n{admitted.node}\n")
        sys.stdout.write(f"# to the anchors\n{admitted.anchor}")
    return exit_codes.OK


def _refused(reason: str, words: str) -> int:
    sys.stderr.write(f"charter: not enrolled ({reason}): {printable(words)}\n")
    return exit_codes.REFUSED


def _certificate(path: Path) -> x509.Certificate:
    """In DER, as TPMs keep it, or in PEM."""
    data = read_file(path, limit=2 * MAX_CERTIFICATE)
    try:
        if data.startswith(b"-----BEGIN"):
            return read_pem_chain(data)[0]
        return read_certificate(data)
    except EvidenceError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return read_pem_chain(read_file(path, limit=MAX_CHAIN * MAX_CERTIFICATE))
    except EvidenceError as error:
        raise ConfigurationError(f"{path}: {error}") from error
