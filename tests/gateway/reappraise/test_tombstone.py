"""Evidence that was erased: what a gateway says of it is believed where it is genuine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exit_codes
from gateway.reappraise.tombstone import ACTION
from gateway.self_check import own_record
from gateway.state import State, open_state
from tests.gateway.cli.commands import Charter
from tests.gateway.reappraise.made import AT, ORIGIN, TENANT, Machine, sha256, write
from tests.gateway.world import Clock

MACHINE = Machine()
DIGEST = f"sha256:{sha256(MACHINE.evidence)}"
SAID = {"evidence": DIGEST, "reason": "asked", "authority": "GDPR art 17", "by": "officer"}


def tombstone(state: State, said: dict[str, Any] = SAID, action: str = ACTION) -> dict[str, Any]:
    """What a gateway answers in the place of the evidence."""
    with state.open_ledger(Clock(AT)) as log:
        members: dict[str, Any] = {"tenant": TENANT, "erased": said}
        body = own_record("erasure", AT, action, members, state.decision_key)
        log.append("erasure", TENANT, body).result(timeout=30)
        return {
            "type": "x",
            "status": 410,
            "erased": said,
            "record": json.loads(body),
            "proof": log.proof("erasure"),
        }


def other(folder: Path) -> State:
    return open_state(folder, origin=ORIGIN)


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "genuine": (lambda t: None, "evidence-erased"),
    "other words around it": (lambda t: t.update(title="Erased"), "evidence-erased"),
    "another reason": (lambda t: t["erased"].update(reason="none"), "answer-differs-from-record"),
    "no record": (lambda t: t.pop("record"), "answer-malformed"),
    "no proof": (lambda t: t.pop("proof"), "answer-malformed"),
    "a signature that does not hold": (
        lambda t: t["record"].update(payload="e30="),
        "signature-invalid",
    ),
    "of other evidence": (lambda t: t["erased"].update(evidence="sha256:0"), "evidence-missing"),
    "of nothing": (lambda t: t.update(erased={}), "evidence-missing"),
    "a list": (lambda t: t.update(erased=[DIGEST]), "evidence-missing"),
}


def shown(charter: Charter, folder: Path, data: bytes) -> tuple[int, str]:
    documents = {**MACHINE.files(), "a": data}
    written = write(folder, MACHINE, documents=documents)
    ran = charter(
        "verify", written.answer, "--trust", written.trust, "--re-appraise", written.documents,
        "--format", "json",
    )  # fmt: skip
    said = json.loads(ran.out)
    assert said["verdict"] == {2: "bad", 4: "cannot tell"}[ran.code]
    return ran.code, said["reason"]


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_a_tombstone_counts_as_far_as_it_holds(
    charter: Charter, tmp_path: Path, damage: Callable[[dict[str, Any]], object], expected: str
) -> None:
    state = open_state(tmp_path / "state", origin=ORIGIN)
    answer = json.loads(json.dumps(tombstone(state)))
    damage(answer)
    code, reason = shown(charter, tmp_path, json.dumps(answer).encode())
    assert reason == expected
    unclear = expected.startswith("evidence-")
    assert code == (exit_codes.INDETERMINATE if unclear else exit_codes.REFUSED)


def test_a_tombstone_of_a_stranger_is_bad(charter: Charter, tmp_path: Path) -> None:
    answer = tombstone(other(tmp_path / "stranger"))
    code, reason = shown(charter, tmp_path, json.dumps(answer).encode())
    assert (code, reason) == (exit_codes.REFUSED, "key-unknown")


@pytest.mark.parametrize("action", ["erase", "place"])
def test_a_record_of_something_else_is_no_tombstone(
    charter: Charter, tmp_path: Path, action: str
) -> None:
    answer = tombstone(open_state(tmp_path / "state", origin=ORIGIN), action=action)
    code, reason = shown(charter, tmp_path, json.dumps(answer).encode())
    assert (code, reason) == (exit_codes.REFUSED, "answer-malformed")


@pytest.mark.parametrize("data", [b'{"erased"', b'"erased"', b'["erased"]', b'\xff"erased"'])
def test_what_only_looks_like_one_is_passed_over(
    charter: Charter, tmp_path: Path, data: bytes
) -> None:
    assert shown(charter, tmp_path, data)[1] == "evidence-missing"
