"""`charter attest` as its user runs it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.attestation import errors
from gateway.attestation.policy import ANY, read_policy
from gateway.cli.attest import DEFAULT_POLICY, HINTS
from tests.gateway.attestation import tpms
from tests.gateway.attestation.chains import AT
from tests.gateway.attestation.test_bundle import FILE, document, quote, spelled, tpm2b
from tests.gateway.cli.commands import Ran, here

POLICY = """\
format = "charter-appraisal/v1"
id = "operator/strict"
owner = "operator"
source = "tests"
valid_from = 2026-01-01
[[technology]]
name = "tpm"
products = ["TPM"]
[[technology.reference]]
measurement = "sha256:7"
any_of = ["0707070707070707070707070707070707070707070707070707070707070707"]
source = "tests"
valid_from = 2026-01-01
"""
THEN = AT.isoformat()
NONCE = b"nonce".hex()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tpms.Made()
    found = document("tpm", quote(made, public=tpm2b(made)))
    (tmp_path / "evidence.json").write_bytes(spelled(found))
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "anchors.toml").write_text(FILE)
    return tmp_path


def attest(folder: Path, *more: str, anchors: bool = True, policy: bool = True) -> Ran:
    chosen = ["--policy", str(folder / "policy.toml")] if policy else []
    chosen += ["--anchors", str(folder / "anchors.toml")] if anchors else []
    ran = here("attest", str(folder / "evidence.json"), "--at", THEN, *chosen, *more)
    ran.check_clean()
    return ran


def test_evidence_as_demanded_is_accepted_and_explained(folder: Path) -> None:
    ran = attest(folder, "--nonce", NONCE)
    assert ran.code == 0
    assert ran.out.startswith("ACCEPTED: tpm evidence\n")
    assert "`sha256:7` is as it should be" in ran.out
    assert "counts until 2026-06-01T01:00:00Z" in ran.out
    assert "background" not in ran.out


def test_without_a_nonce_the_evidence_is_background(folder: Path) -> None:
    ran = attest(folder)
    assert ran.code == 0
    assert "background alone" in ran.out
    body = json.loads(attest(folder, "--format", "json").out)
    assert body["freshness"] == "background"


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        (("--nonce", "00"), 2, "evidence-nonce"),
        (("--nonce", NONCE + "00"), 2, "evidence-nonce"),
        (("--at", "2025-12-31T23:59:59Z"), 4, "evidence-incomplete"),
    ],
    ids=["another nonce", "a longer nonce", "before the anchor counted"],
)
def test_what_does_not_hold_is_told_by_its_reason(
    folder: Path, more: tuple[str, ...], code: int, reason: str
) -> None:
    ran = attest(folder, *more, "--format", "json")
    body = json.loads(ran.out)
    assert (ran.code, body["reason"]) == (code, reason)
    assert body["verdict"] == ("refused" if code == 2 else "undecided")
    assert "what to do: " in attest(folder, *more).out


def test_nobody_vouches_without_anchors(folder: Path) -> None:
    ran = attest(folder, anchors=False)
    assert ran.code == 4
    assert ran.out.startswith("CANNOT TELL, so refused: tpm evidence\n")
    assert "add an anchor" in ran.out or "--anchors" in ran.out


def test_the_policy_of_the_pack_accepts_nothing(folder: Path) -> None:
    ran = attest(folder, policy=False)
    assert ran.code == 4
    assert "reference values for what was started" in ran.out
    policy = read_policy(DEFAULT_POLICY.read_bytes())
    for section in policy.sections.values():
        assert not section.reference
        loosened = section.debug, section.migration, section.without_revocation
        assert not any(loosened)
        assert ANY not in section.products


def test_a_machine_that_started_something_else_is_refused(folder: Path) -> None:
    values = {**tpms.VALUES, (11, 7): b"x" * 32}
    made = replace(tpms.Made(), values=values)
    found = document("tpm", quote(made, public=tpm2b(made)))
    (folder / "evidence.json").write_bytes(spelled(found))
    ran = attest(folder)
    assert ran.code == 2
    assert "which no reference value is" in ran.out
    assert "by tpm.reference[sha256:7]" in ran.out


def test_the_result_is_exported_as_ear(folder: Path) -> None:
    ear = json.loads(attest(folder, "--nonce", NONCE, "--ear").out)
    (module,) = ear["submods"].values()
    assert (ear["ear_status"], module["eat_nonce"]) == ("affirming", NONCE)
    assert ear["ear_verifier_id"]["build"].startswith("charter ")


MISTAKES: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "no file": ({"evidence.json": ""}, (), "evidence.json"),
    "no evidence": ({"evidence.json": "{}"}, (), "charter-evidence/v1"),
    "no policy": ({"policy.toml": "format = 1"}, (), "policy.toml"),
    "no anchors": ({"anchors.toml": "x"}, (), "anchors.toml"),
    "a nonce that is no hexadecimal": ({}, ("--nonce", "nonce"), "--nonce"),
    "an empty nonce": ({}, ("--nonce", ""), "--nonce"),
    "a time without an offset": ({}, ("--at", "2026-06-01T00:00:00"), "--at"),
    "a day": ({}, ("--at", "2026-06-01"), "--at"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(folder: Path, name: str) -> None:
    files, more, place = MISTAKES[name]
    for file, text in files.items():
        (folder / file).write_text(text)
    if name == "no file":
        (folder / "evidence.json").unlink()
    ran = attest(folder, *more)
    assert (ran.code, ran.out) == (1, "")
    assert place in ran.line


def test_what_evidence_says_cannot_steer_a_terminal(folder: Path) -> None:
    found = document("tpm\x1b[2J", {})
    (folder / "evidence.json").write_bytes(spelled(found))
    ran = attest(folder)
    assert ran.code == 1
    assert "\x1b" not in ran.err


def test_for_every_reason_it_says_what_to_do() -> None:
    classes = [errors.EvidenceError]
    for one in classes:
        classes += one.__subclasses__()
    own = {one.reason for one in classes} - {"evidence", "appraisal-policy"}
    assert {reason for reason in own if reason.startswith("evidence-")} <= HINTS.keys()
