"""Who issued a statement: an owner of certificates (did:x509, version 0), or a key that a machine
holds which its hardware attests.

Both bring key and certificates along, so neither is believed for itself: the one must lead to the
authority that the expected issuer names, the other to the maker of the hardware.
"""

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation.chain import MAX_CHAIN, read_certificate, read_pem_chain, verify_chain
from gateway.attestation.errors import EvidenceError
from gateway.attestation.evidence import Claims
from gateway.attestation.sev_snp import parse_report, verify_report
from gateway.cbor import Value
from gateway.cose import ES256, ES384, CoseError, PublicKey, Sign1, verify_sign1
from gateway.cose_key import read_key, thumbprint
from gateway.scitt.errors import ScittIssuerError, ScittMalformedError, ScittUndecidedError

_KEY_ID, _CLAIMS, _X5CHAIN, _X5T = 4, 15, 33, 34
_ISSUER = 1
_SHA256 = -16
_DID = re.compile(r"did:x509:0:sha256:([A-Za-z0-9_-]{43})::eku:([0-9]+(?:\.[0-9]+)+)", re.ASCII)


def verify_by_certificates(statement: Sign1, issuer: str, *, at: datetime) -> bytes:
    """Check a statement whose issuer is known by an authority and a purpose.

    Args:
        issuer: `did:x509:0:sha256:<authority>::eku:<purpose>`, known beforehand.

    Returns:
        What was stated.

    Raises:
        ScittUndecidedError: The issuer is named by something else than one purpose.
        ScittMalformedError: No chain, or none that can be read.
        ScittIssuerError: Another issuer, chain, leaf or signature than it should be.
    """
    named = _DID.fullmatch(issuer)
    if named is None:
        raise ScittUndecidedError("only issuers of did:x509 with one `eku` are known")
    if _issuer(statement) != issuer:
        raise ScittIssuerError("the statement names another issuer")
    chain = _chain(statement)
    authority = urlsafe_b64decode(named[1] + "=").hex()
    try:
        verify_chain(chain, anchors=frozenset({authority}), at=at)
    except EvidenceError as error:
        raise ScittIssuerError(f"the certificates: {error}") from error
    leaf = chain[0]
    _check_leaf(statement, leaf, named[2])
    return _signed(statement, cast("PublicKey", leaf.public_key()))


def _issuer(statement: Sign1) -> Value:
    claims = statement.protected.get(_CLAIMS)
    return claims.get(_ISSUER) if isinstance(claims, dict) else None


def _chain(statement: Sign1) -> Sequence[x509.Certificate]:
    listed = statement.protected.get(_X5CHAIN)
    if not isinstance(listed, list) or not all(isinstance(one, bytes) for one in listed):
        raise ScittMalformedError("the protected header has no chain of certificates")
    try:
        return [read_certificate(one) for one in cast("list[bytes]", listed[:MAX_CHAIN])]
    except EvidenceError as error:
        raise ScittMalformedError(f"the certificates: {error}") from error


def _check_leaf(statement: Sign1, leaf: x509.Certificate, purpose: str) -> None:
    digest = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
    if statement.protected.get(_X5T, [_SHA256, digest]) != [_SHA256, digest]:
        raise ScittIssuerError("the thumbprint is of another certificate")
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = ()
    if purpose not in [one.dotted_string for one in usages]:
        raise ScittIssuerError("the certificate is not for the purpose that the issuer names")


def _signed(statement: Sign1, key: PublicKey) -> bytes:
    try:
        return verify_sign1(statement, key)
    except CoseError as error:
        raise ScittIssuerError(f"the statement does not hold: {error}") from error


@dataclass(frozen=True, slots=True)
class Attested:
    """What was stated, and what the hardware says of the machine that holds the key. Whether
    such a machine may state it is for a policy to say."""

    payload: bytes
    issuer: str
    claims: Claims


def verify_by_hardware(statement: Sign1, service: str, *, at: datetime) -> Attested:
    """Check a statement whose key an AMD SEV-SNP report binds: the first 32 bytes that the
    machine had reported are the thumbprint of the key (RFC 9679).

    Args:
        service: The critical header under which key and report are.

    Raises:
        ScittUndecidedError: Another kind or version of evidence.
        ScittMalformedError: No key, report or certificates.
        ScittIssuerError: The report does not hold, or is of another key, or the signature.
    """
    told = statement.protected.get(service)
    if not isinstance(told, dict):
        raise ScittMalformedError("the protected header has no evidence of that service")
    kind, version = told.get("attestation_type"), told.get("ver")
    if version != 0 or not isinstance(kind, str) or not kind.startswith("SEV-SNP:"):
        raise ScittUndecidedError("evidence of another kind or version")
    report, endorsements = told.get("attestation"), told.get("snp_endorsements")
    issuer = _issuer(statement)
    if not (isinstance(report, bytes) and isinstance(endorsements, bytes)):
        raise ScittMalformedError("no report, or no certificates for it")
    if not isinstance(issuer, str):
        raise ScittMalformedError("the statement names no issuer")
    try:
        key = read_key(told.get("cose_key"))
    except CoseError as error:
        raise ScittMalformedError(f"the key: {error}") from error
    try:
        read = parse_report(report)
        vek, *chain = read_pem_chain(endorsements)
        claims = verify_report(read, vek=vek, chain=chain, at=at)
    except EvidenceError as error:
        raise ScittIssuerError(f"the report: {error}") from error
    expected = thumbprint(key)
    if read.report_data != expected + bytes(32) or statement.protected.get(_KEY_ID) != expected:
        raise ScittIssuerError("the report is of another key")
    try:
        payload = verify_sign1(statement, key, algorithms=(ES256, ES384), known_critical=(service,))
    except CoseError as error:
        raise ScittIssuerError(f"the statement does not hold: {error}") from error
    return Attested(payload, issuer, claims)
