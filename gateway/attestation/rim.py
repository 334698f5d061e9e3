"""Reference integrity manifests of NVIDIA: signed lists of what a driver or a VBIOS measures (TCG,
"PC Client Reference Integrity Manifest Specification", 1.1; tags of software by ISO/IEC 19770-2).

A manifest names the product line and the version that it is for, and for each index the values
that are right. Its indexes begin at 0 and those of reports at 1 (NVIDIA Trusted Computing
Solutions, local verifier).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from cryptography import x509

from gateway.attestation.chain import used, verify_chain
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Used
from gateway.attestation.xml_signed import SignedXml, signed_part

# SHA-256 of the DER of "NVIDIA CoRIM signing Root CA".
ROOT = "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1"

_SWID = "{http://standards.iso.org/iso/19770/-2/2015/schema.xsd}"
_TCG = (
    "{https://trustedcomputinggroup.org/resource/"
    "tcg-reference-integrity-manifest-rim-information-model/}"
)
_HASH = "{http://www.w3.org/2001/04/xmlenc#sha384}Hash"
_MANUFACTURER = "5703"  # of NVIDIA, by IANA
_DRIVER = re.compile(r"[0-9]{1,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?")
_VBIOS = re.compile(r"(?:[0-9A-Fa-f]{2}\.){4}[0-9A-Fa-f]{2}")
_PRODUCT = re.compile(r"[A-Z]{2}[0-9]{3}")
_NUMBER = re.compile(r"[0-9]{1,3}")
_DIGEST = re.compile(r"[0-9a-f]{96}")
_MAX_INDEX = 254
_MAX_ALTERNATIVES = 64


class Firmware(Enum):
    """What a manifest is for."""

    DRIVER = "driver"
    VBIOS = "vbios"


@dataclass(frozen=True)
class Manifest:
    """A manifest that holds.

    Attributes:
        golden: By index of a report, the values that are right there.
        valid_until: When the first of its signer's certificates ends.
    """

    firmware: Firmware
    product: str
    version: str
    golden: Mapping[int, frozenset[bytes]]
    chain: tuple[x509.Certificate, ...]
    valid_until: datetime
    used: tuple[Used, ...]


def verify_rim(
    document: SignedXml, *, at: datetime, anchors: frozenset[str] = frozenset({ROOT})
) -> Manifest:
    """Check who signed a manifest, and read it.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    ends = verify_chain(document.chain, anchors=anchors, at=at, check_leaf=_check_signer)
    root = signed_part(document, at=at)
    _check_tag(root)
    version = _only(root, "Meta").get("colloquialVersion", "")
    firmware = _firmware_of(version)
    return Manifest(
        firmware=firmware,
        product=_meta(root),
        version=version.upper(),
        golden=_golden(_only(root, "Payload")),
        chain=document.chain,
        valid_until=ends,
        used=(Used.of("rim", document.raw), *used("certificate", document.chain)),
    )


def _check_signer(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise EvidenceChainError("the signer of a manifest does not say what its key is for") from (
            error
        )
    if not usage.digital_signature:
        raise EvidenceChainError("the key of a manifest's signer is not for signatures")


def _check_tag(root: Any) -> None:
    """A tag of software, primary and whole."""
    if root.tag != f"{_SWID}SoftwareIdentity":
        raise EvidenceUnsupportedError("the signed document is no tag of software")
    if any(root.get(name) != "false" for name in ("corpus", "patch", "supplemental")):
        raise EvidenceUnsupportedError("the tag of software is not a primary one")
    strange = {one.tag for one in root} - {
        f"{_SWID}{name}" for name in ("Entity", "Meta", "Payload")
    }
    if strange:
        raise EvidenceUnsupportedError("the tag of software has parts that are not known")


def _only(root: Any, name: str) -> Any:
    found = [one for one in root if one.tag == f"{_SWID}{name}"]
    if len(found) != 1:
        raise EvidenceMalformedError(f"a manifest has one `{name}`")
    return found[0]


def _meta(root: Any) -> str:
    """The product line; everything else says that it is a manifest of a GPU of NVIDIA."""
    meta = _only(root, "Meta")
    expected = {
        "edition": "GPU",
        "PayloadType": "direct",
        f"{_TCG}BindingSpec": "RIMIM",
        f"{_TCG}PlatformManufacturerId": _MANUFACTURER,
        f"{_TCG}FirmwareManufacturerId": _MANUFACTURER,
    }
    if any(meta.get(name) != value for name, value in expected.items()):
        raise EvidenceUnsupportedError("the manifest is not one of a GPU of NVIDIA")
    product = str(meta.get("product"))
    if not _PRODUCT.fullmatch(product) or meta.get(f"{_TCG}PlatformModel") != product:
        raise EvidenceMalformedError("the manifest names no product line")
    return product


def _firmware_of(version: str) -> Firmware:
    if _DRIVER.fullmatch(version):
        return Firmware.DRIVER
    if _VBIOS.fullmatch(version):
        return Firmware.VBIOS
    raise EvidenceUnsupportedError("the manifest is of no version of a driver or a VBIOS")


def _golden(payload: Any) -> dict[int, frozenset[bytes]]:
    seen: set[int] = set()
    found: dict[int, frozenset[bytes]] = {}
    for resource in payload:
        index, values = _resource(resource)
        if index in seen:
            raise EvidenceMalformedError(f"the manifest has index {index} twice")
        seen.add(index)
        if values is not None:
            found[index + 1] = values
    if not found:
        raise EvidenceMalformedError("the manifest has no value to compare with")
    return found


def _resource(resource: Any) -> tuple[int, frozenset[bytes] | None]:
    """An index with the values that are right; None where it is not to be compared."""
    given = {str(name): str(value) for name, value in resource.attrib.items()}
    index = _number(given.pop("index", ""), _MAX_INDEX)
    count = _number(given.pop("alternatives", ""), _MAX_ALTERNATIVES)
    values = [given.pop(f"{_HASH}{number}", "") for number in range(count)]
    fixed = {name: given.pop(name, "") for name in ("type", "size", "active")}
    given.pop("name", None)
    if resource.tag != f"{_SWID}Resource" or given or len(resource):
        raise EvidenceUnsupportedError("a value of the manifest says more than is known")
    if (fixed["type"], fixed["size"]) != ("Measurement", "48") or not values:
        raise EvidenceUnsupportedError(f"value {index} of the manifest is no digest of SHA-384")
    if any(not _DIGEST.fullmatch(one) for one in values) or fixed["active"] not in _ACTIVE:
        raise EvidenceMalformedError(f"value {index} of the manifest cannot be read")
    if not _ACTIVE[fixed["active"]]:
        return index, None
    return index, frozenset(bytes.fromhex(one) for one in values)


_ACTIVE = {"True": True, "False": False}


def _number(text: str, most: int) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise EvidenceMalformedError("a value of the manifest has no index or count")
    return int(text)


# --- compared with a report ----------------------------------------------------------


def differing(
    manifests: Sequence[Manifest],
    *,
    product: str,
    versions: Mapping[Firmware, str],
    measured: Mapping[int, bytes],
    without: frozenset[int] = frozenset(),
) -> tuple[int, ...]:
    """The indexes at which a report differs from the manifests of its driver and its VBIOS.

    Args:
        versions: Of the report; texts as the maker writes them.
        measured: By index of the report.
        without: Indexes of the report that say nothing, of parts that are switched off.

    Raises:
        EvidenceIncompleteError: The manifest of one of both is lacking.
        EvidenceBindingError: A manifest is of another product or version, one comes twice, or
            both name the same index.
    """
    for one in manifests:
        if (one.product, one.version) != (product, versions[one.firmware].upper()):
            raise EvidenceBindingError(
                f"a manifest is for {one.product} {one.version}, which the GPU does not run"
            )
    kinds = [one.firmware for one in manifests]
    for kind in Firmware:
        if kinds.count(kind) > 1:
            raise EvidenceBindingError(f"there are several manifests of the {kind.value}")
        if kind not in kinds:
            raise EvidenceIncompleteError(f"the manifest of the {kind.value} is lacking")
    first, second = (one.golden for one in manifests)
    if first.keys() & second.keys():
        raise EvidenceBindingError("two manifests name the same measurement")
    golden = {**first, **second}
    return tuple(
        index
        for index, values in sorted(golden.items())
        if index not in without and measured.get(index) not in values
    )
