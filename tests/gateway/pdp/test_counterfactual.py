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
levels seal "Levels" of SEAL-0 < SEAL-1 < SEAL-2
enumeration objective "Objectives" of SOV-1, SOV-2
record who "Who" from request at subject.properties
  field tenant identifier
  field name   identifier
record contract "Contract" from request at context.contract
  field ends      date
  field signed_on date
  field share     number of percent
  field seal      map of objective to seal
  field parts     set of objective or none
record checked "What a verifier says" from verifier at context.checked
  field sound yes or no
derive contract.age "Days since it was signed" as the days from contract.signed_on to today

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


def said(found: Explanation) -> list[list[tuple[str, str | None, list[object]]]]:
    return [
        [(c.fact.path, c.side, [wire_value(c.fact, v) for v in c.values]) for c in one.changes]
        for one in found.suggestions
    ]


# --- what is found -------------------------------------------------------------------


def test_a_permit_needs_no_change_and_rests_on_what_granted_and_what_cleared_it() -> None:
    found = world().explain()
    assert (found.verdict, found.suggestions, found.places) == (Verdict.PERMIT, (), ())
    assert found.rests_on == ("destination.countries", "destination.open", "transfer.age")


def test_of_a_refusal_the_smallest_changes_come_first() -> None:
    found = world(resource__id="far", context__transfer__tool=None).explain()
    assert found.verdict is Verdict.UNDETERMINED
    assert said(found) == [
        [("transfer.tool", None, ["clauses", "rules"])],  # nobody has stated it
        [("data.labels", None, [["public"]])],
    ]
    assert [one.obligations for one in found.suggestions] == [("keep-record", "tell-owner"), ()]
    assert found.rests_on == ("data.labels", "destination.countries")


def test_two_changes_are_found_where_one_is_not_enough() -> None:
    found = world(resource__id="far", context__transfer={"age": 400, "tool": "none"}).explain()
    assert said(found) == [
        [("data.labels", None, [["public"]]), ("transfer.age", "at most", [365])],
        [("transfer.age", "at most", [365]), ("transfer.tool", None, ["clauses", "rules"])],
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
        ({"ends": "2026-12-21"}, [("contract.ends", "on or after", ["2026-12-22"])]),
        ({"ends": None}, [("contract.ends", "on or after", ["2026-12-22"])]),
        ({"share": "24.50"}, [("contract.share", None, ["24.49"])]),
        ({"share": "9.99"}, [("contract.share", None, ["10.00"])]),
        ({"seal": {}}, [("contract.seal[SOV-2]", None, ["SEAL-1", "SEAL-2"])]),
        ({"parts": ["SOV-1", "SOV-2"]}, [("contract.parts", None, [["SOV-2"], []])]),
        ({"signed_on": "2026-01-01"}, [("contract.signed_on", None, ["2026-08-14"])]),
        ({"signed_on": "2026-11-22"}, [("contract.signed_on", None, ["2026-11-21"])]),
    ],
)
def test_a_value_is_the_nearest_that_would_do_as_it_stands_on_the_wire(
    changes: dict[str, Any], expected: list[tuple[str, str | None, list[object]]]
) -> None:
    shown = said(contract(**changes).explain())
    assert all(len(one) == 1 for one in shown)
    assert [(p, s, sorted(v, key=str)) for p, s, v in shown[0]] == [
        (p, s, sorted(v, key=str)) for p, s, v in expected
    ]


def test_who_asks_and_what_others_say_is_never_suggested() -> None:
    found = contract({"tenant": "t", "name": "mallory"}).explain()
    assert found.verdict is Verdict.UNDETERMINED
    # `checked.sound` would settle it, and only a verifier may say it.
    assert all(c.fact.path == "who.name" for one in found.suggestions for c in one.changes)


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


contracts = st.builds(
    contract,
    subject=st.sampled_from([{}, {"name": "mallory"}, {"tenant": "t", "name": "alice"}]),
    ends=st.sampled_from([None, "2026-11-30", "2026-12-22", "2030-01-01"]),
    signed_on=st.sampled_from([None, "2026-11-01", "2026-11-22", "2020-01-01"]),
    share=st.sampled_from([None, "0", "10", "20.5", "24.5", "99"]),
    seal=st.sampled_from([{}, {"SOV-2": "SEAL-0"}, {"SOV-2": "SEAL-2", "SOV-1": "SEAL-0"}]),
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
@given(asked_any, st.integers(0, 400), st.integers(0, 10_000))
def test_all_that_lies_further_on_the_side_would_do_as_well(
    asked: Asked, near: int, far: int
) -> None:
    for suggestion in asked.explain().suggestions:
        for index, change in enumerate(suggestion.changes):
            if change.side is None:
                continue
            (value,) = change.values
            assert isinstance(value, int)
            up = change.side in ("at least", "on or after")
            for step in (near, far):
                other = value + step if up else max(0, value - step)
                stated = [(c.fact, c.values[0]) for c in suggestion.changes]
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
