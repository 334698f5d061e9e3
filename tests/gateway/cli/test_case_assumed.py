"""What all cases of a file take for granted, `[assume]`, and what a case says otherwise."""

from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter, Ran

FILE = """\
format = "charter-cases/v1"

[assume]
entities = { destination = "far" }
given = { data.labels = ["health"], transfer.age = 10, transfer.tool = "none" }

[[case]]
title = "as assumed"
action = "place"
expect = "denied"
by = ["eea-only"]
"""
OTHERWISE = {
    "a fact": ('given = { transfer.tool = "clauses" }\n', 'by = ["tools"]'),
    "another place": ('entities = { destination = "near" }\n', "by = []"),
    "a fact of the place": ('given = { destination.countries = ["DE"] }\n', "by = []"),
    "a set": ('given = { data.labels = ["public"] }\n', "by = []"),
}


def run(charter: Charter, project: Path, text: str, engines: str = "reference") -> Ran:
    (project / "law.cases.toml").write_text(text, encoding="utf-8")
    return charter("test", project, "--engines", engines)


def test_every_case_has_what_is_assumed_on_every_engine(charter: Charter, project: Path) -> None:
    ran = run(charter, project, FILE, "cedar,rego,reference")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("OK: 13 cases on cedar, rego, reference, 0 failures")


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_a_case_states_counts_before_what_is_assumed(
    charter: Charter, project: Path, what: str
) -> None:
    stated, by = OTHERWISE[what]
    duties = 'obligations = ["keep-record", "tell-owner"]\n' if "tools" in by else ""
    other = FILE.replace('"denied"', '"permitted"').replace('by = ["eea-only"]', by)
    ran = run(charter, project, other + stated + duties)
    assert ran.code == 0, ran.out + ran.err
    assert run(charter, project, FILE + stated).code == 2


def test_a_case_may_know_less_than_is_assumed(charter: Charter, project: Path) -> None:
    assert 'transfer.tool = "none"' in FILE
    less = 'unknown = ["transfer.tool", "destination.countries"]\n'
    ran = run(charter, project, FILE.replace('"denied"', '"undetermined"') + less)
    assert ran.code == 0, ran.out + ran.err


def test_of_an_assumed_place_nothing_counts_where_another_is_named(
    charter: Charter, project: Path
) -> None:
    """Nothing is stated of the vague site, not even where it is."""
    vague = FILE.replace('"denied"', '"undetermined"') + 'entities = { destination = "vague" }\n'
    ran = run(charter, project, vague)
    assert ran.code == 0, ran.out + ran.err


def test_what_is_assumed_may_be_unknown(charter: Charter, project: Path) -> None:
    text = FILE.replace("\n\n[[case]]", '\nunknown = ["destination.countries"]\n\n[[case]]')
    ran = run(charter, project, text)
    assert ran.code == 2
    assert "expected denied, got undetermined" in ran.out
    assert run(charter, project, text.replace('"denied"', '"undetermined"')).code == 0


WRONG = {
    "a misspelt field": ("entities = {", "entites = {", "`entites`: there is no such field"),
    "a field of cases": ("given = {", 'expect = "denied"\ngiven = {', "`expect`: there is no"),
    "a misspelt fact": ("transfer.age", "transfer.agee", "did you mean `transfer.age`?"),
    "a value that cannot be": ('"none"', '"nought"', '`transfer.tool` cannot be `"nought"`'),
    "a place of no record": ("{ destination", "{ data", "`entities`: there is no `data` here"),
    "a fact twice": (
        "given = {",
        'unknown = ["transfer.age"]\ngiven = {',
        "`unknown`: `transfer.age` is given as well",
    ),
    "an unknown fact nobody declared": (
        "given = {",
        'unknown = ["transfer.agee"]\ngiven = {',
        "`unknown`: there is no `transfer.agee` here",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrongly_assumed_is_refused_at_its_line(
    charter: Charter, project: Path, case: str
) -> None:
    old, new, words = WRONG[case]
    ran = run(charter, project, FILE.replace(old, new, 1))
    assert (ran.code, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"charter: {project / 'law.cases.toml'}:3: assume: ")
    assert words in line


@pytest.mark.parametrize("text", ["assume = 1\n", "[[assume]]\n"])
def test_an_assumption_that_is_no_table_is_refused(
    charter: Charter, project: Path, text: str
) -> None:
    body = FILE[FILE.index("[[case]]") :]
    ran = run(charter, project, f'format = "charter-cases/v1"\n{text}{body}')
    assert ran.code == 1
    assert "`assume`: this must be a table" in ran.err


def test_an_assumed_row_that_the_catalogue_does_not_have_is_told(
    charter: Charter, project: Path
) -> None:
    ran = run(charter, project, FILE.replace('"far"', '"nowhere"'))
    assert ran.code == 1
    assert "the fixture catalogue has no site `nowhere`" in ran.line
