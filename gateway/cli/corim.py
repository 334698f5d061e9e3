"""`charter corim`: reference values of a maker as rows of an appraisal policy, and keys of its
platforms as rows of a file of anchors, printed for the operator to review and put there."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from dsl.printable import printable
from gateway.attestation.corim import MAX_CORIM, Corim, Signer, parse_corim, verify_corim
from gateway.attestation.corim_rows import Imported, Row, references
from gateway.attestation.errors import EvidenceError
from gateway.attestation.evidence import Technology
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError
from gateway.verify.instant import parse_instant

MAX_KEY = 16 * 1024


def import_corim(args: Namespace) -> int:
    """Print rows; nothing is written, and nothing is asked of the network."""
    signers = [_signer(path) for path in args.signers]
    at = datetime.now(UTC) if args.at is None else _instant(args.at)
    data = read_file(args.corim, limit=MAX_CORIM)
    technology = None if args.technology is None else Technology(args.technology)
    try:
        corim = parse_corim(data)
        signer = verify_corim(corim, signers=signers, at=at, is_vouched=args.unsigned)
        names = dict(args.names)
        found = references(corim, signer, at=at, technology=technology, names=names)
    except EvidenceError as error:
        sys.stderr.write(f"charter: {printable(f'{args.corim}: {error}')}\n")
        return exit_codes.INDETERMINATE if error.is_undecided else exit_codes.REFUSED
    rows = _of_one(found, args.environment)
    lines = [*_head(corim, signer), *_left(found), *_policy(found, rows), *_anchors(found)]
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    if not rows and not found.keys:
        sys.stderr.write("charter: nothing in it can be compared with evidence here\n")
        return exit_codes.FAILED
    return exit_codes.OK


def _of_one(found: Imported, number: int | None) -> Sequence[Row]:
    """The rows of one environment: those of two would admit mixtures of them."""
    if number is None and len(found.environments) > 1:
        listed = "; ".join(f"{n} {one}" for n, one in enumerate(found.environments))
        raise ConfigurationError(
            "there are values of several environments, and a policy does not tell them apart; "
            f"choose one with --environment N: {printable(listed)}"
        )
    if number is not None and number >= len(found.environments):
        raise ConfigurationError(f"--environment: there are {len(found.environments)}, from 0")
    chosen = found.environments[number or 0 :][:1]
    return [row for row in found.rows if row.environment in chosen]


def _head(corim: Corim, signer: Signer | None) -> Iterator[str]:
    by = "nobody signed it; you vouch for it" if signer is None else f"signed by {signer.name}"
    yield f"# CoRIM {corim.id}, profile {corim.profile or 'none'}"
    yield f"# {by}"
    if corim.signer:
        yield f"# the signature calls its maker {corim.signer}"


def _left(found: Imported) -> Iterator[str]:
    if found.left:
        yield "#"
        yield "# It says besides, and no row does:"
        yield from (f"# - {words}" for words in found.left)


def _policy(found: Imported, rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield "#"
    yield f'# Put these below the [[technology]] that is named "{found.technology.value}".'
    yield "# They count for all its products; these are of:"
    yield f"# {rows[0].environment}"
    for row in rows:
        reference = row.reference
        yield ""
        yield "[[technology.reference]]"
        yield f"measurement = {_string(reference.measurement)}"
        yield f"any_of = [{', '.join(map(_string, reference.any_of))}]"
        yield f"source = {_string(reference.source)}"
        yield f"valid_from = {_day(reference.valid_from)}"
        if reference.valid_until is not None:
            yield f"valid_until = {_day(reference.valid_until)}"


def _anchors(found: Imported) -> Iterator[str]:
    if not found.keys:
        return
    yield "#"
    yield "# Put these into your file of anchors."
    for row in found.keys:
        yield ""
        yield "[[cca_platform]]"
        yield f"implementation_id = {_string(row.implementation_id)}"
        yield f"instance_id = {_string(row.instance_id)}"
        yield f"pem = {_string(row.pem)}"
        yield f"source = {_string(row.source)}"
        yield f"valid_from = {_day(row.valid_from)}"
        if row.valid_until is not None:
            yield f"valid_until = {_day(row.valid_until)}"


def _string(text: str) -> str:
    """A basic string of TOML: printable text needs the escapes of JSON and no others."""
    return json.dumps(text, ensure_ascii=False)


def _day(day: date) -> str:
    return day.isoformat()


def _signer(path: Path) -> Signer:
    try:
        key = load_pem_public_key(read_file(path, limit=MAX_KEY))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: no public key in PEM") from error
    if not isinstance(key, (EllipticCurvePublicKey, Ed25519PublicKey, RSAPublicKey)):
        raise ConfigurationError(f"{path}: this kind of key signs no CoRIM")
    return Signer(printable(path.stem), key)


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ConfigurationError(f"--at: {error}") from error
