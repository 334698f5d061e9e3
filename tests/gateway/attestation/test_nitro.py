"""Nitro documents: real ones, and ones made here, damaged one thing at a time."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway import cbor
from gateway.attestation import errors
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import fingerprint, read_pem_chain
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.nitro import ROOT, parse_document, verify_document
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from tests.gateway.attestation.chains import AT, issue
from tests.gateway.attestation.enclave import REGION, ZONE, Made, der
from tests.gateway.attestation.enclave import ROOT as TEST_ROOT

GOOD = Made()
POLICY = read_policy(b"""
format = "charter-appraisal/v1"
id = "vectors"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "nitro"
products = ["Nitro"]
max_age_s = 60
[[technology.reference]]
measurement = "pcr0"
waived = "no reference values for these enclaves are known"
source = "tests"
valid_from = 2020-01-01
""")


def judged(claims: Claims, at: datetime) -> Verdict:
    return appraise(
        claims, POLICY, at=at, freshness=Freshness.BACKGROUND, evidence_sha256=""
    ).verdict


# --- real documents ------------------------------------------------------------------

REAL: dict[str, type[errors.EvidenceError] | Verdict] = {
    "nitro-2022-non-debug": Verdict.ACCEPTED,
    "nitro-2022-today": errors.EvidenceExpiredError,
    "nitro-zero-pcrs": Verdict.REFUSED,
}


def real(folder: Path, case: dict[str, Any]) -> bytes:
    files = case["files"]
    if "doc" in files:
        return (folder / files["doc"]).read_bytes()
    return base64.b64decode((folder / files["doc_base64"]).read_text())


def cases(vectors: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((vectors / "nitro" / "expected.json").read_bytes())["cases"]
    return {one["id"]: one for one in listed}


def test_no_real_case_is_left_out(vectors: Path) -> None:
    words = {"accept": Verdict.ACCEPTED, "reject-by-policy": Verdict.REFUSED}
    found = cases(vectors)
    assert found.keys() == REAL.keys()
    for name, case in found.items():
        assert words.get(case["verdict"], errors.EvidenceExpiredError) is REAL[name]


@pytest.mark.parametrize("name", REAL)
def test_a_real_document_gets_its_verdict(vectors: Path, name: str) -> None:
    case, outcome = cases(vectors)[name], REAL[name]
    document = parse_document(real(vectors / "nitro", case))
    at = datetime.fromisoformat(case["evaluate_at"])
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            verify_document(document, at=at)
        return
    claims = verify_document(document, at=at)
    facts = case["facts"]
    for number in range(3):
        told = facts.get(f"pcr{number}_prefix", "")
        assert claims.measurements[f"pcr{number}"].hex().startswith(told)
    assert document.at.timestamp() == pytest.approx(facts["timestamp_ms"] / 1000)
    assert judged(claims, at) is outcome


def test_the_pinned_root_is_the_published_one(vectors: Path) -> None:
    (root,) = read_pem_chain((vectors / "nitro" / "aws-nitro-root-g1.pem").read_bytes())
    assert fingerprint(root) == ROOT


def test_every_flipped_bit_of_a_real_document_is_refused(vectors: Path) -> None:
    case = cases(vectors)["nitro-2022-non-debug"]
    data, at = real(vectors / "nitro", case), datetime.fromisoformat(case["evaluate_at"])
    for place in range(0, len(data), 5):
        flipped = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        with pytest.raises(errors.EvidenceError):
            verify_document(parse_document(flipped), at=at)


# --- documents made here -------------------------------------------------------------


@pytest.mark.parametrize("tag", [None, 18])
def test_a_document_holds_and_says_what_was_started(tag: int | None) -> None:
    claims = replace(GOOD, tag=tag).verify()
    assert claims.measurements["pcr3"] == b"\4" * 48
    assert (claims.bound, claims.produced_at, claims.is_debug) == (b"nonce", AT, False)
    assert judged(claims, AT + timedelta(seconds=60)) is Verdict.ACCEPTED
    assert judged(claims, AT + timedelta(seconds=61)) is Verdict.REFUSED


def test_members_may_be_absent_null_or_more_and_lengths_indefinite() -> None:
    assert GOOD.having(user_data=..., public_key=..., nonce=...).verify().bound == b""
    assert GOOD.having(user_data=None, nonce=None, later={"x": [1]}).verify()
    body = cbor2.dumps(GOOD.payload, indefinite_containers=True)
    assert parse_document(cbor.dumps([GOOD.protected, {}, body, b""])).module_id == "i-0-enc0"


MALFORMED, CHAIN = errors.EvidenceMalformedError, errors.EvidenceChainError
OTHER = ec.generate_private_key(ec.SECP384R1())
NO_USE = issue("enclave", ZONE)
CERT_SIGN = issue("enclave", ZONE, cert_sign=True)
P256 = issue("enclave", ZONE, cert_sign=False, key=ec.generate_private_key(ec.SECP256R1()))
OLD = issue("enclave", ZONE, cert_sign=False, ends=AT)
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "nothing": (lambda: GOOD.after(lambda _: b""), MALFORMED),
    "cut": (lambda: GOOD.after(lambda data: data[:-1]), MALFORMED),
    "a byte after": (lambda: GOOD.after(lambda data: data + b"\0"), MALFORMED),
    "too much": (lambda: GOOD.having(more=bytes(70_000)), MALFORMED),
    "another tag": (lambda: replace(GOOD, tag=17), MALFORMED),
    "a signature by another key": (
        lambda: replace(GOOD, key=OTHER), errors.EvidenceSignatureError,
    ),
    "the algorithm of P-256": (
        lambda: replace(GOOD, protected=cbor.dumps({1: -7})), errors.EvidenceUnsupportedError,
    ),
    "no algorithm": (
        lambda: replace(GOOD, protected=b"\xa0"), errors.EvidenceUnsupportedError,
    ),
    "a leaf of P-256": (
        lambda: replace(GOOD.having(certificate=der(P256)), key=P256.key),  # pyright: ignore[reportArgumentType]
        errors.EvidenceUnsupportedError,
    ),
    "a leaf that does not say what it is for": (
        lambda: GOOD.having(certificate=der(NO_USE)), CHAIN,
    ),
    "a leaf for certificates": (lambda: GOOD.having(certificate=der(CERT_SIGN)), CHAIN),
    "a leaf that has ended": (
        lambda: GOOD.having(certificate=der(OLD)), errors.EvidenceExpiredError,
    ),
    "an authority as leaf": (lambda: GOOD.having(certificate=der(ZONE)), CHAIN),
    "a root that is not pinned": (lambda: replace(GOOD, anchors=frozenset({ROOT})), CHAIN),
    "a missing step": (lambda: GOOD.having(cabundle=[der(TEST_ROOT), der(REGION)]), CHAIN),
    "steps in another order": (
        lambda: GOOD.having(cabundle=[der(REGION), der(TEST_ROOT), der(ZONE)]), CHAIN,
    ),
    "a root before it began": (
        lambda: replace(GOOD, at=AT - timedelta(days=2)), errors.EvidenceExpiredError,
    ),
    "now, and not then": (
        lambda: replace(GOOD, at=AT + timedelta(days=2)), errors.EvidenceExpiredError,
    ),
    "no certificates": (lambda: GOOD.having(cabundle=[]), MALFORMED),
    "eight certificates": (lambda: GOOD.having(cabundle=[der(ZONE)] * 8), MALFORMED),
    "a certificate that is a text": (lambda: GOOD.having(cabundle=["x"]), MALFORMED),
    "a certificate that is none": (lambda: GOOD.having(certificate=b"\x30\0"), MALFORMED),
    "no certificate": (lambda: GOOD.having(certificate=...), MALFORMED),
    "another digest": (lambda: GOOD.having(digest="SHA256"), errors.EvidenceUnsupportedError),
    "no module": (lambda: GOOD.having(module_id=""), MALFORMED),
    "a module that is a number": (lambda: GOOD.having(module_id=1), MALFORMED),
    "no time": (lambda: GOOD.having(timestamp=...), MALFORMED),
    "a time of text": (lambda: GOOD.having(timestamp="now"), MALFORMED),
    "a time that is true": (lambda: GOOD.having(timestamp=True), MALFORMED),
    "a time beyond years": (lambda: GOOD.having(timestamp=2**60), MALFORMED),
    "no PCRs": (lambda: GOOD.having(pcrs={}), MALFORMED),
    "PCRs as a list": (lambda: GOOD.having(pcrs=[b""]), MALFORMED),
    "PCR 32": (lambda: GOOD.having(pcrs={32: bytes(48)}), MALFORMED),
    "a PCR of 20 bytes": (lambda: GOOD.having(pcrs={0: bytes(20)}), MALFORMED),
    "a PCR by text": (lambda: GOOD.having(pcrs={"0": bytes(48)}), MALFORMED),
    "a long nonce": (lambda: GOOD.having(nonce=bytes(513)), MALFORMED),
    "user data that are a text": (lambda: GOOD.having(user_data="x"), MALFORMED),
    "a payload that is a list": (
        lambda: replace(GOOD, payload=[]), MALFORMED,  # pyright: ignore[reportArgumentType]
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_document_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(error):
        make().verify()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_first_measurement_of_zeros_is_debug_and_refused(number: int) -> None:
    claims = GOOD.having(pcrs={**GOOD.payload["pcrs"], number: bytes(48)}).verify()
    assert claims.is_debug is True
    assert judged(claims, GOOD.at) is Verdict.REFUSED


def test_without_a_first_measurement_nobody_can_tell() -> None:
    claims = GOOD.having(pcrs={0: b"\1" * 48}).verify()
    assert claims.is_debug is None
    assert judged(claims, GOOD.at) is Verdict.UNDECIDED


def test_the_nonce_of_another_request_is_refused() -> None:
    check_bound(GOOD.verify(), b"nonce")
    for expected in (b"", b"nonc", b"nonce\0", b"Nonce"):
        with pytest.raises(errors.EvidenceNonceError):
            check_bound(GOOD.verify(), expected)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(GOOD.having(nonce=None).verify(), b"nonce")


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    try:
        parse_document(data)
    except errors.EvidenceError:
        return


@given(st.integers(0, len(GOOD.document()) - 1), st.integers(1, 255))
def test_no_byte_of_a_document_can_be_another(at: int, change: int) -> None:
    data = GOOD.document()
    at = min(at, len(data) - 1)
    body = data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
    with pytest.raises(errors.EvidenceError):
        GOOD.after(lambda _: body).verify()
