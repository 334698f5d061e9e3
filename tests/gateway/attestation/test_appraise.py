"""Claims against a policy: what is accepted, and everything that is not."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.appraise import SKEW, appraise, refused
from gateway.attestation.ear import PROFILE, ear_claims
from gateway.attestation.ear_token import parse_token, verify_token
from gateway.attestation.evidence import Claims, Technology, Used
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.vector import Tier
from tests.gateway.attestation import ears
from tests.gateway.attestation.test_policy import GOOD

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
STRICT = read_policy(GOOD.encode())
SNP = Claims(
    Technology.SEV_SNP,
    product="Milan",
    firmware={"bootloader": 4, "tee": 0, "snp": 24, "microcode": 217},
    is_debug=False,
    is_migratable=False,
    level=0,
    is_confidential=True,
    measurements={"launch": b"\x00\xff"},
    attester_id="aa",
    produced_at=AT - timedelta(minutes=5),
    valid_until=AT + timedelta(minutes=30),
    used=(Used("certificate", "00"),),
)
NITRO = Claims(Technology.NITRO, is_debug=False, measurements={"pcr0": b"\x01"})


def judge(
    claims: Claims = SNP, policy: AppraisalPolicy = STRICT, at: datetime = AT
) -> AttestationResult:
    fresh = Freshness.CHALLENGED
    return appraise(claims, policy, at=at, freshness=fresh, evidence_sha256="ee")


def edited(old: str, new: str) -> AppraisalPolicy:
    assert old in GOOD
    return read_policy(GOOD.replace(old, new, 1).encode())


def test_what_is_as_demanded_is_accepted_and_says_by_which_policy() -> None:
    result = judge()
    assert (result.verdict, result.status, result.reason) == (
        Verdict.ACCEPTED, Tier.AFFIRMING, "",
    )  # fmt: skip
    assert (result.policy_id, result.policy_sha256) == ("example/strict", STRICT.sha256)
    assert result.vector.told() == {
        "configuration": 2, "executables": 3, "hardware": 2, "runtime-opaque": 2,
    }  # fmt: skip
    assert result.skipped == ()
    assert result.used == (Used("certificate", "00"),)


def test_a_result_ends_with_the_first_of_policy_and_evidence() -> None:
    assert judge().valid_until == SNP.valid_until
    later = replace(SNP, valid_until=AT + timedelta(days=9))
    assert judge(later).valid_until == AT + timedelta(seconds=3600)


REFUSED: dict[str, tuple[Claims, str]] = {
    "debug": (replace(SNP, is_debug=True), "configuration"),
    "migration": (replace(SNP, is_migratable=True), "configuration"),
    "a less privileged level": (replace(SNP, level=1), "configuration"),
    "another product": (replace(SNP, product="Genoa"), "hardware"),
    "no product": (replace(SNP, product=None), "hardware"),
    "firmware below the floor": (
        replace(SNP, firmware={**SNP.firmware, "snp": 23}), "hardware",
    ),
    "a component that the floor names and nobody tells": (
        replace(SNP, firmware={"bootloader": 4, "microcode": 217}), "hardware",
    ),
    "firmware that is refused": (
        replace(SNP, firmware={**SNP.firmware, "microcode": 100}), "hardware",
    ),
    "firmware that may be the refused one": (
        replace(SNP, firmware={"bootloader": 4, "snp": 24}), "hardware",
    ),
    "another measurement": (replace(SNP, measurements={"launch": b"\x00\xfe"}), "executables"),
    "a measurement that is missing": (replace(SNP, measurements={}), "executables"),
    "a measurement of another name": (
        replace(SNP, measurements={"start": b"\x00\xff"}), "executables",
    ),
    "too old": (replace(SNP, produced_at=AT - timedelta(seconds=601)), "configuration"),
    "of the future": (
        replace(SNP, produced_at=AT + SKEW + timedelta(seconds=1)), "configuration",
    ),
    "a status of the vendor that is not listed": (
        replace(SNP, tcb_status="OutOfDate"), "hardware",
    ),
    "an advisory of the vendor": (replace(SNP, advisories=("INTEL-SA-1",)), "hardware"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_as_demanded_is_refused_in_its_member(case: str) -> None:
    claims, member = REFUSED[case]
    result = judge(claims)
    assert (result.verdict, result.reason) == (Verdict.REFUSED, f"appraisal-{member}")
    assert result.status >= Tier.WARNING
    assert any(found.clause.startswith("sev-snp") for found in result.findings)


UNDECIDED: dict[str, tuple[Claims, AppraisalPolicy, datetime]] = {
    "nobody says whether it can be debugged": (replace(SNP, is_debug=None), STRICT, AT),
    "the policy has no section": (replace(SNP, technology=Technology.TDX), STRICT, AT),
    "the policy does not count yet": (SNP, STRICT, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
    "the policy does not count any more": (SNP, STRICT, datetime(2027, 1, 1, tzinfo=UTC)),
    "the reference value does not count any more": (
        SNP, edited('source = "build 7"', 'source = "build 7"\nvalid_until = 2026-05-31'), AT,
    ),
    "there is no floor for the product": (
        replace(SNP, product="Genoa"), edited('products = ["Milan"]', 'products = ["Genoa"]'), AT,
    ),
    "the floor does not count yet": (
        SNP, edited('"AMD-SB-3020"\nvalid_from = 2026-01-01',
                    '"AMD-SB-3020"\nvalid_from = 2026-06-02'), AT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_nobody_can_tell_is_undecided_and_not_affirming(case: str) -> None:
    claims, policy, at = UNDECIDED[case]
    moved = replace(claims, produced_at=at, valid_until=at + timedelta(hours=1))
    result = judge(moved, policy, at)
    assert (result.verdict, result.reason) == (Verdict.UNDECIDED, "appraisal-incomplete")
    assert result.status is Tier.NONE


def test_a_policy_without_reference_values_decides_nothing() -> None:
    rows = GOOD[GOOD.index("[[technology.reference]]") : GOOD.index('[[technology]]\nname = "n')]
    result = judge(policy=edited(rows, ""))
    assert result.verdict is Verdict.UNDECIDED


def test_what_is_waived_stands_in_the_result() -> None:
    result = judge(NITRO)
    assert result.verdict is Verdict.ACCEPTED
    assert result.skipped == (
        "nitro.products: any product",
        "nitro.reference[pcr0]: the image is built by each tenant",
    )


def test_debug_that_a_policy_allows_stands_in_the_result_and_is_never_called_encrypted() -> None:
    allowing = edited("max_age_s = 600", "debug = true")
    result = judge(replace(SNP, is_debug=True), allowing)
    assert result.skipped == ("sev-snp.debug",)
    assert "runtime-opaque" not in result.vector.told()


def test_a_listed_device_is_recognised_and_another_is_refused() -> None:
    listing = edited("max_age_s = 600", 'attesters = ["aa"]')
    assert judge(policy=listing).vector.instance_identity == 2
    for other in ("ab", None):
        result = judge(replace(SNP, attester_id=other), listing)
        assert result.reason == "appraisal-instance-identity"


def test_a_refused_device_is_refused_alone() -> None:
    refusing = edited("firmware_at_most = { microcode = 100 }", 'attesters = ["aa"]')
    assert judge(policy=refusing).verdict is Verdict.REFUSED
    assert judge(replace(SNP, attester_id="ab"), refusing).verdict is Verdict.ACCEPTED


def test_a_refusal_counts_from_its_day() -> None:
    claims = replace(SNP, firmware={**SNP.firmware, "microcode": 100}, produced_at=None)
    before = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    claims = replace(claims, valid_until=None)
    assert judge(claims, at=before).verdict is Verdict.ACCEPTED
    assert judge(claims, at=before + timedelta(seconds=1)).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        (NITRO, Verdict.ACCEPTED),
        (replace(NITRO, is_debug=True), Verdict.REFUSED),
        (replace(NITRO, is_debug=None), Verdict.UNDECIDED),
        (replace(NITRO, technology=Technology.NVIDIA_GPU), Verdict.UNDECIDED),
    ],
)
def test_the_whole_is_no_better_than_a_part(part: Claims, verdict: Verdict) -> None:
    ends = AT + timedelta(minutes=1)
    result = judge(replace(SNP, parts=(replace(part, valid_until=ends),)))
    assert result.verdict is verdict
    assert result.valid_until is not None
    assert result.valid_until <= ends
    assert result.skipped or verdict is not Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("error", "verdict", "tier"),
    [
        (errors.EvidenceSignatureError("x"), Verdict.REFUSED, Tier.CONTRAINDICATED),
        (errors.EvidenceNonceError("x"), Verdict.REFUSED, Tier.CONTRAINDICATED),
        (errors.EvidenceIncompleteError("x"), Verdict.UNDECIDED, Tier.NONE),
        (errors.EvidenceUnsupportedError("x"), Verdict.UNDECIDED, Tier.NONE),
    ],
)
def test_evidence_that_was_not_verified_gives_a_result_that_permits_nothing(
    error: errors.EvidenceError, verdict: Verdict, tier: Tier
) -> None:
    result = refused(Technology.TDX, error, STRICT, at=AT, evidence_sha256="ee")
    assert (result.verdict, result.status, result.reason) == (verdict, tier, error.reason)
    assert result.valid_until == AT


KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "product": st.sampled_from([None, "Milan", "Genoa"]),
        "is_debug": st.sampled_from([None, True, False]),
        "is_migratable": st.sampled_from([None, True]),
        "level": st.sampled_from([None, 0, 1, 3]),
        "firmware": st.sampled_from([{}, {"bootloader": 4}, {"snp": 24, "bootloader": 9}]),
        "measurements": st.sampled_from([{}, {"launch": b"\x00\xff"}, {"launch": b""}]),
        "tcb_status": st.sampled_from([None, "UpToDate", ""]),
        "advisories": st.sampled_from([(), ("x",)]),
        "produced_at": st.sampled_from([None, AT, AT - timedelta(days=1)]),
    },
)


@given(KNOWN)
def test_nothing_that_is_accepted_has_a_member_that_is_not_affirming(changes: Any) -> None:
    result = judge(replace(SNP, **changes))
    accepted = result.verdict is Verdict.ACCEPTED
    assert (result.status is Tier.AFFIRMING) == accepted
    if accepted:
        assert result.claims is not None
        assert (result.claims.product, result.claims.is_debug) == ("Milan", False)


# --- EAR -----------------------------------------------------------------------------


def test_a_result_is_exported_as_the_draft_has_it() -> None:
    claims = ear_claims(judge(), build="charter 1", nonce="abcdefgh")
    assert json.loads(json.dumps(claims)) == {
        "eat_profile": PROFILE,
        "iat": 1780315200,
        "exp": 1780317000,
        "ear_verifier_id": {"developer": claims["ear_verifier_id"]["developer"],
                            "build": "charter 1"},
        "ear_status": "affirming",
        "submods": {
            "sev-snp": {
                "ear_status": "affirming",
                "ear_trustworthiness_vector": {
                    "configuration": 2, "executables": 3, "hardware": 2, "runtime-opaque": 2,
                },
                "ear_appraisal_policy_ids": [f"example/strict@sha256:{STRICT.sha256}"],
                "eat_nonce": "abcdefgh",
            }
        },
    }  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_exported_status_is_never_better_than_the_worst_member(case: str) -> None:
    claims = ear_claims(judge(REFUSED[case][0]), build="x", nonce=None)
    (module,) = claims["submods"].values()
    assert module["ear_status"] in ("warning", "contraindicated")
    assert "eat_nonce" not in module


def test_an_exported_result_is_read_by_what_reads_results_of_others() -> None:
    made = ears.Made()
    own = ears.key(made.pinned)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    sent = ear_claims(judge(), build="x", nonce=None)
    token = jwt.encode(sent, own, algorithm="ES256")
    claims = verify_token(parse_token(token.encode()), issuers=[made.issuer()], at=AT)
    concluded = claims.concluded["sev-snp"]
    assert (concluded.status, concluded.vector) == (Tier.AFFIRMING, judge().vector.told())
