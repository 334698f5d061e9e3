"""Values that look like others are refused or warned of, and those of no language are."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.compile import Compiled, compile_charters
from dsl.diagnostics import Severity
from dsl.source import SourceText

CYRILLIC_A, GREEK_OMICRON = "\N{CYRILLIC CAPITAL LETTER A}", "\N{GREEK SMALL LETTER OMICRON}"
ACUTE = "\N{COMBINING ACUTE ACCENT}"
CHARTER = """charter a
  title "T"
  law LEX "Law" url "https://example.org"
  as of 2026-11-22
action place "Place"
record data "Data" from request at context.data
  field owner identifier
profile p "P" tenants "{tenant}" charters a permit place
enumeration colour "Colours" of red, "{colour}"
rule r "R" cites LEX art 1 on place permit
  when data.owner = "{owner}" or data.owner in {{b, "{owner}"}}
  example "one" is permitted data.owner = "{owner}"
  example "other" is denied data.owner = other
"""


def compiled(owner: str = "o", colour: str = "c", tenant: str = "t") -> Compiled:
    text = CHARTER.format(owner=owner, colour=colour, tenant=tenant)
    return compile_charters([SourceText("a.charter", text)])


SUSPECT = {
    f"{CYRILLIC_A}cme": "is a Cyrillic letter among Latin ones",
    f"Ban{CYRILLIC_A.lower()}ue 7": "is a Cyrillic letter among Latin ones",
    f"Acme c{GREEK_OMICRON}rp": "is a Greek letter among Latin ones",
    "\u0411\u0430\u043da": "is a Latin letter among Cyrillic ones",
    "\u0410\u0421\u041c\u0415": "every letter is Cyrillic and looks Latin",
    "\u039f\u03a1\u0395\u039d": "every letter is Greek and looks Latin",
    "\uff21cme": "is another form of `A`",
    "\U0001d400cme": "is another form of `A`",
    "\ufb01rm": "is another form of `fi`",
    "unit 1\u0662": "there are digits of two systems",
    f"a {ACUTE}": "a combining mark stands on no letter",
    f"{ACUTE}a": "a combining mark stands on no letter",
    "q\u0303\u0303": "a combining mark stands on itself",
    "\u30c6\u30b9\u30c8\uc11c\uc6b8": "letter among",
}


@pytest.mark.parametrize("value", SUSPECT)
@pytest.mark.parametrize("where", ["owner", "colour", "tenant"])
def test_a_value_that_looks_like_another_is_warned_of_once(value: str, where: str) -> None:
    found = compiled(**{where: value})
    assert found.program is not None
    (warning,) = found.diagnostics
    assert (warning.code, warning.severity) == ("CH0234", Severity.WARNING)
    assert SUSPECT[value] in warning.message
    assert len(warning.span.text) == 1


COMPOSED = ["Soci\u00e9t\u00e9", "\u00c5ngstr\u00f6m", "\u0419", "\uac00"]


@pytest.mark.parametrize("value", COMPOSED)
@pytest.mark.parametrize("where", ["owner", "colour", "tenant"])
def test_accents_apart_from_their_letters_are_refused_and_mended(value: str, where: str) -> None:
    apart = unicodedata.normalize("NFD", value)
    assert apart != value
    found = compiled(**{where: apart})
    assert found.program is None
    assert {error.code for error in found.errors} == {"CH0234"}
    assert {error.fix.text for error in found.errors if error.fix} == {f'"{value}"'}
    assert compiled(**{where: value}).diagnostics == ()


@pytest.mark.parametrize("sign", ["\N{OHM SIGN}", "\N{KELVIN SIGN}", "\N{ANGSTROM SIGN}"])
def test_a_sign_that_is_another_letter_is_refused(sign: str) -> None:
    assert {error.code for error in compiled(f"x{sign}").errors} == {"CH0234"}


INNOCENT = [
    "Soci\u00e9t\u00e9 G\u00e9n\u00e9rale",
    "Stra\u00dfe 7",
    "\u0130stanbul",
    "\u041c\u043e\u0441\u043a\u0432\u0430",
    "\u0410\u041e \u0411\u0430\u043d\u043a",
    "\u042f\u043d\u0434\u0435\u043a\u0441 Cloud",
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1",
    "\u6771\u4eac\u30c7\u30fc\u30bfLab",
    "\uc11c\uc6b8 Seoul",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
    "Ti\u1ebfng Vi\u1ec7t",
    "q\u0303",
    "\u0661\u0662",
    "caf\u00e9 \u2013 \u20ac 5",
]


@pytest.mark.parametrize("value", INNOCENT)
def test_a_name_of_one_language_is_taken(value: str) -> None:
    assert unicodedata.normalize("NFC", value) == value
    assert compiled(value, value, value).diagnostics == ()


SHOWN = st.characters(codec="utf-8", exclude_characters='"\\{}#', exclude_categories=["C", "Z"])


@given(st.text(SHOWN, min_size=1, max_size=8))
def test_no_value_is_too_odd_to_be_looked_at(value: str) -> None:
    found = compiled(value)
    codes = {diagnostic.code for diagnostic in found.diagnostics}
    assert codes <= {"CH0234", "CH0320"}
    assert (found.program is None) == (unicodedata.normalize("NFC", value) != value)
