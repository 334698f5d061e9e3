"""Facts: who may state what, and what becomes of what is not known."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from dsl.core import Origin
from gateway.errors import RequestError
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import NOW, program, question, sites


def join(now: datetime = NOW, **changes: Any) -> Joined:
    request = DecisionRequest.read(question(**changes))
    return Normaliser(program(), sites()).join(request, now=now)


def refusal(**changes: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        join(**changes)
    return caught.value


FLOW = {"action__name": "flow", "context__origin": {"type": "site", "id": "near"}}
COUNTRIES = {"countries": ["FR"]}


# --- claims are not evidence ---------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"resource__properties": COUNTRIES}, "/resource/properties/countries"),
        ({"resource__properties": {"open": True}}, "/resource/properties/open"),
        ({"resource__properties": {"open": None}}, "/resource/properties/open"),
        ({"context__destination": COUNTRIES}, "/context/destination"),
        ({"context__destination": None}, "/context/destination"),
        ({"context__destination__countries": ["FR"]}, "/context/destination"),
        ({"context": {"destination.countries": ["FR"]}}, "/context/destination.countries"),
        ({"context__origin": COUNTRIES}, "/context/origin"),
        ({"subject__properties__destination": COUNTRIES}, "/subject/properties/destination"),
        (
            FLOW | {"context__origin": {"type": "site", "id": "near", "open": True}},
            "/context/origin/open",
        ),
        (
            FLOW | {"context__origin": {"type": "site", "id": "near", "properties": COUNTRIES}},
            "/context/origin/properties",
        ),
    ],
)
def test_a_fact_of_the_catalogue_in_a_request_is_refused(
    changes: dict[str, Any], pointer: str
) -> None:
    error = refusal(**changes)
    if pointer == "/context/origin":  # of an action that has no origin at all
        assert (error.kind, error.pointer) == ("malformed-question", pointer)
    else:
        assert (error.kind, error.pointer) == ("foreign-origin", pointer)


def test_facts_keep_their_origin() -> None:
    origins = join().origins
    assert origins["data.labels"] is Origin.REQUEST
    assert origins["destination.open"] is Origin.CATALOGUE
    assert origins.keys() == join().question.facts.keys()


# --- what is undeclared --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer", "hint"),
    [
        ({"context__data__label": ["health"]}, "/context/data/label", "did you mean `labels`?"),
        ({"context__Data": {}}, "/context/Data", "did you mean `data`?"),
        ({"context__data__labels.x": 1}, "/context/data/labels.x", ""),
        ({"context__now": "2020-01-01"}, "/context/now", ""),
        ({"context__today": {"Europe/Brussels": 1}}, "/context/today", ""),
        ({"context__decision": "permit"}, "/context/decision", ""),
        ({"subject__properties__role": "admin"}, "/subject/properties/role", ""),
        ({"subject__properties__tenants": "a"}, "/subject/properties/tenants", "`tenant`"),
        ({"action__properties": {"x": 1}}, "/action/properties/x", ""),
        ({"resource__properties": {"x": 1}}, "/resource/properties/x", ""),
        ({"context__": 1}, "/context/", ""),
        ({"context": {"a/b~": 1}}, "/context/a~1b~0", ""),
    ],
)
def test_an_undeclared_attribute_is_refused_by_name(
    changes: dict[str, Any], pointer: str, hint: str
) -> None:
    error = refusal(**changes)
    assert (error.kind, error.pointer) == ("unknown-attribute", pointer)
    assert hint in error.detail


def test_a_message_repeats_no_more_than_the_start_of_a_long_name() -> None:
    assert len(refusal(context={"x" * 60_000: 1}).detail) < 200
    assert len(refusal(action__name="x" * 256).detail) < 200
    assert len(refusal(resource__id="x" * 256).detail) < 200


@pytest.mark.parametrize("name", ["Place", "place ", "delete", "implicit", "place\n"])
def test_an_unknown_action_is_refused(name: str) -> None:
    error = refusal(action__name=name)
    assert (error.kind, error.pointer) == ("unknown-action", "/action/name")
    assert "`place`" in error.detail


# --- values --------------------------------------------------------------------------

UNFIT: list[tuple[str, Any]] = [
    ("data__labels", "health"),
    ("data__labels", ["health", "wealth"]),
    ("data__labels", ["health", None]),
    ("data__labels", ["health", 7]),
    ("data__labels", [["health"]]),
    ("data__labels", {"0": "health"}),
    ("data__labels", True),
    ("data__labels", ["Health"]),
    ("data__labels", ["health "]),
    ("data__labels", ["health"] * 1001),
    ("data__datasets", ["x" * 257]),
    ("data__datasets", [""]),
    ("data__datasets", ["a\u200b\x00"]),
    ("data__datasets", "ehr"),
    ("transfer__tool", ["clauses"]),
    ("transfer__tool", "Clauses"),
    ("transfer__tool", ""),
    ("transfer__tool", 0),
    ("transfer__tool", False),
    ("transfer__age", "10"),
    ("transfer__age", True),
    ("transfer__age", [10]),
    ("transfer__age", 2**53),
    ("transfer__encrypted", "yes"),
    ("transfer__encrypted", 1),
    ("transfer__encrypted", "true"),
    ("transfer__encrypted", [True]),
]


@pytest.mark.parametrize(("path", "value"), UNFIT)
def test_a_value_that_does_not_fit_is_refused(path: str, value: Any) -> None:
    error = refusal(**{f"context__{path}": value})
    assert error.kind == "unfit-value"
    assert error.pointer == "/context/" + path.replace("__", "/")
    assert path.replace("__", ".") in error.detail


def test_a_misspelt_value_gets_the_nearest_known_one() -> None:
    assert "did you mean `health`?" in refusal(context__data__labels=["helth"]).detail
    assert "none, rules" in refusal(context__transfer__tool="zzz").detail


@pytest.mark.parametrize(
    "changes",
    [
        {"context__data__labels": None},
        {"context__data__labels": []},
        {"context__data__labels": ...},
        {"context__data": None},
        {"context__data": {}},
        {"context__data": ...},
    ],
)
def test_null_empty_and_absent_are_all_unknown(changes: dict[str, Any]) -> None:
    facts = join(**changes).question.facts
    assert "data.labels" not in facts
    assert "data.datasets" not in facts
    assert facts["transfer.age"] == 10


def test_a_set_that_may_be_empty_is_known_when_it_is() -> None:
    assert join(context__data__datasets=[]).question.facts["data.datasets"] == ()


@pytest.mark.parametrize("value", ["x", [], 7, True, [{}]])
def test_a_record_that_is_no_object_is_refused(value: Any) -> None:
    error = refusal(context__data=value)
    assert (error.kind, error.pointer) == ("malformed-question", "/context/data")


def test_labels_are_closed_upward_sorted_and_without_repeats() -> None:
    facts = join(context__data__labels=["public", "health", "public"]).question.facts
    assert facts["data.labels"] == ("health", "personal", "public")


# --- places --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind", "pointer"),
    [
        ({"action__name": "flow"}, "malformed-question", "/context/origin"),
        (FLOW | {"context__origin": None}, "malformed-question", "/context/origin"),
        (FLOW | {"context__origin": "near"}, "malformed-question", "/context/origin"),
        (FLOW | {"context__origin": ["near"]}, "malformed-question", "/context/origin"),
        (FLOW | {"context__origin": {"id": "near"}}, "malformed-question", "/context/origin/type"),
        (
            FLOW | {"context__origin": {"type": "server", "id": "near"}},
            "malformed-question",
            "/context/origin/type",
        ),
        (FLOW | {"context__origin": {"type": "site"}}, "malformed-question", "/context/origin/id"),
        (
            FLOW | {"context__origin": {"type": "site", "id": ""}},
            "malformed-question",
            "/context/origin/id",
        ),
        (
            FLOW | {"context__origin": {"type": "site", "id": 7}},
            "malformed-question",
            "/context/origin/id",
        ),
        (
            FLOW | {"context__origin": {"type": "site", "id": "moon"}},
            "unknown-entity",
            "/context/origin/id",
        ),
        (
            {"context__origin": {"type": "site", "id": "near"}},
            "malformed-question",
            "/context/origin",
        ),
        ({"resource__id": "moon"}, "unknown-entity", "/resource/id"),
        ({"resource__id": "Near"}, "unknown-entity", "/resource/id"),
        ({"resource__id": "near "}, "unknown-entity", "/resource/id"),
        ({"resource__type": "server"}, "malformed-question", "/resource/type"),
        ({"resource__type": "Site"}, "malformed-question", "/resource/type"),
    ],
)
def test_a_place_that_is_missing_unknown_or_too_much_is_refused(
    changes: dict[str, Any], kind: str, pointer: str
) -> None:
    error = refusal(**changes)
    assert (error.kind, error.pointer) == (kind, pointer)


def test_the_entities_of_a_question_are_kept_with_their_records() -> None:
    assert join().entities == (("destination", "site", "near"),)


def test_no_site_is_guessed_by_its_spelling() -> None:
    # The name that looks most alike can lie in another country.
    assert refusal(resource__id="naer").detail.endswith("no site `naer` on 2026-11-22")


def test_an_action_without_places_reads_nothing_of_its_resource() -> None:
    facts = join(action__name="sleep", resource__type="bed", resource__id="b").question.facts
    assert not any(path.startswith("destination.") for path in facts)


@pytest.mark.parametrize(
    ("now", "known"),
    [
        (datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 20, tzinfo=UTC), True),
        (datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 23, tzinfo=UTC), False),
    ],
)
def test_a_row_counts_on_its_days_alone(now: datetime, known: bool) -> None:
    if known:
        assert join(now, resource__id="lapsing").vouched_until == date(2026, 11, 22)
        return
    with pytest.raises(RequestError) as caught:
        join(now, resource__id="lapsing")
    assert caught.value.kind == "unknown-entity"
    words = "begins on 2026-11-20" if now < datetime(2026, 11, 20, tzinfo=UTC) else "renewed"
    assert words in caught.value.detail
    # A row that does not hold is not offered either.
    with pytest.raises(RequestError) as caught:
        join(now, resource__id="lapsin")
    assert "lapsing" not in caught.value.detail


def test_what_the_catalogue_does_not_state_is_unknown() -> None:
    facts = join(resource__id="vague").question.facts
    assert not any(path.startswith("destination.") for path in facts)


# --- days ----------------------------------------------------------------------------

DAY = (date(2026, 11, 22) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("now", "brussels", "auckland"),
    [
        (datetime(2026, 11, 22, 10, 59, 59, tzinfo=UTC), DAY, DAY),
        (datetime(2026, 11, 22, 11, 0, 0, tzinfo=UTC), DAY, DAY + 1),
        (datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC), DAY, DAY + 1),
        (datetime(2026, 11, 22, 23, 0, 0, tzinfo=UTC), DAY + 1, DAY + 1),
        # Summer time in Brussels, winter time in Auckland: UTC+2 and UTC+12.
        (datetime(2026, 7, 1, 21, 59, 59, tzinfo=UTC), DAY - 144, DAY - 143),
        (datetime(2026, 7, 1, 22, 0, 0, tzinfo=UTC), DAY - 143, DAY - 143),
    ],
)
def test_each_time_zone_has_its_own_day(now: datetime, brussels: int, auckland: int) -> None:
    assert join(now).question.today == {"Europe/Brussels": brussels, "Pacific/Auckland": auckland}


def test_deadlines_count_from_the_earliest_day() -> None:
    normaliser = Normaliser(program(), sites())
    assert normaliser.days_at(NOW.replace(hour=23, minute=30)).earliest == date(2026, 11, 22)
    assert normaliser.everywhere(date(2027, 1, 31)).earliest == date(2027, 1, 31)
