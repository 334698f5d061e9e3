"""A real gateway with two workers: what its decision names is read, judged again, copied while
it runs, and erased."""

import json
from pathlib import Path
from typing import Any

from gateway.cli import exit_codes
from gateway.keeping.named import named_documents
from gateway.nodes.store import FILE
from gateway.state import open_state
from tests.gateway.cli.commands import Charter
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import Machine
from tests.gateway.world import QUESTION, write_project
from tests.gateway_process import GatewayProcess, run_gateway

OWN = Machine()
GROUNDS = {"reason": "asked by the person", "authority": "GDPR art 17(1)(b)"}


def post(gateway: GatewayProcess, place: str, body: object) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json"}
    reply = gateway.request("POST", f"/v1/attestation/{place}", json.dumps(body).encode(), sent)
    return reply.status, reply.json


def decide(gateway: GatewayProcess) -> dict[str, Any]:
    _, asked = post(gateway, "challenge", {"node": "n1", "purpose": "decision"})
    shown = {
        "node": "n1",
        "challenge": asked["challenge"],
        "evidence": OWN.evidence(bytes.fromhex(asked["nonce"])),
    }
    return gateway.decide({**QUESTION, "context": {**QUESTION["context"], "attestation": shown}})


def read(gateway: GatewayProcess, named: dict[str, str], folder: Path) -> None:
    """The files of an auditor, as the gateway answers them."""
    folder.mkdir(exist_ok=True)
    for digest, kind in named.items():
        reply = gateway.request("GET", f"/v1/attestation/documents/{digest}")
        (folder / kind).write_bytes(reply.body)


def test_from_a_decision_to_the_erasure_of_its_evidence(charter: Charter, tmp_path: Path) -> None:
    row = machines.node("n1", [OWN.device], site="near")
    flags = machines.write(
        tmp_path / "terms", machines.POLICY, machines.anchors(OWN), machines.register(row)
    )
    policies = write_project(tmp_path / "policies")
    state = open_state(tmp_path / "state", origin="ledger.example/served")
    state.close()
    arguments = ["--policies", str(policies), "--engines", "reference", "--workers", "2", *flags]
    shown = tmp_path / "shown"

    def verify() -> tuple[int, str]:
        ran = charter(
            "verify", tmp_path / "answer.json", "--trust", state.folder / "trust.json",
            "--re-appraise", shown, "--format", "json",
        )  # fmt: skip
        return ran.code, json.loads(ran.out).get("reason", "good")

    def keeps(folder: Path) -> int:
        return charter("ledger", "fsck", "--state", folder).code

    with run_gateway(state.folder, *arguments, token=state.new_token) as gateway:
        answer = decide(gateway)
        (body,) = answer["evidence"]
        assert (body["verdict"], body["place"], body["site"]) == ("accepted", "enrolled", "near")
        (tmp_path / "answer.json").write_text(json.dumps(answer))
        named = named_documents(answer)
        read(gateway, named, shown)
        assert verify() == (exit_codes.OK, "good")

        assert keeps(state.folder) == exit_codes.OK
        backup = tmp_path / "backup"
        assert charter("ledger", "backup", backup, "--state", state.folder).code == exit_codes.OK
        assert keeps(backup) == exit_codes.OK

        (digest,) = [one for one, kind in named.items() if kind == "evidence"]
        status, told = post(gateway, f"documents/{digest}/erasure", GROUNDS)
        assert (status, told["tidy"]) == (200, True)
        for _ in range(6):  # whichever worker is asked
            reply = gateway.request("GET", f"/v1/attestation/documents/{digest}")
            assert reply.status == 410
            assert post(gateway, f"documents/{digest}/erasure", GROUNDS)[0] == 410
        read(gateway, named, shown)
        assert verify() == (exit_codes.INDETERMINATE, "evidence-erased")
        assert keeps(state.folder) == exit_codes.OK
    # What was copied before is what it was.
    out = ["--state", backup, "--output", tmp_path / "again"]
    assert charter("ledger", "documents", answer["id"], *out).code == exit_codes.OK
    shown = tmp_path / "again"
    assert verify() == (exit_codes.OK, "good")
    assert (backup / FILE).is_file()
