"""What is known of a machine because of its evidence: all that it tells, while it counts, at its
own site; and of all else nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dsl.core import Origin
from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.chain import read_pem_chain
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.policy import read_policy
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.bundle import PACK
from gateway.nodes.attested import Attested, Named, Strength
from gateway.nodes.desk import Desk
from gateway.nodes.facts import stated, supplied, unreachable
from gateway.nodes.judged import judge as judge_document
from gateway.nodes.register import read_register
from gateway.nodes.store import FILE
from gateway.pdp.supplied import ATTESTATION, Statement, Status
from gateway.pdp.supplied_read import fitted
from tests.gateway.attestation.test_appraise import AT, SNP, judge
from tests.gateway.attestation.test_bundle import b64, document, spelled
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import NOW, SITE, Counter, Machine
from tests.pack import pack

MINUTE = timedelta(minutes=1)
OWN = Machine()
GPU = Claims(
    Technology.NVIDIA_GPU, product="GH100", firmware={"driver": 550090007}, is_debug=False,
    is_confidential=True, measurements={"index1": b"\x01"},
)  # fmt: skip


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(Desk(tmp_path / FILE), machines.terms(tmp_path))


def said(attested: Attested | None, now: datetime = NOW, site: str | None = SITE) -> Statement:
    return stated(attested, "n1", now=now, site=site)


def attested(result: AttestationResult, strength: Strength = Strength.ENROLLED) -> Attested:
    terms = Named("operator/strict", "00", "", "00")
    return Attested(
        "n1", SITE, strength, machines.TENANT, result, terms, b"\x01", "charter/0.1.0", "standing"
    )  # fmt: skip


def facts(result: AttestationResult, now: datetime = AT) -> dict[str, Any]:
    return {
        name.removeprefix("attestation."): value
        for name, value in said(attested(result), now).said.items()
    }


# --- what counts ---------------------------------------------------------------------


def test_a_measured_boot_says_what_it_tells_and_nothing_else(counter: Counter) -> None:
    shown = said(counter.answer(OWN), NOW + 90 * timedelta(seconds=1))
    assert (shown.status, shown.origin, shown.about, shown.id) == (
        Status.STATED, Origin.VERIFIER, ATTESTATION, "n1",
    )  # fmt: skip
    assert {name.removeprefix("attestation."): value for name, value in shown.said.items()} == {
        "node": "n1",
        "site": SITE,
        "place": "enrolled",
        "device": OWN.device,
        "technology": "tpm",
        "product": "TPM",
        "freshness": "challenged",
        "age": 2,
        "verifier": "charter",
        "policy": "test/nodes",
        "waived": False,
        "status": "affirming",
        "trust[configuration]": "affirming",
        "trust[executables]": "affirming",
        "trust[hardware]": "affirming",
    }


def test_what_a_confidential_machine_tells_is_told_in_the_words_of_the_vocabulary() -> None:
    told = facts(judge())
    assert told["firmware[snp]"] == 24
    assert {name: told[name] for name in ("confidential", "debug", "migratable", "product")} == {
        "confidential": True, "debug": False, "migratable": False, "product": "Milan",
    }  # fmt: skip
    # It says itself that it was made five minutes before.
    assert told["age"] == 5
    statement = fitted(pack().program, said(attested(judge()), AT))
    assert statement.facts.keys() == statement.said.keys()


def test_the_statement_ends_with_the_result_and_names_the_evidence() -> None:
    statement = said(attested(judge()), AT)
    assert statement.until == judge().valid_until
    assert statement.digest == "sha256:ee"
    assert supplied(attested(judge()), "n1", now=AT, site=SITE).evidence == (
        attested(judge()).body(),
    )


@pytest.mark.parametrize("strength", list(Strength))
def test_the_place_is_as_strong_as_it_was_shown(strength: Strength) -> None:
    statement = said(attested(judge(), strength), AT)
    assert statement.said["attestation.place"] == strength.value


# --- what does not -------------------------------------------------------------------


def test_of_a_machine_that_showed_nothing_nothing_is_known() -> None:
    assert (said(None).status, dict(said(None).said)) == (Status.ABSENT, {})
    assert supplied(None, "n1", now=NOW, site=SITE).evidence == ()


NO_DEBUG = replace(SNP, is_debug=None)
NOTHING_KNOWN: dict[str, tuple[AttestationResult, datetime, str | None, Status]] = {
    "refused": (judge(replace(SNP, is_debug=True)), AT, SITE, Status.REFUSED),
    "undecided": (judge(NO_DEBUG), AT, SITE, Status.UNDECIDED),
    "expired this instant": (judge(), AT + 30 * MINUTE, SITE, Status.STALE),
    "expired long ago": (judge(), AT + 900 * MINUTE, SITE, Status.STALE),
    "without an end": (replace(judge(), valid_until=None), AT, SITE, Status.STALE),
    "of another site": (judge(), AT, "nimbus/de-berlin", Status.ELSEWHERE),
    "of a site that looks alike": (judge(), AT, SITE.upper(), Status.ELSEWHERE),
    "where the question is of no site": (judge(), AT, None, Status.ELSEWHERE),
}


@pytest.mark.parametrize("case", NOTHING_KNOWN)
def test_of_what_does_not_count_nothing_is_known(case: str) -> None:
    result, now, site, status = NOTHING_KNOWN[case]
    statement = said(attested(result), now, site)
    assert (statement.status, dict(statement.said), statement.until) == (status, {}, None)
    assert dict(fitted(pack().program, statement).facts) == {}


def test_a_store_that_fails_makes_everything_unknown_for_a_moment() -> None:
    (statement,) = unreachable("n1").statements
    assert (statement.status, statement.status.is_fault) == (Status.UNREACHABLE, True)
    assert dict(statement.said) == {}


@pytest.mark.parametrize(
    ("claims", "unsaid"),
    [
        (replace(SNP, is_debug=False, is_migratable=None), "migratable"),
        (replace(SNP, is_unrevoked=None), "revocation_checked"),
        (replace(SNP, attester_id=None), "device"),
        (replace(SNP, is_confidential=None), "confidential"),
        (SNP, "tcb_status"),
        (SNP, "advisories"),
        (SNP, "known_faults"),
        (SNP, "gpu_confidential"),
        (SNP, "gpu_product"),
        (replace(SNP, firmware={"bootloader": 4, "snp": 24, "microcode": 217}), "firmware[tee]"),
        (SNP, "trust[file-system]"),
    ],
)
def test_what_was_not_told_is_left_out_and_is_never_no(claims: Claims, unsaid: str) -> None:
    result = judge(claims)
    assert result.verdict is Verdict.ACCEPTED
    assert unsaid not in facts(result)


# --- age -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "minutes"),
    [(-30, 1), (0, 1), (1, 1), (60, 1), (60.001, 2), (1800, 30), (1800.000001, 31)],
)
def test_age_counts_minutes_that_have_begun(seconds: float, minutes: int) -> None:
    result = judge(replace(SNP, produced_at=None, valid_until=None))
    assert facts(result, AT + timedelta(seconds=seconds))["age"] == minutes


def test_background_evidence_has_an_age_only_where_it_says_when_it_was_made() -> None:
    for made_at, known in ((None, False), (AT - 3 * MINUTE, True)):
        result = replace(judge(replace(SNP, produced_at=made_at)), freshness=Freshness.BACKGROUND)
        told = facts(result)
        assert told["freshness"] == "background"
        assert ("age" in told) is known


def test_nobody_makes_evidence_younger_than_its_judgement() -> None:
    result = judge(replace(SNP, produced_at=AT + 30 * timedelta(seconds=1)))
    assert facts(result, AT + 5 * MINUTE)["age"] == 5


# --- who judged, and what was waived -------------------------------------------------


def test_another_verifier_is_named_as_its_key_is_pinned() -> None:
    ear = Claims(Technology.EAR, product="veraison.example", detail={"verifier": "forged"})
    result = replace(judge(), claims=ear, technology=Technology.EAR)
    assert facts(result)["verifier"] == "veraison.example"
    nras = replace(GPU, detail={"verifier": "NVIDIA"})
    assert facts(replace(judge(), claims=nras))["verifier"] == "NVIDIA"
    # Of other technologies nothing of what evidence tells names the verifier.
    assert facts(judge(replace(SNP, detail={"verifier": "forged"})))["verifier"] == "charter"


def test_a_check_that_the_operator_waived_shows() -> None:
    assert facts(judge())["waived"] is False
    assert facts(replace(judge(), skipped=("sev-snp.products: any product",)))["waived"] is True


def test_firmware_that_its_maker_judged_says_what_is_known_against_it() -> None:
    told = replace(SNP, tcb_status="UpToDate")
    assert facts(replace(judge(), claims=told))["advisories"] == []
    assert facts(replace(judge(), claims=told))["known_faults"] is False
    told = replace(told, advisories=("INTEL-SA-2", "INTEL-SA-1", "INTEL-SA-2"))
    assert facts(replace(judge(), claims=told))["advisories"] == ["INTEL-SA-1", "INTEL-SA-2"]
    assert facts(replace(judge(), claims=told))["tcb_status"] == "UpToDate"
    assert facts(replace(judge(), claims=told))["known_faults"] is True


# --- GPUs ----------------------------------------------------------------------------


def test_a_gpu_alone_says_nothing_of_the_memory_of_its_machine() -> None:
    told = facts(replace(judge(), claims=GPU, technology=Technology.NVIDIA_GPU))
    assert told["product"] == "GH100"
    assert told.keys().isdisjoint({"confidential", "gpu_confidential", "gpu_product"})


@pytest.mark.parametrize(
    ("gpus", "confidential", "product"),
    [
        ((GPU,), True, "GH100"),
        ((GPU, GPU), True, "GH100"),
        ((GPU, replace(GPU, is_confidential=None)), None, "GH100"),
        ((GPU, replace(GPU, is_confidential=False)), False, "GH100"),
        ((replace(GPU, is_debug=True), replace(GPU, is_confidential=None)), False, "GH100"),
        ((GPU, replace(GPU, product="GB100")), True, None),
        ((GPU, replace(GPU, product=None)), True, None),
        ((replace(GPU, technology=Technology.TPM),), None, None),
    ],
)
def test_gpus_are_confidential_together_or_not_at_all(
    gpus: tuple[Claims, ...], confidential: bool | None, product: str | None
) -> None:
    told = facts(replace(judge(), claims=replace(SNP, parts=gpus)))
    assert told.get("gpu_confidential") is confidential
    assert told.get("gpu_product") == product


def test_every_fact_that_is_ever_said_is_one_of_the_vocabulary() -> None:
    everything = replace(
        SNP, tcb_status="UpToDate", advisories=("INTEL-SA-1",), is_unrevoked=True, parts=(GPU,),
        firmware=dict.fromkeys(
            ["bootloader", "tee", "snp", "microcode", "fmc", "pce", "qe", "driver", "vbios",
             *(f"tee-{n}" for n in range(16)), *(f"sgx-{n}" for n in range(1, 17))], 7),
    )  # fmt: skip
    statement = fitted(pack().program, said(attested(replace(judge(), claims=everything)), AT))
    assert statement.facts.keys() == statement.said.keys()
    known = {path for path in pack().program.facts if path.startswith("attestation.")}
    assert {path for path in known - statement.facts.keys() if "trust[" not in path} == set()


def test_the_policy_that_names_nothing_leads_to_no_fact() -> None:
    default = read_policy((PACK / "appraisal" / "default.toml").read_bytes())
    result = appraise(SNP, default, at=AT, freshness=Freshness.CHALLENGED, evidence_sha256="ee")
    assert said(attested(result), AT).said == {}


# --- a real machine ------------------------------------------------------------------

GENOA = """\
format = "charter-appraisal/v1"
id = "test/genoa"
owner = "tests"
source = "made for the test"
valid_from = 2025-01-01

[[technology]]
name = "sev-snp"
products = ["Genoa"]
without_revocation = true

[[technology.floor]]
product = "Genoa"
firmware = { snp = 23 }
source = "made for the test"
valid_from = 2025-01-01

[[technology.reference]]
measurement = "launch"
any_of = ["LAUNCH"]
source = "made for the test"
valid_from = 2025-01-01
"""


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "accepted"), ({"snp = 23": "snp = 24"}, "refused"), ({"Genoa": "Milan"}, "refused")],
)
def test_a_real_machine_is_known_by_what_it_tells(
    vectors: Path, changes: dict[str, str], verdict: str
) -> None:
    folder, at = vectors / "sev-snp", datetime(2026, 1, 1, tzinfo=UTC)
    report = (folder / "genoa-v3-report.bin").read_bytes()
    chain = read_pem_chain((folder / "chain-genoa-ask-ark-asvk.pem").read_bytes())
    endorsed = [b64(one.public_bytes(Encoding.DER)) for one in chain]
    vek = b64((folder / "genoa-v3-vcek.der").read_bytes())
    found = document("sev-snp", {"report": b64(report)}, vek=vek, chain=endorsed)
    policy = GENOA.replace("LAUNCH", report[0x90:0xC0].hex())
    for old, new in changes.items():
        policy = policy.replace(old, new)
    row = machines.node("n1", valid_from="2025-01-01").replace('"tpm"', '"sev-snp"')
    came_to = judge_document(
        spelled(found),
        node="n1",
        purpose="standing",
        nonce=None,
        tenant=machines.TENANT,
        at=at,
        policy=read_policy(policy.encode()),
        anchors=Anchors(),
        register=read_register(machines.register(row).encode()),
        verifier="charter/0.1.0",
    )
    assert came_to.result.verdict.value == verdict
    told = fitted(pack().program, said(came_to, at)).facts
    if verdict == "refused":
        assert told == {}
        return
    words = {name.removeprefix("attestation."): value for name, value in told.items()}
    assert words | {
        "technology": "sev-snp", "product": "Genoa", "confidential": True, "debug": False,
        "firmware[bootloader]": 10, "firmware[snp]": 23, "firmware[microcode]": 25,
        "freshness": "background", "place": "declared", "waived": True,
    } == words  # fmt: skip
    # A report has no time: nobody knows how long it lay about.
    assert words.keys().isdisjoint({"age", "tcb_status", "known_faults", "gpu_confidential"})
