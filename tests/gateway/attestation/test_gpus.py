"""Machines with GPUs in one bundle: real reports of GPUs, bound by quotes of a TPM that are made
here, and combinations of machines, GPUs and challenges that must not count."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import MAX_GPUS, read_bundle
from gateway.attestation.chain import read_pem_chain
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.freshness import check_bound
from gateway.attestation.gpus import Gpu, binding, bound_together
from gateway.attestation.nvidia_gpu import parse_report
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from tests.gateway.attestation import gpu, tpms
from tests.gateway.attestation.chains import AT
from tests.gateway.attestation.test_bundle import (
    ANCHORS,
    FILE,
    Document,
    b64,
    document,
    quote,
    spelled,
    tpm2b,
)
from tests.gateway.attestation.test_nvidia_gpu import POLICY as GPU_POLICY
from tests.gateway.cli.commands import here

BINDING, NONCE = errors.EvidenceBindingError, errors.EvidenceNonceError
MALFORMED = errors.EvidenceMalformedError
CHALLENGE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")


def one_gpu(
    vectors: Path, name: str = "hopper-report", chain: str = "hopper-chain-case1"
) -> Document:
    """A real report; that of `CHALLENGE` unless another is named."""
    folder = vectors / "nvidia-gpu"
    report = bytes.fromhex((folder / f"{name}.hex").read_text())
    path = read_pem_chain((folder / f"{chain}.pem").read_bytes())
    return {
        "evidence": {"report": b64(report)},
        "endorsements": {"chain": [b64(one.public_bytes(Encoding.DER)) for one in path]},
    }


def other_gpu(vectors: Path) -> Document:
    """Of another challenge."""
    return one_gpu(vectors, "hopper-report-trailing-byte", "hopper-report-trailing-byte-chain")


def raw(found: Document) -> bytes:
    """What a machine vouches for: the report without the stray byte after it."""
    return parse_report(base64.b64decode(found["evidence"]["report"])).raw


def machine(extra: bytes, gpus: Sequence[Document] | None) -> bytes:
    made = tpms.Made(extra=extra)
    found = document("tpm", quote(made, public=tpm2b(made)))
    return spelled(found if gpus is None else {**found, "gpus": gpus})


def verified(data: bytes) -> Claims:
    return verify_bundle(read_bundle(data), ANCHORS, at=AT)


# --- real GPUs -----------------------------------------------------------------------


def test_a_machine_that_vouches_for_its_gpu_answers_the_challenge_with_it(vectors: Path) -> None:
    found = one_gpu(vectors)
    claims = verified(machine(binding(CHALLENGE, [raw(found)]), [found]))
    check_bound(claims, CHALLENGE)
    assert (claims.technology, claims.bound) == (Technology.TPM, CHALLENGE)
    (part,) = claims.parts
    assert (part.technology, part.product) == (Technology.NVIDIA_GPU, "GH100")
    with pytest.raises(NONCE):
        check_bound(claims, CHALLENGE[::-1])
    with pytest.raises(NONCE):
        check_bound(claims, binding(CHALLENGE, [raw(found)]))


def test_the_stray_byte_of_a_report_is_not_part_of_what_is_vouched_for(vectors: Path) -> None:
    found = other_gpu(vectors)
    nonce = raw(found)[4:36]
    sent = base64.b64decode(found["evidence"]["report"])
    assert sent == raw(found) + b"\0"
    assert verified(machine(binding(nonce, [raw(found)]), [found])).bound == nonce
    with pytest.raises(BINDING):
        verified(machine(binding(nonce, [sent]), [found]))


COMBINED: dict[str, tuple[Callable[[Document, Document], bytes], type[errors.EvidenceError]]] = {
    "a GPU for which the machine does not vouch": (
        lambda one, _: machine(CHALLENGE, [one]), BINDING,
    ),
    "a GPU of another machine in place of its own": (
        lambda one, other: machine(binding(CHALLENGE, [raw(one)]), [other]), BINDING,
    ),
    "a GPU that answered another challenge beside one that did not": (
        lambda one, other: machine(binding(CHALLENGE, [raw(one), raw(other)]), [one, other]),
        BINDING,
    ),
    "a machine that vouched for another challenge": (
        lambda one, _: machine(binding(bytes(32), [raw(one)]), [one]), BINDING,
    ),
    "one GPU shown twice": (
        lambda one, _: machine(binding(CHALLENGE, [raw(one)] * 2), [one, one]), BINDING,
    ),
    "one of two GPUs left out": (
        lambda one, other: machine(binding(CHALLENGE, [raw(one), raw(other)]), [one]), BINDING,
    ),
    "a GPU more than the machine vouches for": (
        lambda one, other: machine(binding(CHALLENGE, [raw(one)]), [one, other]), BINDING,
    ),
    "a changed report": (
        lambda one, _: machine(binding(CHALLENGE, [raw(one)]), [
            {**one, "evidence": {"report": b64(raw(one)[:200] + b"\1" + raw(one)[201:])}}]),
        errors.EvidenceSignatureError,
    ),
    "a GPU without its certificates": (
        lambda one, _: machine(binding(CHALLENGE, [raw(one)]), [
            {"evidence": one["evidence"]}]), errors.EvidenceChainError,
    ),
    "a GPU with the certificates of another": (
        lambda one, other: machine(binding(CHALLENGE, [raw(one)]), [
            {**one, "endorsements": other["endorsements"]}]), errors.EvidenceSignatureError,
    ),
    "an answer of a service in place of a report": (
        lambda one, _: machine(binding(CHALLENGE, [raw(one)]), [
            {"evidence": {"nras": "e30="}}]), MALFORMED,
    ),
    "a part of the machine in a GPU": (
        lambda one, _: machine(binding(CHALLENGE, [raw(one)]), [
            {**one, "endorsements": {**one["endorsements"], "ak_path": []}}]), MALFORMED,
    ),
    "a GPU with GPUs": (
        lambda one, _: spelled({**document("nvidia-gpu", one["evidence"], **one["endorsements"]),
                                "gpus": [one]}), BINDING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", COMBINED)
def test_what_does_not_belong_together_is_refused_for_its_reason(
    vectors: Path, damage: str
) -> None:
    make, error = COMBINED[damage]
    data = make(one_gpu(vectors), other_gpu(vectors))
    with pytest.raises(errors.EvidenceError) as raised:
        verified(data)
    assert type(raised.value) is error, raised.value


def test_a_machine_that_shows_none_of_its_gpus_answers_no_challenge(vectors: Path) -> None:
    claims = verified(machine(binding(CHALLENGE, [raw(one_gpu(vectors))]), None))
    with pytest.raises(NONCE):
        check_bound(claims, CHALLENGE)


FORMS: dict[str, Any] = {
    "no list": {}, "an empty list": [], "a number": 0, "a text": "gpus", "a GPU by number": [1],
    "no evidence": [{}], "evidence that is a list": [{"evidence": []}],
    "a technology": [{"evidence": {}, "technology": "nvidia-gpu"}],
    "GPUs of a GPU": [{"evidence": {}, "gpus": []}],
    "too many": [{"evidence": {}}] * (MAX_GPUS + 1),
    "a list deeper": [{"evidence": {"report": [["QQ=="]]}}],
    "no base64": [{"evidence": {"report": "%"}}],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_gpus_of_another_form_are_refused(form: str) -> None:
    with pytest.raises(MALFORMED):
        read_bundle(machine(CHALLENGE, FORMS[form]))


# --- every technology ----------------------------------------------------------------

MADE = gpu.Made()
REPORT = MADE.parsed()
PAIR: Gpu = (REPORT, MADE.verify(REPORT.raw))
OF_NONE = (Technology.NVIDIA_GPU, Technology.EAR)


def of(technology: Technology, value: bytes) -> Claims:
    """A machine that holds a value as it would hold a challenge."""
    fixed = {Technology.SEV_SNP, Technology.TDX, Technology.ARM_CCA}
    return Claims(technology, bound=value.ljust(64 if technology in fixed else 32, b"\0"))


def test_what_a_machine_holds_for_its_gpus_has_room_in_every_tpm() -> None:
    found = binding(gpu.NONCE, [REPORT.raw])
    digest = hashlib.sha256(REPORT.raw).digest()
    assert found == hashlib.sha256(b"charter/attestation/gpu/v1\0" + gpu.NONCE + digest).digest()
    assert len(found) == len(CHALLENGE) == 32


@pytest.mark.parametrize("technology", [one for one in Technology if one not in OF_NONE])
def test_a_machine_of_every_technology_is_bound_to_the_challenge(technology: Technology) -> None:
    alone = of(technology, binding(gpu.NONCE, [REPORT.raw]))
    joined = bound_together(alone, [PAIR])
    wanted = gpu.NONCE.ljust(64, b"\0") if technology is Technology.ARM_CCA else gpu.NONCE
    check_bound(joined, wanted)
    assert joined.ends() == PAIR[1].valid_until
    for bound in (
        gpu.NONCE,
        gpu.NONCE.ljust(64, b"\0"),
        b"",
        alone.bound + b"\0",
        alone.bound[:31],
    ):
        with pytest.raises(BINDING):
            bound_together(replace(alone, bound=bound), [PAIR])


@pytest.mark.parametrize("technology", OF_NONE)
def test_what_is_no_machine_vouches_for_no_gpu(technology: Technology) -> None:
    with pytest.raises(BINDING):
        bound_together(Claims(technology, bound=binding(gpu.NONCE, [REPORT.raw])), [PAIR])


def test_two_reports_of_one_gpu_are_one_gpu_shown_twice() -> None:
    again = MADE.parsed()
    assert again.raw != REPORT.raw
    both = [PAIR, (again, MADE.verify(again.raw))]
    alone = of(Technology.TDX, binding(gpu.NONCE, [one.raw for one, _ in both]))
    with pytest.raises(BINDING, match="twice"):
        bound_together(alone, both)


def test_the_order_of_gpus_does_not_matter() -> None:
    other = replace(MADE, device=gpu.device())
    report = other.parsed()
    pair = (report, other.verify(report.raw))
    alone = of(Technology.TDX, binding(gpu.NONCE, [report.raw, REPORT.raw]))
    for gpus in ([PAIR, pair], [pair, PAIR]):
        assert len(bound_together(alone, gpus).parts) == 2
    with pytest.raises(BINDING):
        bound_together(alone, [pair])


# --- judged --------------------------------------------------------------------------

TPM_SECTION = """
[[technology]]
name = "tpm"
products = ["TPM"]
[[technology.reference]]
measurement = "sha256:7"
any_of = ["0707070707070707070707070707070707070707070707070707070707070707"]
source = "tests"
valid_from = 2020-01-01
"""
HEAD = """format = "charter-appraisal/v1"
id = "both"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
"""


def judged(vectors: Path, policy: AppraisalPolicy) -> tuple[Verdict, tuple[str, ...]]:
    found = one_gpu(vectors)
    claims = verified(machine(binding(CHALLENGE, [raw(found)]), [found]))
    result = appraise(claims, policy, at=AT, freshness=Freshness.CHALLENGED, evidence_sha256="")
    return result.verdict, result.lacking


def test_a_machine_is_no_better_than_its_gpu(vectors: Path) -> None:
    alone = read_policy((HEAD + TPM_SECTION).encode())
    assert judged(vectors, alone) == (
        Verdict.UNDECIDED, ("the policy both says nothing of nvidia-gpu",),
    )  # fmt: skip
    both = replace(alone, sections={**alone.sections, **GPU_POLICY.sections})
    verdict, lacking = judged(vectors, both)
    assert (verdict, lacking) == (Verdict.UNDECIDED, ("whether it can be debugged",))
    (section,) = GPU_POLICY.sections.values()
    refusing = section.model_copy(update={"products": ("GB100",)})
    bad = replace(alone, sections={**alone.sections, section.name: refusing})
    assert judged(vectors, bad)[0] is Verdict.REFUSED


def test_the_command_shows_the_machine_and_its_gpu(vectors: Path, tmp_path: Path) -> None:
    found = one_gpu(vectors)
    file, anchors = tmp_path / "evidence.json", tmp_path / "anchors.toml"
    file.write_bytes(machine(binding(CHALLENGE, [raw(found)]), [found]))
    anchors.write_text(FILE)
    asked = ("--anchors", str(anchors), "--at", AT.isoformat(), "--nonce", CHALLENGE.hex())
    ran = here("attest", str(file), *asked)
    assert ran.code == 4
    assert "  product TPM\n" in ran.out
    assert "  with nvidia-gpu evidence that is bound to it\n    product GH100\n" in ran.out
    listed = json.loads(here("attest", str(file), *asked, "--format", "json").out)
    assert [one["product"] for one in listed["claims"]["parts"]] == ["GH100"]
    file.write_bytes(machine(CHALLENGE, [found]))
    ran = here("attest", str(file), *asked)
    assert ran.code == 2
    assert "does not vouch for just these GPUs" in ran.out


def test_anchors_of_an_operator_are_needed_as_without_gpus(vectors: Path) -> None:
    found = one_gpu(vectors)
    data = machine(binding(CHALLENGE, [raw(found)]), [found])
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_bundle(read_bundle(data), Anchors(), at=AT)
