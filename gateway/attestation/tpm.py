"""Quotes of a TPM 2.0 (TCG TPM 2.0 Library, Part 1, sections 31 and 32; Part 3, TPM2_Quote).

A quote says which values the PCRs had, as long as its key is one that signs nothing else:
an unrestricted key of the same TPM signs any bytes, a forged quote too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.chain import used, verify_chain
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Detail, Technology, Used
from gateway.attestation.tpm_structures import Attest, Public, Selection, Signature, Values

PRODUCT = "TPM"
_MIN_RSA = 2048
_SIGNING = (tpm.SHA256, tpm.SHA384, tpm.SHA512)
Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Vouched(Enum):
    """Why a key counts as one of a TPM that signs only what the TPM made."""

    NOBODY = "nobody"
    PINNED = "pinned"  # by the operator
    CERTIFIED = "certified"  # by the authority of whoever runs the machine
    ACTIVATED = "activated"  # the TPM of a known EK has shown that it holds it
    ENCLOSED = "enclosed"  # it stands in other evidence, which was verified


@dataclass(frozen=True)
class AttestationKey:
    """The key of quotes (AK).

    Attributes:
        public: Its public area, from which its attributes are read; without it somebody who
            vouches for the key must have read them.
        valid_until: When it stops counting, such as with its certificate.
    """

    key: Key
    vouched: Vouched
    public: Public | None = None
    valid_until: datetime | None = None
    used: tuple[Used, ...] = ()

    @staticmethod
    def of(public: Public, vouched: Vouched) -> "AttestationKey":
        return AttestationKey(public.key, vouched, public)


@dataclass(frozen=True)
class Quote:
    """A quote as it was read; `message` are the bytes that are signed."""

    message: bytes
    attest: Attest
    signature: Signature


def parse_quote(message: bytes, signature: bytes) -> Quote:
    """A quote from its TPMS_ATTEST and its TPMT_SIGNATURE.

    Raises:
        EvidenceMalformedError, EvidenceUnsupportedError: Either is none, or of another kind.
    """
    attest = tpm.parse_attest(message)
    if attest.kind != tpm.QUOTE:
        raise EvidenceMalformedError("the attestation is no quote")
    return Quote(message, attest, tpm.parse_signature(signature))


def verify_quote(
    quote: Quote, *, key: AttestationKey, values: Values, selection: Selection | None = None
) -> Claims:
    """Check a quote, and the values of PCRs that were sent with it.

    Args:
        values: By bank and number; those that are not quoted are left out.
        selection: What was asked for. A TPM leaves out banks that it does not have, and says
            nothing of it.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    _check_key(key)
    verify_signature(key.key, quote.signature, quote.message)
    asked = quote.attest.selection if selection is None else selection
    if quote.attest.selection != asked:
        raise EvidenceBindingError("the quote is of other PCRs than were asked for")
    measured = _measured(quote, values)
    return _claims(quote, key, measured)


def _check_key(key: AttestationKey) -> None:
    if key.vouched is Vouched.NOBODY:
        raise EvidenceIncompleteError("nobody vouches that the key of the quote is in a TPM")
    if key.public is None:
        if key.vouched is Vouched.ACTIVATED:
            raise EvidenceIncompleteError("the public area of the key of the quote is not there")
        return
    check_attributes(key.public)


def check_attributes(public: Public) -> None:
    """Refuse a key that may sign what its TPM did not make, or may be outside of one.

    Raises:
        EvidenceBindingError: It is such a key.
    """
    bits = (tpm.RESTRICTED, tpm.SIGN, tpm.FIXED_TPM, tpm.FIXED_PARENT, tpm.SENSITIVE_ORIGIN)
    if not public.has(*bits) or public.has(tpm.DECRYPT):
        raise EvidenceBindingError(
            f"the key of the quote is not restricted to what its TPM makes ({public.attributes:#x})"
        )


def verify_signature(key: Key, signature: Signature, message: bytes) -> None:
    """Check a signature of a TPM over bytes.

    Raises:
        EvidenceUnsupportedError: A weak hash or key, or a scheme of another kind of key.
        EvidenceSignatureError: It does not hold.
    """
    if signature.hash not in _SIGNING:
        raise EvidenceUnsupportedError("the quote is signed with SHA-1")
    digest = tpm.HASHES[signature.hash]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if signature.scheme == tpm.ECDSA or key.key_size < _MIN_RSA:
                raise EvidenceUnsupportedError("the signature is none of this RSA key")
            salt = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            padded = padding.PKCS1v15() if signature.scheme == tpm.RSASSA else salt
            key.verify(signature.r, message, padded, digest)
        else:
            if signature.scheme != tpm.ECDSA:
                raise EvidenceUnsupportedError("the signature is none of this ECC key")
            r, s = int.from_bytes(signature.r), int.from_bytes(signature.s)
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise EvidenceSignatureError("the signature of the quote does not hold") from error


def _measured(quote: Quote, values: Values) -> dict[tuple[int, int], bytes]:
    """The quoted values, whose digest is that of the quote: with the hash of the signature,
    in order of the selection, whatever the banks (Part 1, section 32.4)."""
    digest = Hash(tpm.HASHES[quote.signature.hash])
    found: dict[tuple[int, int], bytes] = {}
    for bank, numbers in quote.attest.selection:
        for number in numbers:
            value = values.get((bank, number))
            if bank not in tpm.HASHES:
                raise EvidenceUnsupportedError(f"a PCR bank of hash {bank:#x}")
            if value is None:
                raise EvidenceIncompleteError(f"the value of quoted PCR {number} is not there")
            if len(value) != tpm.HASHES[bank].digest_size:
                raise EvidenceMalformedError(f"the value of PCR {number} has another length")
            digest.update(value)
            found[bank, number] = value
    if not found:
        raise EvidenceBindingError("the quote is of no PCR")
    if digest.finalize() != quote.attest.pcr_digest:
        raise EvidenceBindingError("the values of PCRs are not those of the quote")
    return found


def _claims(quote: Quote, key: AttestationKey, measured: Mapping[tuple[int, int], bytes]) -> Claims:
    attest = quote.attest
    spki = key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known: list[str] = []
    if any(bank == tpm.SHA1 for bank, _ in measured):
        known.append("SHA-1 bank")
    if not attest.is_safe:
        known.append("TPM clock may have gone back")
    detail: dict[str, Detail] = {
        "vouched": key.vouched.value,
        "reset_count": attest.reset_count,
        "restart_count": attest.restart_count,
        "clock_ms": attest.clock,
        "firmware_version": f"{attest.firmware:#x}",
    }
    return Claims(
        Technology.TPM,
        product=PRODUCT,
        advisories=tuple(known),
        measurements={f"{tpm.HASH_NAMES[b]}:{n}": value for (b, n), value in measured.items()},
        bound=attest.extra,
        attester_id=sha256(spki).hexdigest(),
        valid_until=key.valid_until,
        used=(Used.of("attestation-key", spki), *key.used),
        detail=detail,
    )


def check_continuity(claims: Claims, *, reset_count: int, restart_count: int) -> None:
    """Raise `EvidenceBindingError` where the machine was started anew since it was admitted:
    what was measured then does not hold any more."""
    counts = (claims.detail.get("reset_count"), claims.detail.get("restart_count"))
    if counts != (reset_count, restart_count):
        raise EvidenceBindingError("the machine was started anew since it was admitted")


# --- who vouches ---------------------------------------------------------------------

_EK_USAGE = x509.ObjectIdentifier("2.23.133.8.1")
_AK_USAGE = x509.ObjectIdentifier("2.23.133.8.3")


def certified_key(
    path: Sequence[x509.Certificate], *, anchors: frozenset[str], at: datetime
) -> AttestationKey:
    """The key of an AK certificate (TCG EK Credential Profile, section 3.3).

    Args:
        path: The certificate first, the pinned authority last.

    Raises:
        EvidenceError: The chain does not hold, or the key is of another kind.
    """
    ends = verify_chain(path, anchors=anchors, at=at, check_leaf=_check_ak)
    key = path[0].public_key()
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise EvidenceUnsupportedError("the key of the certificate is neither RSA nor ECC")
    kept = used("certificate", path)
    return AttestationKey(key, Vouched.CERTIFIED, valid_until=ends, used=kept)


def _check_ak(leaf: x509.Certificate) -> None:
    """An authority may also issue other certificates, whose keys sign anything."""
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if _AK_USAGE not in usages:
            raise EvidenceChainError("the certificate is not one of an AK")
    except x509.ExtensionNotFound:
        pass  # some clouds issue AK certificates that do not say so
    try:
        if not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            raise EvidenceChainError("the key of the certificate is not for signatures")
    except x509.ExtensionNotFound:
        pass


def endorsement_key(
    path: Sequence[x509.Certificate], public: Public, *, anchors: frozenset[str], at: datetime
) -> datetime:
    """Check that an EK is of a TPM of a known maker.

    Args:
        path: The EK certificate first, the pinned authority last.
        public: The EK as its TPM gives it.

    Returns:
        When the first certificate ends.

    Raises:
        EvidenceError: The chain does not hold, or the key is another or no EK.
    """
    ends = verify_chain(path, anchors=anchors, at=at, check_leaf=_check_ek)
    if path[0].public_key() != public.key:
        raise EvidenceBindingError("the EK is another than that of its certificate")
    bits = (tpm.RESTRICTED, tpm.DECRYPT, tpm.FIXED_TPM, tpm.FIXED_PARENT)
    if not public.has(*bits) or public.has(tpm.SIGN):
        raise EvidenceBindingError("the EK is no key that only decrypts for its TPM")
    return ends


def _check_ek(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = x509.ExtendedKeyUsage([_AK_USAGE])
    if _EK_USAGE not in usage:
        raise EvidenceBindingError("the certificate is not one of an EK")


def verify_certified(
    attest: bytes, signature: bytes, *, by: AttestationKey, public: Public
) -> None:
    """Check that an AK certified another key of its TPM (TPM2_Certify).

    Raises:
        EvidenceError: It did not, or the key of the certification does not count.
    """
    found = tpm.parse_attest(attest)
    _check_key(by)
    verify_signature(by.key, tpm.parse_signature(signature), attest)
    if found.kind != tpm.CERTIFY or found.name != public.name:
        raise EvidenceBindingError("the certification is of another key")
