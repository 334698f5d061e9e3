"""Confidential VMs of Azure: real evidence, and evidence made here, damaged one thing at a time."""

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import azure, errors
from gateway.attestation import tpm_structures as tpm
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import read_certificate, read_pem_chain
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import Freshness, Verdict
from tests.gateway.attestation import snp, tpms
from tests.gateway.attestation.chains import AT

# --- real evidence -------------------------------------------------------------------


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True)
class Real:
    hcl: bytes
    quote: azure.Quote
    values: dict[tuple[int, int], bytes]
    vek: bytes
    chain: bytes

    def verify(self, at: datetime) -> Claims:
        return azure.verify_snp(
            azure.parse_hcl_report(self.hcl), vek=read_certificate(self.vek),
            chain=read_pem_chain(self.chain), quote=self.quote, values=self.values, at=at,
        )  # fmt: skip


def real(vectors: Path, name: str) -> Real:
    document: Any = json.loads((vectors / "azure-vtpm" / name).read_bytes())
    sent = document["tpm_quote"]
    quote = azure.raw_quote(bytes.fromhex(sent["message"]), bytes.fromhex(sent["signature"]))
    values = {(tpm.SHA256, n): bytes.fromhex(value) for n, value in enumerate(sent["pcrs"])}
    chain = (vectors / "sev-snp" / "chain-milan-ask-ark-asvk.pem").read_bytes()
    return Real(unpadded(document["hcl_report"]), quote, values, unpadded(document["vcek"]), chain)


THEN = datetime.fromisoformat("2025-06-01T00:00:00Z")


def facts(vectors: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((vectors / "azure-vtpm" / "expected.json").read_bytes())["cases"]
    assert {one["id"]: one["verdict"] for one in listed} == {
        "az-snp-v1": "accept",
        "az-snp-v1-wrong-nonce": "reject",
        "az-snp-v2": "accept",
        "az-snp-runtime-tamper": "reject",
    }
    return {one["id"]: one.get("facts", {}) for one in listed}


POLICY = read_policy(b"""
format = "charter-appraisal/v1"
id = "azure"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "azure-snp-vtpm"
products = ["Milan"]
without_revocation = true
[[technology.floor]]
product = "Milan"
firmware = { bootloader = 3 }
source = "tests"
valid_from = 2020-01-01
[[technology.reference]]
measurement = "sha256:0"
waived = "machines of others"
source = "tests"
valid_from = 2020-01-01
[[technology.reference]]
measurement = "launch"
waived = "machines of others"
source = "tests"
valid_from = 2020-01-01
""")


def naming(technology: Technology, *measurements: str) -> AppraisalPolicy:
    """With references for these alone."""
    (section,) = POLICY.sections.values()
    rows = [section.reference[0].model_copy(update={"measurement": m}) for m in measurements]
    own = section.model_copy(update={"name": technology, "reference": tuple(rows)})
    return replace(POLICY, sections={technology: own})


@pytest.mark.parametrize(
    ("technology", "roots"),
    [(Technology.AZURE_SNP, ("launch", "id-key", "author-key")), (Technology.AZURE_TDX, ("mrtd",))],
)
def test_values_of_a_virtual_tpm_alone_say_nothing_for_anybody_could_feign_it(
    technology: Technology, roots: tuple[str, ...]
) -> None:
    claims = replace(GOOD.verify(), technology=technology)

    def lacking(*measurements: str) -> bool:
        policy = naming(technology, *measurements)
        found = appraise(claims, policy, at=AT, freshness=Freshness.CHALLENGED, evidence_sha256="")
        assert (found.verdict is not Verdict.ACCEPTED) or not found.lacking
        return any("whose virtual TPM" in words for words in found.lacking)

    assert lacking("sha256:7", "sha256:0")
    assert lacking("host-data")
    for root in roots:
        assert not lacking("sha256:7", root)
    assert not lacking(roots[0])


def judged(claims: Claims, at: datetime) -> Verdict:
    return appraise(
        claims, POLICY, at=at, freshness=Freshness.BACKGROUND, evidence_sha256=""
    ).verdict


def test_real_evidence_holds_and_answers_its_nonce_alone(vectors: Path) -> None:
    told = facts(vectors)["az-snp-v1"]
    claims = real(vectors, "snp-milan-v1.json").verify(THEN)
    assert (claims.technology, claims.product) == (Technology.AZURE_SNP, "Milan")
    assert claims.measurements["sha256:0"].hex().startswith(told["pcr0"])
    check_bound(claims, told["nonce_utf8"].encode())
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, facts(vectors)["az-snp-v1-wrong-nonce"]["expected_nonce_utf8"].encode())
    assert judged(claims, THEN) is Verdict.ACCEPTED


def test_real_evidence_with_user_data_holds(vectors: Path) -> None:
    nonce = bytes.fromhex(facts(vectors)["az-snp-v2"]["nonce_hex"])
    claims = real(vectors, "snp-milan-v2-userdata.json").verify(THEN)
    check_bound(claims, nonce)
    assert str(claims.detail["user_data"]).startswith(nonce.hex())


def test_changed_runtime_data_of_real_evidence_are_refused(vectors: Path) -> None:
    evidence = real(vectors, "snp-milan-v1.json")
    changed = bytearray(evidence.hcl)
    changed[0x6E0] ^= 1
    with pytest.raises((errors.EvidenceBindingError, errors.EvidenceMalformedError)):
        replace(evidence, hcl=bytes(changed)).verify(THEN)


# --- evidence made here --------------------------------------------------------------


def number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {"kid": "HCLAkPub", "kty": "RSA", "e": number(numbers.e), "n": number(numbers.n)}


@dataclass(frozen=True)
class Made:
    """What evidence is made of, and how it is looked at."""

    runtime: Any = field(default_factory=lambda: {"keys": [jwk(tpms.RSA)], "user-data": "ABCD"})
    held: bytes | None = None  # in the report, where it is not the hash
    hardware: int = 2
    hash: int = 1
    magic: bytes = b"HCLA"
    more: int = 0  # that the length is too large by
    tail: bytes = bytes(10)
    quoted: tpms.Made = field(default_factory=lambda: tpms.Made(key=tpms.RSA, scheme=tpm.RSASSA))
    policy: int = 0x30000

    def verify(self) -> Claims:
        made, data = self.snp_and_report()
        message = self.quoted.message()
        signature = self.quoted.signature(message)[6:]
        return azure.verify_snp(
            azure.parse_hcl_report(data), vek=made.vek, chain=made.chain, at=AT,
            anchors=made.anchors, quote=azure.raw_quote(message, signature),
            values=self.quoted.values,
        )  # fmt: skip

    def snp_and_report(self) -> tuple[snp.Made, bytes]:
        raw = self.runtime if isinstance(self.runtime, bytes) else json.dumps(self.runtime).encode()
        held = hashlib.sha256(raw).digest() if self.held is None else self.held
        made = SNP.written(8, self.policy.to_bytes(8, "little"))
        made = made.written(0x50, held.ljust(64, b"\0"))
        sizes = struct.pack("<5I", len(raw) + 20, 1, self.hardware, self.hash, len(raw) + self.more)
        head = self.magic + struct.pack("<II", 1, 0) + bytes(20)
        return made, head + made.report + sizes + raw + self.tail


SNP = snp.made()
GOOD = Made()
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505
OTHER = rsa.generate_private_key(65537, 2048)


def test_evidence_holds_and_says_what_hardware_and_tpm_measured() -> None:
    claims = GOOD.verify()
    assert claims.measurements["launch"] == b"m" * 48
    assert claims.measurements["sha256:7"] == b"\7" * 32
    assert (claims.bound, claims.detail["user_data"]) == (b"nonce", "abcd")
    assert (claims.detail["vouched"], claims.is_debug) == ("enclosed", False)
    assert judged(claims, AT) is Verdict.ACCEPTED


def keys(*listed: Any) -> Made:
    return replace(GOOD, runtime={"keys": list(listed)})


MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
BINDING, SIGNATURE = errors.EvidenceBindingError, errors.EvidenceSignatureError
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "another magic": (lambda: replace(GOOD, magic=b"HCLB"), MALFORMED),
    "no known hardware": (lambda: replace(GOOD, hardware=3), UNSUPPORTED),
    "the report of other hardware": (lambda: replace(GOOD, hardware=4), UNSUPPORTED),
    "another hash": (lambda: replace(GOOD, hash=2), UNSUPPORTED),
    "a length beyond the end": (lambda: replace(GOOD, more=100), MALFORMED),
    "a length that is too small": (lambda: replace(GOOD, more=-1), MALFORMED),
    "something after the end": (lambda: replace(GOOD, tail=b"\0x"), MALFORMED),
    "too much": (lambda: replace(GOOD, tail=bytes(20_000)), MALFORMED),
    "runtime data that are no JSON": (lambda: replace(GOOD, runtime=b"{"), MALFORMED),
    "runtime data that are a list": (lambda: replace(GOOD, runtime=[]), MALFORMED),
    "a key twice": (lambda: replace(GOOD, runtime=b'{"keys":[],"keys":[]}'), MALFORMED),
    "no keys": (lambda: replace(GOOD, runtime={}), MALFORMED),
    "two keys of the name": (lambda: keys(jwk(tpms.RSA), jwk(tpms.RSA)), MALFORMED),
    "a key of another name": (lambda: keys({**jwk(tpms.RSA), "kid": "HCLEkPub"}), MALFORMED),
    "a key of another kind": (lambda: keys({**jwk(tpms.RSA), "kty": "EC"}), MALFORMED),
    "a private key": (lambda: keys({**jwk(tpms.RSA), "d": "AQAB"}), MALFORMED),
    "a key without a modulus": (lambda: keys({**jwk(tpms.RSA), "n": None}), MALFORMED),
    "a modulus that is no base64": (lambda: keys({**jwk(tpms.RSA), "n": "+/=="}), MALFORMED),
    "an exponent of 1": (lambda: keys({**jwk(tpms.RSA), "e": "AQ"}), MALFORMED),
    "a small key": (lambda: keys(jwk(SMALL)), UNSUPPORTED),
    "user data that are no hexadecimal": (
        lambda: replace(GOOD, runtime={"keys": [jwk(tpms.RSA)], "user-data": "xy"}), MALFORMED,
    ),
    "the hash of other runtime data": (lambda: replace(GOOD, held=bytes(32)), BINDING),
    "more than the hash in the report": (
        lambda: replace(
            GOOD, held=hashlib.sha256(json.dumps(GOOD.runtime).encode()).digest() + b"x"
        ),
        BINDING,
    ),
    "the TPM of another machine": (lambda: keys(jwk(OTHER)), SIGNATURE),
    "the quote of another machine": (
        lambda: replace(GOOD, quoted=replace(GOOD.quoted, key=OTHER)), SIGNATURE,
    ),
    "a certification in place of a quote": (
        lambda: replace(GOOD, quoted=replace(GOOD.quoted, kind=tpm.CERTIFY)), MALFORMED,
    ),
    "values that were not quoted": (
        lambda: replace(
            GOOD, quoted=tpms.with_values(GOOD.quoted, {
                **tpms.VALUES, (tpm.SHA256, 7): bytes(32)})), BINDING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_evidence_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(error):
        make().verify()


def test_debug_of_the_hardware_is_that_of_the_machine() -> None:
    claims = replace(GOOD, policy=0xB0000).verify()
    assert claims.is_debug is True
    assert judged(claims, AT) is Verdict.REFUSED


@given(st.binary(max_size=600))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    whole = GOOD.snp_and_report()[1]
    for sent in (data, whole[:1216] + data, whole[:1236] + data):
        try:
            azure.parse_hcl_report(sent)
        except errors.EvidenceError:
            continue
