"""Which decisions rest on a machine: found in the records, and no others."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from gateway.cli import exit_codes
from gateway.keeping.attested import ATTESTED, Attested, attested_of
from gateway.keeping.errors import SnapshotError
from gateway.keeping.export import Wanted, decision_rows, export
from gateway.keeping.parquet import write_parquet
from gateway.keeping.rests_on import Kind, Resting, resting
from gateway.keeping.rows import DECISIONS
from gateway.self_check import TENANT, own_record
from tests.gateway.cli.commands import Charter
from tests.gateway.keeping.states import NOW, damage, decided_state, make_state
from tests.gateway.world import Clock

EVIDENCE, POLICY, CERTIFICATE, NONCE = (f"{n:02x}" * 32 for n in (0xE1, 0xB0, 0xCE, 0x9A))


def body(**changes: Any) -> dict[str, Any]:
    """What a record says of one machine."""
    return {
        "node": "n1",
        "site": "far",
        "place": "enrolled",
        "purpose": "standing",
        "technology": "sev-snp",
        "digest": f"sha256:{EVIDENCE}",
        "nonce": NONCE,
        "freshness": "challenged",
        "appraised_at": "2026-11-22T09:30:00.000Z",
        "verdict": "accepted",
        "reason": "",
        "policy": {"id": "operator/strict", "digest": f"sha256:{POLICY}"},
        "used": [{"kind": "certificate", "digest": f"sha256:{CERTIFICATE}"}],
        "product": "Milan",
        "firmware": {"microcode": 72, "snp": 23},
        "tcb_status": None,
        "attester": "ab" * 32,
        "measurements": {"launch": "cd" * 32},
        "gpus": [],
    } | changes


GPU = {"product": "GH100", "firmware": {"driver": 550090007}, "attester": "77" * 32}
SAID: list[tuple[str, list[Any]]] = [
    ("permit", [body()]),
    ("permit", [body(product="Genoa", firmware={"microcode": 84}, node="n2")]),
    ("deny", [body()]),
    ("permit", [body(verdict="refused", reason="appraisal-hardware")]),
    ("permit", []),
    ("permit", [body(product="Genoa", gpus=[GPU]), body(node="n3", firmware={"snp": 30})]),
    ("permit", [{"quote": f"sha256:{EVIDENCE}"}]),  # of another form
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of signed records that name machines."""
    folder = tmp_path_factory.mktemp("rests") / "state"
    opened = make_state(folder, 0)
    with opened.open_ledger(Clock(NOW)) as log:
        for number, (verdict, evidence) in enumerate(SAID):
            one, until = f"decision-{number}", "2026-11-22T10:30:00Z"
            members: dict[str, Any] = {
                "decision": verdict,
                "evidence": evidence,
                "facts": [],
                "valid_until": until,
            }
            signed = own_record(one, NOW, "place", members, opened.decision_key)
            log.append(one, TENANT, signed).result(timeout=30)
    return folder


def found(state: Path, **kind: Any) -> list[str]:
    rows = resting(state, Kind(**kind), Wanted(), Resting())
    return [str(row["id"]).removeprefix("decision-") for row in rows]


MEANT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "anything attested": ({}, ["0", "1", "5"]),
    "what did not count too": ({"refused": True}, ["0", "1", "2", "3", "5"]),
    "a product": ({"same": {"product": "Milan"}}, ["0", "5"]),
    "a product that nobody has": ({"same": {"product": "milan"}}, []),
    "a technology": ({"same": {"technology": "tdx"}}, []),
    "a node": ({"same": {"node": "n2"}}, ["1"]),
    "a product on that node alone": ({"same": {"node": "n2", "product": "Milan"}}, []),
    "a GPU": ({"same": {"technology": "nvidia-gpu", "product": "GH100"}}, ["5"]),
    "a GPU is no CPU": ({"same": {"technology": "sev-snp", "product": "GH100"}}, []),
    "a device": ({"same": {"attester": "77" * 32}}, ["5"]),
    "a policy": ({"same": {"policy": "operator/strict"}}, ["0", "1", "5"]),
    "no level is older": (
        {"same": {"product": "Milan", "node": "n1"}, "firmware_at_most": {"microcode": 71}},
        [],
    ),
    "that very level": (
        {"firmware_at_most": {"microcode": 72}, "same": {"node": "n1"}},
        ["0", "5"],
    ),
    "a level that was not told": (
        {"firmware_at_most": {"microcode": 1}, "same": {"node": "n3"}},
        ["5"],
    ),
    "any of two levels": ({"firmware_at_most": {"microcode": 1, "snp": 23}}, ["0", "1", "5"]),
    "the evidence": ({"digest": f"sha256:{EVIDENCE}"}, ["0", "1", "5"]),
    "a certificate": ({"digest": f"sha256:{CERTIFICATE}"}, ["0", "1", "5"]),
    "a policy by digest": ({"digest": f"sha256:{POLICY}"}, ["0", "1", "5"]),
    "a nonce is no digest": ({"digest": f"sha256:{NONCE}"}, []),
    "nor is a measurement": ({"digest": f"sha256:{'cd' * 32}"}, []),
}


@pytest.mark.parametrize(("kind", "expected"), MEANT.values(), ids=MEANT)
def test_decisions_are_found_by_the_machine(
    state: Path, kind: dict[str, Any], expected: list[str]
) -> None:
    assert found(state, **kind) == expected


def test_only_the_machines_that_are_meant_are_told(state: Path) -> None:
    (_, row) = resting(state, Kind({"product": "Milan"}), Wanted(), Resting())
    (machine,) = cast("list[Attested]", row["attested"])
    assert (machine["node"], machine["firmware"]) == ("n3", [{"component": "snp", "level": 30}])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [({"tenant": "nobody"}, 0), ({"since": NOW + timedelta(hours=1)}, 0), ({"until": NOW}, 0)],
    ids=str,
)
def test_other_tenants_and_days_are_left_out(
    state: Path, wanted: dict[str, Any], expected: int
) -> None:
    assert len(list(resting(state, Kind(), Wanted(**wanted), Resting()))) == expected


def test_an_erased_decision_is_counted_and_not_passed_over(tmp_path: Path) -> None:
    folder = make_state(tmp_path / "state", 2).folder
    erased = (
        "UPDATE body SET form = 5, salt = zeroblob(32), data = zeroblob(length(data)) "
        "WHERE idx = 0;; INSERT INTO erasure VALUES (0, 1)"
    )
    damage(folder, erased)
    seen = Resting()
    assert list(resting(folder, Kind(), Wanted(), seen)) == []
    assert (seen.entries, seen.erased, seen.found) == (2, 1, 0)


def test_real_decisions_without_evidence_rest_on_nothing(tmp_path: Path) -> None:
    decided_state(tmp_path / "state", [{}, {"resource__id": "closed"}])
    assert found(tmp_path / "state", refused=True) == []


def test_no_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError):
        found(tmp_path)


STRANGE: list[object] = [
    None,
    "text",
    [None],
    [["n1"]],
    [{}],
    [{"node": 1, "technology": "tpm"}],
    [{"node": "n1"}],
]


@pytest.mark.parametrize("evidence", STRANGE, ids=str)
def test_evidence_of_another_form_has_no_rows(evidence: object) -> None:
    assert attested_of(evidence) == []


def test_members_of_another_type_are_left_empty() -> None:
    (row,) = attested_of(
        [body(product=["Milan"], firmware={"snp": "23", "tee": True, "fmc": 1}, policy="p", gpus=3)]
    )
    assert (row["product"], row["policy"], row["policy_digest"]) == (None, None, None)
    assert row["firmware"] == [{"component": "fmc", "level": 1}]


def test_parquet_holds_the_machines(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.parquet"
    rows = decision_rows(state / "ledger", Wanted())
    export(rows, file, lambda rows, path: write_parquet(rows, path, DECISIONS))
    query = (
        "SELECT d.id, a.one.product, a.one.firmware FROM 'd.parquet' d, "
        "unnest(d.attested) AS a(one) WHERE a.one.node = 'n3'"
    ).replace("d.parquet", str(file))
    with duckdb.connect() as connection:
        (said,) = connection.execute(query).fetchall()
    assert said == ("decision-5", "Milan", [{"component": "snp", "level": 30}])
    assert DECISIONS["attested"] == ATTESTED


# --- as an operator runs it ----------------------------------------------------------


def test_the_command_lists_and_counts(charter: Charter, state: Path) -> None:
    asked = ["--product", "Milan", "--firmware-at-most", "microcode=72", "--state", state]
    ran = charter("ledger", "rests-on", *asked)
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    head, machine, *_ = ran.out.splitlines()
    assert head.startswith("decision-0  permit  None, decided 2026-11-22T09:30:00.000Z, valid")
    assert machine == "  node n1: sev-snp, Milan, microcode 72, snp 23; by policy operator/strict"
    assert ran.out.splitlines()[-1] == "2 permits rest on it, of 7 entries"
    said = json.loads(charter("ledger", "rests-on", *asked, "--format", "json").out)
    assert [one["index"] for one in said["decisions"]] == [0, 5]
    assert (said["entries"], said["erased"]) == (7, 0)


def test_what_did_not_count_says_why(charter: Charter, state: Path) -> None:
    ran = charter("ledger", "rests-on", "--all", "--node", "n1", "--state", state)
    assert "by policy operator/strict (refused: appraisal-hardware)" in ran.out


@pytest.mark.parametrize(
    "argument",
    [
        ["--firmware-at-most", "microcode"],
        ["--firmware-at-most", "=3"],
        ["--firmware-at-most", "microcode=-1"],
        ["--firmware-at-most", "microcode=1.5"],
        ["--firmware-at-most", "microcode=٣"],
        ["--digest", "sha256:12"],
        ["--digest", "AB" * 32],
        ["--since", "yesterday"],
    ],
    ids=str,
)
def test_an_argument_that_is_none_is_refused(
    charter: Charter, state: Path, argument: list[str]
) -> None:
    ran = charter("ledger", "rests-on", *argument, "--state", state)
    assert (ran.code, ran.out) == (exit_codes.FAILED, "")
