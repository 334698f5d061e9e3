"""`charter pack`: what it writes verifies, and what is no answer is not packed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.verify.fresh import AT, Fresh


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Fresh.make(tmp_path_factory.mktemp("fresh"))
    with made.world:
        yield made


@pytest.fixture
def files(fresh: Fresh, tmp_path: Path) -> Path:
    """Two answers with proofs of one tree, one with its first proof, trust and checkpoint."""
    for name, answer in (("permit", fresh.permit), ("deny", fresh.deny)):
        proof = fresh.world.ledger.proof(answer["id"])
        (tmp_path / f"{name}.json").write_text(json.dumps({**answer, "proof": proof}))
    (tmp_path / "early.json").write_text(json.dumps(fresh.permit))
    (tmp_path / "trust.json").write_bytes(fresh.trust())
    (tmp_path / "checkpoint").write_text(fresh.checkpoint)
    return tmp_path


def verdict(charter: Charter, files: Path, *more: str) -> tuple[int, Any]:
    ran = charter(
        "verify", "--bundle", files / "out.zip", "--trust", files / "trust.json", "--at", AT, *more
    )
    return ran.code, json.loads(ran.out)


def test_what_is_packed_verifies(charter: Charter, files: Path, fresh: Fresh) -> None:
    ran = charter(
        "pack", files / "permit.json", files / "deny.json", "--output", files / "out.zip",
        "--checkpoint", files / "checkpoint",
    )  # fmt: skip
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    code, told = verdict(charter, files, "--expect-decision", fresh.deny["id"])
    assert (code, told["tree_size"], len(told["decisions"])) == (0, 8, 2)


def test_proofs_of_several_trees_alone_do_not_suffice(charter: Charter, files: Path) -> None:
    ran = charter(
        "pack", files / "early.json", "--output", files / "out.zip",
        "--checkpoint", files / "checkpoint",
    )  # fmt: skip
    assert ran.code == 0
    code, told = verdict(charter, files)
    assert (code, told["reason"]) == (2, "consistency-missing")


def test_what_is_no_answer_is_not_packed(charter: Charter, files: Path) -> None:
    (files / "empty.json").write_text("{}")
    (files / "none.json").write_text("{")
    permit, out = files / "permit.json", files / "out.zip"
    for answers, words in (
        ([files / "empty.json"], "no answer with id"),
        ([files / "none.json"], "not strict JSON"),
        ([files / "missing.json"], "No such file"),
        ([permit, files / "early.json"], "is packed already"),
    ):
        ran = charter("pack", *answers, "--output", out)
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.line
        assert not out.exists()


def test_a_file_that_is_there_is_not_written_over(charter: Charter, files: Path) -> None:
    out = files / "out.zip"
    out.write_bytes(b"kept")
    ran = charter("pack", files / "permit.json", "--output", out)
    assert (ran.code, out.read_bytes()) == (1, b"kept")
    assert "File exists" in ran.line
