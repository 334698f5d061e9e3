"""Reference manifests of GPUs: a real one of a public repository, and manifests made here, damaged
one thing at a time; and reports that are compared with them."""

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import FORMAT, read_bundle
from gateway.attestation.chain import read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.nvidia_gpu import parse_report, verify_report
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.rim import ROOT, Firmware, verify_rim
from gateway.attestation.verifiers import verify_bundle
from gateway.attestation.xml_signed import MAX_DOCUMENT, parse_signed_xml
from tests.gateway.attestation import gpu, rims
from tests.gateway.attestation.chains import AT, DAY, issue
from tests.gateway.attestation.rims import DRIVER, VBIOS, ZERO, Made, resource, value
from tests.gateway.attestation.test_nvidia_gpu import POLICY

MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
SIGNATURE, CHAIN = errors.EvidenceSignatureError, errors.EvidenceChainError
BINDING, EXPIRED = errors.EvidenceBindingError, errors.EvidenceExpiredError
INCOMPLETE = errors.EvidenceIncompleteError

GOOD = rims.driver()
DATA = GOOD.data()
VBIOS_DATA = rims.vbios().data()

# --- a real manifest -----------------------------------------------------------------


def real(vectors: Path) -> tuple[bytes, datetime]:
    folder = vectors / "nvidia-gpu"
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    (case,) = [one for one in listed if one["id"] == "gpu-driver-rim"]
    assert case["verdict"] == "accept"
    at = datetime.fromisoformat(case["evaluate_at"].replace("Z", "+00:00"))
    return (folder / case["files"]["rim"]).read_bytes(), at


def test_the_real_manifest_holds_when_its_signer_was_valid(vectors: Path) -> None:
    data, at = real(vectors)
    found = verify_rim(parse_signed_xml(data), at=at)
    assert (found.firmware, found.product, found.version) == (
        Firmware.DRIVER, "GH100", "550.144.03",
    )  # fmt: skip
    assert len(found.golden) == 21
    assert found.golden[8] == {bytes.fromhex(
        "4a5e4b3d501fe31f91bd8b6f2921b58437704a504dbedba971440e840c938c805612689ae3ac04b1009515a179063d49"
    )}  # fmt: skip
    assert found.valid_until.date().isoformat() == "2026-12-30"


@pytest.mark.parametrize(
    "at", [datetime(2024, 12, 29, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
)
def test_the_real_manifest_does_not_count_outside_the_years_of_its_signer(
    vectors: Path, at: datetime
) -> None:
    data, _ = real(vectors)
    with pytest.raises(EXPIRED):
        verify_rim(parse_signed_xml(data), at=at)


def test_what_is_changed_in_the_real_manifest_spoils_it(vectors: Path) -> None:
    data, at = real(vectors)
    for old, new in (
        (b"4a5e4b3d", b"4a5e4b3e"),
        (b'active="True"', b'active="False"'),
        (b"550.144.03", b"550.144.04"),
        (b"BqNofyPE", b"BqNofyPF"),
        (b"TM4DnjO+", b"TM4DnjO/"),
        (b'index="7"', b'index="9"'),
    ):
        with pytest.raises(SIGNATURE):
            verify_rim(parse_signed_xml(data.replace(old, new)), at=at)


def test_a_real_report_of_another_driver_is_not_judged_by_the_real_manifest(
    vectors: Path,
) -> None:
    data, at = real(vectors)
    folder = vectors / "nvidia-gpu"
    report = parse_report(bytes.fromhex((folder / "hopper-report.hex").read_text()))
    chain = read_pem_chain((folder / "hopper-chain-case1.pem").read_bytes())
    with pytest.raises(BINDING, match=r"GH100 550\.144\.03"):
        verify_report(report, chain=chain, at=at, rims=[parse_signed_xml(data)])


# --- the form of a document ----------------------------------------------------------


def test_a_good_manifest_tells_what_is_right() -> None:
    found = GOOD.verify()
    assert (found.firmware, found.product, found.version) == (
        Firmware.DRIVER, "GH100", "550.90.07",
    )  # fmt: skip
    assert found.golden == {3: {bytes(48), b"\x03" * 48}}
    assert found.valid_until == AT + DAY
    assert rims.vbios().verify().golden == {1: {b"\x01" * 48}, 2: {b"\x02" * 48, bytes(48)}}


def test_the_root_is_that_of_nvidia_alone() -> None:
    with pytest.raises(CHAIN):
        verify_rim(parse_signed_xml(DATA), at=AT)
    assert ROOT not in rims.anchors()


def entity(declared: str) -> bytes:
    return f"<!DOCTYPE SoftwareIdentity [{declared}]>".encode() + DATA


LAUGHS = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">'
SIGNED = DATA[DATA.index(b"<ds:Signature") : DATA.index(b"</SoftwareIdentity>")]
BODY = DATA[DATA.index(b"<ns0:Entity") : DATA.index(b"<ds:Signature")]
HEAD = DATA[: DATA.index(b"<ns0:Entity")]
END = b"</SoftwareIdentity>"


def swapped(old: bytes, new: bytes) -> bytes:
    assert old in DATA
    return DATA.replace(old, new)


def many(what: bytes, times: int) -> bytes:
    return b"".join(what % number for number in range(times))


FORMS: dict[str, tuple[bytes, type[errors.EvidenceError]]] = {
    "no bytes": (b"", MALFORMED),
    "no XML": (b"{}", MALFORMED),
    "cut off": (DATA[:-8], MALFORMED),
    "another element after it": (DATA + b"<a/>", MALFORMED),
    "a DTD": (entity(""), MALFORMED),
    "entities that grow": (entity(LAUGHS), MALFORMED),
    "an entity of a file": (entity('<!ENTITY x SYSTEM "file:///etc/passwd">'), MALFORMED),
    "an entity of the network": (entity('<!ENTITY % x SYSTEM "http://h.example/">%x;'), MALFORMED),
    "a DTD of the network": (b'<!DOCTYPE a SYSTEM "http://h.example/a.dtd">' + DATA, MALFORMED),
    "an entity that nobody declared": (swapped(b'name="M_2"', b'name="&x;"'), MALFORMED),
    "a comment": (swapped(b"<ns0:Payload>", b"<ns0:Payload><!-- -->"), MALFORMED),
    "a section of characters": (swapped(b"<ns0:Payload>", b"<ns0:Payload><![CDATA[]]>"), MALFORMED),
    "a processing instruction": (swapped(b"<ns0:Payload>", b"<ns0:Payload><?a b?>"), MALFORMED),
    "a style sheet in front": (b'<?xml-stylesheet href="a"?>' + DATA, MALFORMED),
    "a declaration of another encoding": (
        b'<?xml version="1.0" encoding="UTF-7"?>' + DATA, MALFORMED,
    ),
    "UTF-16": (DATA.decode().encode("utf-16"), MALFORMED),
    "UTF-16 without its mark": (DATA.decode().encode("utf-16-le"), MALFORMED),
    "a letter beyond ASCII": (swapped(b'name="M_2"', 'name="\u00c4"'.encode()), MALFORMED),
    "too long": (DATA + b" " * MAX_DOCUMENT, MALFORMED),
    "too many tags": (swapped(b"<ns0:Payload>", b"<ns0:Payload>" + b"<a/>" * 2_048), MALFORMED),
    "too many attributes": (
        swapped(b"<ns0:Payload>", b"<ns0:Payload " + many(b'a%d="" ', 8_200) + b">"), MALFORMED,
    ),
    "too many namespaces": (
        swapped(b"<ns0:Payload>", b"<ns0:Payload " + many(b'xmlns:a%d="u" ', 65) + b">"), MALFORMED,
    ),
    "too deep": (b"<a>" * 1_000 + b"</a>" * 1_000, MALFORMED),
    "two attributes of one name": (swapped(b'size="48"', b'size="48" size="48"'), MALFORMED),
    "no signature": (HEAD + BODY + END, MALFORMED),
    "two signatures": (HEAD + BODY + SIGNED + SIGNED + END, MALFORMED),
    "the signature in front": (HEAD + SIGNED + BODY + END, MALFORMED),
    "the signature deeper": (HEAD + BODY + b"<a>" + SIGNED + b"</a>" + END, MALFORMED),
    "the signature alone": (SIGNED, MALFORMED),
    "a signature with a name": (swapped(b"<ds:Signature ", b'<ds:Signature Id="a" '), UNSUPPORTED),
    "a part after the signature": (HEAD + BODY + SIGNED + b"<ns0:Entity/>" + END, MALFORMED),
    "the signed document inside another": (HEAD + DATA + END, MALFORMED),
    "the signed document inside the signature": (
        HEAD + BODY.replace(b"550.90.07", b"550.90.08")
        + SIGNED.replace(b"</ds:Signature>", b"<ds:Object>" + HEAD + BODY + END
                         + b"</ds:Object></ds:Signature>") + END, UNSUPPORTED,
    ),
    "a reference to a part": (
        swapped(b'<ds:Reference URI=""', b'<ds:Reference URI="#a"'), UNSUPPORTED,
    ),
    "a reference to the network": (
        swapped(b'<ds:Reference URI=""', b'<ds:Reference URI="http://h.example/"'), UNSUPPORTED,
    ),
    "a reference to nothing": (swapped(b'<ds:Reference URI=""', b"<ds:Reference"), UNSUPPORTED),
    "a reference of another type": (
        swapped(b'<ds:Reference URI=""', b'<ds:Reference URI="" Type="a"'), UNSUPPORTED,
    ),
    "two references": (
        swapped(b"</ds:Reference>", b'</ds:Reference><ds:Reference URI=""/>'), UNSUPPORTED,
    ),
    "a transform by a style sheet": (
        swapped(b"http://www.w3.org/2006/12/xml-c14n11\"/></ds:Transforms>",
                b"http://www.w3.org/TR/1999/REC-xslt-19991116\"/></ds:Transforms>"), UNSUPPORTED,
    ),
    "a transform by a path": (
        swapped(b"</ds:Transforms>",
                b'<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
                b"<ds:XPath>not(ancestor-or-self::*[@index='2'])</ds:XPath></ds:Transform>"
                b"</ds:Transforms>"), UNSUPPORTED,
    ),
    "a weaker digest": (
        swapped(b"xmldsig-more#sha384", b"xmldsig#sha1"), UNSUPPORTED,
    ),
    "another algorithm": (swapped(b"#ecdsa-sha384", b"#ecdsa-sha256"), UNSUPPORTED),
    "a secret in place of a key": (swapped(b"#ecdsa-sha384", b"#hmac-sha384"), UNSUPPORTED),
    "a bare key": (
        swapped(b"<ds:X509Data>", b"<ds:KeyValue></ds:KeyValue><ds:X509Data>"), UNSUPPORTED,
    ),
    "a key of another place": (
        swapped(b"<ds:X509Data>", b'<ds:RetrievalMethod URI="http://h.example/"/><ds:X509Data>'),
        UNSUPPORTED,
    ),
    "no certificates": (
        DATA[: DATA.index(b"<ds:X509Certificate>")] + b"</ds:X509Data></ds:KeyInfo></ds:Signature>"
        + END, MALFORMED,
    ),
    "a certificate that is none": (
        swapped(b"<ds:X509Certificate>", b"<ds:X509Certificate>AA"), MALFORMED,
    ),
    "a certificate that is no base64": (
        swapped(b"<ds:X509Certificate>", b"<ds:X509Certificate>!"), MALFORMED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", FORMS)
def test_documents_of_another_form_are_refused_before_any_signature(damage: str) -> None:
    data, error = FORMS[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        parse_signed_xml(data)
    assert type(raised.value) is error, raised.value


CHANGED: dict[str, bytes] = {
    "a value": swapped(value(3).encode(), value(4).encode()),
    "a value that is not to be compared": swapped(b'active="True"', b'active="False"'),
    "the version": swapped(b"550.90.07", b"550.90.08"),
    "the product": swapped(b"GH100", b"GB100"),
    "a value more": swapped(
        b"</ns0:Payload>", resource(4, ZERO).encode() + b"</ns0:Payload>"
    ),
    "a value fewer": swapped(DRIVER[1].encode(), b""),
    "white space": swapped(b"</ns0:Payload>", b" </ns0:Payload>"),
    "text after the signature": swapped(END, b"text" + END),
    "the signature of another": HEAD + BODY + VBIOS_DATA[VBIOS_DATA.index(b"<ds:Signature") :],
    "an empty signature": DATA[: DATA.index(b"<ds:SignatureValue>")] + b"<ds:SignatureValue>"
    + DATA[DATA.index(b"</ds:SignatureValue>") :],
    "a signature of zeros": DATA[: DATA.index(b"<ds:SignatureValue>")] + b"<ds:SignatureValue>"
    + base64.b64encode(bytes(96)) + DATA[DATA.index(b"</ds:SignatureValue>") :],
    "an empty digest": DATA[: DATA.index(b"<ds:DigestValue>")] + b"<ds:DigestValue>"
    + DATA[DATA.index(b"</ds:DigestValue>") :],
}  # fmt: skip


@pytest.mark.parametrize("damage", CHANGED)
def test_documents_that_were_changed_are_refused(damage: str) -> None:
    with pytest.raises(SIGNATURE):
        GOOD.verify(CHANGED[damage])


# --- who signed it, and what it says -------------------------------------------------


def by(**options: Any) -> Made:
    """Signed by a certificate of that kind."""
    authority = rims.authorities()[1]
    given: dict[str, Any] = {"extensions": [rims.USAGE], **options}
    return replace(GOOD, signer=issue("HCC RIM L4 Signer", authority, **given))


def stranger() -> Made:
    root = issue("NVIDIA CoRIM signing Root CA", ca=True)
    leaf = issue("HCC RIM L4 Signer", root, extensions=[rims.USAGE])
    return replace(GOOD, signer=leaf, chain=(leaf.certificate, root.certificate))


def payload(*resources: str) -> Made:
    return replace(GOOD, resources=resources)


PATH = GOOD.path()
OTHER = issue("another", rims.authorities()[1], extensions=[rims.USAGE])
NOT_SO: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "an authority of the same name": (stranger, CHAIN),
    "a chain without its root": (lambda: replace(GOOD, chain=PATH[:2]), CHAIN),
    "a chain without its middle": (lambda: replace(GOOD, chain=(PATH[0], PATH[2])), CHAIN),
    "a chain upside down": (lambda: replace(GOOD, chain=PATH[::-1]), CHAIN),
    "the certificate of another": (
        lambda: replace(GOOD, chain=(OTHER.certificate, *PATH[1:])), SIGNATURE,
    ),
    "a signer that is an authority": (lambda: by(ca=True, extensions=[]), CHAIN),
    "a signer whose key is for nothing": (lambda: by(extensions=[]), CHAIN),
    "a signer whose key is for other things": (
        lambda: by(extensions=[("2.5.29.15", b"\x03\x02\x05\x20")]), CHAIN,
    ),
    "a signer of yesterday": (lambda: by(ends=AT - DAY / 2), EXPIRED),
    "a signer of tomorrow": (lambda: by(begins=AT + DAY / 2), EXPIRED),
    "another root": (lambda: replace(GOOD, anchors=frozenset({ROOT})), CHAIN),
    "no root": (lambda: replace(GOOD, anchors=frozenset()), CHAIN),
    "an additional tag": (
        lambda: replace(GOOD, flags='corpus="false" patch="false" supplemental="true"'),
        UNSUPPORTED,
    ),
    "the tag of a patch": (
        lambda: replace(GOOD, flags='corpus="false" patch="true" supplemental="false"'),
        UNSUPPORTED,
    ),
    "a tag that does not say": (lambda: replace(GOOD, flags=""), UNSUPPORTED),
    "a manifest of switches": (lambda: replace(GOOD, edition="SWITCH"), UNSUPPORTED),
    "a manifest of another maker": (lambda: replace(GOOD, manufacturer="9"), UNSUPPORTED),
    "no product line": (lambda: replace(GOOD, product="H100"), MALFORMED),
    "two product lines": (lambda: replace(GOOD, model="GB100"), MALFORMED),
    "no version": (lambda: replace(GOOD, version=""), UNSUPPORTED),
    "a version of something else": (lambda: replace(GOOD, version="1.2.3.4"), UNSUPPORTED),
    "no values": (lambda: payload(), MALFORMED),
    "no values to compare": (lambda: payload(DRIVER[0]), MALFORMED),
    "an index twice": (lambda: payload(DRIVER[1], DRIVER[1]), MALFORMED),
    "an index twice, once switched off": (
        lambda: payload(DRIVER[1], resource(2, ZERO, active="False")), MALFORMED,
    ),
    "an index below 0": (lambda: payload(resource(-1, ZERO)), MALFORMED),
    "an index beyond a byte": (lambda: payload(resource(255, ZERO)), MALFORMED),
    "an index with a sign": (lambda: payload(DRIVER[1].replace('"2"', '"+2"', 1)), MALFORMED),
    "fewer values than said": (
        lambda: payload(DRIVER[1].replace('alternatives="2"', 'alternatives="3"')), MALFORMED,
    ),
    "more values than said": (
        lambda: payload(DRIVER[1].replace('alternatives="2"', 'alternatives="1"')), UNSUPPORTED,
    ),
    "no value at an index": (lambda: payload(resource(2)), UNSUPPORTED),
    "too many values": (
        lambda: payload(DRIVER[1].replace('alternatives="2"', 'alternatives="999"')), MALFORMED,
    ),
    "a shorter digest": (lambda: payload(resource(2, "0" * 64)), MALFORMED),
    "a digest in capitals": (lambda: payload(resource(2, "A" * 96)), MALFORMED),
    "a digest of another size": (
        lambda: payload(DRIVER[1].replace('size="48"', 'size="32"')), UNSUPPORTED,
    ),
    "a switch that is neither": (lambda: payload(resource(2, ZERO, active="false")), MALFORMED),
    "a condition that is not known": (
        lambda: payload(resource(2, ZERO, extra=' mask="ff"')), UNSUPPORTED,
    ),
    "a value inside a value": (
        lambda: payload(DRIVER[1].replace("/>", f">{DRIVER[0]}</ns0:Resource>")), UNSUPPORTED,
    ),
    "another kind of value": (
        lambda: replace(GOOD, payload='<ns0:Payload><ns0:File name="a"/></ns0:Payload>'),
        MALFORMED,
    ),
    "two lists of values": (
        lambda: replace(GOOD, payload=f"<ns0:Payload>{DRIVER[1]}</ns0:Payload>" * 2), MALFORMED,
    ),
    "no list of values": (lambda: replace(GOOD, payload="<ns0:Entity/>"), MALFORMED),
    "a link to another tag": (
        lambda: replace(GOOD, payload='<ns0:Payload/><ns0:Link rel="supersedes"/>'), UNSUPPORTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", NOT_SO)
def test_manifests_that_are_none_are_refused_for_their_reason(damage: str) -> None:
    make, error = NOT_SO[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        make().verify()
    assert type(raised.value) is error, raised.value


def test_a_signer_with_another_kind_of_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    leaf = issue("HCC RIM L4 Signer", rims.authorities()[1], key=key, extensions=[rims.USAGE])
    data = rims.sign(
        GOOD.document(), leaf, (leaf.certificate, *PATH[1:]),
        options={"signature_algorithm": "rsa-sha384"},
    )  # fmt: skip
    with pytest.raises(UNSUPPORTED):
        GOOD.verify(data)
    with pytest.raises(SIGNATURE):
        GOOD.verify(data.replace(b"#rsa-sha384", b"#ecdsa-sha384"))


@settings(max_examples=60)
@given(st.integers(0, len(DATA)), st.binary(max_size=12), st.integers(0, 40))
def test_no_bytes_make_the_reader_fail_otherwise(at: int, new: bytes, drop: int) -> None:
    try:
        GOOD.verify(DATA[:at] + new + DATA[at + drop :])
    except errors.EvidenceError:
        return


@pytest.mark.parametrize("library", ["signxml", "lxml"])
def test_without_the_libraries_nobody_can_tell_and_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(INCOMPLETE, match=r"the extra `gpu` \(lxml and signxml\): install it"):
        parse_signed_xml(DATA)


# --- reports with manifests ----------------------------------------------------------

MADE = gpu.Made()


def verify(made: gpu.Made, *manifests: Made) -> Claims:
    root = frozenset({gpu.fingerprint(gpu.authorities()[0].certificate)})
    return verify_report(
        parse_report(made.report()),
        chain=made.path(),
        at=AT,
        anchors=root,
        rims=[parse_signed_xml(one.data()) for one in manifests],
        rim_anchors=rims.anchors(),
    )


def judged(claims: Claims) -> AttestationResult:
    section = next(iter(POLICY.sections.values())).model_copy(update={"reference": ()})
    policy = replace(POLICY, sections={section.name: section})
    return appraise(claims, policy, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256="")


@pytest.mark.parametrize("order", [1, -1])
def test_a_report_whose_values_are_all_right_can_be_accepted(order: int) -> None:
    claims = verify(MADE, *[rims.driver(), rims.vbios()][::order])
    assert (claims.is_debug, claims.is_as_published) == (False, True)
    assert {one.kind for one in claims.used} == {"certificate", "rim"}
    result = judged(claims)
    assert (result.verdict, result.lacking) == (Verdict.ACCEPTED, ())
    assert "runtime-opaque" not in result.vector.told()


def test_a_report_without_manifests_tells_as_little_as_before() -> None:
    claims = verify(MADE)
    assert (claims.is_debug, claims.is_as_published, claims.is_confidential) == (None, None, None)
    assert judged(claims).verdict is Verdict.UNDECIDED


def test_a_report_with_one_wrong_value_is_refused_and_says_where() -> None:
    wrong = replace(rims.vbios(), resources=(VBIOS[0], resource(1, value(9))))
    claims = verify(MADE, rims.driver(), wrong)
    assert (claims.is_debug, claims.is_as_published) == (None, False)
    assert claims.is_confidential is None
    assert claims.detail["differs_at"] == "2"
    result = judged(claims)
    assert (result.verdict, result.reason) == (Verdict.REFUSED, "appraisal-executables")


def test_a_value_that_the_report_does_not_have_is_wrong() -> None:
    more = replace(rims.driver(), resources=(*DRIVER, resource(7, ZERO)))
    assert verify(MADE, more, rims.vbios()).detail["differs_at"] == "8"


def test_own_reference_values_still_count_beside_those_of_the_maker() -> None:
    claims = verify(MADE, rims.driver(), rims.vbios())
    (section,) = POLICY.sections.values()
    row = section.reference[0].model_copy(update={"any_of": ("00",), "waived": None})
    strict = section.model_copy(update={"reference": (row,)})
    policy = replace(POLICY, sections={section.name: strict})
    found = appraise(claims, policy, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256="")
    assert found.reason == "appraisal-executables"


FOREIGN: dict[str, tuple[tuple[Made, ...], type[errors.EvidenceError]]] = {
    "the driver's alone": ((rims.driver(),), INCOMPLETE),
    "the VBIOS's alone": ((rims.vbios(),), INCOMPLETE),
    "the driver's twice": ((rims.driver(), rims.driver()), BINDING),
    "another driver's": ((replace(rims.driver(), version="550.90.08"), rims.vbios()), BINDING),
    "that of a driver with fewer zeros": (
        (replace(rims.driver(), version="550.90.7"), rims.vbios()), BINDING,
    ),
    "that of the VBIOS of another board": (
        (rims.driver(), replace(rims.vbios(), version="96.00.9F.00.02")), BINDING,
    ),
    "another product's": ((replace(rims.driver(), product="GB100"), rims.vbios()), BINDING),
    "two that name one index": (
        (rims.driver(), replace(rims.vbios(), resources=(*VBIOS, resource(2, value(3))))), BINDING,
    ),
    "one that nobody vouches for": ((stranger(), rims.vbios()), CHAIN),
}  # fmt: skip


@pytest.mark.parametrize("damage", FOREIGN)
def test_manifests_that_are_not_of_this_gpu_are_refused(damage: str) -> None:
    manifests, error = FOREIGN[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        verify(MADE, *manifests)
    assert type(raised.value) is error, raised.value


def test_a_manifest_with_small_letters_in_its_version_is_of_the_same_vbios() -> None:
    small = replace(rims.vbios(), version="96.00.9f.00.01")
    assert verify(MADE, rims.driver(), small).is_as_published is True


MODES: dict[str, tuple[dict[int, bytes], str, bool | None]] = {
    "nothing is told": ({}, "", None),
    "no protected PCIe": ({21: b"\x55"}, "spt", True),
    "protected PCIe": ({21: b"\xaa"}, "ppcie", None),
    "protected PCIe, and neither": ({21: b"\x01"}, "", None),
    "one GPU": ({21: b"\xaa", 36: b"\1\0"}, "spt", True),
    "several GPUs": ({36: b"\0"}, "mpt", True),
    "protected PCIe by its new field": ({21: b"\x55", 36: b"\2\0"}, "ppcie", None),
    "a mode that is not known": ({21: b"\x55", 36: b"\3\0"}, "", None),
}


@pytest.mark.parametrize("told", MODES)
def test_a_gpu_is_closed_to_the_host_only_in_modes_that_close_it(told: str) -> None:
    fields, mode, closed = MODES[told]
    made = replace(MADE, extra=MADE.extra + gpu.opaque(fields))
    claims = verify(made, rims.driver(), rims.vbios())
    assert (claims.detail.get("mode", ""), claims.is_confidential) == (mode, closed)
    assert verify(made).is_confidential is None


@pytest.mark.parametrize("fields", [{36: b""}, {21: bytes(9)}, {11: b""}, {11: b"\x01"}])
def test_a_flag_that_is_none_is_refused(fields: dict[int, bytes]) -> None:
    made = replace(MADE, extra=MADE.extra + gpu.opaque(fields))
    with pytest.raises(UNSUPPORTED):
        verify(made, rims.driver(), rims.vbios())


def test_what_the_decoder_measures_counts_unless_it_is_off() -> None:
    decoder = replace(rims.driver(), resources=(*DRIVER, resource(35, value(1))))
    for status, met in ((b"\x55", True), (b"\xaa", False), (None, False)):
        fields = {} if status is None else {11: status}
        made = replace(MADE, extra=MADE.extra + gpu.opaque(fields))
        assert verify(made, decoder, rims.vbios()).is_as_published is met
    neighbour = replace(rims.driver(), resources=(*DRIVER, resource(36, value(1))))
    off = replace(MADE, extra=MADE.extra + gpu.opaque({11: b"\x55"}))
    assert verify(off, neighbour, rims.vbios()).is_as_published is False


# --- in a bundle ---------------------------------------------------------------------


def bundled(vectors: Path, manifests: list[bytes]) -> Claims:
    folder = vectors / "nvidia-gpu"
    chain = read_pem_chain((folder / "hopper-chain-case1.pem").read_bytes())
    encode: Callable[[bytes], str] = lambda data: base64.b64encode(data).decode()  # noqa: E731
    document = {
        "format": FORMAT,
        "technology": "nvidia-gpu",
        "evidence": {"report": encode(bytes.fromhex((folder / "hopper-report.hex").read_text()))},
        "endorsements": {
            "chain": [encode(one.public_bytes(Encoding.DER)) for one in chain],
            "rims": [encode(one) for one in manifests],
        },
    }
    return verify_bundle(read_bundle(json.dumps(document).encode()), Anchors(), at=AT)


def test_manifests_of_a_bundle_are_verified_to_the_pinned_authority(vectors: Path) -> None:
    data, _ = real(vectors)
    assert bundled(vectors, []).is_as_published is None
    with pytest.raises(BINDING):
        bundled(vectors, [data])
    with pytest.raises(CHAIN):
        bundled(vectors, [DATA, VBIOS_DATA])
    with pytest.raises(MALFORMED, match="2 reference manifests at most"):
        bundled(vectors, [data] * 3)
