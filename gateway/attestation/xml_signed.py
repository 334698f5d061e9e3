"""XML with one enveloped signature over the whole document (W3C, "XML Signature Syntax and
Processing Version 1.1"), in the one form that NVIDIA writes: ecdsa-sha384 over c14n 1.1.

XML signatures have more ways to be wrong than to be right: a signature over another part of the
document than the one that is read, transforms that drop parts, documents that grow or reach out
while they are read. So the form is checked before any of it is verified, and what is read
afterwards is what was signed, parsed anew from its canonical form.

The libraries are loaded only where such a document is read. The second one canonicalises by
version 1.0, which differs from 1.1 in what parts of a document inherit; a whole document inherits
nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cryptography import x509

from gateway.attestation.chain import MAX_CHAIN, read_certificate
from gateway.attestation.errors import (
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)

MAX_DOCUMENT = 256 * 1024
# What costs more than its bytes; real manifests have 99, 496 and 6.
_MAX: Mapping[bytes, int] = {b"<": 2_048, b"=": 8_192, b"xmlns": 64}
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
# Of ASCII alone, so that nothing is hidden from the search below by another encoding.
_DECLARATION = re.compile(
    rb"""<\?xml version=["']1\.0["'](?: encoding=["'](?:utf-8|ascii|us-ascii)["'])?"""
    rb"""(?: standalone=["'](?:yes|no)["'])? ?\?>""",
    re.IGNORECASE,
)
_LACKING = "reference manifests of GPUs need the extra `gpu` (lxml and signxml): install it"

_Shape = tuple[str, tuple[tuple[str, str], ...], tuple[Any, ...]]


def _one(name: str, algorithm: str | None = None, *inner: _Shape) -> _Shape:
    attributes = () if algorithm is None else (("Algorithm", algorithm),)
    return (f"{_DS}{name}", attributes, inner)


_C14N = "http://www.w3.org/2006/12/xml-c14n11"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_REFERENCE: _Shape = (
    f"{_DS}Reference",
    (("URI", ""),),  # the whole document
    (
        _one("Transforms", None, _one("Transform", _ENVELOPED), _one("Transform", _C14N)),
        _one("DigestMethod", f"{_MORE}sha384"),
        _one("DigestValue"),
    ),
)
_SIGNED_INFO = _one(
    "SignedInfo",
    None,
    _one("CanonicalizationMethod", _C14N),
    _one("SignatureMethod", f"{_MORE}ecdsa-sha384"),
    _REFERENCE,
)


@dataclass(frozen=True)
class SignedXml:
    """A document as it was read; nothing of it is verified yet.

    Attributes:
        chain: The certificates in its signature, the signer's first.
    """

    raw: bytes
    chain: tuple[x509.Certificate, ...]


def parse_signed_xml(data: bytes) -> SignedXml:
    """The document in the bytes.

    Raises:
        EvidenceMalformedError: It is no XML, too large, has a DTD, a comment or a processing
            instruction, or holds not just one signature, at its end.
        EvidenceUnsupportedError: A signature of another form.
        EvidenceIncompleteError: The libraries are not installed.
    """
    _check_bytes(data)
    root = _parse(data)
    if sum(1 for _ in root.iter(f"{_DS}Signature")) != 1:
        raise EvidenceMalformedError("the document does not hold just one signature")
    signature = root[-1] if len(root) else root
    if signature is root or signature.tag != f"{_DS}Signature":
        raise EvidenceMalformedError("the signature is not the last part of the document")
    if [one.tag for one in signature] != [
        f"{_DS}SignedInfo", f"{_DS}SignatureValue", f"{_DS}KeyInfo",
    ] or signature.attrib:  # fmt: skip
        raise EvidenceUnsupportedError("the signature has other parts than are known")
    info, _, keys = signature
    if _shape(info) != _SIGNED_INFO:
        raise EvidenceUnsupportedError("the signature is of another form than is known")
    return SignedXml(data, _certificates(keys))


def _check_bytes(data: bytes) -> None:
    """What could make the parser do more than parse."""
    if len(data) > MAX_DOCUMENT:
        raise EvidenceMalformedError(f"a document of more than {MAX_DOCUMENT} bytes")
    if not data.isascii() or b"\0" in data:
        raise EvidenceMalformedError("a document in XML is of ASCII here")
    found = _DECLARATION.match(data)
    body = data[found.end() :] if found else data
    if b"<!" in body or b"<?" in body:
        raise EvidenceMalformedError("a document has no DTD, comment or processing instruction")
    if any(body.count(what) > most for what, most in _MAX.items()):
        raise EvidenceMalformedError("a document of too many tags, attributes or namespaces")


def _parse(data: bytes) -> Any:
    etree, _ = _libraries()
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=False
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EvidenceMalformedError("the document is no XML") from error


def _libraries() -> tuple[Any, Any]:
    """lxml.etree and signxml, which have no complete types."""
    try:
        import signxml
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
    except ImportError as error:
        raise EvidenceIncompleteError(_LACKING) from error
    return cast("Any", etree), cast("Any", signxml)


def _shape(element: Any) -> _Shape:
    attributes = tuple(sorted((str(k), str(v)) for k, v in element.attrib.items()))
    return (str(element.tag), attributes, tuple(_shape(one) for one in element))


def _certificates(keys: Any) -> tuple[x509.Certificate, ...]:
    data = list(keys)
    if keys.attrib or len(data) != 1 or data[0].tag != f"{_DS}X509Data":
        raise EvidenceUnsupportedError("the signature names its key otherwise than by certificates")
    listed = list(data[0])
    if any(one.tag != f"{_DS}X509Certificate" or len(one) for one in listed):
        raise EvidenceUnsupportedError("the signature names its key otherwise than by certificates")
    if not 0 < len(listed) <= MAX_CHAIN:
        raise EvidenceMalformedError(f"a signature has 1 to {MAX_CHAIN} certificates")
    return tuple(read_certificate(_base64(one.text)) for one in listed)


def _base64(text: str | None) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceMalformedError("a certificate in XML is no base64") from error


def signed_part(document: SignedXml, *, at: datetime) -> Any:
    """Check the signature by the key of the first certificate, which the caller has verified.

    Returns:
        The root element of what was signed, as lxml has it: the document without its signature.

    Raises:
        EvidenceSignatureError: The signature does not hold.
    """
    etree, signxml = _libraries()
    methods, digests = signxml.SignatureMethod, signxml.DigestAlgorithm
    configuration = signxml.SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset({methods.ECDSA_SHA384}),
        digest_algorithms=frozenset({digests.SHA384}),
        verification_time=at,
    )
    failures = (
        signxml.exceptions.SignXMLException,
        etree.LxmlError,
        ValueError,
        TypeError,
    )
    try:
        found = signxml.XMLVerifier().verify(
            document.raw, x509_cert=document.chain[0], expect_config=configuration
        )
    except failures as error:
        raise EvidenceSignatureError("the signature of the document does not hold") from error
    if found.signed_xml is None:
        raise EvidenceSignatureError("the signature is over no document")
    return found.signed_xml
