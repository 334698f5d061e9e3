"""Confidential virtual machines of Azure: a hardware report made at boot, the key of a virtual
TPM bound into it, and a quote of that TPM, which alone is fresh (Microsoft, "Guest attestation
for confidential VMs", HCL report).

    authority of the vendor → report → hash of the runtime data → key of the TPM → quote → nonce
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from gateway.attestation import sev_snp
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceMalformedError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Technology, earliest
from gateway.attestation.tpm import AttestationKey, Quote, Vouched, verify_quote
from gateway.attestation.tpm_structures import Signature, Values
from gateway.errors import JsonError
from gateway.record.canonical import Json, load_strict

MAX_REPORT = 16 * 1024
_MAGIC = b"HCLA"
_REPORT_AT = 32
_REPORT_SIZE = 1184
_RUNTIME_AT = _REPORT_AT + _REPORT_SIZE
_SHA256 = 1
_MIN_RSA = 2048
_AK = "HCLAkPub"


class Hardware(Enum):
    """What made the hardware report (the field `type`)."""

    SNP = 2
    TDX = 4


@dataclass(frozen=True)
class HclReport:
    """An HCL report as it was read.

    Attributes:
        report: Of the hardware; of TDX the TDREPORT, from which a quote is made elsewhere.
        runtime: The bytes whose hash the hardware report holds.
        key: Of the virtual TPM.
        user_data: That the guest wrote; as many bytes as it has.
    """

    hardware: Hardware
    report: bytes
    runtime: bytes
    key: RSAPublicKey
    user_data: bytes


def parse_hcl_report(data: bytes) -> HclReport:
    """The report in the bytes; zeros may follow the runtime data.

    Raises:
        EvidenceMalformedError: It is none.
        EvidenceUnsupportedError: Of hardware or a hash that is not known.
    """
    if not _RUNTIME_AT + 20 <= len(data) <= MAX_REPORT or data[:4] != _MAGIC:
        raise EvidenceMalformedError("no HCL report")
    size, _, kind, hash_, length = (
        int.from_bytes(data[_RUNTIME_AT + 4 * n :][:4], "little") for n in range(5)
    )
    try:
        hardware = Hardware(kind)
    except ValueError as error:
        raise EvidenceUnsupportedError(f"an HCL report of hardware {kind}") from error
    if hash_ != _SHA256:
        raise EvidenceUnsupportedError("the runtime data are not hashed with SHA-256")
    begins = _RUNTIME_AT + 20
    runtime, rest = data[begins : begins + length], data[begins + length :]
    if size != length + 20 or len(runtime) != length or any(rest):
        raise EvidenceMalformedError("the lengths of the HCL report contradict one another")
    key, user_data = _runtime(runtime)
    return HclReport(hardware, data[_REPORT_AT:_RUNTIME_AT], runtime, key, user_data)


def _runtime(data: bytes) -> tuple[RSAPublicKey, bytes]:
    try:
        found = load_strict(data, max_bytes=MAX_REPORT, max_depth=8)
    except JsonError as error:
        raise EvidenceMalformedError(f"the runtime data are no JSON: {error}") from error
    if not isinstance(found, dict):
        raise EvidenceMalformedError("the runtime data are no object")
    keys = found.get("keys")
    own = [
        one
        for one in (keys if isinstance(keys, list) else [])
        if isinstance(one, dict) and one.get("kid") == _AK
    ]
    if len(own) != 1:
        raise EvidenceMalformedError(f"the runtime data hold one key `{_AK}`")
    return _key(own[0]), _hex(found.get("user-data"))


def _key(jwk: Mapping[str, Json]) -> RSAPublicKey:
    """An RSA key of RFC 7517."""
    if jwk.get("kty") != "RSA" or "d" in jwk:
        raise EvidenceMalformedError(f"the key `{_AK}` is no public RSA key")
    exponent, modulus = (int.from_bytes(_base64url(jwk.get(name))) for name in ("e", "n"))
    try:
        key = RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise EvidenceMalformedError(f"the key `{_AK}` is none") from error
    if key.key_size < _MIN_RSA:
        raise EvidenceUnsupportedError(f"the key `{_AK}` has {key.key_size} bits")
    return key


def _base64url(text: Json) -> bytes:
    if not isinstance(text, str) or not text.isascii():
        raise EvidenceMalformedError(f"a number of the key `{_AK}` is no base64url")
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise EvidenceMalformedError(f"a number of the key `{_AK}` is no base64url") from error


def _hex(text: Json) -> bytes:
    if text is None:
        return b""
    try:
        return bytes.fromhex(text if isinstance(text, str) else "?")
    except ValueError as error:
        raise EvidenceMalformedError("`user-data` is no hexadecimal") from error


def raw_quote(message: bytes, signature: bytes) -> Quote:
    """A quote with an RSASSA signature alone, without the structure of the TPM around it, as
    guests of Azure send it.

    Raises:
        EvidenceMalformedError: It is no quote.
    """
    attest = tpm.parse_attest(message)
    if attest.kind != tpm.QUOTE:
        raise EvidenceMalformedError("the attestation is no quote")
    return Quote(message, attest, Signature(tpm.RSASSA, tpm.SHA256, signature))


def verify_snp(
    hcl: HclReport,
    *,
    vek: x509.Certificate,
    chain: Sequence[x509.Certificate],
    quote: Quote,
    values: Values,
    at: datetime,
    anchors: Mapping[str, str] = sev_snp.ANCHORS,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> Claims:
    """Check all steps of a machine of SEV-SNP; arguments as of `sev_snp.verify_report` and
    `tpm.verify_quote`.

    Returns:
        Claims of the hardware and of what the TPM measured, bound to the nonce of the quote.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    if hcl.hardware is not Hardware.SNP:
        raise EvidenceUnsupportedError("the HCL report is not one of SEV-SNP")
    report = sev_snp.parse_report(hcl.report)
    hardware = sev_snp.verify_report(
        report, vek=vek, chain=chain, at=at, anchors=anchors, crls=crls
    )
    return bound_to_tpm(Technology.AZURE_SNP, hcl, hardware, quote, values)


def bound_to_tpm(
    technology: Technology, hcl: HclReport, hardware: Claims, quote: Quote, values: Values
) -> Claims:
    """Claims of hardware whose report holds the hash of the runtime data, with those of a quote
    by the key in them.

    Raises:
        EvidenceBindingError: The report holds another hash.
        EvidenceError: As of `tpm.verify_quote`.
    """
    digest = hashlib.sha256(hcl.runtime).digest()
    if hardware.bound != digest.ljust(len(hardware.bound), b"\0"):
        raise EvidenceBindingError("the hardware report does not hold the hash of the runtime data")
    key = AttestationKey(hcl.key, Vouched.ENCLOSED)
    measured = verify_quote(quote, key=key, values=values)
    return replace(
        hardware,
        technology=technology,
        advisories=(*hardware.advisories, *measured.advisories),
        measurements={**hardware.measurements, **measured.measurements},
        bound=measured.bound,
        valid_until=earliest([hardware.valid_until, measured.valid_until]),
        used=(*hardware.used, *measured.used),
        detail={**hardware.detail, **measured.detail, "user_data": hcl.user_data.hex()},
    )
