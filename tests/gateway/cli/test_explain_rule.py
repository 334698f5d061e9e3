"""`charter explain` as its user runs it."""

import json
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter


def test_a_rule_of_the_pack_is_explained(charter: Charter) -> None:
    ran = charter("explain", "protected-destination")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("eu.gdpr.transfers/protected-destination\n")
    assert "GDPR art 44" in ran.out
    assert "refused: undetermined" in ran.out
    assert "package charter" not in ran.out


def test_compiled_shows_the_rego_and_the_cedar_of_that_rule_alone(charter: Charter) -> None:
    ran = charter("explain", "operating-site", "--compiled")
    assert 'granted contains "operator.baseline/operating-site" if {' in ran.out
    assert '@id("operator.baseline/operating-site")' in ran.out
    assert "operating-sites-of-a-flow" not in ran.out
    assert "entrypoint" not in ran.out


def test_json_holds_sentences_table_and_what_was_compiled(charter: Charter) -> None:
    told = json.loads(charter("explain", "operating-site", "--compiled", "--format", "json").out)
    assert told["format"] == "charter-explanation/v1"
    assert told["rule"] == "operator.baseline/operating-site"
    assert told["table"]["columns"] == {"A": "the status of the destination is operating"}
    assert {row["outcome"] for row in told["table"]["rows"]} == {
        "permitted", "not permitted", "not permitted: undetermined",
    }  # fmt: skip
    assert "Rego" in told["compiled"]
    without = json.loads(charter("explain", "operating-site", "--format", "json").out)
    assert "compiled" not in without


def test_plain_is_one_line_for_each_sentence(charter: Charter) -> None:
    ran = charter("explain", "operating-site", "--format", "plain")
    assert all(":" in line or line.startswith("place") for line in ran.out.splitlines())


def test_charters_of_a_folder_are_explained(charter: Charter, project: Path) -> None:
    ran = charter("explain", "no-such-rule-at-all", project)
    assert ran.code == 1
    assert "there is no rule `no-such-rule-at-all`" in ran.line


@pytest.mark.parametrize("name", ["operating-sit", "operator.baseline/operating_site"])
def test_a_name_that_no_rule_has_is_answered_with_the_nearest(charter: Charter, name: str) -> None:
    ran = charter("explain", name)
    assert (ran.code, ran.out) == (1, "")
    assert "did you mean `" in ran.line
    assert "operating-site" in ran.line


def test_charters_with_mistakes_are_not_explained(charter: Charter, tmp_path: Path) -> None:
    (tmp_path / "wrong.charter").write_text('charter a.b\nrule x "X" when (\n')
    ran = charter("explain", "x", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "error[CH01" in ran.err
