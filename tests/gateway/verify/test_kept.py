"""Evidence of format 1, kept since 2026-11-22, verifies for ever: nobody may change its files."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter
from tests.project import ROOT

KEPT = ROOT / "tests" / "fixtures" / "evidence_v1"
FILES = {
    "answer.json": "683e199adbcc96675571a14c84d4f69d40d635cb3860f357e646dda68c8dbed4",
    "evidence.zip": "53af292becea6e6fa70f5dc44824457d6220707fa86007095af0c9a13b5607bd",
    "trust.json": "361f89081148de900d88c130cd77082e96b8e60f95631c5d88f156bb4eba33ee",
}


@pytest.mark.parametrize("name", FILES)
def test_a_kept_file_is_the_one_that_was_kept(name: str) -> None:
    assert hashlib.sha256((KEPT / name).read_bytes()).hexdigest() == FILES[name]


@pytest.mark.parametrize("name", ["answer.json", "evidence.zip"])
@pytest.mark.parametrize("year", [2026, 2066])
def test_kept_evidence_verifies(charter: Charter, name: str, year: int) -> None:
    at = f"{year}-11-22T10:00:00Z"
    ran = charter("verify", "--bundle", KEPT / name, "--trust", KEPT / "trust.json", "--at", at)
    assert (ran.code, json.loads(ran.out)["tree_size"]) == (0, 8), ran.out


def test_a_kept_answer_verifies_as_people_ask(charter: Charter) -> None:
    ran = charter("verify", KEPT / "answer.json", "--trust", KEPT / "trust.json")
    assert (ran.code, ran.out.startswith("OK: decision ")) == (0, True)


def test_kept_evidence_with_one_letter_changed_does_not(charter: Charter, tmp_path: Path) -> None:
    damaged = (KEPT / "evidence.zip").read_bytes().replace(b"extra ", b"extra  ", 1)
    (tmp_path / "bundle").write_bytes(damaged)
    ran = charter("verify", "--bundle", tmp_path / "bundle", "--trust", KEPT / "trust.json")
    assert (ran.code, json.loads(ran.out)["verdict"]) == (1, "bad")
