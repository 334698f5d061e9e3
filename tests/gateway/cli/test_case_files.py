"""Case files beside charters: run like the examples in them, and read strictly."""

import json
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter, Ran
from tests.gateway.world import LAW

HEAD = 'format = "charter-cases/v1"\n'
GOOD = """\
format = "charter-cases/v1"

[[case]]
title = "health data far away, without a tool"
action = "place"
entities = { destination = "far" }
given = { data.labels = ["health"], transfer.tool = "none" }
expect = "denied"
by = ["eea-only"]

[[case]]
title = "the same with clauses"
action = ["place", "flow"]
expect = "permitted"
obligations = ["keep-record", "tell-owner"]
by = ["tools"]
[case.entities]
destination = "far"
[case.given]
"data.labels" = ["health"]
transfer.tool = "clauses"
transfer.age = 10

[[case]]
title = "before the law"
action = "place"
as_of = 2026-06-30
given = { data.labels = ["health"], destination.countries = ["US"], transfer.age = 1 }
expect = "permitted"

[[case]]
title = "nobody knows where it is, whatever the catalogue says"
action = "place"
entities = { destination = "near" }
unknown = ["destination.countries"]
given = { data.labels = ["health"], transfer.age = 1, transfer.tool = "none" }
expect = "undetermined"
by = ["eea-only"]
"""
CASE = '[[case]]\ntitle = "x"\naction = "purge"\nexpect = "permitted"\n'
GIVEN = 'given = { data.datasets = ["other"] }\n'


def write(project: Path, text: str, name: str = "law.cases.toml") -> Path:
    path = project / name
    path.write_text(text, encoding="utf-8")
    return path


def run(charter: Charter, project: Path, *arguments: str | Path) -> Ran:
    return charter("test", project, "--engines", "reference", *arguments)


def test_cases_run_on_every_engine_beside_the_examples(charter: Charter, project: Path) -> None:
    alone = charter("test", project).out
    assert alone.startswith("OK: 12 cases on cedar, rego, reference")
    write(project, GOOD)
    ran = charter("test", project)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "OK: 17 cases on cedar, rego, reference, 0 failures\n"


def test_cases_of_one_file_run_with_that_file_alone(charter: Charter, project: Path) -> None:
    write(project, GOOD)
    ran = charter(
        "test", project / "law.charter", project / "words.charter", "--engines", "reference"
    )
    # The catalogue of the folder is found from either.
    assert (ran.code, ran.out) == (0, "OK: 13 cases on reference, 0 failures\n")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('expect = "denied"', 'expect = "permitted"', "expected permitted, got forbidden"),
        (
            '\nby = ["eea-only"]\n\n[[case]]\ntitle = "the same',
            '\nby = ["fresh"]\n\n[[case]]\ntitle = "the same',
            "expected denied by test.law/fresh, got by test.law/eea-only",
        ),
        ('by = ["tools"]', "by = []", "expected permitted by none, got by test.law/eea-only/tools"),
        ('["keep-record", "tell-owner"]', '["keep-record"]', "got keep-record, tell-owner"),
        ("as_of = 2026-06-30", "as_of = 2026-07-01", "got undetermined"),
        ('unknown = ["destination.countries"]\n', "", "got permit"),
    ],
)
def test_a_case_that_does_not_hold_is_2_and_named_with_its_file(
    charter: Charter, project: Path, old: str, new: str, why: str
) -> None:
    assert old in GOOD
    write(project, GOOD.replace(old, new))
    ran = run(charter, project)
    assert ran.code == 2
    assert "FAILED test.law/law.cases.toml " in ran.out
    assert why in ran.out
    assert "  at law.cases.toml:" in ran.out
    (told,) = {
        f["at"] for f in json.loads(run(charter, project, "--format", "json").out)["failures"]
    }
    assert told.split(":")[0] == "law.cases.toml"


def test_a_failure_names_the_line_of_its_case(charter: Charter, project: Path) -> None:
    write(project, GOOD.replace('expect = "undetermined"', 'expect = "denied"'))
    line = GOOD[: GOOD.index('title = "nobody')].count("\n")
    assert f"  at law.cases.toml:{line}:1\n" in run(charter, project).out


def test_a_charter_that_permits_nothing_by_itself_is_given_a_permit(
    charter: Charter, project: Path
) -> None:
    # baseline permits `place` itself, so nothing else does.
    write(
        project,
        HEAD + '[[case]]\ntitle = "closed"\naction = "place"\nexpect = "denied"\n'
        'entities = { destination = "closed" }\n',
        "baseline.cases.toml",
    )
    write(project, HEAD + CASE + GIVEN)
    assert run(charter, project).out == "OK: 14 cases on reference, 0 failures\n"


def test_without_an_action_a_case_is_about_all_of_the_charter(
    charter: Charter, project: Path
) -> None:
    text = CASE.replace('action = "purge"\n', "") + 'given = { data.datasets = ["other"], '
    text += 'data.labels = ["public"], transfer.age = 1, destination.countries = ["FR"] }\n'
    write(project, HEAD + text)
    assert run(charter, project).out == "OK: 15 cases on reference, 0 failures\n"  # 3 actions


def test_cases_count_for_coverage(charter: Charter, project: Path) -> None:
    before = run(charter, project, "--coverage").out
    write(project, GOOD)
    after = run(charter, project, "--coverage").out
    assert "from 2026-07-01\n          true 6, never false" in before
    assert "from 2026-07-01\n          true 10, false 1" in after


# --- what is refused -----------------------------------------------------------------

WRONG = {
    "no format": (CASE, "`format`: this field is missing"),
    "another format": (
        'format = "charter-cases/v2"\n' + CASE,
        '`format`: write "charter-cases/v1"',
    ),
    "no case": (HEAD, "`case`: this field is missing"),
    "cases that are none": (HEAD + "case = []\n", "there is no case"),
    "a table of another name": (HEAD + CASE + "[[cases]]\n", "`cases`: there is no such field"),
    "a case that is a table": (HEAD + "[case]\ntitle = 1\n", "`case`: this must be a list"),
    "no title": (
        HEAD + CASE.replace('title = "x"\n', ""),
        "case 1: `title`: this field is missing",
    ),
    "an empty title": (HEAD + CASE.replace('"x"', '""'), "`title`: this must not be empty"),
    "a long title": (HEAD + CASE.replace('"x"', f'"{"x" * 301}"'), "longer than 300 characters"),
    "a title twice": (HEAD + CASE + GIVEN + CASE + GIVEN, "case 2 `x`: `title`: another case"),
    "no outcome": (HEAD + CASE.replace('expect = "permitted"\n', ""), "`expect`: this field"),
    "another outcome": (
        HEAD + CASE.replace("permitted", "allowed"),
        '`expect`: write "permitted", "denied" or "undetermined"',
    ),
    "a misspelt field": (HEAD + CASE + "asof = 2026-01-01\n", "`asof`: there is no such field"),
    "an unknown action": (HEAD + CASE.replace("purge", "plaec"), "`action`: there is no `plaec`"),
    "an action of no rule": (
        HEAD + CASE.replace("purge", "sleep"),
        "there are: flow, place, purge",
    ),
    "no action at all": (HEAD + CASE.replace('"purge"', "[]"), "`action`: name one"),
    "a misspelt fact": (
        HEAD + CASE + 'given = { data.lables = ["health"] }\n',
        "`given`: there is no `data.lables` here; did you mean `data.labels`?",
    ),
    "a value that cannot be": (
        HEAD + CASE + 'given = { data.labels = ["healthy"] }\n',
        "`given`: `data.labels` cannot be `['healthy']`; write a list of texts of health, personal",
    ),
    "a number as text": (
        HEAD + CASE + 'given = { transfer.age = "ten" }\n',
        '`given`: `transfer.age` cannot be `"ten"`; write a number of days',
    ),
    "a number below none": (HEAD + CASE + "given = { transfer.age = -1 }\n", "cannot be `-1`"),
    "a fraction": (HEAD + CASE + "given = { transfer.age = 1.5 }\n", "cannot be `1.5`"),
    "a word for yes": (
        HEAD + CASE + 'given = { transfer.encrypted = "yes" }\n',
        "write true or false",
    ),
    "a place among the facts": (
        HEAD + CASE + 'given = { destination = "near" }\n',
        "`given`: `destination` names a row; write it under `entities`",
    ),
    "a fact among the places": (
        HEAD + CASE + 'entities = { data = "near" }\n',
        "`entities`: there is no `data` here; there are: destination, origin",
    ),
    "given and unknown": (
        HEAD + CASE + 'given = { transfer.age = 1 }\nunknown = ["transfer.age"]\n',
        "`unknown`: `transfer.age` is given as well",
    ),
    "an unknown fact nobody declared": (
        HEAD + CASE + 'unknown = ["transfer.agee"]\n',
        "did you mean `transfer.age`?",
    ),
    "a rule that is not there": (
        HEAD + CASE + 'by = ["eea-onyl"]\n',
        "`by`: there is no `eea-onyl` here; did you mean `eea-only`?",
    ),
    "a rule of another charter": (HEAD + CASE + 'by = ["open-site"]\n', "no `open-site` here"),
    "an obligation nobody declared": (
        HEAD + CASE + 'obligations = ["keep-records"]\n',
        "did you mean `keep-record`?",
    ),
    "obligations of a denial": (
        HEAD + CASE.replace("permitted", "denied") + 'obligations = ["keep-record"]\n',
        "`obligations`: only what is permitted has any",
    ),
    "an instant for a day": (
        HEAD + CASE + "as_of = 2026-01-01T00:00:00Z\n",
        "`as_of`: ",
    ),
    "a day in quotes": (
        HEAD + CASE + 'as_of = "2026-01-01"\n',
        "a day such as 2026-11-22, without",
    ),
    "no TOML": (HEAD + "[[case]\n", "this is not TOML"),
    "a day that is none": (HEAD + CASE + "as_of = 2026-02-30\n", "this is not TOML"),
    "too deep": (HEAD + "x = " + "[" * 5000 + "]" * 5000 + "\n", "this is not TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_understood_is_refused_by_name(
    charter: Charter, project: Path, case: str
) -> None:
    text, words = WRONG[case]
    path = write(project, text)
    ran = run(charter, project)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err
    assert all(line.startswith(f"charter: {path}") for line in ran.err.splitlines())


def test_all_that_is_wrong_is_told_at_once(charter: Charter, project: Path) -> None:
    write(project, HEAD + CASE.replace('"x"', "1") + CASE + "asof = 1\n" + CASE.replace("x", ""))
    write(project, "x", "baseline.cases.toml")
    ran = run(charter, project)
    assert [line.rpartition("toml")[2][:4] for line in ran.err.splitlines()] == [
        ": th",
        ":2: ",
        ":6: ",
        ":11:",
    ]
    assert ran.code == 1


def test_a_case_names_a_row_that_the_catalogue_does_not_have(
    charter: Charter, project: Path
) -> None:
    write(project, HEAD + CASE + 'entities = { destination = "nowhere" }\n')
    ran = run(charter, project)
    assert ran.code == 1
    assert "law.cases.toml:2: the fixture catalogue has no site `nowhere`" in ran.line


def test_a_name_cannot_steer_the_terminal(charter: Charter, project: Path) -> None:
    write(project, HEAD + CASE.replace('"x"', '"\\u001b[2J"') + '"\\u001b[2K" = 1\n')
    ran = run(charter, project)
    assert ran.code == 1
    assert ran.err.strip().isprintable()


def test_a_file_that_is_too_large_or_no_text_is_refused(charter: Charter, project: Path) -> None:
    write(project, HEAD + "#" * (1024 * 1024))
    assert "larger than 1,048,576 bytes" in run(charter, project).line
    (project / "law.cases.toml").write_bytes(b'format = "\xe9"')
    assert "Latin-1" in run(charter, project).line


def test_cases_without_their_charter_are_told_and_do_not_run(
    charter: Charter, project: Path
) -> None:
    path = write(project, "not even TOML", "lwa.cases.toml")
    ran = run(charter, project)
    assert (ran.code, ran.out) == (0, "OK: 12 cases on reference, 0 failures\n")
    assert ran.line == f"charter: {path}: no charter stands beside it, so it does not run"


def test_cases_beside_a_vocabulary_have_nothing_to_run_on(charter: Charter, project: Path) -> None:
    write(project, HEAD + CASE, "words.cases.toml")
    assert "no rules for cases to run on" in run(charter, project).line


def test_a_name_of_two_exceptions_has_to_be_said_in_full(charter: Charter, project: Path) -> None:
    second = LAW[LAW.index("rule eea-only") : LAW.index("rule fresh")].replace(
        "rule eea-only", "rule also"
    )
    (project / "law.charter").write_text(LAW + "\n" + second)
    with_by = GOOD.replace('by = ["tools"]', 'by = ["eea-only/tools", "also/tools"]')
    write(project, with_by.replace('["eea-only"]', '["also", "eea-only"]'))
    assert run(charter, project).code == 0
    write(project, GOOD)
    ran = run(charter, project)
    assert "`by`: several are named `tools`; write one of also/tools, eea-only/tools" in ran.err
