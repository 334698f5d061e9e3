"""Documents that are kept, and decisions that name one: damaged on disk, of another run, of a
gateway that does not attest itself."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import AnswerDiffersError, ConfigurationError
from gateway.in_force import InForce
from gateway.keeping.files import files_of, is_known
from gateway.own_evidence.document import Document, read_document
from gateway.own_evidence.kept import FOLDER, Kept
from gateway.pdp.engine_reference import ReferenceEngine
from tests.gateway.own_evidence.test_check import AT, BOUND, Case
from tests.gateway.world import CALLER, World, made, question, run, sites

DIGEST = f"sha256:{'5' * 64}"


def document(**changes: Any) -> Document:
    return read_document(Case(**changes).document())


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_what_is_kept_is_found_by_its_digest_alone(kept: Kept, tmp_path: Path) -> None:
    one, other = document(), document(made_at=AT - timedelta(days=1))
    for each in (one, other):
        kept.put(each)
        kept.put(each)  # another worker may have been first
    assert kept.get(one.sha256) == one.text
    assert kept.get(other.sha256) == other.text
    for name in ("0" * 64, one.sha256.upper(), one.sha256[:-1], "", "../trust", "run", "lock"):
        assert kept.get(name) is None
    names = [f"{FOLDER}/{each.sha256}.json" for each in (one, other)]
    assert sorted(names) == list(files_of(tmp_path, with_keys=False))


def test_a_backup_holds_documents_and_nothing_else_of_the_folder(
    kept: Kept, tmp_path: Path
) -> None:
    one = document()
    kept.put(one)
    kept.share("run", one)
    with kept.alone():
        pass
    (tmp_path / FOLDER / "secret.json").write_text("{}")
    assert list(files_of(tmp_path, with_keys=True)) == [f"{FOLDER}/{one.sha256}.json"]
    assert not is_known(f"{FOLDER}/run.json")


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "a byte changed": lambda path, _: path.write_bytes(path.read_bytes().replace(b"2", b"3", 1)),
    "cut off": lambda path, _: os.truncate(path, 100),
    "empty": lambda path, _: path.write_bytes(b""),
    "a line more": lambda path, _: path.write_bytes(path.read_bytes() + b"\n"),
    "another document": lambda path, other: path.write_bytes(other.read_bytes()),
    "too large": lambda path, _: os.truncate(path, 1024 * 1024),
    "a folder": lambda path, _: (path.unlink(), path.mkdir()),
    "gone": lambda path, _: path.unlink(),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_document_is_not_given_out_and_another_is_made(
    kept: Kept, tmp_path: Path, name: str
) -> None:
    one, other = document(), document(made_at=AT - timedelta(days=1))
    kept.put(one)
    kept.put(other)
    kept.share("run", one)
    paths = [tmp_path / FOLDER / f"{each.sha256}.json" for each in (one, other)]
    DAMAGE[name](*paths)
    assert kept.get(one.sha256) is None
    assert kept.of_run("run", BOUND.data()) is None
    assert kept.get(other.sha256) == other.text


def test_a_run_shares_what_it_made_last_over_the_same(kept: Kept, tmp_path: Path) -> None:
    one, other = document(), document(made_at=AT - timedelta(days=1))
    assert kept.of_run("run", BOUND.data()) is None
    for each in (one, other):
        kept.put(each)
        kept.share("run", each)
    assert kept.of_run("run", BOUND.data()) == other
    assert kept.of_run("another run", BOUND.data()) is None
    assert kept.of_run("run", bytes(32)) is None
    run_file = tmp_path / FOLDER / "run.json"
    for text in (b"", b"[]", b'{"run":"run"}', b'{"run":"run","documents":[]}', b"\xff"):
        run_file.write_bytes(text)
        assert kept.of_run("run", BOUND.data()) is None
    wrong = {"run": "run", "documents": {BOUND.data().hex(): "../trust"}}
    run_file.write_text(json.dumps(wrong))
    assert kept.of_run("run", BOUND.data()) is None
    # What was made over something else is not taken for this.
    run_file.write_text(json.dumps({"run": "run", "documents": {"00" * 32: one.sha256}}))
    assert kept.of_run("run", bytes(32)) is None


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")
    kept = Kept(tmp_path)
    with pytest.raises(ConfigurationError):
        kept.put(document())
    with pytest.raises(ConfigurationError), kept.alone():
        pass
    assert kept.get("0" * 64) is None


# --- named by decisions --------------------------------------------------------------


def attested(*digests: str) -> InForce:
    found = InForce(made(), sites(), [ReferenceEngine(made().program)])
    for digest in digests:
        found.attested(digest)
    return found


def test_every_decision_names_the_document_and_signs_the_name(tmp_path: Path) -> None:
    with World(tmp_path, in_force=attested(DIGEST)) as world:
        for _ in range(3):  # the same question, which is remembered, and others
            for site in ("near", "far", "vague"):
                answer = world.decide(resource__id=site)
                assert answer["gateway"] == {"evidence": DIGEST}
                assert world.verify(answer, question(resource__id=site))["gateway"] == {
                    "evidence": DIGEST
                }
        answer = world.decide()
        found = run(world.service.recorded.find(answer["id"], CALLER))
        assert found is not None
        assert found["gateway"] == {"evidence": DIGEST}


def test_what_comes_into_force_names_its_own(tmp_path: Path) -> None:
    other = DIGEST.replace("5", "6")

    async def exchange(world: World) -> None:
        world.service.replace(attested(DIGEST, other))

    with World(tmp_path, in_force=attested(DIGEST)) as world:
        assert world.decide()["gateway"] == {"evidence": DIGEST}
        run(exchange(world))
        assert world.decide()["gateway"] == {"evidence": other}


def test_a_gateway_that_does_not_attest_itself_says_nothing(tmp_path: Path) -> None:
    with World(tmp_path, in_force=attested()) as world:
        answer = world.decide()
        assert "gateway" not in answer
        assert "gateway" not in world.verify(answer)


def test_another_name_around_the_record_is_refused_and_none_changes_nothing(
    tmp_path: Path,
) -> None:
    with World(tmp_path, in_force=attested(DIGEST)) as world:
        answer = world.decide()
        with pytest.raises(AnswerDiffersError):
            world.verify({**answer, "gateway": {"evidence": DIGEST.replace("5", "6")}})
        # Nobody is told less by it: what counts is what was signed.
        without = {name: value for name, value in answer.items() if name != "gateway"}
        assert world.verify(without)["gateway"] == {"evidence": DIGEST}
