"""`charter test`: every example on every engine, and what failed is told with its place."""

import json
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter
from tests.gateway.cli.test_check import OWN
from tests.gateway.world import LAW, SITES

WRONG = LAW.replace('"an old one" is denied', '"an old one" is permitted')


def test_examples_that_hold_are_one_line(charter: Charter, project: Path) -> None:
    ran = charter("test", project)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("OK: ")
    assert "cedar, rego, reference" in ran.out


@pytest.mark.parametrize("engine", ["cedar", "rego", "reference"])
@pytest.mark.parametrize("style", ["human", "plain", "json"])
def test_an_example_that_does_not_hold_is_2_and_named(
    charter: Charter, project: Path, engine: str, style: str
) -> None:
    (project / "law.charter").write_text(WRONG)
    ran = charter("test", project, "--engines", engine, "--format", style)
    assert ran.code == 2
    if style == "json":
        (failed,) = json.loads(ran.out)["failures"]
        assert (failed["engine"], failed["at"].split(":")[0]) == (engine, "law.charter")
        assert failed["why"].startswith("expected permitted, got forbidden")
    else:
        assert f'test.law/fresh "an old one" [place] on {engine}' in ran.out
        assert "law.charter:" in ran.out


def test_a_wrong_obligation_is_seen(charter: Charter, project: Path) -> None:
    (project / "law.charter").write_text(LAW.replace("with keep-record, tell-owner", ""))
    ran = charter("test", project, "--engines", "reference")
    assert ran.code == 2
    assert "expected obligations none, got keep-record, tell-owner" in ran.out


def test_charters_with_mistakes_are_3(charter: Charter, project: Path) -> None:
    (project / "law.charter").write_text(LAW.replace("cites LEX art 1", "cites LXE art 1"))
    assert charter("test", project).code == 3


def test_a_file_of_ones_own_runs_against_the_fixtures_of_the_pack(
    charter: Charter, tmp_path: Path
) -> None:
    (tmp_path / "own.charter").write_text(OWN)
    ran = charter("test", tmp_path / "own.charter")
    assert ran.code == 0
    assert ran.out.startswith("OK: 2 cases on ")


def test_fixtures_can_be_named(charter: Charter, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text(SITES.replace('"near"', '"nearer"'))
    ran = charter("test", project, "--fixtures", path)
    assert ran.code == 1
    assert "no site `near`" in ran.line
    assert "baseline.charter:" in ran.line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engines", "opa"), "one bundle"),
        (("--engines", "prolog"), "there is no engine `prolog`"),
        (("--engines", ""), "name each engine once"),
        (("--engines", "cedar,cedar"), "name each engine once"),
        (("--fixtures", "/nowhere/sites.toml"), "No such file"),
        (("--fixtures", "/dev/zero"), "this is no file"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    charter: Charter, project: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = charter("test", project, *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_charters_without_a_catalogue_of_their_own_or_of_the_pack_have_none(
    charter: Charter, project: Path
) -> None:
    (project / "fixtures" / "sites.toml").unlink()
    ran = charter("test", project)
    assert ran.code == 1
    assert "no site `" in ran.line
