"""`charter compile`: the bundle as files, the same bytes each time, and nothing overwritten."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.world import LAW


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_bundle_is_written_and_named_by_its_digest(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a" / "bundle"
    ran = charter("compile", project, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    manifest = json.loads((out / "bundle.json").read_bytes())
    assert manifest["digest"] in ran.out
    written = files(out)
    assert set(written) == {*manifest["files"], "bundle.json", "opa.tar.gz"}
    for name, digest in manifest["files"].items():
        assert digest == f"sha256:{sha256(written[name]).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(written["opa.tar.gz"])) as archive:
        assert ".manifest" in {name.removeprefix("/") for name in archive.getnames()}


def test_the_same_sources_give_the_same_bytes(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        assert charter("compile", project, "-o", tmp_path / name).code == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_one_changed_word_is_another_bundle(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    digests: list[str] = []
    for number, text in enumerate((LAW, LAW.replace("The law says so.", "The law said so."))):
        (project / "law.charter").write_text(text)
        ran = charter("compile", project, "-o", tmp_path / str(number), "--format", "json")
        digests.append(json.loads(ran.out)["digest"])
    assert len(set(digests)) == 2


@pytest.mark.parametrize("style", ["human", "plain", "json"])
def test_charters_with_mistakes_write_nothing(
    charter: Charter, project: Path, tmp_path: Path, style: str
) -> None:
    (project / "law.charter").write_text(LAW.replace("on place, flow", "on palce"))
    ran = charter("compile", project, "-o", tmp_path / "out", "--format", style)
    assert ran.code == 3
    assert "palce" in ran.out + ran.err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    ran = charter("compile", project, "-o", out)
    assert ran.code == 1
    assert "not an empty folder" in ran.line
    assert files(out) == {"thesis.tex": b"years of work"}


def test_a_place_that_cannot_be_written_is_one_line(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        ran = charter("compile", project, "-o", place)
        assert ran.code == 1
        assert str(place) in ran.line


def test_an_output_must_be_named(charter: Charter, project: Path) -> None:
    assert charter("compile", project).code == 1


def test_an_example_at_a_site_nobody_knows_is_one_line_with_its_place(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    (project / "law.charter").write_text(LAW.replace("destination = far", "destination = moon"))
    ran = charter("compile", project, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "no site `moon`" in ran.line
    assert "law.charter:" in ran.line
