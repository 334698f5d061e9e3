"""A machine with a real TPM emulator and a real gateway with two workers: enrolled, challenged,
quoted, decided about, and started anew."""

import base64
import io
import json
import shutil
import signal
import time
import tomllib
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.state import open_state
from tests.gateway.attestation.emulator import Emulator, emulator
from tests.gateway.attestation.test_tpm_emulator import activate, create_ak, create_ek
from tests.gateway.nodes import machines
from tests.gateway.world import QUESTION, write_project
from tests.gateway_process import GatewayProcess, run_gateway
from tests.project import ROOT

HANDLE = "0x81010002"
PCRS = "sha256:0,7,15"
TAG = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # of the room

CHARTER = """\
charter test.machines
  title "What machines must have proved"
  law HOUSE "House rules"
  time zone Europe/Brussels
  as of 2026-11-22
import test.words
import vocabulary.attestation

rule proved "Health data is worked on where it was proved to be"
  cites HOUSE section 9
  on place
  when data.labels has health
  require attestation.place at least measured
          and attestation.freshness = challenged
          and attestation.trust[executables] = affirming
  because "Anybody can say where a machine is."
  remedy "Have the machine show evidence for a challenge."
  example "a machine that was measured" is permitted
    data.labels = {health}
    destination = near
    attestation.place = measured
    attestation.freshness = challenged
    attestation.trust[executables] = affirming
  example "one that has shown nothing" is undetermined
    data.labels = {health}
    destination = near
    attestation.place = unknown
    attestation.freshness = unknown
    attestation.trust[executables] = unknown
"""

POLICY = f"""\
format = "charter-appraisal/v1"
id = "test/boot"
owner = "tests"
source = "made for the test"
valid_from = 2026-01-01
[[technology]]
name = "tpm"
products = ["TPM"]
[[technology.reference]]
measurement = "sha256:7"
any_of = ["{"00" * 32}"]
source = "made for the test"
valid_from = 2026-01-01
"""


@dataclass
class Machine:
    """A node with its TPM."""

    tpm: Emulator

    def start(self) -> None:
        """What its firmware and its loader do."""
        self.tpm.boot()
        self.tpm.tool("pcrextend", f"15:sha256={TAG}")

    def reboot(self) -> None:
        self.tpm.tool("shutdown", "-c")
        self.tpm.off()
        self.start()

    def evidence(self, nonce: str) -> dict[str, Any]:
        self.tpm.tool(
            "quote", "-c", HANDLE, "-l", PCRS, "-q", nonce, "-m", "q.msg", "-s", "q.sig",
            "-o", "q.pcr", "-g", "sha256",
        )  # fmt: skip
        files = {"quote": "q.msg", "signature": "q.sig", "pcrs": "q.pcr", "public": "ak.pub"}
        parts = {name: base64.b64encode(self.tpm.file(file)) for name, file in files.items()}
        return {
            "format": "charter-evidence/v1",
            "technology": "tpm",
            "evidence": {name: part.decode() for name, part in parts.items()},
        }


def place_tag() -> str:
    return machines.sha256(bytes(32) + bytes.fromhex(TAG)).hexdigest()


def enrol(machine: Machine, folder: Path, name: str) -> tuple[str, str]:
    """The rows of a machine, as an operator gets them."""
    tpm = machine.tpm
    create_ek(tpm, "rsa")
    create_ak(tpm)
    tpm.tool("evictcontrol", "-C", "o", "-c", "ak.ctx", HANDLE)
    tpm.tool("getekcertificate", "-o", "ek.crt")
    path = tpm.folder / "ek-path.pem"
    path.write_bytes(tpm.file("ca/issuercert.pem") + tpm.file("ca/swtpm-localca-rootca-cert.pem"))
    made = ["node", "credential", "--ek-certificate", str(tpm.folder / "ek.crt")]
    made += ["--ek-path", str(path), "--ek-public", str(tpm.folder / "ek.pub")]
    made += ["--ak-public", str(tpm.folder / "ak.pub"), "--out", str(folder)]
    charter(*made)
    activate(tpm, (folder / "credential.bin").read_bytes())
    found = ["--found", str(tpm.folder / "out.bin"), "--id", name, "--site", "near"]
    rows = json.loads(charter("node", "admit", str(folder), *found, "--format", "json"))
    place = f'place = {{ measurement = "sha256:15", any_of = ["{place_tag()}"] }}\n'
    assert tomllib.loads(rows["node"])["node"][0]["attesters"] == [rows["device"]]
    return rows["node"] + place, rows["anchor"]


def charter(*arguments: str) -> str:
    """What a command that must succeed prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(list(arguments)) == 0
    return printed.getvalue()


@dataclass
class Site:
    """A gateway and the machines of its register."""

    gateway: GatewayProcess
    first: Machine
    second: Machine

    def post(self, place: str, body: object) -> tuple[int, Any]:
        sent = {"Content-Type": "application/json"}
        reply = self.gateway.request(
            "POST", f"/v1/attestation/{place}", json.dumps(body).encode(), sent
        )
        return reply.status, reply.json

    def challenge(self, purpose: str = "standing", node: str = "n1") -> dict[str, Any]:
        status, found = self.post("challenge", {"node": node, "purpose": purpose})
        assert status == 201, found
        return found

    def show(self, evidence: object, challenge: str | None) -> tuple[str, str]:
        body = {"node": "n1", "evidence": evidence, "challenge": challenge}
        status, found = self.post("evidence", body)
        assert status == 201, found
        return found["verdict"], found["reason"]

    def answer(self, machine: Machine) -> tuple[str, str]:
        asked = self.challenge()
        return self.show(machine.evidence(asked["nonce"]), asked["challenge"])

    def decide(self, **attestation: Any) -> dict[str, Any]:
        context = {**QUESTION["context"]}
        if attestation:
            context["attestation"] = attestation
        return self.gateway.decide({**QUESTION, "context": context})


@dataclass
class Enrolled:
    """Two machines, and their rows in the register and the anchors."""

    machines: tuple[Machine, Machine]
    nodes: str
    anchors: str


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Generator[Enrolled]:
    folder = tmp_path_factory.mktemp("tpms")
    for name in ("first", "second"):
        (folder / name).mkdir()
    with emulator(folder / "first") as one, emulator(folder / "second") as other:
        both = Machine(one), Machine(other)
        rows = [
            enrol(machine, folder / f"enrolment-{number}", f"n{number}")
            for number, machine in enumerate(both, 1)
        ]
        vouched = machines.anchors() + "".join(anchor for _, anchor in rows)
        yield Enrolled(both, machines.register(*(row for row, _ in rows)), vouched)


@pytest.fixture
def site(enrolled: Enrolled, tmp_path: Path) -> Generator[Site]:
    for machine in enrolled.machines:
        machine.reboot()
    policies = write_project(tmp_path / "policies")
    (policies / "machines.charter").write_text(CHARTER)
    shutil.copy(ROOT / "policies" / "vocabulary" / "attestation.charter", policies)
    flags = machines.write(tmp_path / "attestation", POLICY, enrolled.anchors, enrolled.nodes)
    state = open_state(tmp_path / "state", origin="ledger.example/test")
    state.close()
    arguments = ["--policies", str(policies), "--engines", "cedar,rego", "--workers", "2"]
    with run_gateway(tmp_path / "state", *arguments, *flags, token=state.new_token) as gateway:
        yield Site(gateway, *enrolled.machines)


def test_a_machine_is_enrolled_challenged_decided_about_and_started_anew(site: Site) -> None:
    first = site.first
    nothing = site.decide(node="n1")
    assert (nothing["decision"], nothing["evidence"]) == ("indeterminate", [])
    assert site.decide()["decision"] == "indeterminate"

    # A quote that is kept back, one that counts, and one by another TPM.
    kept = site.challenge()
    old = first.evidence(kept["nonce"])
    assert site.answer(site.second) == ("refused", "node-device")
    assert site.decide(node="n1")["decision"] == "indeterminate"
    asked = site.challenge()
    quote = first.evidence(asked["nonce"])
    assert site.show(quote, asked["challenge"]) == ("accepted", "")
    for _ in range(6):  # whichever worker is asked
        assert site.show(quote, asked["challenge"]) == ("refused", "evidence-nonce")
    answer = site.decide(node="n1")
    assert answer["decision"] == "permit", answer["missing"]
    (body,) = answer["evidence"]
    assert (body["place"], body["freshness"], body["site"]) == ("measured", "challenged", "near")
    assert answer["valid_until"] <= body["valid_until"]
    # Of the other node nothing is known.
    assert site.decide(node="n2")["decision"] == "indeterminate"

    # Started anew, and shown: what was is over, and what was kept back too.
    first.reboot()
    assert site.answer(first) == ("accepted", "")
    assert site.show(old, kept["challenge"]) == ("refused", "node-rolled-back")
    assert site.show(quote, None) == ("refused", "node-rolled-back")
    again = site.decide(node="n1")
    assert again["decision"] == "permit"
    assert again["evidence"][0]["digest"] != body["digest"]

    # Carried to another room: it starts, and measures another tag.
    first.tpm.tool("pcrextend", f"15:sha256={'11' * 32}")
    assert site.answer(first) == ("refused", "node-place")
    moved = site.decide(node="n1")
    assert (moved["decision"], moved["evidence"][0]["reason"]) == ("indeterminate", "node-place")


def test_evidence_in_a_question_counts_for_it_alone(site: Site) -> None:
    asked = site.challenge("decision")
    shown = {
        "node": "n1",
        "challenge": asked["challenge"],
        "evidence": site.first.evidence(asked["nonce"]),
    }
    assert site.decide(**shown)["decision"] == "permit"
    again = site.decide(**shown)
    assert again["decision"] == "indeterminate"
    assert again["evidence"][0]["reason"] == "evidence-nonce"
    assert site.decide(node="n1")["decision"] == "indeterminate"
    standing = site.challenge("standing")
    crossed = {**shown, "challenge": standing["challenge"]}
    crossed["evidence"] = site.first.evidence(standing["nonce"])
    assert site.decide(**crossed)["evidence"][0]["reason"] == "evidence-nonce"


def test_of_many_who_show_one_challenge_at_once_one_counts(site: Site) -> None:
    asked = site.challenge()
    quote = site.first.evidence(asked["nonce"])

    def show(_: int) -> tuple[str, str]:
        return site.show(quote, asked["challenge"])

    with ThreadPoolExecutor(8) as pool:
        shown = sorted(pool.map(show, range(12)))
    assert shown == [("accepted", "")] + [("refused", "evidence-nonce")] * 11


def test_what_is_judged_by_is_reloaded_and_the_old_result_with_it(
    site: Site, tmp_path: Path
) -> None:
    assert site.answer(site.first) == ("accepted", "")
    assert site.decide(node="n1")["decision"] == "permit"
    policy = tmp_path / "attestation" / "appraisal.toml"
    policy.write_text(POLICY.replace("00" * 32, "ee" * 32))
    site.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: said(site).count('"reloaded"') == 2)  # each worker
    for _ in range(4):
        assert site.decide(node="n1")["evidence"][0]["reason"] == "appraisal-executables"
    policy.write_text(POLICY.replace("any_of", "any_off"))
    site.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "any_off" in said(site))
    assert site.decide(node="n1")["evidence"][0]["reason"] == "appraisal-executables"


def said(site: Site) -> str:
    return "".join(site.gateway.stderr)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never held")
