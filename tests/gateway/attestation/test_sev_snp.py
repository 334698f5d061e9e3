"""SEV-SNP: real reports of public repositories, and reports made here, damaged one thing at a
time."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import fingerprint, read_certificate, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.sev_snp import ANCHORS, SIZE, VERSIONS, parse_report, verify_report
from tests.gateway.attestation import snp
from tests.gateway.attestation.chains import AT, DAY, issue, revoked
from tests.gateway.attestation.snp import Made

MILAN = snp.made()
VLEK = snp.made(kind="VLEK")

# --- real evidence -------------------------------------------------------------------

POLICY = read_policy(b"""
format = "charter-appraisal/v1"
id = "vectors"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "sev-snp"
products = ["Milan", "Genoa"]
without_revocation = true
max_level = 1
[[technology.floor]]
product = "Milan"
firmware = { snp = 5 }
source = "tests"
valid_from = 2020-01-01
[[technology.floor]]
product = "Genoa"
firmware = { snp = 23 }
source = "tests"
valid_from = 2020-01-01
[[technology.reference]]
measurement = "launch"
waived = "no reference values for these guests are known"
source = "tests"
valid_from = 2020-01-01
""")
LEVEL_0 = "snp-milan-v3-vlek-vmpl"
REAL: dict[str, type[errors.EvidenceError] | Verdict] = {
    "snp-milan-v2-debug": Verdict.REFUSED,
    "snp-milan-v3-vlek": Verdict.ACCEPTED,
    "snp-milan-v3-vlek-expired": errors.EvidenceExpiredError,
    LEVEL_0: Verdict.REFUSED,
    "snp-foreign-vcek": errors.EvidenceSignatureError,
    "snp-genoa-v3": Verdict.ACCEPTED,
    "snp-genoa-wrong-product-chain": errors.EvidenceChainError,
    "snp-truncated": errors.EvidenceMalformedError,
}
WORDS = {
    "accept": Verdict.ACCEPTED,
    "reject-by-policy": Verdict.REFUSED,
    "reject": errors.EvidenceError,
}


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    return {one["id"]: one for one in listed}


def real(folder: Path, case: dict[str, Any]) -> Claims:
    files = case["files"]
    name = files["report"] if "vek" in files else "genoa-v3-report.bin"
    data = (folder / name).read_bytes()
    if "vek" not in files:
        parse_report(data[:-1])
    return verify_report(
        parse_report(data),
        vek=read_certificate((folder / files["vek"]).read_bytes()),
        chain=read_pem_chain((folder / files["chain"]).read_bytes()),
        at=datetime.fromisoformat(case["evaluate_at"]),
    )


def test_no_real_case_is_left_out(vectors: Path) -> None:
    found = expected(vectors / "sev-snp")
    assert found.keys() == REAL.keys()
    for name, outcome in REAL.items():
        word = WORDS[found[name]["verdict"]]
        assert outcome is word or (isinstance(outcome, type) and issubclass(outcome, word))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", REAL)
def test_real_evidence_gets_its_verdict(vectors: Path, name: str) -> None:
    folder, outcome = vectors / "sev-snp", REAL[name]
    case = expected(folder)[name]
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            real(folder, case)
        return
    claims = real(folder, case)
    facts = case.get("facts", {})
    if "reported_tcb" in facts:
        told = facts["reported_tcb"]
        assert claims.firmware == {
            "bootloader": told["bl"], "tee": told["tee"], "snp": told["snp"],
            "microcode": told["ucode"],
        }  # fmt: skip
        assert (claims.level, claims.detail["version"]) == (facts["vmpl"], facts["version"])
    policy = POLICY
    if name == LEVEL_0:
        section = next(iter(policy.sections.values()))
        strict = section.model_copy(update={"max_level": 0})
        policy = replace(policy, sections={strict.name: strict})
    result = appraise(
        claims, policy, at=datetime.fromisoformat(case["evaluate_at"]),
        freshness=Freshness.BACKGROUND, evidence_sha256="",
    )  # fmt: skip
    assert result.verdict is outcome, result.findings


def test_every_bit_of_a_real_report_is_signed_or_must_be_clear(vectors: Path) -> None:
    folder = vectors / "sev-snp"
    case = expected(folder)["snp-genoa-v3"]
    data = (folder / "genoa-v3-report.bin").read_bytes()
    vek = read_certificate((folder / "genoa-v3-vcek.der").read_bytes())
    chain = read_pem_chain((folder / case["files"]["chain"]).read_bytes())
    for at in range(SIZE):
        flipped = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises(errors.EvidenceError):
            verify_report(parse_report(flipped), vek=vek, chain=chain, at=AT)


def test_the_published_authorities_are_those_that_are_pinned(vectors: Path) -> None:
    for product, pinned in ANCHORS.items():
        pem = (vectors / "sev-snp" / f"chain-{product.lower()}-ask-ark-asvk.pem").read_bytes()
        assert pinned in {fingerprint(one) for one in read_pem_chain(pem)}


# --- evidence made here --------------------------------------------------------------


@pytest.mark.parametrize("product", ["Milan", "Genoa", "Turin"])
@pytest.mark.parametrize("kind", ["VCEK", "VLEK"])
@pytest.mark.parametrize("version", VERSIONS)
def test_evidence_of_every_product_key_and_version_holds(
    product: str, kind: str, version: int
) -> None:
    claims = snp.made(product, kind, version).verify()
    assert isinstance(claims, Claims)
    assert claims.product == product
    assert claims.firmware.keys() >= {"bootloader", "tee", "snp", "microcode"}
    assert ("fmc" in claims.firmware) == (product == "Turin")
    assert (claims.firmware["snp"], claims.firmware["microcode"]) == (24, 217)
    assert (claims.attester_id is None) == (kind == "VLEK")
    assert (claims.bound, claims.measurements["launch"]) == (b"n" * 64, b"m" * 48)
    assert claims.is_unrevoked is False


def other_key(extra: list[tuple[str, bytes]], **more: Any) -> Made:
    """A VCEK with other extensions, in whose name the report is signed."""
    _, ask = snp.authorities("Milan", "VCEK")
    vek = issue("SEV-VCEK", ask, pss=True, extensions=extra, **more)
    changed = replace(MILAN, vek=vek.certificate, signer=vek.key)  # pyright: ignore[reportArgumentType]
    return changed.written(0, MILAN.report[:1])


def with_extension(number: str, value: bytes | None) -> Made:
    listed = [one for one in snp.extensions("Milan", "VCEK") if one[0] != snp.ARC + number]
    return other_key(listed + ([] if value is None else [(snp.ARC + number, value)]))


BINDING, MALFORMED = errors.EvidenceBindingError, errors.EvidenceMalformedError
SIGNATURE, UNSUPPORTED = errors.EvidenceSignatureError, errors.EvidenceUnsupportedError
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "a byte is missing": (lambda: replace(MILAN, report=MILAN.report[:-1]), MALFORMED),
    "a byte is too much": (lambda: replace(MILAN, report=MILAN.report + b"\0"), MALFORMED),
    "no bytes": (lambda: replace(MILAN, report=b""), MALFORMED),
    "version 1": (lambda: MILAN.written(0, b"\1"), UNSUPPORTED),
    "version 6": (lambda: MILAN.written(0, b"\6"), UNSUPPORTED),
    "another algorithm": (lambda: MILAN.written(0x34, b"\2"), UNSUPPORTED),
    "no signing key": (lambda: MILAN.written(0x48, bytes([7 << 2])), SIGNATURE),
    "a signing key that is not known": (lambda: MILAN.written(0x48, bytes([3 << 2])), UNSUPPORTED),
    "bit 17 is clear": (lambda: MILAN.written(8, bytes(8)), MALFORMED),
    "a reserved flag": (lambda: MILAN.written(0x48, b"\x20"), MALFORMED),
    "reserved bytes": (lambda: MILAN.written(0x4C, b"\1"), MALFORMED),
    "reserved bytes at the end": (lambda: MILAN.written(0x208, b"\1"), MALFORMED),
    "bytes after the signature": (lambda: MILAN.written(0x330, b"\1"), MALFORMED),
    "a mitigation vector in version 3": (lambda: MILAN.written(0x1F8, b"\1"), MALFORMED),
    "a CPU in version 2": (lambda: snp.made(version=2).written(0x188, b"\x19"), MALFORMED),
    "the signature of another report": (
        lambda: replace(MILAN, report=MILAN.report[:0x2A0] + VLEK.report[0x2A0:]), SIGNATURE,
    ),
    "a signature of zeros": (
        lambda: replace(MILAN, report=MILAN.report[:0x2A0] + bytes(0x200)), SIGNATURE,
    ),
    "a signature beyond the order": (
        lambda: replace(MILAN, report=MILAN.report[:0x2A0] + b"\xff" * 144 + bytes(0x170)),
        SIGNATURE,
    ),
    "the nonce": (lambda: MILAN.flipped(0x50), SIGNATURE),
    "the measurement": (lambda: MILAN.flipped(0x90), SIGNATURE),
    "the policy": (lambda: MILAN.flipped(9), SIGNATURE),
    "the last signed byte of the chip": (lambda: MILAN.flipped(0x1DF), SIGNATURE),
    "a CPU of another product": (lambda: MILAN.written(0x188, b"\x19\x11"), BINDING),
    "a CPU that is not known": (lambda: MILAN.written(0x188, b"\x1b\x01"), UNSUPPORTED),
    "the chip of another machine": (lambda: MILAN.written(0x1A0, b"\xff"), BINDING),
    "a masked chip with a VCEK": (lambda: MILAN.written(0x48, b"\2"), BINDING),
    "older firmware than the key": (lambda: MILAN.written(0x186, b"\x17"), BINDING),
    "newer firmware than the key": (lambda: MILAN.written(0x187, b"\xda"), BINDING),
    "reported above committed": (lambda: MILAN.written(0x1E6, b"\x17"), BINDING),
    "committed above current": (lambda: MILAN.written(0x3E, b"\x17"), BINDING),
    "a VCEK called a VLEK": (lambda: MILAN.written(0x48, b"\4"), errors.EvidenceChainError),
    "a VLEK called a VCEK": (lambda: VLEK.written(0x48, b"\0"), errors.EvidenceChainError),
    "the key of another product": (
        lambda: replace(snp.made("Genoa"), report=MILAN.report), BINDING,
    ),
    "the chain of another product": (
        lambda: replace(MILAN, chain=snp.made("Genoa").chain), errors.EvidenceChainError,
    ),
    "no chain": (lambda: replace(MILAN, chain=()), errors.EvidenceIncompleteError),
    "an authority that is not pinned": (
        lambda: replace(MILAN, anchors={"Milan": "00" * 32}), errors.EvidenceChainError,
    ),
    "a product that is not pinned": (lambda: replace(MILAN, anchors={}), UNSUPPORTED),
    "the key ended": (lambda: replace(MILAN, at=AT + 2 * DAY), errors.EvidenceExpiredError),
    "the key is of tomorrow": (
        lambda: replace(MILAN, at=AT - 2 * DAY), errors.EvidenceExpiredError,
    ),
    "the key without the product": (lambda: with_extension("2", None), BINDING),
    "the key with a product that is no text": (lambda: with_extension("2", b"\2\1\1"), MALFORMED),
    "the key without a level": (lambda: with_extension("3.8", None), BINDING),
    "the key with a level that is no number": (
        lambda: with_extension("3.8", b"\x0a\1\1"), MALFORMED,
    ),
    "the key with a level of two bytes": (
        lambda: with_extension("3.8", b"\2\2\1\1"), MALFORMED,
    ),
    "the key with a negative level": (lambda: with_extension("3.8", b"\2\1\xd9"), MALFORMED),
    "the key without a chip": (lambda: with_extension("4", None), BINDING),
    "the key with a short chip": (lambda: with_extension("4", snp.CHIP[:63]), MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_evidence_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(error):
        make().verify()


def test_a_chip_in_an_octet_string_is_the_same_chip() -> None:
    assert with_extension("4", b"\x04\x40" + snp.CHIP).verify()


def test_a_revoked_authority_and_lists_of_another_time_are_refused() -> None:
    ark, ask = snp.authorities("Milan", "VCEK")
    fresh = revoked(ark)
    claims = MILAN.verify(crls=(fresh,))
    assert isinstance(claims, Claims)
    assert claims.is_unrevoked is True
    for crl, error in (
        (revoked(ark, ask.certificate), errors.EvidenceRevokedError),
        (revoked(ark, ends=AT - timedelta(seconds=1), begins=AT - DAY * 2),
         errors.EvidenceExpiredError),
        (revoked(ark, signer=ask), SIGNATURE),
    ):  # fmt: skip
        with pytest.raises(error):
            MILAN.verify(crls=(crl,))


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (MILAN, Verdict.ACCEPTED),
        (MILAN.written(8, (0xB0000).to_bytes(8, "little")), Verdict.REFUSED),
        (MILAN.written(8, (0x70000).to_bytes(8, "little")), Verdict.REFUSED),
        (MILAN.written(0x30, b"\2"), Verdict.REFUSED),
        (snp.made("Turin"), Verdict.REFUSED),
    ],
    ids=["good", "debug", "migration", "privilege level 2", "a product that is not listed"],
)
def test_genuine_is_not_yet_acceptable(made: Made, verdict: Verdict) -> None:
    claims = made.verify()
    assert isinstance(claims, Claims)
    fresh = Freshness.BACKGROUND
    at = datetime(2026, 6, 1, tzinfo=UTC)
    result = appraise(claims, POLICY, at=at, freshness=fresh, evidence_sha256="")
    assert result.verdict is verdict, result.findings


@given(st.binary(max_size=2 * SIZE) | st.binary(min_size=SIZE, max_size=SIZE))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    try:
        parse_report(data)
    except errors.EvidenceError:
        return


@given(st.integers(0, SIZE - 1), st.integers(0, 255))
def test_no_byte_of_a_report_can_be_another(at: int, value: int) -> None:
    if MILAN.report[at] == value:
        return
    body = MILAN.report[:at] + bytes([value]) + MILAN.report[at + 1 :]
    with pytest.raises(errors.EvidenceError):
        MILAN.verify(report=body)


# --- whose machines a VLEK is for ----------------------------------------------------


def of_provider(value: bytes | None, kind: str = "VLEK") -> Made:
    """Its certificate made anew, with a name of a provider."""
    good = snp.made(kind=kind)
    _, ask = snp.authorities("Milan", kind)
    extra = [] if value is None else [(f"{snp.ARC}5", value)]
    own = [*snp.extensions("Milan", kind), *extra]
    vek = issue(f"SEV-{kind}", ask, pss=True, key=good.signer, extensions=own)
    return replace(good, vek=vek.certificate)


def provider_of(made: Made) -> bytes | None:
    return verify_report(
        parse_report(made.report), vek=made.vek, chain=made.chain, at=AT, anchors=made.anchors
    ).measurements.get("csp-id")


def test_a_vlek_tells_its_provider_and_a_vcek_none() -> None:
    assert provider_of(of_provider(b"\x16\x05CN=us")) == b"CN=us"
    assert provider_of(of_provider(None)) is None
    assert provider_of(of_provider(b"\x16\x05CN=us", "VCEK")) is None


@pytest.mark.parametrize(
    "value", [b"", b"\x16\x00", b"\x0c\x05CN=us", b"\x16\x06CN=us", b"\x16\x46" + b"a" * 70]
)
def test_a_provider_that_cannot_be_read_is_refused(value: bytes) -> None:
    with pytest.raises(errors.EvidenceMalformedError):
        provider_of(of_provider(value))


def test_the_real_vlek_is_of_its_provider(vectors: Path) -> None:
    vlek = (vectors / "sev-snp" / "milan-v3-vlek.der").read_bytes()
    report = (vectors / "sev-snp" / "milan-v3-vlek-report.bin").read_bytes()
    chain = read_pem_chain((vectors / "sev-snp" / "chain-milan-ask-ark-asvk.pem").read_bytes())
    vek = read_certificate(vlek)
    claims = verify_report(
        parse_report(report), vek=vek, chain=chain, at=vek.not_valid_before_utc + DAY
    )
    assert claims.measurements["csp-id"] == b"CN=cc-us-east-2.amazonaws.com"


# --- what a guest allows its host ----------------------------------------------------


@pytest.mark.parametrize("bit", [26, 40, 63])
def test_a_guest_that_allows_what_is_not_known_here_is_refused_unless_tolerated(bit: int) -> None:
    made = MILAN.written(8, (0x30000 | 1 << bit).to_bytes(8, "little"))
    claims = made.verify()
    assert isinstance(claims, Claims)
    assert claims.advisories == ("snp-policy-unknown",)
    result = appraise(claims, POLICY, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256="")
    assert (result.verdict, result.reason) == (Verdict.REFUSED, "appraisal-hardware")


@pytest.mark.parametrize("bit", [16, 20, 21, 22, 23, 24, 25])
def test_bits_of_the_policy_that_are_known_are_no_advisory(bit: int) -> None:
    claims = MILAN.written(8, (0x30000 | 1 << bit).to_bytes(8, "little")).verify()
    assert isinstance(claims, Claims)
    assert claims.advisories == ()
