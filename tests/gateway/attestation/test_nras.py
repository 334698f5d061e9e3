"""The NVIDIA Remote Attestation Service: a real answer whose keys are lacking, and answers made
here, damaged one thing at a time."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import FORMAT, read_bundle
from gateway.attestation.ear_token import VERAISON, Issuer
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.nras import MAX_BUNDLE, SERVICE, parse_result, verify_result
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from tests.gateway.attestation import ears
from tests.gateway.attestation.chains import AT, DAY

NOW = int(AT.timestamp())
NONCE = bytes(range(32))
CHAIN = {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "good"}
YES = (
    "arch-check", "attestation-report-parsed", "attestation-report-signature-verified",
    "attestation-report-nonce-match", "attestation-report-cert-chain-fwid-match",
    "driver-rim-signature-verified", "driver-rim-version-match",
    "driver-rim-measurements-available", "vbios-rim-signature-verified",
    "vbios-rim-version-match", "vbios-rim-measurements-available",
)  # fmt: skip
CHAINS = ("attestation-report-cert-chain", "driver-rim-cert-chain", "vbios-rim-cert-chain")


def common() -> dict[str, Any]:
    times = {"iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 3600}
    return {"iss": SERVICE, "eat_nonce": NONCE.hex(), **times}


def device() -> dict[str, Any]:
    return {
        **common(),
        **{f"x-nvidia-gpu-{name}": True for name in YES},
        **{f"x-nvidia-gpu-{name}": dict(CHAIN) for name in CHAINS},
        "ueid": "478176379286082186618948445787393647364802107249",
        "secboot": True,
        "dbgstat": "disabled",
        "measres": "success",
        "hwmodel": "GH100 A01 GSP BROM",
        "x-nvidia-gpu-driver-version": "550.90.07",
        "x-nvidia-gpu-vbios-version": "96.00.9F.00.01",
    }


@dataclass(frozen=True)
class Made:
    """An answer with all that is needed to make and to verify it."""

    main: dict[str, Any] = field(default_factory=dict[str, Any])
    devices: dict[str, dict[str, Any]] = field(default_factory=lambda: {"GPU-0": device()})
    submods: dict[str, Any] | None = None
    kid: str = "k1"
    signer: str = "P-384 of the service"
    inner: str = "P-384 of the service"
    issuers: tuple[Issuer, ...] | None = None
    at: datetime = AT

    def answer(self) -> bytes:
        header = {"alg": "ES384", "kid": self.kid}
        made = {n: ears.jwt(c, ears.key(self.inner), header) for n, c in self.devices.items()}
        stated = {n: ["DIGEST", ["SHA-256", sha256(t).hexdigest()]] for n, t in made.items()}
        claims = {
            **common(), "x-nvidia-ver": "3.0", "x-nvidia-overall-att-result": True,
            "submods": stated if self.submods is None else self.submods, **self.main,
        }  # fmt: skip
        main = ears.jwt(claims, ears.key(self.signer), header).decode()
        return json.dumps([["JWT", main], {n: t.decode() for n, t in made.items()}]).encode()

    def issuer(self) -> Issuer:
        public = ears.key("P-384 of the service").public_key()
        days = date(2026, 6, 1), date(2026, 6, 1)
        return Issuer("nras", public, frozenset({SERVICE}), "k1", *days)

    def verify(self, data: bytes | None = None) -> Claims:
        issuers = (self.issuer(),) if self.issuers is None else self.issuers
        result = parse_result(self.answer() if data is None else data)
        return verify_result(result, issuers=issuers, at=self.at)

    def having(self, name: str, value: object) -> "Made":
        """With another claim of the device; None takes it away."""
        claims = {**device(), name: value}
        if value is None:
            del claims[name]
        return replace(self, devices={"GPU-0": claims})


MADE = Made()
POLICY = read_policy(b"""
format = "charter-appraisal/v1"
id = "gpu"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "nvidia-gpu"
products = ["GH100"]
[[technology.floor]]
product = "GH100"
firmware = { driver = 550090007, vbios = 0x96009F00 }
source = "tests"
valid_from = 2020-01-01
[[technology.reference]]
measurement = "rim"
waived = "the service compares with the values of the maker"
source = "tests"
valid_from = 2020-01-01
""")


def judge(claims: Claims) -> Verdict:
    freshness = Freshness.BACKGROUND
    return appraise(claims, POLICY, at=AT, freshness=freshness, evidence_sha256="").verdict


def test_a_real_answer_without_the_keys_of_its_issuer_is_undecided(vectors: Path) -> None:
    folder = vectors / "nvidia-gpu"
    cases = json.loads((folder / "expected.json").read_bytes())["cases"]
    case = next(one for one in cases if one["id"] == "gpu-nras-token")
    assert case["verdict"] == "indeterminate"
    result = parse_result((folder / case["files"]["token"]).read_bytes())
    token, _ = result.devices["GPU-0"]
    assert sha256(token.raw).hexdigest() == case["facts"]["digest"]
    assert (token.algorithm, result.main.algorithm) == (case["facts"]["alg"],) * 2
    then = datetime.fromisoformat(case["evaluate_at"])
    for issuers in ((), (MADE.issuer(),)):
        with pytest.raises(errors.EvidenceIncompleteError) as raised:
            verify_result(result, issuers=issuers, at=then)
        assert raised.value.is_undecided
    # Under the right id, another key does not hold either.
    mine = replace(MADE.issuer(), kid=None)
    with pytest.raises(errors.EvidenceSignatureError):
        verify_result(result, issuers=(mine,), at=then)


def test_a_good_answer_counts() -> None:
    claims = MADE.verify()
    assert (claims.product, claims.is_debug, claims.is_unrevoked) == ("GH100", False, True)
    assert claims.firmware == {"driver": 550_090_007, "vbios": 0x96009F00}
    assert claims.attester_id == "53c22ba15e5d68088282da074ed9fb37aa585771"
    assert claims.ends() == AT + timedelta(seconds=3600)
    assert judge(claims) is Verdict.ACCEPTED
    check_bound(claims, NONCE)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, bytes(32))


def test_each_device_of_an_answer_is_judged() -> None:
    second = device() | {"ueid": "7"}
    both = Made(devices={"GPU-0": device(), "GPU-1": second})
    claims = both.verify()
    assert [one.attester_id for one in claims.parts] == [f"{7:040x}"]
    assert judge(claims) is Verdict.ACCEPTED
    worse = replace(both, devices={"GPU-0": device(), "GPU-1": second | {"dbgstat": "enabled"}})
    assert judge(worse.verify()) is Verdict.REFUSED


GPU = "x-nvidia-gpu-"
BAD_OCSP = {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "revoked"}
NOT_APPROVED: dict[str, tuple[Made, Verdict]] = {
    "the whole is not approved": (
        replace(MADE, main={"x-nvidia-overall-att-result": False}), Verdict.REFUSED,
    ),
    "the whole is approved in words": (
        replace(MADE, main={"x-nvidia-overall-att-result": "true"}), Verdict.REFUSED,
    ),
    "measurements differ": (MADE.having("measres", "fail"), Verdict.REFUSED),
    "measurements were not compared": (MADE.having("measres", "not-run"), Verdict.REFUSED),
    "nothing is said of measurements": (MADE.having("measres", None), Verdict.UNDECIDED),
    "debug": (MADE.having("dbgstat", "enabled"), Verdict.REFUSED),
    "nothing is said of debug": (MADE.having("dbgstat", None), Verdict.UNDECIDED),
    "no secure boot": (MADE.having("secboot", False), Verdict.REFUSED),
    "the report was not parsed": (
        MADE.having(f"{GPU}attestation-report-parsed", False), Verdict.REFUSED,
    ),
    "nothing is said of the signature": (
        MADE.having(f"{GPU}attestation-report-signature-verified", None), Verdict.UNDECIDED,
    ),
    "the firmware id is another": (
        MADE.having(f"{GPU}attestation-report-cert-chain-fwid-match", False), Verdict.REFUSED,
    ),
    "the certificate was revoked": (
        MADE.having(f"{GPU}attestation-report-cert-chain", BAD_OCSP), Verdict.REFUSED,
    ),
    "the signer of reference values was revoked": (
        MADE.having(f"{GPU}vbios-rim-cert-chain", BAD_OCSP), Verdict.REFUSED,
    ),
    "nothing is said of a chain": (
        MADE.having(f"{GPU}driver-rim-cert-chain", None), Verdict.UNDECIDED,
    ),
    "another product": (MADE.having("hwmodel", "GB200 A01"), Verdict.REFUSED),
    "an older driver": (MADE.having(f"{GPU}driver-version", "550.54.15"), Verdict.REFUSED),
    "an older VBIOS": (MADE.having(f"{GPU}vbios-version", "96.00.74.00.1A"), Verdict.REFUSED),
    "made six minutes ago": (MADE.having("iat", NOW - 360), Verdict.REFUSED),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_APPROVED)
def test_what_the_service_does_not_approve_does_not_count(name: str) -> None:
    made, verdict = NOT_APPROVED[name]
    assert judge(made.verify()) is verdict


MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
SIGNATURE, BINDING = errors.EvidenceSignatureError, errors.EvidenceBindingError
EXPIRED, INCOMPLETE = errors.EvidenceExpiredError, errors.EvidenceIncompleteError
OTHER = "P-384 of another"
DIGEST = ["DIGEST", ["SHA-256", "00" * 32]]
DAMAGED: dict[str, tuple[Made, type[errors.EvidenceError]]] = {
    "signed by another": (replace(MADE, signer=OTHER, inner=OTHER), SIGNATURE),
    "a device signed by another": (replace(MADE, inner=OTHER), SIGNATURE),
    "no keys": (replace(MADE, issuers=()), INCOMPLETE),
    "a key id that is not pinned": (replace(MADE, kid="k2"), INCOMPLETE),
    "a key for results of another kind": (
        replace(MADE, issuers=(replace(MADE.issuer(), profiles=frozenset({VERAISON})),)),
        errors.EvidenceChainError,
    ),
    "a key of yesterday": (
        replace(MADE, at=AT + DAY, main={"exp": NOW + 90_000}), EXPIRED,
    ),
    "another digest": (replace(MADE, submods={"GPU-0": DIGEST}), BINDING),
    "a digest of another algorithm": (
        replace(MADE, submods={"GPU-0": ["DIGEST", ["SHA-384", "00" * 32]]}), BINDING,
    ),
    "another device": (replace(MADE, submods={"GPU-1": DIGEST}), BINDING),
    "a device without digest": (
        replace(MADE, submods={"GPU-0": {"ueid": "1"}}), BINDING,
    ),
    "a device that is not there": (
        replace(MADE, submods={"GPU-0": DIGEST, "GPU-1": DIGEST}), BINDING,
    ),
    "a device of another challenge": (MADE.having("eat_nonce", "00" * 32), BINDING),
    "no challenge": (
        replace(MADE.having("eat_nonce", None), main={"eat_nonce": None}), BINDING,
    ),
    "a device of another issuer": (MADE.having("iss", "https://nras.example"), BINDING),
    "another issuer": (replace(MADE, main={"iss": "https://nras.example"}), BINDING),
    "another version": (replace(MADE, main={"x-nvidia-ver": "4.0"}), UNSUPPORTED),
    "it ended": (replace(MADE, main={"exp": NOW}), EXPIRED),
    "a device that ended": (MADE.having("exp", NOW), EXPIRED),
    "made in the future": (replace(MADE, main={"iat": NOW + 61}), EXPIRED),
    "a device that never ends": (MADE.having("exp", None), MALFORMED),
    "a product that is not known": (MADE.having("hwmodel", "an accelerator"), UNSUPPORTED),
    "a driver in words": (MADE.having(f"{GPU}driver-version", "latest"), MALFORMED),
    "a VBIOS in small letters": (MADE.having(f"{GPU}vbios-version", "96.00.9f.00.01"), MALFORMED),
    "no identity": (MADE.having("ueid", None), MALFORMED),
    "an identity in letters": (MADE.having("ueid", "0x1"), MALFORMED),
    "an identity without end": (MADE.having("ueid", "9" * 200), MALFORMED),
    "a debug status that is not known": (MADE.having("dbgstat", "off"), MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_answers_are_refused_for_their_reason(damage: str) -> None:
    made, error = DAMAGED[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        made.verify()
    assert type(raised.value) is error, raised.value


ANSWER = MADE.answer()
NOTHING: dict[str, str] = {}


def rewritten(change: Callable[[Any], object]) -> bytes:
    return json.dumps(change(json.loads(ANSWER))).encode()


SHAPES: dict[str, bytes] = {
    "no bytes": b"",
    "a byte too few": ANSWER[:-1],
    "a byte too much": ANSWER + b"x",
    "too long": ANSWER + b" " * MAX_BUNDLE,
    "an object": rewritten(lambda v: {"main": v[0]}),
    "the main token alone": rewritten(lambda v: v[:1]),
    "a third part": rewritten(lambda v: [*v, NOTHING]),
    "another kind of token": rewritten(lambda v: [["CWT", v[0][1]], v[1]]),
    "no devices": rewritten(lambda v: [v[0], NOTHING]),
    "too many devices": rewritten(lambda v: [v[0], {str(n): v[1]["GPU-0"] for n in range(33)}]),
    "a device that is a number": rewritten(lambda v: [v[0], {"GPU-0": 1}]),
    "a device twice": ANSWER[:-2] + b', "GPU-0": "a.b.c"}]',
    "a main token of two parts": rewritten(lambda v: [["JWT", "a.b"], v[1]]),
}


@pytest.mark.parametrize("damage", SHAPES)
def test_what_is_no_answer_is_refused(damage: str) -> None:
    with pytest.raises(MALFORMED):
        MADE.verify(SHAPES[damage])


def test_an_answer_holds_at_its_time_only() -> None:
    assert MADE.verify()
    with pytest.raises(EXPIRED):
        replace(MADE, at=AT + timedelta(seconds=3600)).verify()
    with pytest.raises(EXPIRED):
        replace(MADE, at=AT - timedelta(seconds=71)).verify()


def test_an_answer_in_a_bundle_is_verified_with_the_anchors_of_a_file() -> None:
    pem = ears.key("P-384 of the service").public_key()
    text = pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    anchors = read_anchors(
        f'format = "charter-anchors/v1"\nowner = "tests"\n[[ear_issuer]]\nname = "nras"\n'
        f'kid = "k1"\npem = """{text}"""\nprofiles = ["{SERVICE}"]\nsource = "tests"\n'
        f"valid_from = 2026-06-01\n".encode()
    )

    def verified(anchors: Anchors, **more: Any) -> Claims:
        given = {"nras": base64.b64encode(ANSWER).decode(), **more.pop("evidence", {})}
        whole = {"format": FORMAT, "technology": "nvidia-gpu", "evidence": given, **more}
        return verify_bundle(read_bundle(json.dumps(whole).encode()), anchors, at=AT)

    assert verified(anchors).product == "GH100"
    with pytest.raises(INCOMPLETE):
        verified(Anchors())
    for more in ({"evidence": {"report": "AAAA"}}, {"endorsements": {"chain": ["AAAA"]}}):
        with pytest.raises(MALFORMED):
            verified(anchors, **more)


@given(st.binary(max_size=60), st.integers(0, len(ANSWER)))
def test_no_bytes_make_reading_fail_otherwise(data: bytes, at: int) -> None:
    for tried in (data, ANSWER[:at] + data + ANSWER[at + len(data) :]):
        try:
            MADE.verify(tried)
        except errors.EvidenceError:
            continue
        assert json.loads(tried) == json.loads(ANSWER)


NAMES = sorted(device())


@given(
    st.sampled_from(NAMES),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=60)
    | st.just(NOTHING)
    | st.just([1]),
)
def test_no_claim_of_a_device_makes_verifying_fail_otherwise(name: str, value: object) -> None:
    changed = replace(MADE, devices={"GPU-0": device() | {name: value}})
    try:
        claims = changed.verify()
    except errors.EvidenceError:
        return
    assert judge(claims) in Verdict


def test_the_real_answer_is_of_a_past_hour(vectors: Path) -> None:
    data = (vectors / "nvidia-gpu" / "nras-detached-eat-v3.json").read_bytes()
    claims = parse_result(data).claims
    assert claims.expires == datetime(2025, 6, 11, 1, 30, 58, tzinfo=UTC)
