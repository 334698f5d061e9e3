"""`charter tpm enrol`: the attestation key of this machine's TPM, for others to pin."""

import json
import sys
from argparse import Namespace
from datetime import UTC, date, datetime
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation.anchors import FORMAT, read_anchors
from gateway.attestation.errors import AppraisalPolicyError
from gateway.cli import exit_codes
from gateway.errors import ConfigurationError
from gateway.own_evidence.enrolment import attestation_key_of, enrol_key
from gateway.own_evidence.quoting import TpmPlace, read_chain

_ACTIVATED = "activated: it is in the TPM of this endorsement key"
_SEEN = "seen on the machine; nothing shows that it is in a TPM of a known maker"


def enrol(args: Namespace) -> int:
    """Print the key as an anchor."""
    place = TpmPlace(args.tpm, key=args.tpm_key, ak_path=args.tpm_ak_path)
    now = datetime.now(UTC)
    if args.ek_path is None:
        key = attestation_key_of(place)
    else:
        key = enrol_key(place, read_chain(args.ek_path), at=now)
    if place.ak_path is not None and read_chain(place.ak_path)[0].public_key() != key.key:
        raise ConfigurationError(f"{place.ak_path}: the certificate is of another key of the TPM")
    spki = PublicFormat.SubjectPublicKeyInfo
    pem = key.key.public_bytes(Encoding.PEM, spki).decode()
    told = {
        "name": args.name,
        "pem": pem,
        "attester": sha256(key.key.public_bytes(Encoding.DER, spki)).hexdigest(),
        "tpm_name": key.name.hex(),
        "activated": args.ek_path is not None,
    }
    if args.format == "json":
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        how = _ACTIVATED if args.ek_path is not None else _SEEN
        sys.stdout.write(_row(args.name, pem, how, now.date()))
    if args.ek_path is None:
        sys.stderr.write(
            "charter: this key is only what the machine shows; with --ek-path its TPM has to "
            "show that it holds it\n"
        )
    return exit_codes.OK


def _row(name: str, pem: str, how: str, today: date) -> str:
    """As a file of anchors, which is read here once to see that it is one."""
    row = (
        "[[tpm_key]]\n"
        f"name = {json.dumps(name)}\n"
        f'source = "charter tpm enrol, {how}"\n'
        f"valid_from = {today.isoformat()}\n"
        f'pem = """\n{pem}"""\n'
    )
    try:
        read_anchors(f'format = "{FORMAT}"\nowner = "me"\n\n{row}'.encode())
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"--name: {error}") from error
    return row
