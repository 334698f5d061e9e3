"""Text to tree: what each spelling is read as, and where it stands."""

from datetime import date

import pytest

from dsl import tree
from dsl.parse import parse
from dsl.source import SourceText
from tests.dsl.mistake_files import BASE

RULE = """charter test.parse
rule r "A rule"
{clauses}
"""


def charter(text: str) -> tree.Charter:
    parsed = parse(SourceText("test.charter", text))
    assert parsed.diagnostics == ()
    assert parsed.charter is not None
    return parsed.charter


def rule(clauses: str) -> tree.Rule:
    (declared,) = charter(RULE.format(clauses=clauses)).declarations
    assert isinstance(declared, tree.Rule)
    return declared


def condition(text: str) -> tree.Condition:
    (clause,) = rule(f"when {text}").clauses
    assert isinstance(clause, tree.When)
    return clause.condition


def test_the_shared_vocabulary_parses() -> None:
    read = charter(BASE.text)
    kinds = [type(d).__name__ for d in read.declarations]
    assert sorted(set(kinds)) == [
        "Action",
        "Entity",
        "Enumeration",
        "Obligation",
        "Record",
        "Taxonomy",
        "Zone",
    ]


def test_a_head_is_read_in_any_order() -> None:
    read = charter(
        'charter a.b\nas of 2026-11-22\nlaw X "X" url "https://x.example" celex 32016R0679\n'
        'time zone Europe/Brussels title "T"\nlaw Y-2 "Y"\nimport c import d.e'
    )
    assert (read.name.text, read.title and read.title.text) == ("a.b", "T")
    assert [law.name.text for law in read.laws] == ["X", "Y-2"]
    assert read.laws[0].celex
    assert read.laws[0].celex.text == "32016R0679"
    assert read.laws[0].url
    assert read.laws[0].url.text == "https://x.example"
    assert read.laws[1].celex is None
    assert read.as_of
    assert read.as_of.day == date(2026, 11, 22)
    assert read.time_zone
    assert read.time_zone.text == "Europe/Brussels"
    assert [word.text for word in read.imports] == ["c", "d.e"]


@pytest.mark.parametrize(
    ("text", "locator"),
    [
        ("art 44", "art 44"),
        ("art 46(2)(c)", "art 46(2)(c)"),
        ("annex III point 4.2", "annex III point 4.2"),
        ("art 22a", "art 22a"),
        ("recital 101", "recital 101"),
        ("chapter V section 2", "chapter V section 2"),
        ("criterion b", "criterion b"),
    ],
)
def test_a_place_in_a_law_is_read_as_written(text: str, locator: str) -> None:
    (clause,) = rule(f"cites GDPR {text}").clauses
    assert isinstance(clause, tree.Cites)
    assert (clause.law.text, clause.locator.text) == ("GDPR", locator)
    assert clause.locator.span.text == text


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("a.b", tree.Relation.HOLDS),
        ("a.b = c", tree.Relation.IS),
        ("a.b is not c", tree.Relation.IS_NOT),
        ("a.b is \t\n not c", tree.Relation.IS_NOT),
        ("a.b has c", tree.Relation.HAS),
        ("a.b in {c}", tree.Relation.IN),
        ("a.b within C", tree.Relation.WITHIN),
        ("a.b touches C + {d}", tree.Relation.TOUCHES),
        ("a.b at least 1 day", tree.Relation.AT_LEAST),
        ("a.b at   most 1", tree.Relation.AT_MOST),
        ("a.b more than 1 hour", tree.Relation.MORE_THAN),
        ("a.b less than 1 person", tree.Relation.LESS_THAN),
    ],
)
def test_every_relation_is_read(text: str, relation: tree.Relation) -> None:
    read = condition(text)
    assert isinstance(read, tree.Test)
    assert read.relation is relation
    assert read.span.text == text


@pytest.mark.parametrize(
    "value",
    ["scc-m1", "EEA", "aws/us-east-1", '"with blanks"', "not-applicable", "in-force", "2b/c"],
)
def test_every_form_of_a_value_is_one_word(value: str) -> None:
    read = condition(f"a.b = {value}")
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Word)
    assert read.operand.text == value.strip('"')
    assert read.operand.quoted is value.startswith('"')


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("30 days", 30, "days"), ("1\tday", 1, "day"), ("7\n hours", 7, "hours"), ("12", 12, None)],
)
def test_numbers_have_their_unit(text: str, value: int, unit: str | None) -> None:
    read = condition(f"a.b at least {text}")
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Number)
    assert (read.operand.value, read.operand.unit) == (value, unit)


def test_not_reaches_the_next_test_alone() -> None:
    read = condition("not a.b = c and d.e")
    assert isinstance(read, tree.And)
    assert [type(part).__name__ for part in read.operands] == ["Not", "Test"]


def test_brackets_join_what_is_in_them() -> None:
    read = condition("a.b and (c.d or not (e.f and g.h))")
    assert isinstance(read, tree.And)
    right = read.operands[1]
    assert isinstance(right, tree.Or)
    assert right.span.text == "c.d or not (e.f and g.h)"


def test_clauses_below_an_exception_are_its_own() -> None:
    read = rule(
        "cites A art 1 when a.b require c.d\n"
        'except one "One" cites A art 2 in force from 2020-01-01 when e.f oblige g\n'
        'except two "Two" when i.j\n'
        'because "B" remedy "R" remedy "S"\n'
        'example "E" is permitted with g, h a.b = unknown as of 2026-01-01 for place'
    )
    assert [type(c).__name__ for c in read.clauses] == [
        "Cites",
        "When",
        "Require",
        "Because",
        "Remedy",
        "Remedy",
        "Example",
    ]
    assert [e.name.text for e in read.exceptions] == ["one", "two"]
    assert [type(c).__name__ for c in read.exceptions[0].clauses] == [
        "Cites",
        "InForce",
        "When",
        "Oblige",
    ]
    assert [type(c).__name__ for c in read.exceptions[1].clauses] == ["When"]


def test_an_example_is_read_whole() -> None:
    (read,) = rule(
        'example "E" is permitted with g, h a.b = unknown c.d = {x, "y z"} e = aws/eu-1 '
        "f.g = 3 days h.i = no as of 2026-01-01 for place"
    ).clauses
    assert isinstance(read, tree.Example)
    assert read.expected is tree.Expected.PERMITTED
    assert [word.text for word in read.obligations] == ["g", "h"]
    assert [given.path.text for given in read.given] == ["a.b", "c.d", "e", "f.g", "h.i"]
    assert read.given[0].value is None
    assert read.as_of
    assert read.as_of.day == date(2026, 1, 1)
    assert read.action
    assert read.action.text == "place"


@pytest.mark.parametrize("outcome", ["denied", "undetermined"])
def test_a_refused_example_has_no_obligations(outcome: str) -> None:
    (read,) = rule(f'example "E" is {outcome}').clauses
    assert isinstance(read, tree.Example)
    assert (read.expected.value, read.obligations) == (outcome, ())


def test_texts_in_a_row_are_one_text() -> None:
    (read,) = rule('because "One   sentence,"\n  # and a remark\n  "two lines."').clauses
    assert isinstance(read, tree.Because)
    assert read.text == "One sentence, two lines."


def test_a_word_of_the_language_in_quotes_is_a_value() -> None:
    read = condition('a.b in {"within", "yes", "30 days"}')
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Region)
    (values,) = read.operand.parts
    assert isinstance(values, tree.ValueSet)
    words = [value for value in values.values if isinstance(value, tree.Word)]
    assert [(word.text, word.quoted) for word in words] == [
        ("within", True),
        ("yes", True),
        ("30 days", True),
    ]


@pytest.mark.parametrize(
    "text", ["charter \ufeffa", "\ufeff\ufeffcharter a", "charter a\u00a0b", "charter a #\x00"]
)
def test_what_cannot_be_seen_is_refused(text: str) -> None:
    parsed = parse(SourceText("test.charter", text))
    assert parsed.charter is None
    assert len(parsed.diagnostics) == 1


@pytest.mark.parametrize(
    "text", ["a.b at least ٣ days", "a.b at least 3\u00a0days", "a.b is\u00a0not c"]
)
def test_digits_and_blanks_of_other_scripts_are_refused(text: str) -> None:
    parsed = parse(SourceText("test.charter", RULE.format(clauses=f"when {text}")))
    assert parsed.charter is None
    assert len(parsed.diagnostics) == 1


def test_a_byte_order_mark_at_the_very_start_is_no_mistake_and_moves_nothing() -> None:
    read = charter("\ufeff" + BASE.text)
    assert read.name.span.text == "base"
    assert len(read.declarations) == len(charter(BASE.text).declarations)


def test_line_ends_of_windows_are_white_space() -> None:
    text = BASE.text.replace("\n", "\r\n")
    assert len(charter(text).declarations) == len(charter(BASE.text).declarations)


def test_each_declaration_with_a_mistake_is_reported() -> None:
    text = "charter a\n" + "".join(f'rule r{n} "R"\n  permitt\n' for n in range(30))
    parsed = parse(SourceText("test.charter", text))
    assert [d.span.position[0] for d in parsed.diagnostics] == list(range(3, 43, 2))
    assert {d.code for d in parsed.diagnostics} == {"CH0107"}
