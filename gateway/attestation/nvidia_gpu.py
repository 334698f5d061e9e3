"""Attestation reports of NVIDIA GPUs: an SPDM 1.1 measurement exchange (DMTF DSP0274, sections
10.11 and 10.12) with the certificates of the device (NVIDIA Trusted Computing Solutions, local
verifier).

A report tells what was measured and not whether that is right: for this NVIDIA signs manifests
of each driver and each VBIOS (`rim`). Where every value is as they say, the GPU cannot be
debugged; without them nobody can tell, so that a policy leaves the report undecided.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from gateway.attestation.chain import used, verify_chain
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Detail, Technology, earliest
from gateway.attestation.gpu_golden import golden_of
from gateway.attestation.ocsp import Answer, standing
from gateway.attestation.rim import ROOT as RIM_ROOT
from gateway.attestation.rim import Firmware
from gateway.attestation.xml_signed import SignedXml

# SHA-256 of the DER of "NVIDIA Device Identity CA".
ROOT = "102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"
MAX_REPORT = 64 * 1024
NONCE = 32

_REQUEST = b"\x11\xe0\x01\xff"  # SPDM 1.1, GET_MEASUREMENTS, signed, all of them
_RESPONSE = b"\x11\x60"
_DMTF = 1
_DIGEST = 48
_SIGNATURE = 96
_FWID_OID = x509.ObjectIdentifier("2.23.133.5.4.1")
_PRODUCT = re.compile(r"([A-Z]{2}[0-9]{3})\b")
_VBIOS = re.compile(r"(?:[0-9A-F]{2}\.){4}[0-9A-F]{2}")
_DRIVER = re.compile(r"([0-9]{1,4})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?")

# Fields of the opaque data, by type.
_DRIVER_VERSION, _VBIOS_VERSION, _FWID = 3, 6, 20
_TEXTS = {15: "chip_sku", 17: "project", 18: "project_sku"}


@dataclass(frozen=True)
class Report:
    """A report as it was read; `raw` are the bytes of it without what follows."""

    raw: bytes
    nonce: bytes
    measurements: Mapping[int, bytes]
    opaque: Mapping[int, bytes]
    signature: bytes


class _Bytes:
    """A place in the bytes; whoever takes more than there is gets an error of ours."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) != size:
            raise EvidenceMalformedError("the GPU report is cut off")
        self.at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


def parse_report(data: bytes) -> Report:
    """The report in the bytes: request and response. One zero byte may follow, as a common
    tool writes it.

    Raises:
        EvidenceMalformedError: They are none, or lengths contradict one another.
        EvidenceUnsupportedError: Another exchange, or measurements that are no digests.
    """
    if len(data) > MAX_REPORT:
        raise EvidenceMalformedError(f"a GPU report of more than {MAX_REPORT} bytes")
    reader = _Bytes(data)
    if reader.take(4) != _REQUEST:
        raise EvidenceUnsupportedError("the GPU report begins with no SPDM 1.1 request for all")
    nonce, slot = reader.take(NONCE), reader.number(1)
    if reader.take(2) != _RESPONSE:
        raise EvidenceUnsupportedError("the GPU report holds no SPDM 1.1 measurements")
    reader.take(1)
    if reader.number(1) & 0x0F != slot & 0x0F:
        raise EvidenceBindingError("the GPU report was asked for and given by different slots")
    count, size = reader.number(1), reader.number(3)
    measurements = _measurements(reader.take(size), count)
    reader.take(NONCE)  # of the device
    opaque = _opaque(reader.take(reader.number(2)))
    signature = reader.take(_SIGNATURE)
    if data[reader.at :] not in (b"", b"\0"):
        raise EvidenceMalformedError(f"{len(data) - reader.at} bytes follow the GPU report")
    return Report(data[: reader.at], nonce, measurements, opaque, signature)


def _measurements(record: bytes, count: int) -> dict[int, bytes]:
    reader = _Bytes(record)
    found: dict[int, bytes] = {}
    for _ in range(count):
        index, specification, size = reader.number(1), reader.number(1), reader.number(2)
        block = _Bytes(reader.take(size))
        block.take(1)  # its kind
        value = block.take(block.number(2))
        if specification != _DMTF or len(value) != _DIGEST:
            raise EvidenceUnsupportedError(f"measurement {index} is no digest of SHA-384")
        if block.at != size or index in found:
            raise EvidenceMalformedError(f"measurement {index} is longer than it says, or twice")
        found[index] = value
    if reader.at != len(record) or not found:
        raise EvidenceMalformedError("there are more or fewer measurements than the report says")
    return found


def _opaque(data: bytes) -> dict[int, bytes]:
    reader = _Bytes(data)
    found: dict[int, bytes] = {}
    while reader.at < len(data):
        kind = reader.number(2)
        if kind in found:
            raise EvidenceMalformedError(f"the GPU report has field {kind} twice")
        found[kind] = reader.take(reader.number(2))
    return found


def verify_report(
    report: Report,
    *,
    chain: Sequence[x509.Certificate],
    at: datetime,
    anchors: frozenset[str] = frozenset({ROOT}),
    rims: Sequence[SignedXml] = (),
    rim_anchors: frozenset[str] = frozenset({RIM_ROOT}),
    answers: Sequence[Answer] = (),
) -> Claims:
    """Check a report, and the chain of the device that signed it.

    Args:
        chain: The device's certificate first, the authority of NVIDIA last.
        rims: The manifests of its driver and of its VBIOS, or none.
        answers: About the revocation of certificates, of all that NVIDIA issued.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    ends = verify_chain(chain, anchors=anchors, at=at)
    leaf = chain[0]
    _check_signature(report, leaf)
    _check_firmware(report, leaf)
    product = _product(leaf)
    golden = golden_of(
        rims,
        product=product,
        versions=_versions(report),
        measured=report.measurements,
        opaque=report.opaque,
        at=at,
        anchors=rim_anchors,
    )
    # The device itself issued its first certificate, and answers no questions.
    paths = [chain[1:] if len(chain) > 2 else chain, *(one.chain for one in golden.manifests)]
    stands = standing(paths, answers, at=at)
    return Claims(
        Technology.NVIDIA_GPU,
        product=product,
        firmware=_levels(report),
        is_debug=False if golden.is_met else None,
        is_unrevoked=stands.is_good,
        is_confidential=True if golden.is_met and golden.is_closed else None,
        is_as_published=golden.is_met,
        measurements={f"index{index}": value for index, value in report.measurements.items()},
        bound=report.nonce,
        attester_id=f"{leaf.serial_number:040x}",
        valid_until=earliest([ends, golden.ends(), stands.valid_until]),
        used=(*used("certificate", chain), *golden.used(), *stands.used),
        detail={**_detail(report), **golden.detail(), **stands.detail()},
    )


def _check_firmware(report: Report, leaf: x509.Certificate) -> None:
    fwid = report.opaque.get(_FWID)
    if fwid is None:
        raise EvidenceUnsupportedError("the report names no firmware id: it is of no GPU")
    if len(fwid) != _DIGEST or not _fwid_of(leaf).endswith(bytes([4, _DIGEST]) + fwid):
        raise EvidenceBindingError("the certificate is of other firmware than the report")


def _product(leaf: x509.Certificate) -> str:
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return product_of(str(names[0].value) if names else "")


def _versions(report: Report) -> dict[Firmware, str]:
    driver = _text(report, _DRIVER_VERSION)
    return {Firmware.DRIVER: driver, Firmware.VBIOS: _vbios(report)}


def _levels(report: Report) -> dict[str, int]:
    versions = _versions(report)
    return {
        "driver": driver_number(versions[Firmware.DRIVER]),
        "vbios": vbios_number(versions[Firmware.VBIOS]),
    }


def _check_signature(report: Report, leaf: x509.Certificate) -> None:
    key = leaf.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise EvidenceChainError("the signing key of the report is not of P-384")
    half = _SIGNATURE // 2
    r, s = (int.from_bytes(part) for part in (report.signature[:half], report.signature[half:]))
    try:
        key.verify(encode_dss_signature(r, s), report.raw[:-_SIGNATURE], ECDSA(SHA384()))
    except (InvalidSignature, ValueError) as error:
        raise EvidenceSignatureError("the signature of the GPU report does not hold") from error


def _fwid_of(leaf: x509.Certificate) -> bytes:
    """The TCG DICE extension, whose last member is the digest of the firmware."""
    try:
        value = leaf.extensions.get_extension_for_oid(_FWID_OID).value
    except x509.ExtensionNotFound as error:
        raise EvidenceBindingError("the certificate names no firmware") from error
    return value.value if isinstance(value, x509.UnrecognizedExtension) else b""


def _text(report: Report, kind: int) -> str:
    """A text that zeros may follow."""
    value = report.opaque.get(kind, b"").rstrip(b"\0")
    if not value.isascii() or not value.decode("ascii").isprintable() or len(value) > 32:
        raise EvidenceMalformedError(f"field {kind} of the GPU report is no text")
    return value.decode("ascii")


def product_of(model: str) -> str:
    """The product line, `GH100` of `GH100 A01 GSP FMC LF`."""
    found = _PRODUCT.match(model)
    if found is None:
        raise EvidenceUnsupportedError("the device names no product line that is known")
    return found[1]


def driver_number(version: str) -> int:
    """550.90.07 as 550090007, which policies compare; a level has 32 bits."""
    found = _DRIVER.fullmatch(version)
    if found is None or int(found[1]) > 4000:
        raise EvidenceMalformedError("the GPU names no version of its driver")
    return int(found[1]) * 1_000_000 + int(found[2]) * 1_000 + int(found[3] or 0)


def vbios_number(version: str) -> int:
    """96.00.9F.00.01 as 0x96009F00: the last part is of the board."""
    if not _VBIOS.fullmatch(version):
        raise EvidenceMalformedError("the GPU names no version of its VBIOS")
    return int(version.replace(".", "")[:8], 16)


def _vbios(report: Report) -> str:
    """Of 8 bytes, four from the right and then one: 96.00.9F.00.01."""
    value = report.opaque.get(_VBIOS_VERSION, b"")
    if len(value) != 8:
        raise EvidenceMalformedError("the GPU report names no version of its VBIOS")
    return ".".join(f"{one:02X}" for one in (*reversed(value[:4]), value[4]))


def _detail(report: Report) -> dict[str, Detail]:
    detail: dict[str, Detail] = {
        **{kind.value: version for kind, version in _versions(report).items()},
        "report_sha256": hashlib.sha256(report.raw).hexdigest(),
    }
    for kind, name in _TEXTS.items():
        detail[name] = _text(report, kind)
    return detail
