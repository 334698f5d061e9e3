"""What counts as covered, and that it is the rule's own meaning that is looked at."""

import pytest

from dsl.compile import compile_charters
from dsl.core import conjuncts
from dsl.coverage import Coverage, coverage, percent
from dsl.evaluate import truth
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.source import SourceText

HEAD = """\
charter test.law
  title "Law"
  law LEX "A law"
  time zone Europe/Brussels
  as of 2026-11-22
action place "Place"
action flow "Flow"
enumeration colour "Colour" of red, green, blue
obligation tell "Tell"
record fact "Facts" from request at context.fact
  field one   yes or no
  field two   yes or no
  field three colour
  field four  number of days
zone WARM "Warm colours" member red
"""


def rule(clauses: str, name: str = "r") -> str:
    return (
        f'rule {name} "Rule"\n  cites LEX art 1\n  on place\n{clauses}\n'
        '  because "Because."\n  remedy "Do."\n'
    )


def covered(text: str, *facts: dict[str, object], action: str = "place", day: int = 0) -> Coverage:
    sources = [SourceText("law.charter", HEAD + text)]
    model, program = compile_charters(sources).require()
    asked = [
        Question(action, {f"fact.{k}": v for k, v in known.items()}, {"Europe/Brussels": day})  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        for known in facts
    ]
    return coverage(model, program, sources, {"test.law": asked})


def rows(found: Coverage) -> list[tuple[str, str, int, int, int]]:
    return [
        (s.watched.part, s.watched.text, s.true, s.false, s.unknown)
        for one in found.rules
        for s in one.conditions
    ]


def test_a_single_comparison_is_one_condition() -> None:
    found = covered(rule("  when fact.one\n  forbid"), {"one": True}, {"one": False}, {})
    assert rows(found) == [("when", "fact.one", 1, 1, 1)]
    assert (found.points, found.reached, found.percent) == (3, 3, 100.0)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_value_that_no_case_brought_is_a_point_less(missing: int) -> None:
    facts: list[dict[str, object]] = [{"one": True}, {"one": False}, {}]
    found = covered(rule("  when fact.one\n  forbid"), *facts[:missing], *facts[missing + 1 :])
    assert (found.points, found.reached, found.percent) == (3, 2, 66.6)


NEVER_UNKNOWN = {
    "a period in force": "  in force from 2026-01-01\n  forbid",
    "a day": "  when today on or after 2026-01-01\n  forbid",
    "whether a fact is known": "  when fact.one is not known\n  forbid",
    "a fact settled by whether it is known": "  when {}\n  forbid",
}


@pytest.mark.parametrize("clauses", NEVER_UNKNOWN.values(), ids=NEVER_UNKNOWN)
def test_what_cannot_be_unknown_has_two_points(clauses: str) -> None:
    settled = "fact.three is not known or fact.three = red"
    found = covered(rule(clauses.format(settled)), {})
    seen = found.rules[0].conditions[0]
    assert (seen.points, seen.unknown) == (2, 0)
    assert not seen.watched.can_be_unknown


def test_a_comparison_next_to_is_known_can_be_unknown() -> None:
    text = "  when (fact.one is not known or fact.two)\n  forbid"
    found = covered(rule(text), {"one": True})
    assert [(row[1], *row[2:]) for row in rows(found)] == [
        ("fact.one is not known or fact.two", 0, 0, 1),
        ("fact.one is not known", 0, 1, 0),
        ("fact.two", 0, 0, 1),
    ]
    assert [seen.points for seen in found.rules[0].conditions] == [3, 2, 3]


def test_parts_between_ands_are_conditions_and_so_is_each_comparison_in_them() -> None:
    text = "  when fact.one and (fact.two or not fact.three = red)\n  forbid"
    found = covered(rule(text), {"one": True, "two": False, "three": "red"}, {"two": True})
    assert rows(found) == [
        ("when", "fact.one", 1, 0, 1),
        ("when", "fact.two or not fact.three = red", 1, 1, 0),
        ("when", "fact.two", 1, 1, 0),
        ("when", "fact.three = red", 1, 0, 1),
    ]
    assert (found.points, found.reached) == (12, 8)


def test_a_disjunction_is_one_part() -> None:
    found = covered(rule("  when fact.one or fact.two\n  forbid"), {"one": True})
    assert [row[1] for row in rows(found)] == ["fact.one or fact.two", "fact.one", "fact.two"]


def test_the_words_are_the_authors_without_comments_and_line_breaks() -> None:
    text = (
        "  when fact.one   # why\n    and fact.three in WARM +\n      {green} # and green\n  forbid"
    )
    found = covered(rule(text))
    assert [row[1] for row in rows(found)] == ["fact.one", "fact.three in WARM + {green}"]


def test_a_hash_in_a_text_is_no_comment() -> None:
    found = covered(rule('  when fact.three in {"red", blue}\n  forbid'))
    assert [row[1] for row in rows(found)] == ['fact.three in {"red", blue}']


def test_when_require_in_force_and_exceptions_are_told_apart() -> None:
    text = """\
  in force from 2026-01-01 until 2026-12-31
  when fact.one
  require fact.two
  except way "A way out"
    cites LEX art 2
    in force from 2026-06-01
    when fact.four at most 30 days and fact.three = red
"""
    found = covered(rule(text), {"one": True, "two": False, "four": 30, "three": "red"}, day=20700)
    assert [row[:2] for row in rows(found)] == [
        ("in force", "from 2026-01-01 until 2026-12-31"),
        ("when", "fact.one"),
        ("require", "fact.two"),
        ("except way in force", "from 2026-06-01"),
        ("except way when", "fact.four at most 30 days"),
        ("except way when", "fact.three = red"),
    ]
    assert (found.points, found.reached) == (17, 7)
    (exception,) = found.rules[0].exceptions
    assert (exception.id, exception.used) == ("test.law/r/way", 1)


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"one": True, "two": False, "three": "red"}, 1),
        ({"one": True, "two": True, "three": "red"}, 0),  # nothing to save from
        ({"one": False, "two": False, "three": "red"}, 0),
        ({"one": True, "two": False}, 0),  # perhaps is not enough
        ({"one": True, "three": "red"}, 0),
    ],
)
def test_an_exception_is_used_where_it_is_what_saves(facts: dict[str, object], used: int) -> None:
    text = "  when fact.one\n  require fact.two\n"
    text += '  except way "Out"\n    cites LEX art 2\n    when fact.three = red'
    (one,) = covered(rule(text), facts).rules
    assert one.exceptions[0].used == used


def test_cases_on_another_action_do_not_count() -> None:
    found = covered(rule("  when fact.one\n  forbid"), {"one": True}, action="flow")
    assert found.rules[0].cases == 0
    assert rows(found) == [("when", "fact.one", 0, 0, 0)]


def test_what_no_case_could_change_is_no_condition() -> None:
    text = rule("  when fact.three in {red, green, blue}\n  forbid")
    assert [row[1] for row in rows(covered(text))] == ["fact.three in {red, green, blue}"]
    assert rows(covered(rule("  forbid"))) == []


def test_charters_that_nobody_asked_for_are_left_out() -> None:
    sources = [SourceText("law.charter", HEAD + rule("  when fact.one\n  forbid"))]
    model, program = compile_charters(sources).require()
    assert coverage(model, program, sources, {}).rules == ()


def test_rules_come_by_name() -> None:
    text = rule("  forbid", "z") + rule("  forbid", "a")
    assert [one.rule for one in covered(text).rules] == ["test.law/a", "test.law/z"]


@pytest.mark.parametrize(
    ("reached", "points", "shown"),
    [(0, 0, 100.0), (0, 3, 0.0), (1, 3, 33.3), (2, 3, 66.6), (1999, 2000, 99.9), (5, 5, 100.0)],
)
def test_a_percentage_is_rounded_down(reached: int, points: int, shown: float) -> None:
    assert percent(reached, points) == shown


def test_the_conditions_together_are_the_formula_of_the_rule() -> None:
    text = "  in force from 2026-01-01\n  when fact.one and fact.two\n  require fact.three = red"
    sources = [SourceText("law.charter", HEAD + rule(text))]
    model, program = compile_charters(sources).require()
    formula = set(conjuncts(program.rules[0].formula))
    found = coverage(model, program, sources, {"test.law": []})
    shown = {s.watched.condition for s in found.rules[0].conditions if s.watched.part != "require"}
    assert shown < formula
    (require,) = [s for s in found.rules[0].conditions if s.watched.part == "require"]
    (rest,) = formula - shown
    for value in ("red", "green", None):
        known = {} if value is None else {"fact.three": value}
        question = Question("place", known, {"Europe/Brussels": 20700})
        pair = truth(require.watched.condition, question), truth(rest, question)
        assert pair in {(Truth.TRUE, Truth.FALSE), (Truth.FALSE, Truth.TRUE), (Truth.UNKNOWN,) * 2}


def test_an_exception_used_counts_under_a_profile_too() -> None:
    profile = 'profile all "All"\n  charters test.law\n'
    text = '  when fact.one\n  forbid\n  except e "E"\n    cites LEX art 2\n    when fact.two\n'
    alone, under = (
        covered(rule(text) + more, {"one": True, "two": True}, {"one": True, "two": False})
        for more in ("", profile)
    )
    assert [e.used for e in under.rules[0].exceptions] == [1]
    assert under.points == alone.points
    assert under.reached == alone.reached
