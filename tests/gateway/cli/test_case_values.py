"""Case files in the words of the whole language: dates, decimals, levels, maps and lists."""

from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter, Ran

CHARTER = """\
charter own.rich
  title "Dates, decimals, maps and lists"
  law LEX "A law"
  time zone Europe/Brussels
  as of 2026-11-22
action place "Run"
levels seal "Levels" of SEAL-0 < SEAL-1 < SEAL-2
enumeration objective "Objectives" of SOV-1, SOV-2
enumeration country "Country" of FR, US
structure holder "One who holds a part"
  field country country
  field share   number of percent
entity site "A site"
  field holders list of holder "Who owns it"
record destination "Where to" is site from catalogue at resource on place
record contract "Contract" from request at context.contract
  field ends  date
  field share number of percent
  field seal  map of objective to seal
derive destination.foreign_share "Held from outside" as
  the sum of destination.holders.share where not holders.country in {FR}
advice renew "Renew it"
profile all "All" charters own.rich

rule lasting "The contract lasts"
  cites LEX art 1
  on place
  require contract.ends on or after today + 30 days
  because "It must."
  remedy "Renew it."

rule share "A share below"
  cites LEX art 2
  on place
  require contract.share less than 24.5 percent and every contract.seal at least SEAL-1
  because "It must."
  remedy "Sell some."
  advise renew

rule owned "Owned at home"
  cites LEX art 3
  on place
  forbid
  when destination.foreign_share more than 24 percent
  because "It must."
  remedy "Sell some."
"""
CASE = """\
format = "charter-cases/v1"
[[case]]
title = "all is well"
expect = "permitted"
by = []
advice = ["renew"]
[case.given]
contract.ends = 2026-12-22
contract.share = "24.49"
"contract.seal[SOV-1]" = "SEAL-1"
contract.seal.SOV-2 = "SEAL-2"
destination.holders = [{ country = "US", share = "24" }, { country = "FR", share = "76" }]
"""


def run(charter: Charter, folder: Path, text: str) -> Ran:
    (folder / "own.charter").write_text(CHARTER, encoding="utf-8")
    (folder / "own.cases.toml").write_text(text, encoding="utf-8")
    return charter("test", folder, "--coverage")


def test_values_stand_as_on_the_wire_on_every_engine(charter: Charter, tmp_path: Path) -> None:
    ran = run(charter, tmp_path, CASE)
    assert ran.code == 0, ran.out + ran.err
    assert "OK: 1 case on cedar, rego, reference, 0 failures" in ran.out


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("2026-12-22", "2026-12-21", "lasting"),
        ('"24.49"', '"24.5"', "share"),
        ('SOV-2 = "SEAL-2"', 'SOV-2 = "SEAL-0"', "share"),
        ('SOV-1]" = "SEAL-1"', 'SOV-1]" = "SEAL-0"', "share"),
        ('"US", share = "24"', '"US", share = "24.01"', "owned"),
        ('"FR", share = "76"', '"US", share = "0.01"', "owned"),
    ],
)
def test_a_value_a_little_off_is_denied_by_its_rule(
    charter: Charter, tmp_path: Path, old: str, new: str, rule: str
) -> None:
    assert CASE.count(old) == 1
    text = CASE.replace(old, new).replace('"permitted"', '"denied"')
    text = text.replace("by = []", f'by = ["{rule}"]').replace('advice = ["renew"]\n', "")
    ran = run(charter, tmp_path, text)
    assert ran.code == 0, ran.out + ran.err


def test_advice_is_compared_like_obligations(charter: Charter, tmp_path: Path) -> None:
    ran = run(charter, tmp_path, CASE.replace('advice = ["renew"]\n', ""))
    assert ran.code == 2
    assert "expected advice none, got renew" in ran.out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"24.49"', "24.49", "write a number of percent as text, with at most 2 decimals"),
        ('"24.49"', '"24.491"', '`contract.share` cannot be `"24.491"`'),
        ("2026-12-22", '"22.12.2026"', "write a day such as 2026-11-22"),
        ("2026-12-22", "2026-12-22T00:00:00Z", "write a day such as 2026-11-22"),
        ("SOV-2 =", "SOV-3 =", "there is no `contract.seal.SOV-3` here"),
        ('"SEAL-2"', '"SEAL-3"', "write one text in quotes of SEAL-0, SEAL-1, SEAL-2"),
        ('{ country = "US"', '{ land = "US"', "element 1 of `destination.holders` has no `land`"),
        ('"US", share = "24"', '"US", share = 24', "element 1 of `destination.holders`: `share`"),
        ('country = "FR"', 'country = "DE"', "element 2 of `destination.holders`: `country`"),
        (
            '[{ country = "US", share = "24" }, ',
            '["US", ',
            "element 1 of `destination.holders` must",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(
    charter: Charter, tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert CASE.count(old) == 1
    ran = run(charter, tmp_path, CASE.replace(old, new))
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err


def test_coverage_shows_every_construct_as_it_is_written(charter: Charter, tmp_path: Path) -> None:
    out = run(charter, tmp_path, CASE).out
    for text in (
        "contract.ends on or after today + 30 days",
        "contract.share less than 24.5 percent",
        "every contract.seal at least SEAL-1",
        "destination.foreign_share more than 24 percent",
    ):
        assert f"  !     {text}\n          " in out
    assert "Coverage: 4 of 12 points, 33.3 %" in out
