"""Arm CCA: a published token, and tokens made here, damaged one thing at a time."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway import cbor
from gateway.attestation import errors
from gateway.attestation.appraise import appraise
from gateway.attestation.arm_cca import Endorsement, parse_token, verify_token
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from tests.gateway.attestation.cca import (
    ENDORSED,
    IMPLEMENTATION,
    OTHER,
    POINT,
    RAK,
    Made,
)
from tests.gateway.attestation.chains import AT

GOOD = Made()

# --- the published token -------------------------------------------------------------

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def published(vectors: Path) -> tuple[bytes, Endorsement]:
    folder = vectors / "arm-cca"
    data = (folder / "token.cbor").read_bytes()
    key = ECAlgorithm.from_jwk((folder / "cpak-pub.jwk.json").read_text())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    token = parse_token(data)
    ids = (token.implementation_id, token.instance_id)
    return data, Endorsement(*ids, key, date(2020, 1, 1))


def changed(data: bytes, label: int, change: Callable[[dict[Any, Any]], None]) -> bytes:
    """The token with other claims in one part, whose signature stays."""
    whole: Any = cbor.loads(data)
    part: Any = cbor.loads(whole.value[label])
    claims: Any = cbor.loads(part.value[2])
    change(claims)
    part.value[2] = cbor.dumps(claims)
    whole.value[label] = cbor.dumps(part)
    return cbor.dumps(whole)


def test_no_real_case_is_left_out(vectors: Path) -> None:
    listed = json.loads((vectors / "arm-cca" / "expected.json").read_bytes())["cases"]
    assert {one["id"]: one["verdict"] for one in listed} == {
        "cca-example": "accept",
        "cca-tampered-realm": "reject",
        "cca-other-rak": "reject",
    }


def test_the_published_token_holds(vectors: Path) -> None:
    data, endorsed = published(vectors)
    claims = verify_token(parse_token(data), endorsements=[endorsed], at=NOW)
    assert (claims.is_debug, claims.detail["lifecycle"], len(claims.bound)) == (False, "0x3003", 64)
    assert claims.detail["profile"] == "http://arm.com/CCA-SSD/1.0.0"
    assert claims.measurements["platform:RMM"].hex().startswith("a1fb50e6")


def test_the_published_token_with_another_realm_is_refused(vectors: Path) -> None:
    data, endorsed = published(vectors)

    def measured(claims: dict[Any, Any]) -> None:
        claims[44238] = b"x" * 64

    with pytest.raises(errors.EvidenceSignatureError):
        verify_token(parse_token(changed(data, 44241, measured)), endorsements=[endorsed], at=NOW)


def test_the_published_token_with_another_realm_key_is_refused(vectors: Path) -> None:
    data, endorsed = published(vectors)

    def keyed(claims: dict[Any, Any]) -> None:
        claims[44237] = POINT

    with pytest.raises(errors.EvidenceBindingError):
        verify_token(parse_token(changed(data, 44241, keyed)), endorsements=[endorsed], at=NOW)


# --- tokens made here ----------------------------------------------------------------


def test_a_token_holds_and_says_what_was_started() -> None:
    claims = GOOD.verify()
    assert claims.product == IMPLEMENTATION.hex()
    assert claims.measurements["platform:RMM"] == b"r" * 32
    assert claims.measurements["realm-initial"] == b"i" * 64
    assert claims.measurements["realm-3"] == b"\3" * 64
    check_bound(claims, b"n" * 64)
    for expected in (b"n" * 63, b"m" * 64, b""):
        with pytest.raises(errors.EvidenceNonceError):
            check_bound(claims, expected)


def keyed(data: bytes) -> Made:
    """With the realm's key spelled so, and the platform token holding its hash."""
    digest = hashlib.sha256(data).digest()
    return GOOD.on_realm(44237, data).on_platform(10, digest)


def cose_key(curve: int, point: bytes, kind: int = 2) -> bytes:
    half = len(point) // 2
    return cbor.dumps({1: kind, -1: curve, -2: point[1 : half + 1], -3: point[half + 1 :]})


def test_a_realm_key_may_be_a_cose_key_and_of_p256() -> None:
    assert keyed(cose_key(2, POINT)).verify()
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert replace(keyed(point), rak=key).verify()
    assert replace(keyed(cose_key(1, point)), rak=key).verify()


def test_two_components_of_one_name_are_both_measured() -> None:
    twice = [{1: "BL2", 2: b"a" * 32}, {1: "BL2", 2: b"b" * 32}, {2: b"c" * 32}]
    measured = GOOD.on_platform(2399, twice).verify().measurements
    assert (measured["platform:BL2"], measured["platform:BL2#1"]) == (b"a" * 32, b"b" * 32)
    assert measured["platform:component-2"] == b"c" * 32


MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
SIGNATURE, BINDING = errors.EvidenceSignatureError, errors.EvidenceBindingError
INCOMPLETE, EXPIRED = errors.EvidenceIncompleteError, errors.EvidenceExpiredError
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "nothing": (lambda: GOOD.after(lambda _: b""), MALFORMED),
    "cut": (lambda: GOOD.after(lambda data: data[:-1]), MALFORMED),
    "a byte after": (lambda: GOOD.after(lambda data: data + b"\0"), MALFORMED),
    "too much": (lambda: GOOD.on_platform(9, bytes(70_000)), MALFORMED),
    "another tag": (lambda: replace(GOOD, tag=398), MALFORMED),
    "a third part": (lambda: GOOD.after(_third), MALFORMED),
    "a platform token of another key": (lambda: replace(GOOD, cpak=OTHER), SIGNATURE),
    "a realm token of another key": (lambda: replace(GOOD, rak=OTHER), SIGNATURE),
    "the key of another realm": (lambda: GOOD.on_realm(44237, _point(OTHER)), BINDING),
    "another realm with its own key": (
        lambda: replace(GOOD.on_realm(44237, _point(OTHER)), rak=OTHER), BINDING,
    ),
    "the hash of the key by another name": (lambda: GOOD.on_realm(44240, "sha-384"), BINDING),
    "another challenge of the platform": (lambda: GOOD.on_platform(10, bytes(32)), BINDING),
    "no endorsement": (lambda: replace(GOOD, endorsements=()), INCOMPLETE),
    "the endorsement of another instance": (
        lambda: GOOD.on_platform(256, b"\1" + b"V" * 32), INCOMPLETE,
    ),
    "the endorsement of another implementation": (
        lambda: GOOD.on_platform(2396, b"J" * 32), INCOMPLETE,
    ),
    "an endorsement of tomorrow": (
        lambda: replace(GOOD, at=datetime(2025, 12, 31, tzinfo=UTC)), EXPIRED,
    ),
    "an endorsement that has ended": (
        lambda: replace(GOOD, endorsements=(
            replace(ENDORSED, valid_until=AT.date() - timedelta(days=1)),)), EXPIRED,
    ),
    "an algorithm of another curve": (lambda: replace(GOOD, protected={1: -7}), UNSUPPORTED),
    "no algorithm": (lambda: replace(GOOD, protected={}), UNSUPPORTED),
    "a critical header": (lambda: replace(GOOD, protected={1: -35, 2: [9], 9: 1}), MALFORMED),
    "another profile": (lambda: GOOD.on_platform(265, "x"), UNSUPPORTED),
    "no profile of the platform": (lambda: GOOD.on_platform(265, ...), UNSUPPORTED),
    "another profile of the realm": (lambda: GOOD.on_realm(265, "x"), UNSUPPORTED),
    "another hash": (lambda: GOOD.on_platform(2402, "md5"), UNSUPPORTED),
    "a hash by number": (lambda: GOOD.on_realm(44236, 1), MALFORMED),
    "a short challenge": (lambda: GOOD.on_realm(10, bytes(63)), MALFORMED),
    "no challenge": (lambda: GOOD.on_realm(10, ...), MALFORMED),
    "a short instance": (lambda: GOOD.on_platform(256, bytes(32)), MALFORMED),
    "no lifecycle": (lambda: GOOD.on_platform(2395, ...), MALFORMED),
    "a lifecycle of three bytes": (lambda: GOOD.on_platform(2395, 0x10000), MALFORMED),
    "no components": (lambda: GOOD.on_platform(2399, []), MALFORMED),
    "a component without a measurement": (lambda: GOOD.on_platform(2399, [{1: "x"}]), MALFORMED),
    "a component that is a text": (lambda: GOOD.on_platform(2399, ["x"]), MALFORMED),
    "a name that another gets by its number": (
        lambda: GOOD.on_platform(2399, [{1: n, 2: bytes(32)} for n in ("a#2", "a", "a")]),
        MALFORMED,
    ),
    "a name with a line break": (
        lambda: GOOD.on_platform(2399, [{1: "a\nb", 2: bytes(32)}]), MALFORMED,
    ),
    "three extensible measurements": (
        lambda: GOOD.on_realm(44239, [bytes(64)] * 3), MALFORMED,
    ),
    "a short measurement": (lambda: GOOD.on_realm(44239, [bytes(32)] * 4), MALFORMED),
    "an initial measurement of another hash": (lambda: GOOD.on_realm(44238, bytes(32)), MALFORMED),
    "a key that is no point": (lambda: keyed(b"\4" + bytes(96)), MALFORMED),
    "a key of another kind": (lambda: keyed(cose_key(2, POINT, kind=1)), MALFORMED),
    "a key of a curve that is not known": (lambda: keyed(cose_key(8, POINT)), MALFORMED),
    "a key off its curve": (lambda: keyed(cose_key(2, b"\4" + b"\1" * 96)), MALFORMED),
}  # fmt: skip


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _third(data: bytes) -> bytes:
    whole: Any = cbor.loads(data)
    whole.value[1] = b""
    return cbor.dumps(whole)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_token_is_refused_for_its_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(error):
        make().verify()


POLICY = read_policy(
    f"""
format = "charter-appraisal/v1"
id = "cca"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "arm-cca"
products = ["{IMPLEMENTATION.hex()}"]
[[technology.reference]]
measurement = "realm-initial"
any_of = ["{(b"i" * 64).hex()}"]
source = "tests"
valid_from = 2020-01-01
""".encode()
)


@pytest.mark.parametrize(
    ("lifecycle", "verdict"),
    [
        (0x3000, Verdict.ACCEPTED), (0x30FF, Verdict.ACCEPTED), (0x2FFF, Verdict.UNDECIDED),
        (0x3100, Verdict.UNDECIDED), (0x4001, Verdict.REFUSED), (0x50FF, Verdict.REFUSED),
        (0x6000, Verdict.UNDECIDED), (0, Verdict.UNDECIDED),
    ],
)  # fmt: skip
def test_only_a_secured_platform_is_accepted(lifecycle: int, verdict: Verdict) -> None:
    claims = GOOD.on_platform(2395, lifecycle).verify()
    assert judged(claims) is verdict


def test_another_realm_is_refused() -> None:
    assert judged(GOOD.on_realm(44238, b"j" * 64).verify()) is Verdict.REFUSED


def judged(claims: Claims) -> Verdict:
    return appraise(
        claims, POLICY, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256=""
    ).verdict


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    for sent in (data, cbor.dumps(cbor.Tagged(399, {44234: data, 44241: data}))):
        with pytest.raises(errors.EvidenceError):
            parse_token(sent)


TOKEN = GOOD.token()


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_no_byte_of_a_token_can_be_another(at: int, change: int) -> None:
    body = TOKEN[:at] + bytes([TOKEN[at] ^ change]) + TOKEN[at + 1 :]
    with pytest.raises(errors.EvidenceError):
        GOOD.after(lambda _: body).verify()


def test_the_realm_key_is_that_of_the_platform_token() -> None:
    assert GOOD.platform[10] == hashlib.sha256(_point(RAK)).digest()
