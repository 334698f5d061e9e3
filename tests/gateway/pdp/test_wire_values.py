"""Dates, decimals, maps, identities, derived facts and profiles in a request."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from dsl.core import PROFILE_PATH, Origin
from dsl.facts import wire_value
from gateway.errors import RequestError
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from tests.gateway.language import PROGRAM, day, request, set_at, sites

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def join(value: dict[str, Any], now: datetime = NOW, profile: str | None = None) -> Joined:
    read = DecisionRequest.read(value)
    return Normaliser(PROGRAM, sites()).join(read, now=now, profile=profile)


def facts(**changes: Any) -> Any:
    return join(request(**changes)).question.facts


def refusal(value: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        join(value)
    return caught.value


def test_dates_and_decimals_are_counted_inside() -> None:
    known = facts()
    assert known["contract.ends"] == day("2027-06-30")
    assert known["contract.price"] == 2410
    assert known["contract.balance"] == -5
    assert known["contract.points"] == -2
    assert known["contract.persons"] == 3
    assert facts(context__contract__price="24.1")["contract.price"] == 2410
    assert facts(context__contract__price="0")["contract.price"] == 0


def test_each_key_of_a_map_is_a_fact() -> None:
    known = facts(context__csf={"seal": {"SOV-2": "SEAL-0"}})
    assert known["csf.seal[SOV-2]"] == "SEAL-0"
    assert "csf.seal[SOV-1]" not in known
    none: list[Any] = [{"seal": None}, {"seal": {}}, {"seal": {"SOV-1": None, "SOV-2": None}}]
    for nothing in none:
        assert not [path for path in facts(context__csf=nothing) if path.startswith("csf.")]


def test_who_asks_and_about_what_are_facts_where_the_vocabulary_says_so() -> None:
    known = facts(action__properties={"soft": True})
    assert (known["user.id"], known["user.type"], known["user.role"]) == ("alice", "user", "clerk")
    assert known["job.soft"] is True
    assert refusal(request(subject__type="ghost")).pointer == "/subject/type"
    assert refusal(request(subject__id="a\u0000")).pointer == "/subject/id"


def test_what_the_catalogue_states_is_joined_in_its_own_form() -> None:
    known = facts()
    assert known["destination.assessed_on"] == day("2026-05-31")
    assert known["destination.load"] == 241
    assert known["destination.margin"] == -7
    assert known["destination.seal[SOV-1]"] == "SEAL-2"


# What is wrong, as pointer and value; what the refusal must say.
UNFIT: list[tuple[str, object, str]] = [
    ("/context/contract/ends", "2026-02-30", "there is no such day"),
    ("/context/contract/ends", "2026-13-01", "there is no such day"),
    ("/context/contract/ends", "0000-01-01", "there is no such day"),
    ("/context/contract/ends", "2027-1-12", 'such as "2026-11-22"'),
    ("/context/contract/ends", "12.01.2027", 'such as "2026-11-22"'),
    ("/context/contract/ends", "2027-01-12T00:00:00Z", "without a time"),
    ("/context/contract/ends", " 2027-01-12", 'such as "2026-11-22"'),
    ("/context/contract/ends", "\uff12\uff10\uff12\uff17-01-12", 'such as "2026-11-22"'),
    ("/context/contract/ends", 20_000, 'such as "2026-11-22"'),
    ("/context/contract/ends", True, 'such as "2026-11-22"'),
    ("/context/contract/ends", ["2027-01-12"], 'such as "2026-11-22"'),
    ("/context/contract/price", 24, "put it in quotes"),
    ("/context/contract/price", 24.1, "put it in quotes"),
    ("/context/contract/price", "24.101", "has 3 decimals, and at most 2 decimals"),
    ("/context/contract/price", "24.100", "nothing is rounded"),
    ("/context/contract/price", "-1", "cannot be less than nought"),
    ("/context/contract/price", "-0", "cannot be less than nought"),
    ("/context/contract/price", "+24", "as a string with at most 2 decimals"),
    ("/context/contract/price", "1e3", "as a string with at most 2 decimals"),
    ("/context/contract/price", "24,10", "as a string with at most 2 decimals"),
    ("/context/contract/price", "024", "without leading noughts"),
    ("/context/contract/price", "24.", "as a string with at most 2 decimals"),
    ("/context/contract/price", ".5", "as a string with at most 2 decimals"),
    ("/context/contract/price", "", "as a string with at most 2 decimals"),
    ("/context/contract/price", "NaN", "as a string with at most 2 decimals"),
    ("/context/contract/price", "\u0662\u0664", "as a string with at most 2 decimals"),
    ("/context/contract/price", "90071992547409.92", "2^53 - 1"),
    ("/context/contract/price", "9" * 300, "2^53 - 1"),
    ("/context/contract/price", False, "as a string with at most 2 decimals"),
    ("/context/contract/persons", -1, "cannot be less than nought: it is a number of persons"),
    ("/context/contract/persons", "3", "without quotes"),
    ("/context/contract/persons", 3.0, "a whole number of persons, 0 or more"),
    ("/context/contract/persons", 2**53, "not beyond 2^53 - 1"),
    ("/context/contract/points", -(2**53), "not beyond 2^53 - 1"),
    ("/context/contract/points", "-2", "a whole number of points, without quotes"),
    ("/context/csf/seal/SOV-2", "SEAL-9", "is no seal"),
    ("/context/csf/seal/SOV-2", "seal-2", "did you mean `SEAL-2`?"),
    ("/context/csf/seal/SOV-2", 2, "must be one string"),
    ("/subject/type", "ghost", "is no word; write one of: robot, user"),
]


@pytest.mark.parametrize(("at", "value", "words"), UNFIT)
def test_a_value_that_does_not_fit_is_refused_with_what_to_write(
    at: str, value: object, words: str
) -> None:
    error = refusal(set_at(request(), at, value))
    assert (error.kind, error.pointer) == ("unfit-value", at)
    assert words in error.detail
    assert error.detail.startswith(("`", "in `"))
    assert len(error.detail) < 300


@pytest.mark.parametrize(
    ("seal", "at", "words"),
    [
        ({"SOV-3": "SEAL-1"}, "/context/csf/seal/SOV-3", "`csf.seal` has no key `SOV-3`"),
        ({"sov-2": "SEAL-1"}, "/context/csf/seal/sov-2", "did you mean `SOV-2`?"),
        ({"SOV-2]": "SEAL-1"}, "/context/csf/seal/SOV-2]", "`csf.seal` has no key"),
        ({"": "SEAL-1"}, "/context/csf/seal/", "it has SOV-1, SOV-2"),
        ("SEAL-2", "/context/csf/seal", "`csf.seal` must be an object, a value for each key"),
        (["SEAL-2"], "/context/csf/seal", "`csf.seal` must be an object, a value for each key"),
    ],
)
def test_a_map_that_is_none_or_has_an_unknown_key_is_refused(
    seal: object, at: str, words: str
) -> None:
    error = refusal(set_at(request(), "/context/csf/seal", seal))
    assert error.pointer == at
    assert words in error.detail


def test_a_key_is_not_written_into_its_name() -> None:
    error = refusal(set_at(request(), "/context/csf/seal[SOV-2]", "SEAL-2"))
    assert (error.kind, error.pointer) == ("unknown-attribute", "/context/csf/seal[SOV-2]")


# --- facts that a request cannot state -----------------------------------------------

FOREIGN: list[tuple[str, str]] = [
    ("/context/contract/notice_ends", "is derived from `contract.notified_on`;"),
    ("/context/contract/left", "`contract.left` is derived from `contract.ends`"),
    ("/context/contract.left", "`contract.left` is derived from"),
    ("/resource/properties/foreign_share", "is derived from `destination.holders`"),
    ("/resource/properties/holders", "`destination.holders` is stated by the catalogue"),
    ("/resource/properties/seal", "`destination.seal` is stated by the catalogue"),
    ("/resource/properties/assessed_on", "`destination.assessed_on` is stated by the catalogue"),
    ("/context/destination", "`destination` is stated by the catalogue"),
    ("/context/destination.foreign_share", "is derived from"),
    ("/context/evidence", "`evidence` is stated by the verifier"),
    ("/context/deployment", "`deployment` follows from whose token it is"),
    ("/context/deployment.profile", "`deployment.profile` follows from whose token it is"),
    ("/subject/properties/deployment", "`deployment` follows from whose token it is"),
    ("/action/properties/deployment.profile", "follows from whose token it is"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "words"), FOREIGN)
@pytest.mark.parametrize("value", ["clinics", None, {}, {"profile": "clinics"}, [], 0, "24.10"])
def test_a_fact_of_another_origin_is_refused_by_name(at: str, words: str, value: object) -> None:
    error = refusal(set_at(request(), at, value))
    assert (error.kind, error.pointer) == ("foreign-origin", at)
    assert words in error.detail
    assert error.detail.endswith("; a request cannot set it")


def test_the_profile_is_what_the_gateway_says() -> None:
    assert PROFILE_PATH not in join(request()).question.facts
    joined = join(request(), profile="clinics")
    assert joined.question.facts[PROFILE_PATH] == "clinics"
    assert joined.origins[PROFILE_PATH] is Origin.CATALOGUE


# --- derived facts -------------------------------------------------------------------


def test_derived_facts_are_computed_and_have_the_origin_of_their_type() -> None:
    joined = join(request())
    known = joined.question.facts
    assert known["destination.foreign_share"] == 2450
    # 31 August and six months: there is no 31 February.
    assert known["contract.notice_ends"] == day("2027-02-28")
    assert known["contract.left"] == day("2027-06-30") - day("2026-11-22")
    assert joined.origins["destination.foreign_share"] is Origin.CATALOGUE
    assert joined.origins["contract.notice_ends"] is Origin.REQUEST
    shown = wire_value(joined.types["destination.foreign_share"], 2450)
    assert shown == "24.50"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"context__contract__notified_on": None}, "contract.notice_ends"),
        ({"context__contract": {}}, "contract.left"),
        ({"resource__id": "bare"}, "destination.foreign_share"),
        # Six months after it there is no calendar.
        ({"context__contract__notified_on": "9999-12-31"}, "contract.notice_ends"),
    ],
)
def test_a_derived_fact_is_unknown_where_its_input_is(changes: dict[str, Any], path: str) -> None:
    assert path not in facts(**changes)


def test_a_day_count_follows_the_clock_of_its_time_zone() -> None:
    before = join(request(), datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC))
    after = join(request(), datetime(2026, 11, 22, 23, 0, 0, tzinfo=UTC))
    left = [joined.question.facts["contract.left"] for joined in (before, after)]
    assert left == [220, 219]


def test_rows_count_on_the_day_on_which_they_are_known() -> None:
    normaliser = Normaliser(PROGRAM, sites())
    past = DecisionRequest.read(request(resource__id="past"))
    today, then = date(2026, 11, 22), date(2025, 6, 1)
    days = normaliser.everywhere(today, then)
    assert (days.utc, days.of_catalogue, days.earliest) == (today, then, today)
    joined = normaliser.join_on(past, days)
    assert joined.question.facts["destination.foreign_share"] == 0
    assert joined.question.today["Europe/Brussels"] == day("2026-11-22")
    with pytest.raises(RequestError, match="vouches for no site"):
        normaliser.join_on(past, normaliser.everywhere(then, today))
    with pytest.raises(RequestError, match="vouches for no site"):
        normaliser.join_on(past, normaliser.everywhere(today))
