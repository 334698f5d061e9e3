"""Answers about the revocation of certificates that come with the evidence (RFC 6960): what an
authority, or a responder that it named, said of one of its certificates for a stretch of time.

Nobody is asked. An answer says `good` only of the time between its `thisUpdate` and its
`nextUpdate`; one without the latter is taken for a day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.attestation.chain import check_time, fingerprint, name_of, read_certificate
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceExpiredError,
    EvidenceMalformedError,
    EvidenceRevokedError,
    EvidenceSignatureError,
)
from gateway.attestation.evidence import Detail, Used, earliest

MAX_ANSWER = 16 * 1024
MAX_ANSWERS = 32
_UNSAID = timedelta(days=1)
_SIGNED_WITH = (SHA256, SHA384, SHA512)
# They name a certificate and protect nothing: SHA-1 is what most responders use.
_NAMED_WITH = (SHA1, SHA256, SHA384, SHA512)

_Steps = Mapping[str, tuple[x509.Certificate, x509.Certificate]]


@dataclass(frozen=True)
class Answer:
    """An answer as it was read; nothing of it is verified yet."""

    raw: bytes
    said: ocsp.OCSPResponse
    singles: tuple[ocsp.OCSPSingleResponse, ...]
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Standing:
    """What answers say of certificates.

    Attributes:
        is_good: Whether every certificate was called good.
        lacking: Names of those that were not.
        valid_until: When the first answer ends.
    """

    is_good: bool
    lacking: tuple[str, ...] = ()
    valid_until: datetime | None = None
    used: tuple[Used, ...] = ()

    def detail(self) -> dict[str, Detail]:
        return {} if self.is_good else {"not_called_good": ", ".join(self.lacking)}


def parse_answer(der: bytes) -> Answer:
    """The answer in the bytes.

    Raises:
        EvidenceMalformedError: It is none, or one by which the responder answers nothing.
    """
    if len(der) > MAX_ANSWER:
        raise EvidenceMalformedError(f"an OCSP answer of more than {MAX_ANSWER} bytes")
    try:
        found = ocsp.load_der_ocsp_response(der)
        if found.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise EvidenceMalformedError("an OCSP answer says that nothing was answered")
        singles = tuple(found.responses)
        for read in ("signature_hash_algorithm", "extensions", "responder_name"):
            getattr(found, read)
        for one in singles:
            _read(one)
        if any(one.critical for one in found.extensions):
            raise EvidenceMalformedError("an OCSP answer has a condition that is not known")
        carried = [one.public_bytes(Encoding.DER) for one in found.certificates]
        if found.public_bytes(Encoding.DER) != der or not singles:
            raise EvidenceMalformedError("an OCSP answer has more or less than an answer")
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise EvidenceMalformedError("an OCSP answer cannot be read") from error
    return Answer(der, found, singles, tuple(read_certificate(one) for one in carried))


def _read(single: ocsp.OCSPSingleResponse) -> None:
    """Have all of it read, for the library would raise errors of its own later."""
    for name in (
        "hash_algorithm", "issuer_name_hash", "issuer_key_hash", "serial_number",
        "certificate_status", "revocation_time_utc", "this_update_utc", "next_update_utc",
    ):  # fmt: skip
        getattr(single, name)


def standing(
    paths: Sequence[Sequence[x509.Certificate]], answers: Sequence[Answer], *, at: datetime
) -> Standing:
    """What answers say of all certificates of paths but their last, which nobody can revoke.

    Args:
        paths: Each certificate signed by the next, as `verify_chain` has checked.

    Raises:
        EvidenceRevokedError: One is revoked, or on hold.
        EvidenceBindingError: An answer is about none of them.
        EvidenceChainError: An answer is not from who may answer.
        EvidenceSignatureError: The signature of an answer does not hold.
        EvidenceExpiredError: An answer is not of that time.
    """
    steps = {fingerprint(one): (one, issuer) for path in paths for one, issuer in pairwise(path)}
    good: set[str] = set()
    ends: list[datetime] = []
    for answer in answers:
        about = _about(answer, steps)
        if not about:
            raise EvidenceBindingError("an OCSP answer is about none of the certificates")
        for name, single in about:
            certificate, issuer = steps[name]
            ends.append(_check_author(answer, issuer, at))
            ends.append(_check_time(single, at))
            if _is_good(single, certificate, at):
                good.add(name)
    lacking = tuple(name_of(one) for name, (one, _) in steps.items() if name not in good)
    used = tuple(Used.of("ocsp", one.raw) for one in answers)
    return Standing(not lacking, lacking, earliest(ends), used)


def _about(answer: Answer, steps: _Steps) -> list[tuple[str, ocsp.OCSPSingleResponse]]:
    return [
        (name, single)
        for single in answer.singles
        for name, (certificate, issuer) in steps.items()
        if _is_about(single, certificate, issuer)
    ]


def _is_about(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """By the serial number, and the name and the key of the issuer."""
    algorithm = single.hash_algorithm
    if single.serial_number != certificate.serial_number or not isinstance(algorithm, _NAMED_WITH):
        return False
    own = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm).build()
    return (own.issuer_name_hash, own.issuer_key_hash) == (
        single.issuer_name_hash, single.issuer_key_hash,
    )  # fmt: skip


def _check_author(answer: Answer, issuer: x509.Certificate, at: datetime) -> datetime:
    """The issuer, or a responder whose certificate it signed for this (section 4.2.2.2)."""
    author = issuer
    if not _is_named(answer.said, issuer):
        named = [one for one in answer.certificates if _is_named(answer.said, one)]
        if len(named) != 1:
            raise EvidenceChainError("an OCSP answer does not come with who gave it")
        (author,) = named
        _check_delegate(author, issuer)
    check_time(author, at)
    _check_signature(answer.said, author)
    return author.not_valid_after_utc


def _is_named(said: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if said.responder_name is not None:
        return said.responder_name == certificate.subject
    own = ocsp.OCSPRequestBuilder().add_certificate(certificate, certificate, SHA1()).build()  # noqa: S303
    return said.responder_key_hash == own.issuer_key_hash


def _check_delegate(delegate: x509.Certificate, issuer: x509.Certificate) -> None:
    name = name_of(delegate)
    try:
        delegate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise EvidenceChainError(f"`{name}` answers for an authority that did not name it") from (
            error
        )
    try:
        usages = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise EvidenceChainError(f"`{name}` is not for OCSP answers") from error
    if x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise EvidenceChainError(f"`{name}` is not for OCSP answers")


def _check_signature(said: ocsp.OCSPResponse, author: x509.Certificate) -> None:
    key, algorithm = author.public_key(), said.signature_hash_algorithm
    if not isinstance(algorithm, _SIGNED_WITH):
        raise EvidenceChainError("an OCSP answer is signed by a weak or unknown algorithm")
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(said.signature, said.tbs_response_bytes, ECDSA(algorithm))
        elif isinstance(key, RSAPublicKey):
            key.verify(said.signature, said.tbs_response_bytes, PKCS1v15(), algorithm)
        else:
            raise EvidenceChainError("an OCSP answer is signed by a key of an unknown kind")
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceSignatureError("the signature of an OCSP answer does not hold") from error


def _check_time(single: ocsp.OCSPSingleResponse, at: datetime) -> datetime:
    begins = single.this_update_utc
    ends = single.next_update_utc or begins + _UNSAID
    if not begins <= at <= ends:
        raise EvidenceExpiredError(
            f"an OCSP answer counts from {begins:%Y-%m-%d %H:%M} until {ends:%Y-%m-%d %H:%M}"
        )
    return ends


def _is_good(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, at: datetime) -> bool:
    """Whether it is called good. Unknown is neither good nor revoked."""
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        when = single.revocation_time_utc
        if when is None or when <= at:
            hold = single.revocation_reason is x509.ReasonFlags.certificate_hold
            words = "on hold" if hold else "revoked"
            raise EvidenceRevokedError(f"the certificate `{name_of(certificate)}` is {words}")
        return False
    return single.certificate_status is ocsp.OCSPCertStatus.GOOD
