"""RFC 3161 tokens over checkpoints: when a tree existed, by the word of an authority.

One token over a checkpoint bounds all entries before it. What counts is the time in the token,
not that of the check: certificates must have been valid then. The certificates in the token
are not signed, so the signer is found by issuer and serial number, and pinned where the trust
file names signers.
"""

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from gateway.errors import TrustError
from gateway.verify.decision import LEEWAY
from gateway.verify.refused import (
    TimestampChainError,
    TimestampError,
    TimestampImprintError,
    TimestampPolicyError,
    TimestampPurposeError,
)
from gateway.verify.terms import Timestampers

MAX_TOKEN = 64 * 1024
# Digests that a token may be over (RFC 8933 forbids weaker ones to sign with).
_DIGESTS = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


def verify_timestamp(
    token: bytes,
    message: bytes,
    accepted: Timestampers,
    *,
    at: datetime,
    nonce: int | None = None,
) -> datetime:
    """Check a timestamp response; the time that it states.

    Args:
        message: The bytes that were stamped.
        at: When it is judged.
        nonce: That of the request, where the asker checks.

    Raises:
        TimestampError: It is none of a trusted authority over these bytes; of its own class
            where the bytes, the certificates, their purpose or the policy are at fault.
        TrustError: A certificate of the trust file cannot be read.
    """
    response = _read(token)
    info = response.tst_info
    _check_imprint(response, message)
    if accepted.policy is not None and info.policy.dotted_string != accepted.policy:
        raise TimestampPolicyError(f"the timestamp is not made under policy {accepted.policy}")
    if nonce is not None and info.nonce != nonce:
        raise TimestampError("the timestamp answers another request")
    signer = _signer(response, accepted)
    _check_purpose(signer)
    _check_chain(response, accepted, signer)
    if info.gen_time > at + LEEWAY:
        raise TimestampError(f"stamped at {info.gen_time.isoformat()}, judged at {at.isoformat()}")
    return info.gen_time


def check_imprint(token: bytes, message: bytes) -> None:
    """Check that a timestamp response is over these bytes, whoever made it.

    Raises:
        TimestampError: It is none, or over others.
    """
    _check_imprint(_read(token), message)


def _check_imprint(response: TimeStampResponse, message: bytes) -> None:
    imprint = response.tst_info.message_imprint
    digest = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
    if digest is None or imprint.message != digest(message).digest():
        raise TimestampImprintError("the timestamp is over other bytes than this checkpoint")


def _read(token: bytes) -> TimeStampResponse:
    if len(token) > MAX_TOKEN:
        raise TimestampError(f"the timestamp is longer than {MAX_TOKEN} bytes")
    try:
        response = decode_timestamp_response(token)
        if response.status != 0:
            raise TimestampError("the authority did not grant a timestamp")
        _ = response.tst_info.gen_time  # read at last here, where its errors are caught
    except (ValueError, OverflowError) as error:
        raise TimestampError("this is no RFC 3161 response") from error
    return response


def _signer(response: TimeStampResponse, accepted: Timestampers) -> x509.Certificate:
    """The certificate that the one signer names; its own if the trust file pins signers."""
    infos = list(response.signed_data.signer_infos)
    if len(infos) != 1:
        raise TimestampError(f"the timestamp has {len(infos)} signers, not one")
    pinned = [_certificate(pem) for pem in accepted.signers]
    try:
        bag = [x509.load_der_x509_certificate(one) for one in response.signed_data.certificates]
    except ValueError as error:
        raise TimestampError("a certificate in the timestamp cannot be read") from error
    for one in pinned or bag:
        if one.issuer == infos[0].issuer and one.serial_number == infos[0].serial_number:
            return one
    raise TimestampChainError("the signer of the timestamp is none that is trusted")


def _check_purpose(signer: x509.Certificate) -> None:
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise TimestampPurposeError("the certificate of the signer names no purpose") from error
    # RFC 3161 section 2.3: this purpose, critical, and no other.
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampPurposeError("the certificate of the signer is for another purpose")


def _check_chain(
    response: TimeStampResponse, accepted: Timestampers, signer: x509.Certificate
) -> None:
    """The signature, and a chain from the signer to a root that held at the time stated."""
    issuers = [_certificate(pem) for pem in accepted.roots]
    time = response.tst_info.gen_time
    at = signer
    chain = [signer]
    while at.subject != at.issuer:
        above = next((one for one in issuers if one.subject == at.issuer), None)
        if above is None or len(chain) > len(issuers):
            raise TimestampChainError("the certificates of the trust file do not lead to a root")
        _check_issued(at, above)
        chain.append(above)
        at = above
    if any(not one.not_valid_before_utc <= time <= one.not_valid_after_utc for one in chain):
        raise TimestampChainError(f"a certificate was not valid at {time.isoformat()}")
    builder = VerifierBuilder().tsa_certificate(signer).add_root_certificate(chain[-1])
    for one in chain[1:-1]:
        builder = builder.add_intermediate_certificate(one)
    digest = response.tst_info.message_imprint.message
    try:
        builder.build().verify(response, digest)
    except (VerificationError, ValueError) as error:
        raise TimestampError("the signature of the timestamp does not hold") from error


def _check_issued(below: x509.Certificate, above: x509.Certificate) -> None:
    try:
        constraints = above.extensions.get_extension_for_class(x509.BasicConstraints)
        below.verify_directly_issued_by(above)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError) as error:
        raise TimestampChainError("a certificate was not issued by the one above it") from error
    if not constraints.value.ca:
        raise TimestampChainError("a certificate was issued by one that may issue none")


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except ValueError as error:
        raise TrustError("a certificate of the trust file cannot be read") from error
