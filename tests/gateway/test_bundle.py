"""The bundle: named by every byte in it, and it finds what a charter imports."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from dsl.compile import compile_charters
from dsl.evaluate import evaluate
from dsl.examples import UnknownFixtureError
from dsl.source import SourceText
from gateway import bundle
from gateway.errors import ConfigurationError
from tests.gateway.world import BASELINE, CHARTERS, LAW, VOCABULARY, made, program, sites

IMPORTING = "charter x.y\nimport vocabulary.workload\n"


def build(charters: dict[str, str] | None = None) -> bundle.Bundle:
    sources = [SourceText(name, text) for name, text in (charters or CHARTERS).items()]
    return bundle.build(compile_charters(sources), sites().raw_facts())


def test_the_same_sources_give_the_same_bundle_in_any_order() -> None:
    turned = build(dict(reversed(list(CHARTERS.items()))))
    assert turned.files == made().files
    assert turned.digest == made().digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("art 1", "art 5"),
        ("2026-07-01", "2026-07-02"),
        ("Use clauses.", "Use clauses!"),
        ("# nothing", "# a comment"),
        ("within 30 days", "within 31 days"),
    ],
)
def test_any_change_of_a_source_is_another_bundle(old: str, new: str) -> None:
    law = LAW + "\n# nothing\n"
    assert old in law
    before = build({**CHARTERS, "law.charter": law})
    after = build({**CHARTERS, "law.charter": law.replace(old, new, 1)})
    assert after.digest != before.digest


def test_the_digest_is_that_of_the_digests_of_all_files() -> None:
    files = {name: f"sha256:{sha256(data).hexdigest()}" for name, data in made().files.items()}
    manifest = json.loads(made().manifest())
    assert manifest["files"] == files
    text = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    assert manifest["digest"] == made().digest == f"sha256:{sha256(text).hexdigest()}"


@pytest.mark.parametrize(
    "name",
    [
        "core.json",
        "vectors.json",
        "vocabulary.schema.json",
        "cedar/decide.cedar",
        "cedar/why.cedar",
        "cedar/duties.cedar",
        "cedar/charter.cedarschema",
        "opa/.manifest",
        "sources/law.charter",
    ],
)
def test_a_bundle_holds_all_its_parts(name: str) -> None:
    assert made().files[name]


def test_vectors_are_answered_by_the_definition_and_reach_every_outcome() -> None:
    vectors = made().vectors
    assert len({json.dumps(v.question.document()) for v in vectors}) == len(vectors)
    assert all(v.answer == evaluate(program(), v.question) for v in vectors)
    assert any(v.answer.permits and v.answer.duties for v in vectors)
    assert any(v.answer.broken for v in vectors)
    written = json.loads(made().files["vectors.json"])
    assert [v["question"] for v in written] == [v.question.document() for v in vectors]


def test_an_example_at_an_unknown_site_is_an_error() -> None:
    charters = {**CHARTERS, "law.charter": LAW.replace("destination = far", "destination = moon")}
    with pytest.raises(UnknownFixtureError):
        build(charters)


# --- sources -------------------------------------------------------------------------


def test_sources_are_named_by_their_path_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.charter").write_text("charter x")
    (tmp_path / "a" / "notes.txt").write_text("no charter")
    assert [s.name for s in bundle.read_sources(tmp_path)] == ["a/b/x.charter"]
    assert [s.name for s in bundle.read_sources(tmp_path / "a/b/x.charter")] == ["x.charter"]


def test_too_many_charters_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}.charter").write_text("charter x")
    with pytest.raises(ConfigurationError, match="more than 2"):
        bundle.read_sources(tmp_path)


def test_too_much_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 20)
    for number in range(3):
        (tmp_path / f"{number}.charter").write_text("charter x")
    with pytest.raises(ConfigurationError, match="more than 20 bytes"):
        bundle.read_sources(tmp_path)


def test_too_many_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    number = len(build().program.rules)
    monkeypatch.setattr(bundle, "MAX_RULES", number)
    assert build().program.rules
    monkeypatch.setattr(bundle, "MAX_RULES", number - 1)
    with pytest.raises(ConfigurationError, match=f"{number} rules, of at most {number - 1}"):
        build()


# --- imports from the pack -----------------------------------------------------------


def names(*texts: str) -> set[str]:
    sources = [SourceText(f"{n}.charter", text) for n, text in enumerate(texts)]
    return {source.name for source in bundle.with_imports(sources)}


def test_what_a_charter_imports_comes_with_what_that_imports() -> None:
    assert names(IMPORTING) == {
        "0.charter",
        "charter-pack/vocabulary/workload.charter",
        "charter-pack/vocabulary/places.charter",
    }


def test_a_charter_that_is_given_is_not_taken_from_the_pack() -> None:
    own = "charter vocabulary.places\n"
    assert "charter-pack/vocabulary/places.charter" not in names(IMPORTING, own)


def test_nothing_comes_from_the_pack_without_an_import() -> None:
    assert names(VOCABULARY, LAW, BASELINE) == {"0.charter", "1.charter", "2.charter"}
    assert names("charter x\n# import vocabulary.places\n") == {"0.charter"}
    assert names("charter x\nimport nobody.knows\n") == {"0.charter"}


def test_the_pack_itself_imports_nothing_of_the_pack() -> None:
    assert not bundle.uses_pack(bundle.compile_folder(bundle.PACK))


def test_a_folder_named_like_the_imported_charters_is_refused(tmp_path: Path) -> None:
    # Its file would take the place of an imported one, and be in no bundle.
    inner = tmp_path / "charter-pack" / "vocabulary"
    inner.mkdir(parents=True)
    (inner / "places.charter").write_text("charter my.x\nimport vocabulary.places\n")
    with pytest.raises(ConfigurationError, match="charter-pack"):
        bundle.read_sources(tmp_path)
