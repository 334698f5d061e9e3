"""Evidence bundles, anchors, and the table of what verifies which technology."""

import base64
import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.bundle import FORMAT, MAX_BUNDLE, read_bundle
from gateway.attestation.chain import fingerprint, read_pem_chain
from gateway.attestation.evidence import Technology
from gateway.attestation.verifiers import VERIFIERS, verify_bundle
from tests.gateway.attestation import cca, tpms
from tests.gateway.attestation.chains import AT, Issued, issue
from tests.gateway.attestation.pcrs import pcr_file

Document = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def document(technology: str, evidence: Document, **endorsements: Any) -> Document:
    return {
        "format": FORMAT,
        "technology": technology,
        "evidence": evidence,
        "endorsements": endorsements,
    }


def spelled(found: Document) -> bytes:
    return json.dumps(found).encode()


# --- reading -------------------------------------------------------------------------

TOKEN = document("arm-cca", {"token": b64(cca.Made().token())})
MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError


def changed(**members: Any) -> bytes:
    found = {**TOKEN, **members}
    return spelled({key: value for key, value in found.items() if value is not ...})


WRONG: dict[str, tuple[bytes, type[errors.EvidenceError], str]] = {
    "nothing": (b"", MALFORMED, "JSON"),
    "no JSON": (b"\xff{", MALFORMED, "JSON"),
    "a list": (b"[]", MALFORMED, "object"),
    "a member twice": (b'{"format":"a","format":"b"}', MALFORMED, "JSON"),
    "too much": (b" " * (MAX_BUNDLE + 1), MALFORMED, "JSON"),
    "another format": (changed(format="charter-evidence/v2"), UNSUPPORTED, "`format`"),
    "no format": (changed(format=...), UNSUPPORTED, "`format`"),
    "another technology": (changed(technology="sgx"), UNSUPPORTED, "`technology`"),
    "a technology by number": (changed(technology=1), UNSUPPORTED, "`technology`"),
    "no evidence": (changed(evidence=...), MALFORMED, "`evidence`"),
    "evidence that is a text": (changed(evidence="x"), MALFORMED, "`evidence`"),
    "endorsements that are a list": (changed(endorsements=[]), MALFORMED, "`endorsements`"),
    "a member that is not known": (changed(nonce="00"), MALFORMED, "`nonce`"),
    "a part that is no base64": (changed(evidence={"token": "%%%"}), MALFORMED, "evidence.token"),
    "a part in base64url": (changed(evidence={"token": "-_-_"}), MALFORMED, "evidence.token"),
    "a part without padding": (changed(evidence={"token": "QQ"}), MALFORMED, "evidence.token"),
    "a part that is a number": (changed(evidence={"token": 1}), MALFORMED, "evidence.token"),
    "a list within a list": (changed(evidence={"token": [["QQ=="]]}), MALFORMED, "evidence.token"),
    "a long list": (changed(evidence={"token": ["QQ=="] * 65}), MALFORMED, "evidence.token"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_bundle_is_refused_with_its_place(name: str) -> None:
    data, error, place = WRONG[name]
    with pytest.raises(error, match=place.replace(".", r"\.")):
        read_bundle(data)


def test_a_bundle_is_named_by_its_bytes() -> None:
    first, second = read_bundle(spelled(TOKEN)), read_bundle(spelled(TOKEN) + b"\n")
    assert first.sha256 != second.sha256
    assert first.evidence == second.evidence


@pytest.mark.parametrize(
    "found",
    [
        document("arm-cca", {}),
        document("arm-cca", {"token": [TOKEN["evidence"]["token"]]}),
        document("arm-cca", {**TOKEN["evidence"], "more": ""}),
        document("arm-cca", TOKEN["evidence"], chain=[]),
        document("sev-snp", {"report": ""}, vek="", chain=""),
        document("tpm", {"quote": "", "signature": "", "pcrs": ""}),
    ],
    ids=["a part is missing", "a list for a part", "a part too much", "endorsements of another",
         "a part for a list", "no key"],
)  # fmt: skip
def test_parts_are_those_of_the_technology(found: Document) -> None:
    with pytest.raises(errors.EvidenceError):
        verify_bundle(read_bundle(spelled(found)), ANCHORS, at=AT)


@given(st.recursive(st.none() | st.text(max_size=8) | st.integers(), lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["token", "report", "vek", "chain", "x"]), inner),
                    max_leaves=8),
       st.sampled_from(list(Technology)))  # fmt: skip
def test_no_document_makes_reading_or_verifying_fail_otherwise(
    value: Any, technology: Technology
) -> None:
    found = document(technology.value, value)
    try:
        verify_bundle(read_bundle(spelled(found)), ANCHORS, at=AT)
    except errors.EvidenceError:
        return
    raise AssertionError("verified")


# --- anchors -------------------------------------------------------------------------


def pem(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


FILE = f'''
format = "charter-anchors/v1"
owner = "operator"

[[tpm_key]]
name = "rack 7"
pem = """{pem(tpms.ECC)}"""
source = "read at delivery"
valid_from = 2026-01-01

[[cca_platform]]
implementation_id = "{cca.IMPLEMENTATION.hex()}"
instance_id = "{cca.INSTANCE.hex()}"
pem = """{pem(cca.CPAK)}"""
source = "endorsement of the maker"
valid_from = 2026-01-01
valid_until = 2026-12-31
'''
ANCHORS = read_anchors(FILE.encode())


def test_anchors_count_on_their_days() -> None:
    key = tpms.ECC.public_key()
    assert ANCHORS.pinned_on(key, date(2026, 1, 1))
    assert not ANCHORS.pinned_on(key, date(2025, 12, 31))
    assert not ANCHORS.pinned_on(tpms.RSA.public_key(), date(2026, 6, 1))
    assert not Anchors().pinned_on(key, date(2026, 6, 1))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("charter-anchors/v1", "charter-anchors/v2", "format"),
        ('owner = "operator"\n', "", "owner"),
        ('name = "rack 7"', "", "tpm_key.0.name"),
        ('source = "read at delivery"\n', "", "tpm_key.0.source"),
        ("valid_from = 2026-01-01\n\n", "\n", "tpm_key.0.valid_from"),
        ("BEGIN PUBLIC KEY", "BEGIN PUBLIC", "tpm_key.pem"),
        (pem(tpms.ECC), pem(Ed25519PrivateKey.generate()), "tpm_key.pem"),
        (pem(cca.CPAK), pem(tpms.RSA), "cca_platform.pem"),
        ("implementation_id", "implementation", "cca_platform.0.implementation"),
        (cca.INSTANCE.hex(), "xy", "cca_platform.0.instance_id"),
        ("[[tpm_key]]", "[[tpm_keys]]", "tpm_keys"),
        ("[[tpm_key]]", "[[tpm_key]", "TOML"),
    ],
)
def test_anchors_with_a_mistake_are_refused_with_its_place(old: str, new: str, place: str) -> None:
    assert old in FILE
    with pytest.raises(errors.AppraisalPolicyError, match=place.replace(".", r"\.")):
        read_anchors(FILE.replace(old, new, 1).encode())


# --- every technology ----------------------------------------------------------------


def quote(made: tpms.Made | None = None, **more: Any) -> Document:
    made = made or tpms.Made()
    message = made.message()
    parts = {"quote": message, "signature": made.signature(message), "pcrs": pcr_file(made.values)}
    return {name: b64(data) for name, data in (parts | more).items()}


def tpm2b(made: tpms.Made) -> bytes:
    return tpms.sized(tpms.public(made.key, made.attributes).raw)


def path(*issued: Issued) -> list[str]:
    return [b64(one.certificate.public_bytes(Encoding.DER)) for one in issued]


CLOUD = issue("cloud", ca=True)
AK = issue("ak", CLOUD, key=tpms.ECC)
AUTHORITY = replace(
    ANCHORS,
    tpm_keys=(),
    tpm_authorities=read_anchors(f'''
format = "charter-anchors/v1"
owner = "operator"
[[tpm_authority]]
sha256 = "{fingerprint(CLOUD.certificate)}"
source = "the cloud's page"
valid_from = 2026-01-01
'''.encode()).tpm_authorities,
)  # fmt: skip
ECC = tpms.Made()
RSA = replace(ECC, key=tpms.RSA, scheme=0x14)


@pytest.mark.parametrize(
    ("found", "anchors", "vouched"),
    [
        (document("tpm", quote(public=tpm2b(ECC))), ANCHORS, "pinned"),
        (document("tpm", quote(ak_pem=pem(tpms.ECC).encode())), ANCHORS, "pinned"),
        (document("tpm", quote(public=tpm2b(ECC)), ak_path=path(AK, CLOUD)), AUTHORITY,
         "certified"),
    ],
    ids=["a pinned area", "a pinned key", "a certified area"],
)  # fmt: skip
def test_the_key_of_a_quote_counts_by_whoever_vouches(
    found: Document, anchors: Anchors, vouched: str
) -> None:
    claims = verify_bundle(read_bundle(spelled(found)), anchors, at=AT)
    assert claims.detail["vouched"] == vouched


def usages(*purposes: str, signs: bool = True) -> dict[str, Any]:
    """Of a certificate, in DER: what its key is for."""
    oids = [x509.ObjectIdentifier(one) for one in purposes]
    bits = b"\x03\x02\x07\x80" if signs else b"\x03\x02\x05\x20"
    extensions = [("2.5.29.15", bits)]
    if oids:
        extensions.append(("2.5.29.37", x509.ExtendedKeyUsage(oids).public_bytes()))
    return {"extensions": extensions}


AK_USAGE, EK_USAGE, SERVER = "2.23.133.8.3", "2.23.133.8.1", "1.3.6.1.5.5.7.3.1"


@pytest.mark.parametrize(
    ("given", "critical"),
    [({}, False), (usages(), False), (usages(AK_USAGE), False), (usages(AK_USAGE), True),
     (usages(SERVER, AK_USAGE), False)],
    ids=["it does not say", "for signatures", "of an AK", "of an AK, critical", "of an AK too"],
)  # fmt: skip
def test_a_certificate_of_an_ak_vouches_for_its_key(given: dict[str, Any], critical: bool) -> None:
    ak = issue("ak", CLOUD, key=tpms.ECC, critical=critical, **given)
    found = document("tpm", quote(public=tpm2b(ECC)), ak_path=path(ak, CLOUD))
    assert verify_bundle(read_bundle(spelled(found)), AUTHORITY, at=AT)


@pytest.mark.parametrize(
    "given",
    [usages(SERVER), usages(EK_USAGE), usages(signs=False), usages(AK_USAGE, signs=False)],
    ids=["of a server", "of an EK", "for other things", "of an AK, for other things"],
)
def test_another_certificate_of_the_authority_of_aks_vouches_for_nothing(
    given: dict[str, Any],
) -> None:
    other = issue("ak", CLOUD, key=tpms.ECC, **given)
    found = document("tpm", quote(public=tpm2b(ECC)), ak_path=path(other, CLOUD))
    with pytest.raises(errors.EvidenceChainError):
        verify_bundle(read_bundle(spelled(found)), AUTHORITY, at=AT)


@pytest.mark.parametrize(
    ("found", "anchors", "error"),
    [
        (document("tpm", quote(public=tpm2b(ECC))), Anchors(), errors.EvidenceIncompleteError),
        (document("tpm", quote(RSA, public=tpm2b(RSA))), ANCHORS, errors.EvidenceIncompleteError),
        (document("tpm", quote(public=tpm2b(ECC)), ak_path=path(AK, CLOUD)), ANCHORS,
         errors.EvidenceChainError),
        (document("tpm", quote(RSA, public=tpm2b(RSA)), ak_path=path(AK, CLOUD)), AUTHORITY,
         errors.EvidenceBindingError),
        (document("tpm", quote(public=tpm2b(replace(ECC, attributes=0x40072)))), ANCHORS,
         errors.EvidenceBindingError),
        (document("tpm", quote(ak_pem=b"x")), ANCHORS, errors.EvidenceMalformedError),
        (document("tpm", quote(ak_pem=pem(Ed25519PrivateKey.generate()).encode())), ANCHORS,
         errors.EvidenceUnsupportedError),
    ],
    ids=["nobody vouches", "a key that is not pinned", "an authority that is not pinned",
         "the certificate of another key", "an unrestricted key", "no key", "another kind of key"],
)  # fmt: skip
def test_a_key_for_which_nobody_vouches_is_refused(
    found: Document, anchors: Anchors, error: type[errors.EvidenceError]
) -> None:
    with pytest.raises(error):
        verify_bundle(read_bundle(spelled(found)), anchors, at=AT)


def test_a_token_of_cca_counts_by_its_platform() -> None:
    bundle = read_bundle(spelled(TOKEN))
    assert verify_bundle(bundle, ANCHORS, at=AT).technology is Technology.ARM_CCA
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_bundle(bundle, Anchors(), at=AT)
    with pytest.raises(errors.EvidenceExpiredError):
        verify_bundle(bundle, ANCHORS, at=AT.replace(year=2027))


def real(vectors: Path) -> dict[str, tuple[Document, str]]:
    """Real evidence as bundles, each with an instant at which it holds."""
    snp, azure, nitro = vectors / "sev-snp", vectors / "azure-vtpm", vectors / "nitro"

    def chain(product: str) -> list[str]:
        pems = (snp / f"chain-{product}-ask-ark-asvk.pem").read_bytes()
        return [b64(one.public_bytes(Encoding.DER)) for one in read_pem_chain(pems)]

    def raw(text: str) -> str:
        return b64(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    machine: Document = json.loads((azure / "snp-milan-v1.json").read_bytes())
    sent = machine["tpm_quote"]
    values = {(0x000B, n): bytes.fromhex(value) for n, value in enumerate(sent["pcrs"])}
    return {
        "sev-snp": (
            document(
                "sev-snp", {"report": b64((snp / "genoa-v3-report.bin").read_bytes())},
                vek=b64((snp / "genoa-v3-vcek.der").read_bytes()), chain=chain("genoa"),
            ),
            "2026-01-01T00:00:00Z",
        ),
        "azure-snp-vtpm": (
            document(
                "azure-snp-vtpm",
                {
                    "hcl_report": raw(machine["hcl_report"]),
                    "quote": b64(bytes.fromhex(sent["message"])),
                    "signature": b64(bytes.fromhex(sent["signature"])),
                    "pcrs": b64(pcr_file(values)),
                },
                vek=raw(machine["vcek"]), chain=chain("milan"),
            ),
            "2025-06-01T00:00:00Z",
        ),
        "tdx": (
            document(
                "tdx",
                {"quote": b64((vectors / "tdx" / "v4-uptodate.quote").read_bytes())},
                collateral=b64((vectors / "tdx" / "v4-uptodate-collateral.json").read_bytes()),
            ),
            "2025-06-20T10:16:03Z",
        ),
        "nitro": (
            document("nitro", {"document": b64((nitro / "non-debug-2022.cose").read_bytes())}),
            "2022-10-13T08:58:10Z",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("technology", ["sev-snp", "azure-snp-vtpm", "tdx", "nitro"])
def test_real_evidence_is_verified_from_a_bundle(vectors: Path, technology: str) -> None:
    found, at = real(vectors)[technology]
    bundle = read_bundle(spelled(found))
    claims = verify_bundle(bundle, Anchors(), at=datetime.fromisoformat(at))
    assert claims.technology.value == technology


@pytest.mark.parametrize("technology", ["sev-snp", "azure-snp-vtpm", "tdx", "nitro"])
def test_a_flipped_bit_in_any_part_of_real_evidence_is_refused(
    vectors: Path, technology: str
) -> None:
    found, at = real(vectors)[technology]
    for group in ("evidence", "endorsements"):
        for name, part in found[group].items():
            if isinstance(part, list):
                continue
            data = bytearray(base64.b64decode(part))
            # A file of PCR values is mostly room that is left; this is its first value.
            data[142 if name == "pcrs" else len(data) // 2] ^= 1
            damaged = {**found, group: {**found[group], name: b64(bytes(data))}}
            with pytest.raises(errors.EvidenceError):
                verify_bundle(
                    read_bundle(spelled(damaged)), Anchors(), at=datetime.fromisoformat(at)
                )


def test_every_row_says_what_it_reads() -> None:
    page = (Path(__file__).parents[3] / "docs" / "attestation.md").read_text()
    for technology, row in VERIFIERS.items():
        assert f"`{technology.value}`" in page
        for part in row.evidence | row.endorsements:
            assert f"`{part}`" in page, part
