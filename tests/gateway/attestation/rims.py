"""Reference manifests of GPUs made here, to be damaged: XML as NVIDIA writes it, signed by a
library, or by hand where the library would not sign such."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, cast

import signxml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation.chain import fingerprint
from gateway.attestation.rim import Manifest, verify_rim
from gateway.attestation.xml_signed import parse_signed_xml
from tests.gateway.attestation.chains import AT, Issued, issue

ZERO = "0" * 96
TCG = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/"
SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
USAGE = ("2.5.29.15", b"\x03\x02\x07\x80")  # digitalSignature


@cache
def authorities() -> tuple[Issued, Issued]:
    root = issue("NVIDIA CoRIM signing Root CA", ca=True)
    return root, issue("NVIDIA Reference Value GH100 CA", root, ca=True)


@cache
def signer() -> Issued:
    return issue("HCC RIM L4 Signer", authorities()[1], extensions=[USAGE])


def anchors() -> frozenset[str]:
    return frozenset({fingerprint(authorities()[0].certificate)})


def resource(index: int, *values: str, active: str = "True", extra: str = "") -> str:
    hashes = " ".join(f'ns2:Hash{n}="{value}"' for n, value in enumerate(values))
    return (
        f'<ns0:Resource type="Measurement" index="{index}" active="{active}" '
        f'alternatives="{len(values)}" {hashes} name="M_{index}" size="48"{extra}/>'
    )


# Of the report that `gpu` makes: index 1 of it is 0 here. The driver has 2 and the VBIOS 0 and 1.
def value(index: int) -> str:
    return bytes([index]).hex() * 48


DRIVER = (resource(0, ZERO, active="False"), resource(2, ZERO, value(3)))
VBIOS = (resource(0, value(1)), resource(1, value(2), ZERO))


@dataclass(frozen=True)
class Made:
    """A manifest with all that is needed to make and to verify it."""

    version: str = "550.90.07"
    product: str = "GH100"
    model: str | None = None
    resources: tuple[str, ...] = DRIVER
    flags: str = 'corpus="false" patch="false" supplemental="false"'
    edition: str = "GPU"
    manufacturer: str = "5703"
    payload: str | None = None
    signer: Issued = field(default_factory=signer)
    chain: tuple[x509.Certificate, ...] | None = None
    anchors: frozenset[str] = field(default_factory=anchors)
    change: Callable[[bytes], bytes] | None = None
    at: datetime = AT

    def document(self) -> str:
        """What is to be signed."""
        payload = self.payload or f"<ns0:Payload>{''.join(self.resources)}</ns0:Payload>"
        return (
            f'<SoftwareIdentity xmlns="{SWID}" xmlns:ns0="{SWID}" '
            f'xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384" {self.flags} '
            'name="GH100" tagId="00" version="1.0" tagVersion="0">'
            '<ns0:Entity name="NVIDIA Corporation" role="softwareCreator tagCreator"/>'
            f'<ns0:Meta xmlns:ns1="{TCG}" colloquialVersion="{self.version}" '
            f'edition="{self.edition}" product="{self.product}" PayloadType="direct" '
            f'ns1:BindingSpec="RIMIM" ns1:PlatformManufacturerId="5703" '
            f'ns1:PlatformModel="{self.model or self.product}" '
            f'ns1:FirmwareManufacturerId="{self.manufacturer}"/>'
            f"{payload}</SoftwareIdentity>"
        )

    def path(self) -> tuple[x509.Certificate, ...]:
        root, between = authorities()
        own = (self.signer.certificate, between.certificate, root.certificate)
        return own if self.chain is None else self.chain

    def data(self) -> bytes:
        signed = sign(self.document(), self.signer, self.path())
        return signed if self.change is None else self.change(signed)

    def verify(self, data: bytes | None = None) -> Manifest:
        found = parse_signed_xml(self.data() if data is None else data)
        return verify_rim(found, at=self.at, anchors=self.anchors)

    def having(self, **changes: Any) -> "Made":
        return replace(self, **changes)


def sign(
    text: str,
    by: Issued,
    path: tuple[x509.Certificate, ...],
    *,
    options: Mapping[str, Any] | None = None,
    reference: str | None = None,
) -> bytes:
    """The text with its signature at the end, as bytes."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]

    tree, library = cast("Any", etree), cast("Any", signxml)
    given = {
        "signature_algorithm": "ecdsa-sha384",
        "digest_algorithm": "sha384",
        "c14n_algorithm": library.CanonicalizationMethod.CANONICAL_XML_1_1,
        **(options or {}),
    }
    maker = library.XMLSigner(method=library.methods.enveloped, **given)
    certificates = [one.public_bytes(Encoding.PEM).decode() for one in path]
    found = maker.sign(
        tree.fromstring(text.encode()), key=by.key, cert=certificates, reference_uri=reference
    )
    return cast("bytes", tree.tostring(found))


def driver() -> Made:
    return Made()


def vbios() -> Made:
    return Made(version="96.00.9F.00.01", resources=VBIOS)


def encoded(*made: Made) -> list[str]:
    """As endorsements of a bundle."""
    return [base64.b64encode(one.data()).decode() for one in made]
