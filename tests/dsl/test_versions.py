"""Versions: numbers that need no unit, because they count nothing."""

import pytest

from dsl.compile import Compiled, compile_charters
from dsl.core import AtLeast
from dsl.explain import explain
from dsl.explain_text import to_plain
from dsl.source import SourceText

WORDS = """charter words
  title "Words"
  law BULLETIN "Bulletin of the maker" url "https://maker.example/bulletin"
action place "Run"
enumeration component "Component" of snp, driver
record machine "The machine" from verifier at context.machine
  field firmware  map of component to number of versions "Security version"
  field age       number of minutes

rule floor "Firmware is new enough"
  cites   BULLETIN section 1
  on      place
  require CONDITION
  because "Older firmware has known faults."
  remedy  "Install the newer firmware."
"""


def compiled(condition: str) -> Compiled:
    return compile_charters([SourceText("words.charter", WORDS.replace("CONDITION", condition))])


@pytest.mark.parametrize(
    ("said", "bound"), [("23", 23), ("23 versions", 23), ("1 version", 1), ("550090007", 550090007)]
)
def test_a_version_is_written_with_or_without_its_unit(said: str, bound: int) -> None:
    _, program = compiled(f"machine.firmware[snp] at least {said}").require()
    found = [atom for atom in program.atoms() if isinstance(atom, AtLeast)]
    assert found == [AtLeast("machine.firmware[snp]", bound)]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("machine.firmware[snp] at least 23.5", "CH0220"),
        ("machine.firmware[snp] at least -1", "CH0215"),
        ("machine.firmware[snp] at least 23 items", "CH0206"),
        ("machine.firmware[snp] at least yes", None),
        ("machine.age at least 23 versions", "CH0206"),
        # Minutes count something.
        ("machine.age at least 23", "CH0206"),
        ("machine.firmware at least 23", None),
        ("machine.firmware[spn] at least 23", None),
    ],
)
def test_what_is_no_version_is_refused(condition: str, code: str | None) -> None:
    codes = [str(found.code) for found in compiled(condition).diagnostics]
    assert codes
    assert code is None or code in codes


def test_a_version_is_explained_as_a_number_and_nothing_more() -> None:
    made = compiled("machine.firmware[driver] at least 550090007")
    model, program = made.require()
    told = to_plain(explain(model, program, made.sources, "floor"))
    assert "at least 550090007" in told
    assert "550090007 versions" not in told
