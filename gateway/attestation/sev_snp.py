"""AMD SEV-SNP attestation reports (AMD 56860, SEV Secure Nested Paging Firmware ABI, table 23)
and the certificates that vouch for them (AMD 57230, VCEK; VLEK).

The bytes are read by their offsets, the signature is checked over the bytes as they came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from gateway.attestation.chain import check_crl, used, verify_chain
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Technology, earliest

SIZE = 0x4A0
VERSIONS = (2, 3, 4, 5)
_SIGNED = 0x2A0
_ECDSA_P384_SHA384 = 1

# SHA-256 of the DER of the ARK certificates that AMD publishes at its key distribution server.
ANCHORS: Mapping[str, str] = {
    "Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
}

_ARC = "1.3.6.1.4.1.3704.1."
_PRODUCT = x509.ObjectIdentifier(f"{_ARC}2")
_HWID = x509.ObjectIdentifier(f"{_ARC}4")
_CSP_ID = x509.ObjectIdentifier(f"{_ARC}5")
_SPL = {
    "bootloader": x509.ObjectIdentifier(f"{_ARC}3.1"),
    "tee": x509.ObjectIdentifier(f"{_ARC}3.2"),
    "snp": x509.ObjectIdentifier(f"{_ARC}3.3"),
    "microcode": x509.ObjectIdentifier(f"{_ARC}3.8"),
    "fmc": x509.ObjectIdentifier(f"{_ARC}3.9"),
}
# Bytes of a TCB version (table 3); Turin has the FMC in front.
_TCB = {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7}
_TCB_TURIN = {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7}

_DEBUG = 1 << 19
_MIGRATION = 1 << 18
_ALWAYS_ONE = 1 << 17
_KNOWN_POLICY = (1 << 26) - 1
_HWID_SIZE = 64
_HWID_TURIN = 8


class SigningKey(Enum):
    """Which key signed (bits 2 to 4 at 0x48)."""

    VCEK = 0
    VLEK = 1
    NONE = 7


@dataclass(frozen=True)
class Report:
    """A report as it was read; `raw` are all its bytes. TCB versions are their 8 bytes."""

    raw: bytes
    version: int
    guest_svn: int
    policy: int
    vmpl: int
    current_tcb: bytes
    platform_info: int
    signing_key: SigningKey
    is_chip_masked: bool
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    reported_tcb: bytes
    cpu: tuple[int, int, int]
    chip_id: bytes
    committed_tcb: bytes
    launch_tcb: bytes
    r: int
    s: int

    @property
    def product(self) -> str | None:
        """The product line by its CPU, where the report names that: from version 3 on."""
        if self.version < 3:
            return None
        family, model, _ = self.cpu
        if family == 0x19 and model <= 0x0F:
            return "Milan"
        if family == 0x19 and (0x10 <= model <= 0x1F or 0xA0 <= model <= 0xAF):
            return "Genoa"
        if family == 0x1A and model <= 0x11:
            return "Turin"
        raise EvidenceUnsupportedError(f"no product line is known for CPU {family:#x}/{model:#x}")


def parse_report(data: bytes) -> Report:
    """The report in exactly 1184 bytes.

    Raises:
        EvidenceMalformedError: Another length, or bits that must be set or clear are not.
        EvidenceUnsupportedError: A version, algorithm or signing key that is not known.
    """
    if len(data) != SIZE:
        raise EvidenceMalformedError(f"an SEV-SNP report has {SIZE} bytes, not {len(data)}")
    version = _number(data, 0, 4)
    if version not in VERSIONS:
        raise EvidenceUnsupportedError(f"SEV-SNP report of version {version}")
    if _number(data, 0x34, 4) != _ECDSA_P384_SHA384:
        raise EvidenceUnsupportedError("the report is not signed with ECDSA P-384 and SHA-384")
    flags = _number(data, 0x48, 4)
    try:
        signing_key = SigningKey((flags >> 2) & 7)
    except ValueError as error:
        raise EvidenceUnsupportedError("the signing key of the report is not known") from error
    policy = _number(data, 8, 8)
    if not policy & _ALWAYS_ONE:
        raise EvidenceMalformedError("bit 17 of the guest policy is clear")
    _check_clear(data, version, flags)
    return Report(
        raw=data,
        version=version,
        guest_svn=_number(data, 4, 4),
        policy=policy,
        vmpl=_number(data, 0x30, 4),
        current_tcb=data[0x38:0x40],
        platform_info=_number(data, 0x40, 8),
        signing_key=signing_key,
        is_chip_masked=bool(flags & 2),
        report_data=data[0x50:0x90],
        measurement=data[0x90:0xC0],
        host_data=data[0xC0:0xE0],
        id_key_digest=data[0xE0:0x110],
        author_key_digest=data[0x110:0x140],
        report_id=data[0x140:0x160],
        reported_tcb=data[0x180:0x188],
        cpu=(data[0x188], data[0x189], data[0x18A]),
        chip_id=data[0x1A0:0x1E0],
        committed_tcb=data[0x1E0:0x1E8],
        launch_tcb=data[0x1F0:0x1F8],
        r=_number(data, 0x2A0, 72),
        s=_number(data, 0x2E8, 72),
    )


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _check_clear(data: bytes, version: int, flags: int) -> None:
    """What the table says must be zero."""
    reserved = {
        "flags": flags >> 5 != 0,
        "0x4c": any(data[0x4C:0x50]),
        "CPU": any(data[0x188 if version < 3 else 0x18B : 0x1A0]),
        "version": data[0x1EB] != 0 or data[0x1EF] != 0,
        "tail": any(data[0x208 if version >= 5 else 0x1F8 : _SIGNED]),
        "signature": any(data[0x330:SIZE]),
    }
    for name, is_set in reserved.items():
        if is_set:
            raise EvidenceMalformedError(f"reserved bits of the report are set ({name})")


def verify_report(
    report: Report,
    *,
    vek: x509.Certificate,
    chain: Sequence[x509.Certificate],
    at: datetime,
    anchors: Mapping[str, str] = ANCHORS,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> Claims:
    """Check a report, its key and the chain of the key.

    Args:
        vek: The VCEK or VLEK.
        chain: AMD's certificates of the product line, in any order, more than are needed too.
        anchors: The ARK of each product line, by the SHA-256 of its certificate.
        crls: Lists of the ARK; without one the claims say that nothing is known of revocation.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    if report.signing_key is SigningKey.NONE:
        raise EvidenceSignatureError("the report is not signed")
    product = _product_of(vek)
    if report.product is not None and report.product != product:
        raise EvidenceBindingError(f"the key is of {product}, the report of {report.product}")
    if product not in anchors:
        raise EvidenceUnsupportedError(f"no authority is pinned for product line {product}")
    path = _path(report.signing_key, product, vek, chain)
    ends = verify_chain(path, anchors=frozenset({anchors[product]}), at=at)
    lists = [check_crl(crl, path[-1], path[:-1], at=at) for crl in crls]
    _check_signature(report, vek)
    _check_binding(report, product, vek)
    return _claims(report, product, path, earliest([ends, *lists]), is_unrevoked=bool(lists))


def _product_of(vek: x509.Certificate) -> str:
    """The product line of a key: `Milan` of `Milan-B0`. A version 2 report has no other."""
    value = _extension(vek, _PRODUCT)
    if len(value) < 3 or value[0] != 0x16 or value[1] != len(value) - 2:
        raise EvidenceMalformedError("the product of the signing key is no IA5String")
    return value[2:].decode("ascii", "replace").partition("-")[0]


def _path(
    kind: SigningKey, product: str, vek: x509.Certificate, chain: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """VEK, its issuer for that kind of key, and the ARK."""
    issuer = f"SEV-{product}" if kind is SigningKey.VCEK else f"SEV-VLEK-{product}"
    by_name = {_common_name(one): one for one in chain}
    try:
        return [vek, by_name[issuer], by_name[f"ARK-{product}"]]
    except KeyError as error:
        if not chain:
            raise EvidenceIncompleteError("the chain of the signing key is not there") from error
        raise EvidenceChainError(f"the chain has no certificate {error}") from error


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _check_signature(report: Report, vek: x509.Certificate) -> None:
    key = vek.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise EvidenceChainError("the signing key of the report is not of P-384")
    try:
        signature = encode_dss_signature(report.r, report.s)
        key.verify(signature, report.raw[:_SIGNED], ECDSA(SHA384()))
    except (InvalidSignature, ValueError) as error:
        raise EvidenceSignatureError("the signature of the report does not hold") from error


def _check_binding(report: Report, product: str, vek: x509.Certificate) -> None:
    """A VEK is made for one TCB version, and a VCEK for one chip (AMD 57230, table 11)."""
    for part, level in _levels(report.reported_tcb, product).items():
        if _integer(_extension(vek, _SPL[part])) != level:
            raise EvidenceBindingError(f"the key is of other firmware than the report (`{part}`)")
    for name, lower, upper in (
        ("reported above committed", report.reported_tcb, report.committed_tcb),
        ("committed above current", report.committed_tcb, report.current_tcb),
    ):
        upper_levels = _levels(upper, product)
        if any(level > upper_levels[p] for p, level in _levels(lower, product).items()):
            raise EvidenceBindingError(f"firmware levels contradict one another ({name})")
    if report.signing_key is SigningKey.VLEK:
        return
    if report.is_chip_masked:
        raise EvidenceBindingError("the chip is masked, so that no key of a chip can fit")
    if _hwid(vek, product) != report.chip_id:
        raise EvidenceBindingError("the key is of another chip than the report")


def _provider(report: Report, vek: x509.Certificate) -> dict[str, bytes]:
    """Whose machines a VLEK is for, as the certificate spells it: it names no chip, so that this
    alone tells the machines of one provider from those of another."""
    if report.signing_key is not SigningKey.VLEK:
        return {}
    try:
        vek.extensions.get_extension_for_oid(_CSP_ID)
    except x509.ExtensionNotFound:
        return {}
    value = _extension(vek, _CSP_ID)
    if not 2 < len(value) <= 66 or value[0] != 0x16 or value[1] != len(value) - 2:
        raise EvidenceMalformedError("the provider of the signing key is no IA5String")
    return {"csp-id": value[2:]}


def _levels(tcb: bytes, product: str) -> dict[str, int]:
    places = _TCB_TURIN if product == "Turin" else _TCB
    return {part: tcb[at] for part, at in places.items()}


def _extension(vek: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes:
    try:
        value = vek.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound as error:
        raise EvidenceBindingError(f"the signing key does not tell {oid.dotted_string}") from error
    if not isinstance(value, x509.UnrecognizedExtension):
        raise EvidenceMalformedError(f"extension {oid.dotted_string} is another than expected")
    return value.value


def _integer(der: bytes) -> int:
    """A DER INTEGER of one byte, which may have a zero before it (X.690 section 8.3)."""
    if len(der) == 3 and der[:2] == b"\x02\x01" and der[2] < 0x80:
        return der[2]
    if len(der) == 4 and der[:3] == b"\x02\x02\x00" and der[3] >= 0x80:
        return der[3]
    raise EvidenceMalformedError("a firmware level of the signing key is no number of one byte")


def _hwid(vek: x509.Certificate, product: str) -> bytes:
    """The chip, as issued: bare bytes, or those in an OCTET STRING."""
    value = _extension(vek, _HWID)
    size = _HWID_TURIN if product == "Turin" else _HWID_SIZE
    for length in {size, _HWID_SIZE}:
        if value[:2] == bytes([4, length]) and len(value) == length + 2:
            value = value[2:]
    if len(value) not in (size, _HWID_SIZE):
        raise EvidenceMalformedError("the chip of the signing key has another length")
    return value.ljust(_HWID_SIZE, b"\0")


def _claims(
    report: Report,
    product: str,
    path: Sequence[x509.Certificate],
    ends: datetime | None,
    *,
    is_unrevoked: bool,
) -> Claims:
    is_chip_known = report.signing_key is SigningKey.VCEK
    return Claims(
        Technology.SEV_SNP,
        product=product,
        firmware=_levels(report.reported_tcb, product),
        # What the guest allows its host by a bit that is not known here, nobody can tell.
        advisories=("snp-policy-unknown",) if report.policy & ~_KNOWN_POLICY else (),
        is_debug=bool(report.policy & _DEBUG),
        is_migratable=bool(report.policy & _MIGRATION),
        is_unrevoked=is_unrevoked,
        level=report.vmpl,
        is_confidential=True,
        measurements={
            "launch": report.measurement,
            "host-data": report.host_data,
            "id-key": report.id_key_digest,
            "author-key": report.author_key_digest,
            **_provider(report, path[0]),
        },
        bound=report.report_data,
        attester_id=report.chip_id.hex() if is_chip_known else None,
        valid_until=ends,
        used=used("certificate", path),
        detail={
            "version": report.version,
            "signing_key": report.signing_key.name,
            "guest_svn": report.guest_svn,
            "policy": f"{report.policy:#x}",
            "platform_info": f"{report.platform_info:#x}",
            "smt": bool(report.platform_info & 1),
            "report_id": report.report_id.hex(),
        },
    )
