"""`charter receipt`: an answer for tools of COSE, checked by us and by others."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.keys.custody import RECEIPT_FILE as FILE
from gateway.state import open_state
from gateway.verify import Trust
from tests.gateway.cli.commands import Charter
from tests.gateway.verify.fresh import flip
from tests.gateway.world import question
from tests.stock_tools import cosecheck


class Decided:
    """A state folder in which one decision was made."""

    def __init__(self, charter: Charter, project: Path, folder: Path) -> None:
        self._charter = charter
        self.folder = folder
        self.state, self.answer = folder / "state", folder / "answer.json"
        (folder / "question.json").write_text(json.dumps(question()))
        ran = charter(
            "decide", folder / "question.json", "--policies", project, "--state", self.state,
            "--engines", "reference", "--format", "json",
        )  # fmt: skip
        assert ran.code in (0, 2), ran.err
        self.answer.write_text(ran.out)

    def receipt(self, name: str = "out.cose", answer: Path | None = None) -> Any:
        where = ("--state", self.state, "--output", self.folder / name)
        return self._charter("receipt", answer or self.answer, *where)

    def verify(self, *more: str | Path, name: str = "out.cose") -> Any:
        trust = ("--trust", self.state / "trust.json")
        return self._charter("verify", self.folder / name, *trust, *more)

    @property
    def keys(self) -> list[dict[str, str]]:
        return json.loads((self.state / "trust.json").read_text())["receipt_keys"]


@pytest.fixture
def decided(charter: Charter, project: Path, tmp_path: Path) -> Decided:
    return Decided(charter, project, tmp_path)


def test_an_answer_becomes_a_statement_that_we_and_others_verify(decided: Decided) -> None:
    ran = decided.receipt()
    assert (ran.code, ran.out) == (0, "")
    assert "signs receipts from now on" in ran.err
    assert (decided.state / FILE).stat().st_mode & 0o777 == 0o600
    told = json.loads(decided.verify("--format", "json").out)
    answer = json.loads(decided.answer.read_text())
    assert (told["verdict"], told["id"]) == ("good", answer["id"])
    assert decided.verify("--request", decided.folder / "question.json").code == 0
    statement = (decided.folder / "out.cose").read_bytes()
    (key,) = decided.keys
    pems = {
        "decision": (decided.state / "decision.pem").read_bytes(),
        "receipt": key["pem"].encode(),
    }

    def check(data: bytes, *names: str) -> subprocess.CompletedProcess[str]:
        return cosecheck(*names, "statement", files={**pems, "statement": data})

    good = check(statement, "decision", "receipt")
    assert (good.returncode, good.stdout) == (
        0,
        f"entry {told['index']} of {told['tree_size']}\n",
    ), good.stderr
    for damaged in (
        check(statement, "receipt", "receipt"),
        check(statement, "decision", "decision"),
        check(flip(statement), "decision", "receipt"),
        check(statement.replace(b'"payload"', b'"paylord"'), "decision", "receipt"),
        check(statement.replace(b"charter-salt", b"charter-sult"), "decision", "receipt"),
    ):
        assert (damaged.returncode, damaged.stdout) == (1, "")


def test_the_key_is_made_once_and_told_in_the_trust_file(decided: Decided) -> None:
    assert decided.receipt().code == 0
    first = decided.keys
    again = decided.receipt("again.cose")
    assert (again.code, again.err) == (0, "")
    assert decided.keys == first
    state = open_state(decided.state)
    try:
        document = state.trust()
    finally:
        state.close()
    assert Trust.from_json(json.dumps(document).encode()).terms.receipt_keys
    # A key that is lost ends where the next begins; what it signed before holds.
    (decided.state / FILE).unlink()
    assert decided.receipt("third.cose").code == 0
    newer, older = decided.keys
    assert newer["from"] < older["until"]
    assert "until" not in newer
    assert older["keyid"] == first[0]["keyid"] != newer["keyid"]
    assert decided.verify(name="third.cose").code == 0
    assert decided.verify().code == 0


def test_a_key_that_has_ended_signs_no_more(decided: Decided) -> None:
    assert decided.receipt().code == 0
    trust = decided.state / "trust.json"
    document = json.loads(trust.read_text())
    document["receipt_keys"][0].update({"from": "2026-01-01T00:00:00Z"})
    document["receipt_keys"][0].update({"until": "2026-01-02T00:00:00Z"})
    trust.write_text(json.dumps(document))
    ran = decided.receipt("late.cose")
    assert (ran.code, "has ended" in ran.line) == (1, True)
    assert not (decided.folder / "late.cose").exists()
    assert "receipt-key-period" in decided.verify().out


def test_what_is_there_is_not_written_over(decided: Decided) -> None:
    (decided.folder / "out.cose").write_text("mine")
    ran = decided.receipt()
    assert (ran.code, "there already" in ran.line) == (1, True)
    assert (decided.folder / "out.cose").read_text() == "mine"
    assert not (decided.state / FILE).exists()


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("decision", "permitted", "answer-differs-from-record"),
        ("proof", "c2sp.org/tlog-proof@v1\n", "proof-malformed"),
        ("proof", None, "answer-malformed"),
        ("record", {}, "envelope-malformed"),
    ],
)
def test_nothing_is_signed_that_does_not_hold(
    decided: Decided, member: str, value: object, reason: str
) -> None:
    answer = json.loads(decided.answer.read_text())
    wrong = decided.folder / "wrong.json"
    wrong.write_text(json.dumps({**answer, member: value}))
    ran = decided.receipt(answer=wrong)
    assert (ran.code, reason in ran.line) == (1, True), ran.err
    assert not (decided.folder / "out.cose").exists()


def test_an_answer_of_another_gateway_is_not_signed(
    decided: Decided, charter: Charter, project: Path
) -> None:
    (decided.folder / "other").mkdir()
    other = Decided(charter, project, decided.folder / "other")
    ran = decided.receipt(answer=other.answer)
    assert (ran.code, "key-unknown" in ran.line) == (1, True), ran.err
    assert not (decided.folder / "out.cose").exists()


def test_a_folder_without_a_gateway_is_refused(
    charter: Charter, decided: Decided, tmp_path: Path
) -> None:
    ran = charter(
        "receipt", decided.answer, "--state", tmp_path / "none", "--output", tmp_path / "x"
    )
    assert ran.code == 1
    assert not (tmp_path / "none").exists()


def test_a_damaged_statement_is_told_for_people(decided: Decided) -> None:
    assert decided.receipt().code == 0
    out = decided.folder / "out.cose"
    out.write_bytes(flip(out.read_bytes()))
    ran = decided.verify()
    assert (ran.code, ran.out.startswith("NOT VERIFIED (cose-signature)")) == (2, True)
    out.write_bytes(out.read_bytes()[:100])
    assert decided.verify().out.startswith("NOT VERIFIED (cose-statement)")
