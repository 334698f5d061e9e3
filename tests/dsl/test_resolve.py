"""Names to definitions: what a charter sees, and what its words become."""

from datetime import date

import pytest

from dsl.compile import compile_charters
from dsl.core import FactType, InForce, Kind, Origin, Place
from dsl.found import Found
from dsl.parse import parse
from dsl.resolve import Resolved, Scope, day_number, nearest, resolve
from dsl.source import SourceText
from dsl.tree import Day
from tests.dsl.mistake_files import BASE

SPAN = SourceText("x", "").span(0, 0)


def resolved(*texts: str) -> Resolved:
    found = Found()
    charters = [parse(SourceText(f"{n}.charter", text)).charter for n, text in enumerate(texts)]
    made = resolve([charter for charter in charters if charter is not None], found)
    assert found.diagnostics == []
    assert None not in charters
    return made


def scope(name: str, *texts: str) -> Scope:
    return next(s for s in resolved(*texts).scopes if s.charter.name.text == name)


BASE_SCOPE = scope("base", BASE.text)
FACTS = BASE_SCOPE.facts


@pytest.mark.parametrize(
    ("path", "kind", "origin", "wire", "vocabulary", "may_be_empty", "unit"),
    [
        (
            "data.labels",
            Kind.TERMS,
            Origin.REQUEST,
            ("context", "data", "labels"),
            "data-label",
            False,
            None,
        ),
        (
            "data.kind",
            Kind.TERM,
            Origin.REQUEST,
            ("context", "data", "kind"),
            "data-label",
            False,
            None,
        ),
        ("data.owner", Kind.TERM, Origin.REQUEST, ("context", "data", "owner"), None, False, None),
        (
            "transfer.assessed",
            Kind.TRUTH,
            Origin.REQUEST,
            ("context", "transfer", "assessed"),
            None,
            False,
            None,
        ),
        (
            "transfer.assessment_age",
            Kind.INTEGER,
            Origin.REQUEST,
            ("context", "transfer", "assessment_age"),
            None,
            False,
            "days",
        ),
        (
            "destination.countries",
            Kind.TERMS,
            Origin.CATALOGUE,
            ("resource", "countries"),
            "country",
            False,
            None,
        ),
        (
            "destination.certificates",
            Kind.TERMS,
            Origin.CATALOGUE,
            ("resource", "certificates"),
            None,
            True,
            None,
        ),
    ],
)
def test_a_field_becomes_a_fact(
    path: str,
    kind: Kind,
    origin: Origin,
    wire: tuple[str, ...],
    vocabulary: str | None,
    may_be_empty: bool,
    unit: str | None,
) -> None:
    fact: FactType = FACTS[path]
    assert (fact.path, fact.kind, fact.origin, fact.wire) == (path, kind, origin, wire)
    assert (fact.vocabulary, fact.may_be_empty, fact.unit) == (vocabulary, may_be_empty, unit)
    assert (fact.values is None) is (vocabulary is None)


def test_a_taxonomy_is_closed_upward() -> None:
    labels = FACTS["data.labels"]
    assert labels.values == ("health", "personal", "public", "special-category")
    assert labels.broader == {
        "health": ("personal", "special-category"),
        "special-category": ("personal",),
    }
    known = BASE_SCOPE.vocabularies["data-label"]
    assert known.with_narrower("personal") == ("health", "personal", "special-category")
    assert known.with_narrower("health") == ("health",)


def test_a_term_can_lie_under_several() -> None:
    made = scope(
        "t",
        'charter t\ntaxonomy k "K"\n  term d "D" under b, c\n  term b "B" under a\n'
        '  term c "C" under a\n  term a "A"\n',
    )
    assert made.vocabularies["k"].broader == {"b": ("a",), "c": ("a",), "d": ("a", "b", "c")}


def test_a_record_of_an_entity_is_a_place_on_the_wire() -> None:
    assert BASE_SCOPE.places == {
        "destination": Place("destination", "site", ("resource",), ("flow", "place"))
    }
    entity = resolved(BASE.text).entities["site"]
    assert [fact.path for fact in entity] == ["countries", "operator_country", "certificates"]


def test_a_zone_has_the_days_of_its_members() -> None:
    zone = BASE_SCOPE.zones["ADEQUATE"]
    assert zone.vocabulary == "country"
    assert zone.members == {
        "BR": (InForce("UTC", 20479, None),),
        "GB": (InForce("UTC", 18806, 22640),),
    }
    assert set(BASE_SCOPE.zones["EEA"].members.values()) == {()}


def test_a_member_can_belong_in_several_periods() -> None:
    made = scope(
        "z",
        BASE.text,
        'charter z\ntime zone Europe/Brussels\nimport base\nzone Z "Z"\n'
        "  member GB until 2025-12-27\n  member GB, BR from 2026-01-01\n",
    )
    brussels = "Europe/Brussels"
    assert made.zones["Z"].members == {
        "BR": (InForce(brussels, 20454, None),),
        "GB": (InForce(brussels, None, 20449), InForce(brussels, 20454, None)),
    }


def test_imports_reach_one_step() -> None:
    one = 'charter one\nenumeration colour "C" of red\nobligation wait "W"\n'
    two = "charter two\nimport one\n"
    three = "charter three\nimport two\n"
    made = {s.charter.name.text: s for s in resolved(one, two, three).scopes}
    assert set(made["one"].vocabularies) == {"colour"}
    assert set(made["two"].vocabularies) == {"colour"}
    assert set(made["three"].vocabularies) == set()
    assert set(made["two"].obligations) == {"wait"}
    assert set(made["three"].obligations) == set()


def test_an_entity_is_read_with_the_vocabulary_of_its_own_charter() -> None:
    words = 'charter words\nenumeration colour "C" of red, blue\n'
    shop = 'charter shop\nimport words\nentity can "Can"\n  field paint colour\n'
    use = "charter use\nimport shop\nrecord bought is can from catalogue at context.can on buy\n"
    act = 'action buy "Buy"\n'
    made = scope("use", words, shop + act, use)
    assert made.facts["bought.paint"].values == ("blue", "red")


def test_a_charter_without_a_time_zone_keeps_universal_time() -> None:
    assert scope("a", "charter a\n").time_zone == "UTC"
    assert scope("a", "charter a\ntime zone Europe/Brussels\n").time_zone == "Europe/Brussels"


@pytest.mark.parametrize(
    ("day", "number"),
    [
        (date(1970, 1, 1), 0),
        (date(1969, 12, 31), -1),
        (date(2018, 5, 25), 17676),
        (date(1, 1, 1), -719162),
        (date(9999, 12, 31), 2932896),
    ],
)
def test_days_count_from_1970(day: date, number: int) -> None:
    assert day_number(Day(day, SPAN)) == number


def test_no_day_has_no_number() -> None:
    assert day_number(None) is None


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("lables", ["labels", "owner"], "labels"),
        ("LABELS", ["labels"], "labels"),
        ("data_label", ["data-label"], "data-label"),
        ("EAA", ["EEA", "EU"], "EEA"),
        ("XX", ["AX", "BE"], None),
        ("weather", ["labels", "owner"], None),
        ("", ["labels"], None),
        ("labels", [], None),
    ],
)
def test_the_nearest_name_is_the_one_meant(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("record a from request at context\n  field data yes or no\n", "context.data"),
        ("record a from request at context.data.labels\n  field x yes or no\n", "context.data.l"),
        ("record a is site from catalogue at context.data on place\n", "context.data"),
        ("record a is site from catalogue at context.other on place\n", ""),
        ("record a from request at context.other\n  field x yes or no\n", ""),
        ("record a from request at context.data\n  field other yes or no\n", ""),
        ("record a is site from catalogue at resource on flow\n", "resource"),
        ("record a from request at resource\n  field countries country\n", "resource.countries"),
    ],
)
def test_no_two_facts_share_a_place_on_the_wire(text: str, place: str) -> None:
    taken = [BASE, SourceText("z.charter", f"charter z\nimport base\n{text}")]
    compiled = compile_charters(taken)
    clash = place != ""
    assert [d.code for d in compiled.errors] == (["CH0213"] if clash else [])
    if clash:
        assert f"`{place}" in compiled.errors[0].message


def test_the_order_of_files_does_not_matter() -> None:
    files = [
        BASE,
        SourceText("b.charter", 'charter b\nimport base\nzone Q "Q"\n  member XX, AT\n'),
        SourceText("c.charter", 'charter c\nimport base\nzone Q "Q"\n  member ZZ, AT\n'),
    ]
    forward = compile_charters(files).diagnostics
    assert forward == compile_charters(files[::-1]).diagnostics
    assert len(forward) == 3
