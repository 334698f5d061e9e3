"""The whole column: source in, program and diagnostics out."""

import subprocess
import sys

import pytest
from hypothesis import given, settings

from dsl import compile as stages
from dsl.compile import compile_charters
from dsl.core import Origin
from dsl.errors import CompilationFailedError
from dsl.source import SourceText
from dsl.units import UNITS
from dsl.words import KEYWORDS, PHRASES
from tests.dsl import generate, pages
from tests.project import ROOT

LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def policies() -> list[SourceText]:
    paths = sorted((ROOT / "policies").glob("*/*.charter"))
    return [SourceText(path.name, path.read_text(encoding="utf-8")) for path in paths]


def test_nothing_compiles_to_an_empty_program() -> None:
    compiled = compile_charters([])
    _, program = compiled.require()
    assert compiled.diagnostics == ()
    assert (program.rules, program.facts, program.actions) == ((), {}, ())


def test_a_program_is_refused_where_there_are_errors() -> None:
    compiled = compile_charters([SourceText("a.charter", "charter a\nimport b\n")])
    with pytest.raises(CompilationFailedError) as caught:
        compiled.require()
    assert [d.code for d in caught.value.diagnostics] == ["CH0208"]
    assert str(caught.value).startswith("a.charter:2:8: error CH0208: there is no charter `b`")


@settings(max_examples=60, deadline=None)
@given(generate.sources())
def test_the_order_of_files_does_not_matter(sources: list[SourceText]) -> None:
    assert compile_charters(sources) == compile_charters(sources[::-1])


def test_the_charters_of_the_pack_compile_without_a_word() -> None:
    compiled = compile_charters(policies())
    assert compiled.diagnostics == ()
    assert compiled.program is not None


def test_compiling_twice_in_different_processes_gives_the_same() -> None:
    """Sets are ordered by a seed of the process; nothing of that may be seen."""
    code = (
        "from tests.dsl.test_compile import *\n"
        "files = [*policies(), SourceText('zz', 'charter zz import yy import xx\\n"
        'zone Q "Q" member a, b, c\\nrule r "R" on x, y, z\')]\n'
        "print(compile_charters(files).diagnostics, compile_charters(policies()).program)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_the_stages_are_named_in_order() -> None:
    assert stages.PASSES == ("parse", "build_tree", "resolve", "check", "lower")
    for stage in stages.PASSES:
        assert (ROOT / "dsl" / f"{stage}.py").is_file()


# --- documentation -------------------------------------------------------------------


def test_the_language_reference_has_examples() -> None:
    assert len(pages.blocks(LANGUAGE)) >= 15


@pytest.mark.parametrize("number", range(len(pages.blocks(LANGUAGE))))
def test_an_example_of_the_language_reference_compiles(number: int) -> None:
    block = pages.blocks(LANGUAGE)[number]
    shown = pages.whole(block)
    # A charter of the page may import another one of the page.
    others = [*pages.vocabularies(), *map(pages.whole, pages.charters(LANGUAGE))]
    files = [shown, *(other for other in others if other.text != shown.text)]
    assert compile_charters(files).errors == ()


def test_the_language_reference_has_every_unit_and_origin() -> None:
    words = {*(unit.name for unit in UNITS.values()), *(origin.value for origin in Origin)}
    assert sorted(word for word in words if f"`{word}`" not in LANGUAGE) == []


def test_the_language_reference_has_every_word() -> None:
    missing = [w for w in (*KEYWORDS, *PHRASES) if f"`{w}`" not in LANGUAGE]
    assert missing == []


@pytest.mark.parametrize(("comparisons", "errors"), [(500, []), (501, ["CH0109"])])
def test_a_rule_is_as_long_as_every_engine_can_take(comparisons: int, errors: list[str]) -> None:
    # The rule's own start counts as one.
    tests = " or ".join(f"transfer.age at least {day} days" for day in range(1, comparisons))
    law = f"""charter test.long
  law GDPR "Regulation (EU) 2016/679"
  time zone Europe/Brussels
  as of 2026-11-22

action place "Place"
record transfer from request at context.transfer
  field age number of days

rule long "Long"
  cites GDPR art 1
  in force from 2020-01-01
  on place
  when {tests}
  forbid
  because "It is long."
  remedy "Shorten it."
"""
    compiled = compile_charters([SourceText("long.charter", law)])
    assert [diagnostic.code for diagnostic in compiled.errors] == errors
