"""Text to tree: what each spelling is read as, and where it stands."""

from datetime import date
from pathlib import Path

import pytest

from dsl import tree
from dsl.parse import MAX_REMEMBERED_CHARACTERS, forget, parse
from dsl.source import SourceText
from dsl.words import SOFT

BASE = SourceText(
    "base.charter", (Path(__file__).parent / "base.charter").read_text(encoding="utf-8")
)

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


def refused(text: str) -> None:
    parsed = parse(SourceText("test.charter", text))
    assert parsed.charter is None
    assert len(parsed.diagnostics) == 1


def declared(text: str) -> tree.Declaration:
    (only,) = charter(f"charter test.parse\n{text}\n").declarations
    return only


def field_type(text: str) -> tree.Type:
    entity = declared(f'entity e "E" field f {text}')
    assert isinstance(entity, tree.Entity)
    return entity.fields[0].type


def derivation(text: str) -> object:
    derive = declared(f"derive a.b as {text}")
    assert isinstance(derive, tree.Derive)
    return derive.derivation


def example(text: str) -> tree.Example:
    (clause,) = rule(f'example "E" is {text}').clauses
    assert isinstance(clause, tree.Example)
    return clause


def texts(words: tuple[tree.Word, ...]) -> list[str]:
    return [word.text for word in words]


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
        ("a.b at least SEAL-2", tree.Relation.AT_LEAST),
        ("a.b at most -1 eur", tree.Relation.AT_MOST),
        ("a.b before 2026-01-01", tree.Relation.BEFORE),
        ("a.b after today", tree.Relation.AFTER),
        ("a.b on or before today + 1 day", tree.Relation.ON_OR_BEFORE),
        ("a.b on\tor\n  after today - 2 weeks", tree.Relation.ON_OR_AFTER),
        ("a.b = 2026-01-01", tree.Relation.IS),
        ("a.b is not today", tree.Relation.IS_NOT),
        ("a.b is not known-to-us", tree.Relation.IS_NOT),
        ("a.b within the last 30 days", tree.Relation.LAST),
        ("a.b within 30 days", tree.Relation.LAST),
        ("a.b within the next 30 days", tree.Relation.NEXT),
        ("a.b is known", tree.Relation.KNOWN),
        ("a.b is not known", tree.Relation.NOT_KNOWN),
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
    ("text", "value", "decimals", "unit"),
    [
        ("30 days", 30, 0, "days"),
        ("1\tday", 1, 0, "day"),
        ("7\n hours", 7, 0, "hours"),
        ("12", 12, 0, None),
        ("24.1", 241, 1, None),
        ("24.10 percent", 2410, 2, "percent"),
        ("24 %", 24, 0, "%"),
        ("24.5%", 245, 1, "%"),
        ("10 000 persons", 10_000, 0, "persons"),
        ("1 234 567.89 eur", 123_456_789, 2, "eur"),
        ("0.05 eur", 5, 2, "eur"),
        ("007 items", 7, 0, "items"),
        ("-5.50 eur", -550, 2, "eur"),
        ("- 3 points", -3, 0, "points"),
        ("-0 points", 0, 0, "points"),
        ("400 gigabytes-per-second", 400, 0, "gigabytes-per-second"),
    ],
)
def test_numbers_have_their_unit_and_decimals(
    text: str, value: int, decimals: int, unit: str | None
) -> None:
    read = condition(f"a.b at least {text}")
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Number)
    number = read.operand
    assert (number.value, number.decimals, number.unit) == (value, decimals, unit)
    assert number.span.text == text


@pytest.mark.parametrize(
    "text",
    [
        "24,5 percent",
        "10,000 persons",
        "10 00 persons",
        "10  000 persons",
        "10\u202f000 persons",
        "1.01e25",
        "1.",
        ".5 eur",
        "+5 eur",
        "--5 eur",
        "1.2.3 eur",
        "99999999999999999 eur",
        "0.00000000000000001 eur",
        "1 point",
    ],
)
def test_what_is_only_nearly_a_number_is_refused(text: str) -> None:
    refused(RULE.format(clauses=f"when a.b at least {text} permit"))


def test_a_place_in_the_law_is_no_quantity() -> None:
    (clause, after) = rule("cites GDPR annex 1 point 4.2 point a on place").clauses
    assert isinstance(clause, tree.Cites)
    assert clause.locator.text == "annex 1 point 4.2 point a"
    assert isinstance(after, tree.On)


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


# --- levels, maps, lists, dates, derived facts -----------------------------------------


def test_levels_stand_from_lowest_to_highest() -> None:
    read = declared('levels seal "SEAL" of SEAL-0 < SEAL-1 < "top most"')
    assert isinstance(read, tree.Levels)
    assert texts(read.values) == ["SEAL-0", "SEAL-1", "top most"]


@pytest.mark.parametrize(
    ("text", "shape", "name"),
    [
        ("date", tree.Shape.TERM, "date"),
        ("identifier", tree.Shape.TERM, "identifier"),
        ("list of holder", tree.Shape.LIST, "holder"),
        ("map \n of objective to seal", tree.Shape.MAP, "objective"),
        ("number of percent", tree.Shape.NUMBER, "percent"),
        ("set of country or none", tree.Shape.SET_OR_NONE, "country"),
    ],
)
def test_every_type_is_read(text: str, shape: tree.Shape, name: str) -> None:
    read = field_type(text)
    assert read.shape is shape
    assert read.name is not None
    assert read.name.text == name
    assert read.span.text == text


@pytest.mark.parametrize(
    ("text", "decimals", "negative"),
    [
        ("number of eur", None, False),
        ("number of eur with 2 decimals", "2", False),
        ("number of eur with 1 decimal or negative", "1", True),
        ("number of eur or negative", None, True),
        ("map of objective to number of eur with 2 decimals or negative", None, False),
    ],
)
def test_a_number_says_its_decimals_and_its_sign(
    text: str, decimals: str | None, negative: bool
) -> None:
    read = field_type(text)
    assert (read.decimals and read.decimals.text) == decimals
    assert read.negative is negative
    if read.of is not None:
        assert read.of.decimals is not None
        assert (read.of.decimals.text, read.of.decimals.span.text) == ("2", "2")
        assert read.of.negative


@pytest.mark.parametrize(
    ("text", "path", "key", "quantifier"),
    [
        ("a.b[SOV-2]", "a.b", "SOV-2", None),
        ('a.b ["to x"]', "a.b", "to x", None),
        ("every a.b", "a.b", None, tree.Quantifier.EVERY),
        ("some a.b", "a.b", None, tree.Quantifier.SOME),
    ],
)
def test_keys_and_quantifiers_go_with_every_relation(
    text: str, path: str, key: str | None, quantifier: tree.Quantifier | None
) -> None:
    for rest in ("", " = c", " has c", " at least 3 days", " before today", " is known"):
        read = condition(f"{text}{rest}")
        assert isinstance(read, tree.Test)
        assert (read.path.text, read.key and read.key.text) == (path, key)
        assert read.quantifier is quantifier


@pytest.mark.parametrize(
    ("text", "offset", "minus"),
    [("today", None, False), ("today + 30 days", 30, False), ("today - 2 weeks", 2, True)],
)
def test_a_day_may_count_from_today(text: str, offset: int | None, minus: bool) -> None:
    read = condition(f"a.b before {text}")
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Today)
    assert (read.operand.offset and read.operand.offset.value) == offset
    assert read.operand.minus is minus
    assert read.operand.span.text == text


def test_today_can_be_compared_with_a_day() -> None:
    read = condition("not today on or after 2027-12-02")
    assert isinstance(read, tree.Not)
    assert isinstance(read.operand, tree.Test)
    assert read.operand.path.text == "today"
    assert isinstance(read.operand.operand, tree.Day)


@pytest.mark.parametrize(
    "text",
    ["today before today", "today = 2027-12-02", "a.b before c.d", "every today", "a[b] = c"],
)
def test_what_has_no_meaning_between_dates_and_keys_is_refused(text: str) -> None:
    refused(RULE.format(clauses=f"when {text}"))


def test_parts_of_a_region_are_taken_from_left_to_right() -> None:
    read = condition("a.b within EEA + ADEQUATE - {GB} + X - Y")
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Region)
    assert len(read.operand.parts) == 5
    assert read.operand.minus == {2, 4}


def test_a_zone_is_put_together_of_others() -> None:
    read = declared('zone EEA "The EEA" as EU + {IS, LI, NO}')
    assert isinstance(read, tree.Zone)
    assert read.members == ()
    assert read.region is not None
    assert read.region.span.text == "EU + {IS, LI, NO}"


@pytest.mark.parametrize(
    ("text", "word", "where", "otherwise"),
    [
        ("the sum of a.l.share", "sum", False, False),
        ("the number of a.l where l.veto", "number", True, False),
        ("the largest a.l.share where not l.c in EU else 0 percent", "largest", True, True),
        ("the\n smallest a.l.day else 2026-01-01", "smallest", False, True),
    ],
)
def test_every_aggregate_is_read(text: str, word: str, where: bool, otherwise: bool) -> None:
    read = derivation(text)
    assert isinstance(read, tree.Aggregation)
    assert read.word == word
    assert (read.where is not None, read.otherwise is not None) == (where, otherwise)
    assert read.path.text.startswith("a.l")


@pytest.mark.parametrize(("text", "minus"), [("plus 6 months", False), ("minus 1 week", True)])
def test_a_date_is_moved(text: str, minus: bool) -> None:
    read = derivation(f"a.c {text}")
    assert isinstance(read, tree.Moved)
    assert read.minus is minus
    assert read.amount.span.text == text.split(maxsplit=1)[1]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("a.c to today", "a.c", None), ("today to a.c", None, "a.c"), ("a.c to a.d", "a.c", "a.d")],
)
def test_days_are_counted(text: str, first: str | None, last: str | None) -> None:
    read = derivation(f"the days from {text}")
    assert isinstance(read, tree.Between)
    assert (read.first and read.first.text) == first
    assert (read.last and read.last.text) == last


@pytest.mark.parametrize(
    "words",
    ["=", "is not", "in", "has", "within", "touches", "at least", "less than", "on or after"],
)
def test_two_attributes_are_compared_in_a_derived_fact(words: str) -> None:
    read = derivation(f"whether a.c {words.replace(' ', '  ')} a.d")
    assert isinstance(read, tree.Whether)
    assert (read.left.text, read.relation.value, read.right.text) == ("a.c", words, "a.d")


@pytest.mark.parametrize("text", ["a.c = d", "a.c before today", "a.c", "every a.c = a.d"])
def test_whether_takes_two_attributes(text: str) -> None:
    refused(f"charter x\nderive a.b as whether {text}\n")


def test_what_examples_assume_is_read_as_they_give_it() -> None:
    read = declared("assume a.b = c a.m[x] = 3 days every a.m = {}")
    assert isinstance(read, tree.Assume)
    assert len(read.given) == 3
    assert (read.given[1].key, read.given[2].every) != (None, False)


# --- duties, levels of rules, profiles, invariants, examples ----------------------------


def test_a_duty_has_parameters_and_a_deadline() -> None:
    (read, advice) = rule(
        "oblige notify with authority = bnetza, copies = 2 items, by_day = 2026-01-01, "
        "fee = -1.5 eur within 72 hours advise keep with to = yes"
    ).clauses
    assert isinstance(read, tree.Oblige)
    assert isinstance(advice, tree.Oblige)
    assert (read.advises, advice.advises) == (False, True)
    assert [p.name.text for p in read.parameters] == ["authority", "copies", "by_day", "fee"]
    kinds = [type(p.value).__name__ for p in read.parameters]
    assert kinds == ["Word", "Number", "Day", "Number"]
    assert read.due is not None
    assert (read.due.value, read.due.unit) == (72, "hours")
    assert advice.due is None


def test_an_obligation_says_whether_it_has_a_deadline() -> None:
    plain = declared('obligation a "A"')
    late = declared('obligation b "B" has a\ndeadline field x identifier')
    advice = declared('advice c "C" field x date')
    assert isinstance(plain, tree.Obligation)
    assert isinstance(late, tree.Obligation)
    assert isinstance(advice, tree.Advice)
    assert (plain.has_deadline, late.has_deadline) == (False, True)
    assert [len(d.fields) for d in (plain, late, advice)] == [0, 1, 1]


@pytest.mark.parametrize("word", ["enforce", "warn", "shadow"])
def test_a_rule_has_a_level(word: str) -> None:
    (read,) = rule(f"level {word}").clauses
    assert read == tree.LevelClause(word, read.span)


def test_a_preference_has_a_weight() -> None:
    (read,) = rule("prefer 10").clauses
    assert isinstance(read, tree.Prefer)
    assert read.weight.value == 10


@pytest.mark.parametrize("clause", ["level warn", "prefer 3", "permit", "on place"])
def test_what_belongs_to_the_rule_is_refused_below_an_exception(clause: str) -> None:
    refused(RULE.format(clauses=f'except e "E" cites A art 1 {clause}'))


def test_advice_below_an_exception_is_its_own() -> None:
    read = rule('except e "E" cites A art 1 when a.b advise c oblige d with e = f')
    assert [type(c).__name__ for c in read.exceptions[0].clauses][2:] == ["Oblige", "Oblige"]


def test_a_profile_is_read_in_any_order() -> None:
    read = declared(
        'profile p "P" when a.b permit place, flow tenants clinic-a, "B 2" charters c.d, e'
    )
    assert isinstance(read, tree.Profile)
    assert texts(read.charters) == ["c.d", "e"]
    assert texts(read.tenants) == ["clinic-a", "B 2"]
    assert texts(read.permits) == ["place", "flow"]
    assert isinstance(read.when, tree.Test)


@pytest.mark.parametrize(
    "text",
    [
        "tenants a",
        "charters a when b.c",
        "charters a charters b",
        "charters a permit",
        "charters a require b.c",
    ],
)
def test_a_profile_that_says_too_little_or_too_much_is_refused(text: str) -> None:
    refused(f'charter x\nprofile p "P" {text}\n')


def test_an_invariant_is_read() -> None:
    read = declared('invariant i "I" cites GDPR art 44 on place, flow never  permits a.b has c')
    assert isinstance(read, tree.Invariant)
    assert [cited.locator.text for cited in read.cites] == ["art 44"]
    assert texts(read.actions) == ["place", "flow"]
    assert isinstance(read.condition, tree.Test)


@pytest.mark.parametrize(
    ("text", "expected", "by", "obligations", "advice"),
    [
        ("denied by a, b", tree.Expected.DENIED, ["a", "b"], [], []),
        ("undetermined by a", tree.Expected.UNDETERMINED, ["a"], [], []),
        ("preferred", tree.Expected.PREFERRED, [], [], []),
        ("permitted by a with b, c advised d", tree.Expected.PERMITTED, ["a"], ["b", "c"], ["d"]),
        ("permitted advised d, e", tree.Expected.PERMITTED, [], [], ["d", "e"]),
    ],
)
def test_an_example_says_by_what(
    text: str, expected: tree.Expected, by: list[str], obligations: list[str], advice: list[str]
) -> None:
    read = example(f"{text} a.b = c")
    assert read.expected is expected
    assert (texts(read.by), texts(read.obligations), texts(read.advice)) == (
        by,
        obligations,
        advice,
    )
    assert len(read.given) == 1


def test_an_example_gives_keys_dates_and_decimals() -> None:
    read = example(
        "denied a.m[SOV-2] = SEAL-1 every a.m = SEAL-2 a.d = 2027-01-12 a.n = -24.10 eur "
        "a.m[x] = unknown"
    )
    assert [(g.key and g.key.text, g.every) for g in read.given] == [
        ("SOV-2", False),
        (None, True),
        (None, False),
        (None, False),
        ("x", False),
    ]
    assert isinstance(read.given[2].value, tree.Day)
    assert isinstance(read.given[3].value, tree.Number)
    assert read.given[4].value is None


# --- words ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*sorted(SOFT), "level", "date", "map", "list", "known", "warn"])
def test_a_likely_name_of_a_value_or_a_field_is_free(word: str) -> None:
    entity = declared(f'entity e "E" field {word} identifier')
    assert isinstance(entity, tree.Entity)
    assert entity.fields[0].name.text == word
    (clause,) = rule(f"when a.{word} = {word} and a.b in {{{word}, x}}").clauses
    assert isinstance(clause, tree.When)
    assert isinstance(clause.condition, tree.And)
    read = clause.condition.operands[0]
    assert isinstance(read, tree.Test)
    assert isinstance(read.operand, tree.Word)
    assert (read.operand.text, read.operand.quoted) == (word, False)


@pytest.mark.parametrize("word", ["derive", "prefer", "today", "as", "by", "rule"])
def test_a_reserved_word_must_be_quoted(word: str) -> None:
    parsed = parse(SourceText("test.charter", RULE.format(clauses=f"when a.b in {{x, {word}}}")))
    assert [d.code for d in parsed.diagnostics] == ["CH0111"]
    assert condition(f'a.b in {{x, "{word}"}}')


# --- what is remembered -------------------------------------------------------------------


def test_a_file_is_read_once_and_again_after_an_edit() -> None:
    forget()
    first = SourceText("a.charter", "charter a\n")
    assert parse(first) is parse(SourceText("a.charter", "charter a\n"))
    assert parse(first) is not parse(SourceText("a.charter", "charter b\n"))
    forget()
    assert parse(first).charter == parse(first).charter


def test_a_file_of_another_name_is_another_file() -> None:
    read = [parse(SourceText(name, "charter a\n")).charter for name in ("a.charter", "b.charter")]
    assert [c and c.source.name for c in read] == ["a.charter", "b.charter"]
    told = [parse(SourceText("a.charter", "charter", path)).diagnostics for path in ("p", "q")]
    assert [d.span.source.shown for (d,) in told] == ["p", "q"]


def test_what_is_remembered_is_bounded() -> None:
    forget()
    blank = " " * 500_000
    first = SourceText("0.charter", "charter a\n" + blank)
    before = parse(first)
    for number in range(1, 2 + MAX_REMEMBERED_CHARACTERS // 500_000):
        parse(SourceText(f"{number}.charter", "charter a\n" + blank))
    assert parse(first) is not before
    forget()


MANY_IN_ONE_RULE = """charter a.b
rule one "One"
  cites GDPR
  on place
  if data.labels has health
  require destination.countries within DE, FR
  oblige keep-record withn 3 days
  because The reason
  example "x" is forbiden
    data.labels = {health}
rule two "Two"
  on place
  when contract.ends
    on or after 2026-01-01 and contract.ends == 2027-01-01
  permit
"""


def test_every_broken_clause_of_a_rule_is_told_at_once() -> None:
    diagnostics = parse(SourceText("a.charter", MANY_IN_ONE_RULE)).diagnostics
    assert [d.span.position[0] for d in diagnostics] == [4, 5, 6, 7, 8, 9, 14]
    assert len({d.message for d in diagnostics}) == len(diagnostics)


MENDED = {
    3: "cites GDPR art 44",
    5: "when data.labels has health",
    6: "require destination.countries within {DE, FR}",
    7: "oblige keep-record within 3 days",
    8: 'because "The reason"',
    9: 'example "x" is denied',
    14: "on or after 2026-01-01 and contract.ends = 2027-01-01",
}


@pytest.mark.parametrize("line", MENDED)
def test_a_mended_clause_takes_one_message_along(line: int) -> None:
    lines: list[str] = [*MANY_IN_ONE_RULE.splitlines()]
    lines[line - 1] = MENDED[line]
    assert len(parse(SourceText("a.charter", "\n".join(lines))).diagnostics) == len(MENDED) - 1


MANY_IN_THE_HEAD = """charter Test.head
  titel "Title"
  law gdpr "Regulation"
  law ACT An act
  timezone Europe/Brussels
  as of tomorrow
imports base
import "base"
zone EU "EU" membr AT
rule one "One"
  cites GDPR
"""
MENDED_HEAD = {
    1: "charter test.head",
    2: 'title "Title"',
    3: 'law GDPR "Regulation"',
    4: 'law ACT "An act"',
    5: "time zone Europe/Brussels",
    6: "as of 2026-11-22",
    7: "import more",
    8: "import base",
    9: 'zone EU "EU" member AT',
    11: "cites GDPR art 1",
}


def test_every_mistake_in_a_head_is_told_at_once_and_those_below() -> None:
    diagnostics = parse(SourceText("a.charter", MANY_IN_THE_HEAD)).diagnostics
    assert [d.span.position[0] for d in diagnostics] == list(MENDED_HEAD)
    assert len({d.message for d in diagnostics}) == len(diagnostics)


@pytest.mark.parametrize("line", MENDED_HEAD)
def test_a_mended_line_of_a_head_takes_one_message_along(line: int) -> None:
    lines: list[str] = [*MANY_IN_THE_HEAD.splitlines()]
    lines[line - 1] = MENDED_HEAD[line]
    diagnostics = parse(SourceText("a.charter", "\n".join(lines))).diagnostics
    assert len(diagnostics) == len(MENDED_HEAD) - 1
    assert line not in [d.span.position[0] for d in diagnostics]


@pytest.mark.parametrize(
    "text",
    [
        # The first declaration misspelt: what is in it is none of the head's.
        'charter a\nruel r "R"\n  cites ACT art 1\n  example "x" is denied\n    as of 2026-01-01\n',
        "charter",
        "charter\n",
        "charter \n\n",
        "charter\ntitle",
        "chartre a\ntitle T\nimport b c\n",
        'title "T"\nlaw A\n',
        "",
    ],
)
def test_what_is_no_head_at_all_is_told_once(text: str) -> None:
    assert len(parse(SourceText("a.charter", text)).diagnostics) == 1
