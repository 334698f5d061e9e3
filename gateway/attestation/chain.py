"""Certificate chains to pinned authorities at an instant (RFC 5280, section 6.1).

Attestation authorities are no web authorities: certificates with serial number 0 and without
names for hosts, RSASSA-PSS, validity of three hours. So the path is given, in order, and each
step is checked here.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from gateway.attestation.errors import (
    EvidenceChainError,
    EvidenceExpiredError,
    EvidenceMalformedError,
    EvidenceRevokedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Used

MAX_CERTIFICATE = 16 * 1024
MAX_CHAIN = 8
MAX_CRL = 1024 * 1024
_MIN_RSA = 2048
_WEAK = ("md5", "sha1")
# Critical extensions that are read here; and those that only who knows the technology reads.
_READ = frozenset({x509.oid.ExtensionOID.BASIC_CONSTRAINTS, x509.oid.ExtensionOID.KEY_USAGE})
_READ_OF_LEAF = frozenset(
    {x509.oid.ExtensionOID.EXTENDED_KEY_USAGE, x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME}
)
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate of DER bytes and nothing after them.

    Raises:
        EvidenceMalformedError: It is none.
    """
    if len(der) > MAX_CERTIFICATE:
        raise EvidenceMalformedError(f"a certificate of more than {MAX_CERTIFICATE} bytes")
    try:
        with warnings.catch_warnings():
            # Every VCEK has serial number 0, which the library deprecates.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return _read_whole(x509.load_der_x509_certificate(der))
    except _UNREADABLE as error:
        raise EvidenceMalformedError("a certificate cannot be read") from error


def read_pem_chain(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file, in its order.

    Raises:
        EvidenceMalformedError: It holds none, too many, or one that is none.
    """
    if len(pem) > MAX_CHAIN * MAX_CERTIFICATE:
        raise EvidenceMalformedError("a chain of certificates is too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = x509.load_pem_x509_certificates(pem)
            for certificate in found:
                _read_whole(certificate)
    except _UNREADABLE as error:
        raise EvidenceMalformedError("no chain of certificates in PEM") from error
    if not 0 < len(found) <= MAX_CHAIN:
        raise EvidenceMalformedError(f"a chain has 1 to {MAX_CHAIN} certificates")
    return found


def _read_whole(certificate: x509.Certificate) -> x509.Certificate:
    """Have all of it read: the library leaves names, key and extensions until they are asked
    for, and would raise its own errors then."""
    for read in ("issuer", "subject", "extensions", "serial_number", "signature_hash_algorithm"):
        getattr(certificate, read)
    certificate.public_key()
    return certificate


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER bytes, in hexadecimal: by this, authorities are pinned."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def used(kind: str, certificates: Sequence[x509.Certificate]) -> tuple[Used, ...]:
    """The certificates as what verification rested on."""
    return tuple(Used.of(kind, one.public_bytes(Encoding.DER)) for one in certificates)


def verify_chain(
    path: Sequence[x509.Certificate],
    *,
    anchors: frozenset[str],
    at: datetime,
    check_leaf: Callable[[x509.Certificate], None] | None = None,
) -> datetime:
    """Check a path from a leaf to a pinned authority.

    Args:
        path: The leaf first, each signed by the next, the pinned one last.
        anchors: Fingerprints of the authorities that may end it; see `fingerprint`.
        at: The instant at which each must be valid.
        check_leaf: Of the technology: raises where the leaf is not for such evidence.

    Returns:
        When the first of them ends.

    Raises:
        EvidenceChainError: Too short or long, not pinned, or a step is none.
        EvidenceSignatureError: A signature of a step does not hold.
        EvidenceExpiredError: One is not valid at that instant.
    """
    if not 2 <= len(path) <= MAX_CHAIN:
        raise EvidenceChainError(f"a chain has 2 to {MAX_CHAIN} certificates, not {len(path)}")
    if fingerprint(path[-1]) not in anchors:
        raise EvidenceChainError(f"`{name_of(path[-1])}` is no pinned authority")
    for between, (issued, issuer) in enumerate(pairwise(path)):
        _check_step(issued, issuer, between)
    for certificate in path:
        check_time(certificate, at)
        is_known = certificate is path[0] and check_leaf is not None
        _check_critical(certificate, _READ | _READ_OF_LEAF if is_known else _READ)
    if _is_authority(path[0]):
        raise EvidenceChainError("the certificate of the evidence is of an authority")
    if check_leaf is not None:
        check_leaf(path[0])
    return min(certificate.not_valid_after_utc for certificate in path)


def _check_step(issued: x509.Certificate, issuer: x509.Certificate, between: int) -> None:
    """`between` authorities stand between the issuer and the leaf."""
    if issued.issuer != issuer.subject:
        raise EvidenceChainError(f"`{name_of(issued)}` is not issued by `{name_of(issuer)}`")
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        may_sign = _may_sign(issuer)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise EvidenceChainError(f"`{name_of(issuer)}` is no authority") from error
    if not constraints.ca or not may_sign:
        raise EvidenceChainError(f"`{name_of(issuer)}` is no authority")
    if constraints.path_length is not None and constraints.path_length < between:
        raise EvidenceChainError(f"`{name_of(issuer)}` may not stand so high above the leaf")
    algorithm, key = issued.signature_hash_algorithm, issuer.public_key()
    is_short = isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA
    if is_short or algorithm is None or algorithm.name in _WEAK:
        raise EvidenceChainError(f"the signature on `{name_of(issued)}` is of a weak kind")
    try:
        issued.verify_directly_issued_by(issuer)
    except InvalidSignature as error:
        raise EvidenceSignatureError(
            f"the signature of `{name_of(issuer)}` on `{name_of(issued)}` does not hold"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EvidenceChainError(f"`{name_of(issued)}` is not signed as expected") from error


def _check_critical(certificate: x509.Certificate, known: frozenset[x509.ObjectIdentifier]) -> None:
    """What a certificate may not be used without reading (RFC 5280, section 4.2)."""
    for one in certificate.extensions:
        if one.critical and one.oid not in known:
            raise EvidenceChainError(
                f"`{name_of(certificate)}` has a condition that is not known "
                f"({one.oid.dotted_string})"
            )


def _may_sign(issuer: x509.Certificate) -> bool:
    """Whether it may sign certificates; one that does not say what it is for may (RFC 5280,
    section 6.1.4, n)."""
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def check_time(certificate: x509.Certificate, at: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= at <= ends:
        raise EvidenceExpiredError(
            f"the certificate `{name_of(certificate)}` is valid from {begins:%Y-%m-%d} "
            f"until {ends:%Y-%m-%d}"
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except ValueError as error:
        raise EvidenceMalformedError("the extensions of a certificate cannot be read") from error


def name_of(certificate: x509.Certificate) -> str:
    """Its common name, as far as it is safe to show."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = str(names[0].value) if names else "(unnamed)"
    return "".join(c if c.isprintable() and c != "`" else "?" for c in text[:60])


# --- revocation ----------------------------------------------------------------------


def read_crl(der: bytes) -> x509.CertificateRevocationList:
    """A revocation list of DER bytes.

    Raises:
        EvidenceMalformedError: It is none.
    """
    if len(der) > MAX_CRL:
        raise EvidenceMalformedError(f"a revocation list of more than {MAX_CRL} bytes")
    try:
        found = x509.load_der_x509_crl(der)
        for read in ("issuer", "extensions", "last_update_utc", "next_update_utc"):
            getattr(found, read)
        len(found)  # reads the entries
    except _UNREADABLE as error:
        raise EvidenceMalformedError("a revocation list cannot be read") from error
    return found


def check_crl(
    crl: x509.CertificateRevocationList,
    issuer: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    *,
    at: datetime,
) -> datetime:
    """Check certificates of one issuer against its list (RFC 5280, section 6.3).

    Returns:
        Until when the list counts.

    Raises:
        EvidenceChainError: It is not the issuer's.
        EvidenceSignatureError: Its signature does not hold.
        EvidenceExpiredError: It does not count at that instant.
        EvidenceRevokedError: It names one of the certificates.
        EvidenceUnsupportedError: It is not of all certificates, or only of changes.
    """
    if crl.issuer != issuer.subject:
        raise EvidenceChainError(f"a revocation list is not of `{name_of(issuer)}`")
    try:
        holds = crl.is_signature_valid(issuer.public_key())  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceChainError("a revocation list is not signed as expected") from error
    if not holds:
        raise EvidenceSignatureError(f"the revocation list of `{name_of(issuer)}` does not hold")
    if any(one.critical for one in crl.extensions):
        # Such a list is of some certificates alone, or of changes since another.
        raise EvidenceUnsupportedError(f"a revocation list of `{name_of(issuer)}` is not whole")
    ends = crl.next_update_utc
    if ends is None or not crl.last_update_utc <= at <= ends:
        raise EvidenceExpiredError(
            f"the revocation list of `{name_of(issuer)}` is not of that time"
        )
    for certificate in certificates:
        if certificate.issuer != issuer.subject:
            continue
        found = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if found is not None and found.revocation_date_utc <= at:
            raise EvidenceRevokedError(f"the certificate `{name_of(certificate)}` is revoked")
    return ends
