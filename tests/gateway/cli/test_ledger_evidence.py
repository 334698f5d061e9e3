"""Evidence beside a ledger, as an operator keeps it: checked, copied, put back, written out for
an auditor, and erased."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli import exit_codes
from gateway.in_force import InForce
from gateway.keeping.backup import back_up
from gateway.keeping.drill import drill
from gateway.keeping.errors import BackupError
from gateway.keeping.restore import restore
from gateway.nodes.desk import Desk
from gateway.nodes.store import FILE
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.service import Service
from gateway.state import open_state
from tests.gateway.cli.commands import Charter
from tests.gateway.nodes import machines
from tests.gateway.nodes.deciding import OWN, made, program, question, sites
from tests.gateway.nodes.machines import NOW, Counter
from tests.gateway.world import CALLER, Clock, run

ORIGIN = "ledger.example/evidence"
GROUNDS = ["--reason", "asked", "--authority", "GDPR art 17", "--by", "officer"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with three real decisions: two on evidence that stands, one on none."""
    folder = tmp_path_factory.mktemp("evidence")
    terms = machines.terms(folder / "terms")
    state = open_state(folder / "state", origin=ORIGIN)
    clock = Clock(NOW)
    with state.open_ledger(clock) as log:
        service = Service(
            in_force=InForce(made(), sites(), [ReferenceEngine(program())], attestation=terms),
            signer=state.decision_key,
            ledger=log,
            clock=clock,
            timeout_s=30.0,
            desk=Desk(state.folder / FILE),
        )
        assert service.desk is not None
        counter = Counter(service.desk, terms, caller=CALLER.id)
        counter.answer(OWN)
        answers = [
            run(service.decide(json.dumps(asked).encode(), CALLER))
            for asked in (question(), question(attestation={"node": "n2"}), question())
        ]
        (state.folder.parent / "answer.json").write_text(json.dumps(answers[0]))
        counter.ask()  # it stays open
        service.desk.close()
    assert [one["decision"] for one in answers] == ["permit", "indeterminate", "permit"]
    return state.folder


@pytest.fixture
def state(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole.parent, tmp_path / "copy")
    return tmp_path / "copy" / "state"


def evidence_of(state: Path) -> str:
    (body,) = json.loads((state.parent / "answer.json").read_text())["evidence"]
    return str(body["digest"])


def decision_of(state: Path) -> str:
    return str(json.loads((state.parent / "answer.json").read_text())["id"])


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount > 0, statement
        db.commit()


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def fsck(charter: Charter, state: Path, *more: str) -> tuple[int, list[tuple[str, str]]]:
    ran = charter("ledger", "fsck", "--state", state, "--format", "json", *more)
    found = json.loads(ran.out)["findings"]
    return ran.code, [(one["check"], one["level"]) for one in found]


# --- checked -------------------------------------------------------------------------


def test_a_whole_store_is_good(charter: Charter, state: Path) -> None:
    assert fsck(charter, state) == (exit_codes.OK, [])
    assert fsck(charter, state, "--quick") == (exit_codes.OK, [])


def test_a_ledger_without_a_store_is_checked_alone(charter: Charter, state: Path) -> None:
    (state / FILE).unlink()
    assert fsck(charter, state) == (exit_codes.OK, [])


DAMAGE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "evidence that was changed": (
        "UPDATE document SET body = body || x'20' WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "a policy that was changed": (
        "UPDATE document SET body = 'x' WHERE kind = 'policy'",
        [("evidence", "damage")],
    ),
    "evidence that is gone": (
        "DELETE FROM document WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "terms that are gone": (
        "DELETE FROM document WHERE kind IN ('policy', 'anchors', 'register')",
        [("evidence", "damage")] * 3,
    ),
    "evidence of another tenant": (
        "UPDATE document SET tenant = 'clinic-z' WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "an erasure that nothing says": (
        "UPDATE document SET body = NULL, erasure = 'x' WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "an erasure that names nothing": (
        "UPDATE document SET body = NULL WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "a decision that says why": (
        "UPDATE document SET body = NULL, erasure = '{id}' WHERE kind = 'evidence'",
        [("evidence", "damage")],
    ),
    "an erasure that was only begun": (
        "UPDATE document SET erasure = 'x' WHERE kind = 'evidence'",
        [],
    ),
}


@pytest.mark.parametrize(("statement", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_wrong_with_a_store_is_found(
    charter: Charter, state: Path, statement: str, expected: list[tuple[str, str]]
) -> None:
    change(state / FILE, statement.format(id=decision_of(state)))
    code = exit_codes.REFUSED if expected else exit_codes.OK
    assert fsck(charter, state) == (code, expected)


def test_a_store_that_is_none_is_found(charter: Charter, state: Path) -> None:
    for file in state.glob(f"{FILE}*"):
        file.unlink()
    (state / FILE).write_bytes(b"no database" * 1000)
    assert fsck(charter, state) == (exit_codes.REFUSED, [("evidence", "damage")])


# --- found again ---------------------------------------------------------------------


def rests_on(charter: Charter, state: Path, *more: str) -> list[int]:
    ran = charter("ledger", "rests-on", "--state", state, "--format", "json", *more)
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    return [one["index"] for one in json.loads(ran.out)["decisions"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], [0, 2]),
        (["--all"], [0, 2]),
        (["--technology", "tpm", "--product", "TPM", "--node", "n1"], [0, 2]),
        (["--policy", "test/nodes"], [0, 2]),
        (["--attester", OWN.device], [0, 2]),
        (["--firmware-at-most", "snp=0"], [0, 2]),  # it tells none, so it may be as old
        (["--node", "n2"], []),
        (["--technology", "sev-snp"], []),
        (["--attester", "aa" * 32], []),
        (["--digest", "aa" * 32], []),
    ],
    # That device is another in every run, and so no part of a name.
    ids=lambda said: str(said).replace(OWN.device, "its own"),
)
def test_real_decisions_are_found_by_their_machine(
    charter: Charter, whole: Path, asked: list[str], found: list[int]
) -> None:
    assert rests_on(charter, whole, *asked) == found


@pytest.mark.parametrize("kind", ["digest", "policy", "anchors", "register", "used"])
def test_real_decisions_are_found_by_what_they_rest_on(
    charter: Charter, whole: Path, kind: str
) -> None:
    (body,) = json.loads((whole.parent / "answer.json").read_text())["evidence"]
    named = body[kind][0] if kind == "used" else body[kind]
    digest = named if isinstance(named, str) else str(named["digest"])
    assert rests_on(charter, whole, "--digest", digest) == [0, 2]
    assert rests_on(charter, whole, "--digest", body["nonce"]) == []


# --- copied --------------------------------------------------------------------------


def test_a_backup_carries_evidence_and_nothing_of_the_moment(state: Path, tmp_path: Path) -> None:
    made = back_up(state, tmp_path / "backup", now=NOW)
    assert FILE in {one.path for one in made.manifest.files}
    restore(made.folder, tmp_path / "restored", now=NOW, expect=made.digest)
    for folder in (tmp_path / "backup", tmp_path / "restored"):
        store = folder / FILE
        assert not store.with_name(f"{FILE}-wal").exists()
        assert count(store, "document") == count(state / FILE, "document") == 4
        assert count(store, "seen") == count(state / FILE, "seen") == 1
        assert (count(store, "challenge"), count(store, "standing")) == (0, 0)
        assert store.stat().st_mode & 0o777 == 0o600
    assert count(state / FILE, "challenge") == count(state / FILE, "standing") == 1


def test_a_restored_store_is_used_as_any(charter: Charter, state: Path, tmp_path: Path) -> None:
    made = back_up(state, tmp_path / "backup", now=NOW)
    restore(made.folder, tmp_path / "restored", now=NOW)
    assert fsck(charter, tmp_path / "restored")[0] == exit_codes.OK
    assert fsck(charter, tmp_path / "backup")[0] == exit_codes.OK
    desk = Desk(tmp_path / "restored" / FILE)
    terms = machines.terms(tmp_path / "terms")
    counter = Counter(desk, terms, now=NOW + timedelta(days=1), caller=CALLER.id)
    assert counter.stands() is None
    assert counter.answer(OWN).result.verdict.value == "accepted"
    desk.close()


def test_a_drill_takes_it_along(state: Path, tmp_path: Path) -> None:
    assert drill(state, clock=lambda: NOW, work=tmp_path).size == 3


def test_damaged_evidence_makes_no_backup(state: Path, tmp_path: Path) -> None:
    change(state / FILE, "UPDATE document SET body = 'x' WHERE kind = 'evidence'")
    with pytest.raises(BackupError, match="kept with other bytes"):
        back_up(state, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


def test_a_store_that_cannot_be_read_makes_no_backup(state: Path, tmp_path: Path) -> None:
    for file in state.glob(f"{FILE}*"):
        file.unlink()
    (state / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(BackupError, match="cannot copy it"):
        back_up(state, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


# --- written out ---------------------------------------------------------------------


def verify(charter: Charter, state: Path, shown: Path) -> tuple[int, str]:
    ran = charter(
        "verify", state.parent / "answer.json", "--trust", state / "trust.json",
        "--re-appraise", shown, "--format", "json",
    )  # fmt: skip
    return ran.code, json.loads(ran.out).get("reason", "good")


def test_what_a_decision_names_is_written_and_judged_again(
    charter: Charter, state: Path, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    ran = charter("ledger", "documents", decision_of(state), "--state", state, "--output", shown)
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    assert ran.out.splitlines()[0] == f"4 files are in {shown}"
    kinds = sorted(one.name.partition("-")[0] for one in shown.iterdir())
    assert kinds == ["anchors", "evidence", "policy", "register"]
    assert verify(charter, state, shown) == (exit_codes.OK, "good")


def test_erased_evidence_is_written_as_what_says_so(
    charter: Charter, state: Path, tmp_path: Path
) -> None:
    digest = evidence_of(state)
    ran = charter("ledger", "erase-evidence", digest, "--state", state, *GROUNDS)
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    assert ran.out == f"OK: {digest} is erased, as entry 3 says\n"
    assert fsck(charter, state) == (exit_codes.OK, [])
    shown = tmp_path / "shown"
    ran = charter("ledger", "documents", decision_of(state), "--state", state, "--output", shown)
    assert ran.code == exit_codes.OK
    assert f"  erased-{digest.removeprefix('sha256:')}.json" in ran.out.splitlines()
    assert verify(charter, state, shown) == (exit_codes.INDETERMINATE, "evidence-erased")
    # Put back by hand, it is found.
    change(state / FILE, "UPDATE document SET body = 'back' WHERE body IS NULL")
    assert fsck(charter, state)[1] == [("evidence", "damage"), ("erasure", "damage")]


def test_what_is_not_kept_is_named(charter: Charter, state: Path, tmp_path: Path) -> None:
    change(state / FILE, "DELETE FROM document WHERE kind = 'policy'")
    out = ["--state", state, "--output", tmp_path / "shown"]
    ran = charter("ledger", "documents", decision_of(state), *out, "--format", "json")
    told = json.loads(ran.out)
    assert (ran.code, len(told["files"]), len(told["missing"])) == (exit_codes.FAILED, 3, 1)


WRONG: dict[str, tuple[list[str], str]] = {
    "no decision": (["documents", "none", "--output", "{new}"], "there is no decision 'none'"),
    "a folder that is there": (["documents", "{id}", "--output", "{state}"], "exists already"),
    "no ledger": (["documents", "{id}", "--output", "{new}", "--state", "{new}"], "no ledger"),
    "no evidence": (["erase-evidence", "0" * 64, *GROUNDS], "there is no evidence"),
    "no digest": (["erase-evidence", "12", *GROUNDS], "is no SHA-256"),
    "no state": (["erase-evidence", "0" * 64, *GROUNDS, "--state", "{new}"], "no ledger here"),
    "a reason of two lines": (
        ["erase-evidence", "{digest}", "--reason", "a\nb", *GROUNDS[2:]],
        "printable characters",
    ),
    "no reason": (["erase-evidence", "{digest}", *GROUNDS[2:]], "--reason"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_says_why(
    charter: Charter, state: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    names = {
        "{new}": str(tmp_path / "new"),
        "{state}": str(state),
        "{id}": decision_of(state),
        "{digest}": evidence_of(state),
    }
    given = [names.get(one, one) for one in arguments]
    more = [] if "--state" in given else ["--state", str(state)]
    ran = charter("ledger", *given, *more)
    assert (ran.code, ran.out) == (exit_codes.FAILED, "")
    assert message in ran.err
    assert fsck(charter, state) == (exit_codes.OK, [])


def test_evidence_is_erased_once(charter: Charter, state: Path) -> None:
    digest = evidence_of(state)
    assert charter("ledger", "erase-evidence", digest, "--state", state, *GROUNDS).code == 0
    ran = charter("ledger", "erase-evidence", digest, "--state", state, *GROUNDS)
    assert ran.code == exit_codes.FAILED
    assert "is erased; see" in ran.err
