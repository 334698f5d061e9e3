"""What would change an answer: everything suggested is so, and only what a caller may state
is suggested to a caller."""

from dataclasses import replace
from datetime import date
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.core import FactType, Origin, Program
from dsl.evaluate import Answer, Verdict, evaluate, verdict
from dsl.facts import Value, wire_value
from dsl.source import SourceText
from gateway.errors import RequestError
from gateway.pdp import catalogue
from gateway.pdp.counterfactual import HORIZON_DAYS, Explanation, explain
from gateway.pdp.nearest import Change
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import program, question, sites

DAY = date(2026, 11, 22)

RICH = """\
charter test.rich
  title "Dates, decimals and derived facts"
  law LEX "A law"
  time zone Europe/Brussels
  as of 2026-11-22
action place "Run"
obligation keep "Keep a record"
levels seal "Levels" of SEAL-0 < SEAL-1 < SEAL-2
enumeration country "Countries" of DE, FR, US
enumeration tenancy "Tenants" of inner, outer
enumeration objective "Objectives" of SOV-1, SOV-2
record who "Who" from request at subject.properties
  field tenant tenancy
  field name   identifier
record contract "Contract" from request at context.contract
  field ends      date
  field signed_on date
  field share     number of percent
  field seal      map of objective to seal
  field parts     set of objective or none
  field home      country
  field seat      country
  field homes     set of country
  field floor     number of percent
record checked "What a verifier says" from verifier at context.checked
  field sound yes or no
derive contract.age "Days since it was signed" as the days from contract.signed_on to today
derive contract.at_home "Home and seat are one" as whether contract.home = contract.seat
derive contract.among "Home is among the homes" as whether contract.home in contract.homes
derive contract.enough "The floor is reached" as whether contract.share at least contract.floor

rule base "All is permitted"
  cites LEX art 1
  on place
  permit
  because "It is."
  remedy "None."

rule lasting "The contract lasts"
  cites LEX art 2
  on place
  require contract.ends on or after today + 30 days
  because "It must."
  remedy "Renew it."

rule fresh "The contract is not too old, nor of today"
  cites LEX art 3
  on place
  require contract.age at most 100 days and contract.age at least 1 days
  because "It must."
  remedy "Sign another."

rule share "A share within bounds"
  cites LEX art 4
  on place
  require contract.share at least 10 percent and contract.share less than 24.5 percent
  because "It must."
  remedy "Sell some."

rule sealed "Sealed"
  cites LEX art 5
  on place
  require contract.seal[SOV-2] at least SEAL-1 and not contract.parts touches {SOV-1}
  because "It must."
  remedy "Seal it."

rule sound "A verifier says so"
  cites LEX art 6
  on place
  forbid
  when who.name = "mallory" and not checked.sound
  because "It must."
  remedy "Have it verified."

rule members "Some only for members"
  cites LEX art 7
  on place
  when who.name = "eve"
  require who.tenant = "inner"
  because "It must."
  remedy "Become a member."

rule unsealed "Some are sealed"
  cites LEX art 8
  on place
  forbid
  when who.name = "trent" and contract.seal[SOV-1] = SEAL-0
  because "It must."
  remedy "Seal it."

rule sealed-small "What is sealed is small"
  cites LEX art 9
  on place
  when who.name = "trent" and contract.seal[SOV-1] at least SEAL-1
  require contract.share less than 15 percent
  because "It must."
  remedy "Sell some."

rule at-home "Some stay at home"
  cites LEX art 11
  on place
  when who.name = "ivan"
  require contract.at_home
  because "It must."
  remedy "Go home."

rule among "Some have several homes"
  cites LEX art 12
  on place
  when who.name = "judy"
  require contract.among
  because "It must."
  remedy "Go home."

rule enough "Some have to reach a floor"
  cites LEX art 13
  on place
  when who.name = "karl"
  require contract.enough
  because "It must."
  remedy "Buy some."

rule keeping "Some keep a record from a day on"
  cites LEX art 10
  in force from 2027-03-01
  on place
  when who.name = "olga"
  oblige keep
  because "It must."
  remedy "None."
"""
GOOD: dict[str, Any] = {
    "ends": "2027-01-31",
    "signed_on": "2026-11-01",
    "share": "20",
    "seal": {"SOV-2": "SEAL-1"},
    "parts": ["SOV-2"],
}


@cache
def rich() -> Program:
    _, made = compile_charters([SourceText("rich.charter", RICH)]).require()
    return made


class Asked:
    """A request to one program, and how to ask it again."""

    def __init__(self, of: Program, known: catalogue.Catalogue, body: dict[str, Any]) -> None:
        self.program = of
        self.request = DecisionRequest.read(body)
        self._normaliser = Normaliser(of, known)
        self._days = self._normaliser.everywhere(DAY)
        self.entities = {e: known.valid_ids(e, DAY) for e in known.entries}

    def join(self, request: DecisionRequest, later: int) -> Joined:
        today = {zone: day + later for zone, day in self._days.today.items()}
        return self._normaliser.join_on(request, replace(self._days, today=today))

    def explain(self, **options: Any) -> Explanation:
        return explain(self.program, self.join, self.request, entities=self.entities, **options)

    def answer(self, *stated: tuple[FactType, Value], later: int = 0) -> Answer:
        """The answer to the request that states other facts, by its JSON."""
        body: Any = self.request.model_dump()
        for fact, value in stated:
            at = body
            for part in fact.wire[:-1]:
                at = at.setdefault(part, {})
            at[fact.wire[-1]] = wire_value(fact, value)
        return evaluate(self.program, self.join(DecisionRequest.read(body), later).question)


def world(**changes: Any) -> Asked:
    return Asked(program(), sites(), question(**changes))


def contract(subject: dict[str, Any] | None = None, **changes: Any) -> Asked:
    known = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    body: dict[str, Any] = {
        "subject": {"type": "workload", "id": "w", "properties": subject or {"name": "alice"}},
        "action": {"name": "place"},
        "resource": {"type": "thing", "id": "x"},
        "context": {"contract": known},
    }
    return Asked(rich(), catalogue.empty(), body)


Said = tuple[str, list[object], list[object] | None]


def said(found: Explanation) -> list[list[Said]]:
    """Path, values, and the ends of the span, of each change of each suggestion."""
    return [
        [(c.fact.path, [wire_value(c.fact, v) for v in c.values], ends(c)) for c in one.changes]
        for one in found.suggestions
    ]


def ends(change: Change) -> list[object] | None:
    if change.span is None:
        return None
    return [None if end is None else wire_value(change.fact, end) for end in change.span]


# --- what is found -------------------------------------------------------------------


def test_a_permit_needs_no_change_and_rests_on_what_granted_and_what_cleared_it() -> None:
    found = world().explain()
    assert (found.verdict, found.suggestions, found.places) == (Verdict.PERMIT, (), ())
    assert found.rests_on == ("destination.countries", "destination.open", "transfer.age")


def test_of_a_refusal_the_smallest_changes_come_first() -> None:
    found = world(resource__id="far", context__transfer__tool=None).explain()
    assert found.verdict is Verdict.UNDETERMINED
    assert said(found) == [
        [("transfer.tool", ["clauses", "rules"], None)],  # nobody has stated it
        [("data.labels", [["public"]], None)],
    ]
    assert [one.obligations for one in found.suggestions] == [("keep-record", "tell-owner"), ()]
    assert found.rests_on == ("data.labels", "destination.countries")


def test_two_changes_are_found_where_one_is_not_enough() -> None:
    found = world(resource__id="far", context__transfer={"age": 400, "tool": "none"}).explain()
    assert said(found) == [
        [("data.labels", [["public"]], None), ("transfer.age", [365], [None, 365])],
        [("transfer.age", [365], [None, 365]), ("transfer.tool", ["clauses", "rules"], None)],
    ]


def test_where_three_facts_are_wrong_nothing_is_suggested_and_the_search_was_whole() -> None:
    found = contract(ends="2026-11-30", share="30", seal={"SOV-2": "SEAL-0"}).explain()
    assert (found.suggestions, found.gave_up) == ((), False)


def test_what_the_catalogue_refuses_no_fact_of_the_caller_mends() -> None:
    found = world(resource__id="closed").explain()
    assert (found.verdict, found.suggestions) == (Verdict.UNCOVERED, ())
    (places,) = found.places
    assert (places.record, places.entity, places.tried) == ("destination", "site", 4)
    assert places.ids == ("lapsing", "near")
    assert places.permitted == 2


def test_other_places_of_an_action_that_has_none_are_not_looked_at() -> None:
    asked = question(action__name="purge", context={"data": {"datasets": ["archive"]}})
    found = Asked(program(), sites(), asked).explain()
    assert (found.verdict, found.places) == (Verdict.FORBIDDEN, ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ends": "2026-12-21"}, ("contract.ends", ["2026-12-22"], ["2026-12-22", None])),
        ({"ends": None}, ("contract.ends", ["2026-12-22"], ["2026-12-22", None])),
        ({"share": "24.50"}, ("contract.share", ["24.49"], ["10.00", "24.49"])),
        ({"share": "9.99"}, ("contract.share", ["10.00"], ["10.00", "24.49"])),
        ({"share": None}, ("contract.share", ["10.00"], ["10.00", "24.49"])),
        ({"seal": {}}, ("contract.seal[SOV-2]", ["SEAL-1", "SEAL-2"], None)),
        ({"parts": ["SOV-1", "SOV-2"]}, ("contract.parts", [["SOV-2"], []], None)),
        (
            {"signed_on": "2026-01-01"},
            ("contract.signed_on", ["2026-08-14"], ["2026-08-14", "2026-11-21"]),
        ),
        (
            {"signed_on": "2026-11-22"},
            ("contract.signed_on", ["2026-11-21"], ["2026-08-14", "2026-11-21"]),
        ),
    ],
)
def test_a_value_is_the_nearest_that_would_do_as_it_stands_on_the_wire(
    changes: dict[str, Any], expected: Said
) -> None:
    assert said(contract(**changes).explain()) == [[expected]]


def test_who_asks_and_what_others_say_is_never_suggested() -> None:
    # `checked.sound` would settle it, and only a verifier may say it; `who.name` is a name.
    found = contract({"tenant": "outer", "name": "mallory"}).explain()
    assert (found.verdict, found.suggestions) == (Verdict.UNDETERMINED, ())


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (
            "ivan",
            {"home": "FR", "seat": "US"},
            [("contract.home", ["US"], None), ("contract.seat", ["FR"], None)],
        ),
        ("ivan", {"home": "FR"}, [("contract.seat", ["FR"], None)]),
        (
            "judy",
            {"home": "FR", "homes": ["DE", "US"]},
            [("contract.home", ["DE", "US"], None), ("contract.homes", [["FR"]], None)],
        ),
        (
            "karl",
            {"share": "20", "floor": "22"},
            [
                ("contract.floor", ["20.00"], [None, "20.00"]),
                ("contract.share", ["22.00"], ["22.00", "24.49"]),
            ],
        ),
    ],
)
def test_facts_that_are_compared_are_changed_towards_each_other(
    name: str, changes: dict[str, Any], expected: list[Said]
) -> None:
    shown = said(contract({"name": name}, **changes).explain())
    singles = [one[0] for one in shown if len(one) == 1]
    for change in expected:
        path, values, span = next(one for one in singles if one[0] == change[0])
        assert (path, span) == (change[0], change[2])
        assert values[: len(change[1])] == change[1]


def test_of_a_rule_that_only_another_tenant_could_meet_nothing_is_suggested() -> None:
    found = contract({"name": "eve", "tenant": "outer"}).explain()
    assert (found.verdict, found.suggestions) == (Verdict.FORBIDDEN, ())


def test_a_change_that_breaks_another_rule_is_found_with_what_mends_that() -> None:
    found = contract({"name": "trent"}, seal={"SOV-1": "SEAL-0", "SOV-2": "SEAL-1"}).explain()
    assert said(found) == [
        [
            ("contract.seal[SOV-1]", ["SEAL-1", "SEAL-2"], None),
            ("contract.share", ["14.99"], ["10.00", "14.99"]),
        ]
    ]


def test_the_search_gives_up_within_its_budget_and_says_so() -> None:
    asked = world(resource__id="far", context__transfer={"age": 400, "tool": "none"})
    for budget in (0, 1, 5):
        found = asked.explain(budget=budget)
        assert found.gave_up
        assert found.suggestions == ()
    assert not asked.explain().gave_up


def test_a_malformed_request_has_no_explanation() -> None:
    with pytest.raises(RequestError):
        world(context__transfer__tool="bribes").explain()


# --- days to come --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "days", "then"),
    [
        # The exception ends on 2027-01-15, 54 days from now.
        ({"resource__id": "far", "context__transfer__tool": "clauses"}, 55, Verdict.FORBIDDEN),
        ({}, None, None),
    ],
)
def test_the_next_day_on_which_the_answer_changes(
    changes: dict[str, Any], days: int | None, then: Verdict | None
) -> None:
    later = world(**changes).explain().later
    assert (later and later.days, later and later.verdict) == (days, then)


def test_what_counts_from_today_changes_on_its_day() -> None:
    later = contract().explain().later
    assert later is not None
    # 2027-01-31 is less than 30 days away from 2027-01-02 on, in 41 days.
    assert (later.days, later.verdict) == (41, Verdict.FORBIDDEN)


def test_other_obligations_are_another_answer() -> None:
    later = contract({"name": "olga"}, ends="2030-01-01", signed_on="2026-11-21").explain().later
    assert later is not None
    # On 2027-03-01, a day before the contract is too old.
    assert (later.days, later.verdict, later.obligations) == (99, Verdict.PERMIT, ("keep",))


# --- properties ----------------------------------------------------------------------

optional = st.none()
contexts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.lists(st.sampled_from(["public", "personal", "health"]), max_size=3),
                "datasets": st.lists(st.sampled_from(["archive", "x"]), max_size=2),
            },
        ),
        "transfer": st.fixed_dictionaries(
            {},
            optional={
                "tool": st.sampled_from(["none", "clauses", "rules"]),
                "age": st.sampled_from([0, 10, 365, 366, 1000]),
                "encrypted": st.booleans(),
            },
        ),
    },
)


@st.composite
def worlds(draw: st.DrawFn) -> Asked:
    body = question(
        action__name=draw(st.sampled_from(["place", "flow", "purge", "sleep"])),
        resource__id=draw(st.sampled_from(["near", "far", "closed", "vague", "lapsing"])),
        context=draw(contexts),
    )
    if body["action"]["name"] == "flow":
        origin = draw(st.sampled_from(["near", "far", "closed", "vague"]))
        body["context"]["origin"] = {"type": "site", "id": origin}
    return Asked(program(), sites(), body)


NAMES = ("alice", "eve", "ivan", "judy", "karl", "mallory", "olga", "trent")
contracts = st.builds(
    contract,
    subject=st.sampled_from([{"name": name, "tenant": "outer"} for name in NAMES]),
    ends=st.sampled_from([None, "2026-11-30", "2026-12-22", "2030-01-01"]),
    signed_on=st.sampled_from([None, "2026-11-01", "2026-11-22", "2020-01-01"]),
    share=st.sampled_from([None, "0", "10", "20.5", "24.5", "99"]),
    seal=st.sampled_from([{}, {"SOV-2": "SEAL-0"}, {"SOV-2": "SEAL-2", "SOV-1": "SEAL-0"}]),
    home=st.sampled_from([None, "FR"]),
    seat=st.sampled_from([None, "FR", "US"]),
    homes=st.sampled_from([None, ["DE", "US"]]),
    floor=st.sampled_from([None, "0", "22"]),
    parts=st.sampled_from([None, [], ["SOV-1"], ["SOV-1", "SOV-2"], ["SOV-2"]]),
)
asked_any = worlds() | contracts


def combinations_of(changes: tuple[Change, ...]) -> list[list[tuple[FactType, Value]]]:
    return [
        [(c.fact, value) for c, value in zip(changes, values, strict=True)]
        for values in product(*(c.values for c in changes))
    ]


@settings(max_examples=120)
@given(asked_any)
def test_every_suggestion_really_permits_with_its_obligations(asked: Asked) -> None:
    for suggestion in asked.explain().suggestions:
        assert 1 <= len(suggestion.changes) <= 2
        for stated in combinations_of(suggestion.changes):
            answer = asked.answer(*stated)
            assert answer.permits
            duties = {d.id: d.obligation for r in asked.program.rules for d in r.duties}
            assert {duties[duty] for duty in answer.duties} == set(suggestion.obligations)


@settings(max_examples=120)
@given(asked_any)
def test_only_facts_of_the_request_are_suggested_and_never_who_asks(asked: Asked) -> None:
    for suggestion in asked.explain().suggestions:
        for change in suggestion.changes:
            assert change.fact.origin is Origin.REQUEST
            assert change.fact.wire
            assert change.fact.wire[-1] not in ("tenant", "id", "type")
            assert change.before not in change.values


@settings(max_examples=80)
@given(asked_any)
def test_no_suggestion_holds_more_than_is_needed(asked: Asked) -> None:
    for suggestion in asked.explain().suggestions:
        if len(suggestion.changes) == 2:
            for stated in combinations_of(suggestion.changes):
                assert not any(asked.answer(one).permits for one in stated)


@settings(max_examples=80)
@given(asked_any, st.data())
def test_all_between_the_ends_of_a_span_would_do(asked: Asked, data: st.DataObject) -> None:
    for suggestion in asked.explain().suggestions:
        for index, change in enumerate(suggestion.changes):
            if change.span is None:
                continue
            (value,) = change.values
            assert isinstance(value, int)
            least, most = change.span
            low = max(0, value - 9_999) if least is None else least
            high = value + 9_999 if most is None else most
            assert low <= value <= high
            stated = [(c.fact, c.values[0]) for c in suggestion.changes]
            for other in (low, high, data.draw(st.integers(low, high))):
                stated[index] = (change.fact, other)
                assert asked.answer(*stated).permits


@settings(max_examples=80)
@given(worlds())
def test_where_one_value_of_a_fact_is_enough_it_is_found(asked: Asked) -> None:
    """Against every value of every fact with a closed vocabulary."""
    found = asked.explain()
    if found.verdict is Verdict.PERMIT:
        return
    enough: set[str] = set()
    for fact in asked.program.facts.values():
        if fact.origin is Origin.REQUEST and fact.path != "data.labels":
            values: tuple[Value, ...] = (True, False) if fact.values is None else fact.values
            if fact.kind.value in ("truth", "term") and (fact.values or fact.kind.value == "truth"):
                enough |= {fact.path for value in values if asked.answer((fact, value)).permits}
    singles = {s.changes[0].fact.path for s in found.suggestions if len(s.changes) == 1}
    assert enough <= singles


@settings(max_examples=60)
@given(worlds())
def test_other_places_are_as_told(asked: Asked) -> None:
    for places in asked.explain().places:
        for entity in places.ids:
            resource = asked.request.resource.model_copy(update={"id": entity})
            moved = asked.request.model_copy(update={"resource": resource})
            assert evaluate(asked.program, asked.join(moved, 0).question).permits
            assert entity != asked.request.resource.id


@settings(max_examples=60)
@given(asked_any)
def test_until_the_day_told_the_answer_stays_and_then_it_is_another(asked: Asked) -> None:
    found = asked.explain()
    last = found.later.days if found.later else HORIZON_DAYS + 1
    for day in {1, 7, last // 2, last - 1}:
        if 0 < day < last:
            assert verdict(asked.answer(later=day)) is found.verdict
    if found.later:
        then = verdict(asked.answer(later=last))
        assert then is found.later.verdict


@settings(max_examples=40)
@given(asked_any)
def test_an_explanation_is_always_the_same(asked: Asked) -> None:
    assert asked.explain() == asked.explain()
