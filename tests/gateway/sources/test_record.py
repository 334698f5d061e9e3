"""What sources say, in decisions: joined, recorded, dated, explained, and never a way in."""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.core import Origin
from gateway.callers import Caller
from gateway.errors import FactSourceError, FetchTimeoutError, RequestError
from gateway.pdp.explanation import to_body
from gateway.pdp.stored import explain_stored
from gateway.record.canonical import Json
from gateway.sources.interface import Key
from gateway.sources.source import SKEW
from tests.gateway.sources.parts import (
    FULL,
    Told,
    answer,
    asked,
    program,
    said,
    sites,
    source,
    verifier,
    world,
)
from tests.gateway.world import CALLER, NOW, TENANT, World, run

BROKEN: dict[str, Any] = {
    "absent": None,
    "late": FetchTimeoutError("books did not answer in time"),
    "unreachable": FactSourceError("unreachable", "books: ConnectionRefusedError"),
    "no object": [],
    "an object of another kind": {"decision": True},
    "about another site": answer("far"),
    "of a tenant": answer(tenant=TENANT),
    "of another format": answer(format="charter-facts/v2"),
    "without a time": answer(observed_at=...),
    "with a time that is none": answer(observed_at="now"),
    "with a time without a zone": answer(observed_at="2026-11-22T09:30:00"),
    "too old": answer(observed_at="2026-11-22T09:20:14Z"),
    "of the future": answer(observed_at="2026-11-22T09:30:18Z"),
    "with a member of its own": answer(decision="permit"),
    "with a fact that it may not state": answer(facts={**FULL, "open": True}),
    "with a fact of the caller": answer(facts={**FULL, "data.datasets": []}),
    "with facts in a list": answer(facts=[FULL]),
    "with a value that does not fit": answer(facts={**FULL, "staff": "FR"}),
    "with a word nobody declared": answer(facts={**FULL, "staff": ["FR", "XX"]}),
    "with an element that does not fit": answer(
        facts={**FULL, "holders": [{"country": "US", "share": 10}]}
    ),
    "with an element with a strange field": answer(
        facts={**FULL, "holders": [{"country": "US", "veto": True}]}
    ),
    "that says that it does not know": answer(facts={"staff": None, "holders": None}),
    "without facts": answer(facts={}),
}


def tell(what: Any) -> Told:
    def said_of(_key: Key) -> Json | None:
        if isinstance(what, Exception):
            raise what
        return what

    return Told(said_of)


def decide(gateway: World, question: dict[str, Any], caller: Caller = CALLER) -> dict[str, Any]:
    return run(gateway.service.decide(json.dumps(question).encode(), caller))


def test_facts_of_a_source_make_the_permit_and_stand_in_the_record(tmp_path: Path) -> None:
    with world(tmp_path, source(tell(answer())), verifier()) as gateway:
        answered = decide(gateway, asked())
        assert answered["decision"] == "permit"
        predicate = gateway.verify(answered, asked())
    one = said(predicate)
    assert (one["status"], one["about"], one["id"]) == ("stated", "site", "near")
    assert one["said"] == {"staff": [], "holders": [{"country": "US", "share": "10.00"}]}
    assert one["observed_at"] == "2026-11-22T09:30:00.000Z"
    assert len(one["digest"]) == len("sha256:") + 64
    facts = {fact["path"]: fact["origin"] for fact in predicate["facts"]}
    assert facts["destination.staff"] == "catalogue"
    assert facts["checked.sound"] == "verifier"
    assert said(predicate, "verifier")["id"] == "w-1"


@pytest.mark.parametrize("damage", BROKEN)
def test_an_answer_that_is_damaged_is_never_a_permit(tmp_path: Path, damage: str) -> None:
    with world(tmp_path, source(tell(BROKEN[damage])), verifier()) as gateway:
        answered = decide(gateway, asked())
    assert answered["decision"] == "indeterminate"
    missing = {one["path"]: one["origin"] for one in answered["missing"]}
    assert missing
    assert set(missing) <= {"destination.staff", "destination.holders"}
    assert set(missing.values()) == {"catalogue"}
    facts = {fact["path"] for fact in answered["facts"]}
    assert not facts >= {"destination.staff", "destination.foreign"}
    assert said(answered)["status"] in {
        "absent", "late", "unreachable", "malformed", "stale", "ahead", "stated",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["absent", "late", "no object", "too old", "of the future"])
def test_a_denial_is_one_whatever_becomes_of_a_source(tmp_path: Path, damage: str) -> None:
    question = asked(resource={"type": "site", "id": "far"})
    with world(tmp_path, source(tell(BROKEN[damage])), verifier()) as gateway:
        answered = decide(gateway, question)
    assert answered["decision"] == "deny"
    assert "test.law/inside" in {
        one["rule"] for one in answered["reasons"] if one["status"] == "forbidden"
    }


def test_without_sources_nothing_is_said_of_them(tmp_path: Path) -> None:
    with world(tmp_path) as gateway:
        assert "sources" not in decide(gateway, asked())


def test_what_the_catalogue_states_no_source_states(tmp_path: Path) -> None:
    told = tell(answer(facts={"open": False, "countries": ["US"]}))
    with world(tmp_path, source(told, states=["open", "countries"]), verifier()) as gateway:
        answered = decide(gateway, asked())
    assert told.asked == []
    facts = {fact["path"]: fact["value"] for fact in answered["facts"]}
    assert (facts["destination.open"], facts["destination.countries"]) == (True, ["FR"])


def test_of_what_is_lacking_no_more_is_used_or_recorded(tmp_path: Path) -> None:
    told = tell(answer(facts={"countries": ["US"], "staff": ["FR"]}))
    with world(tmp_path, source(told, states=["countries", "staff"])) as gateway:
        answered = decide(gateway, asked())
    assert said(answered)["said"] == {"staff": ["FR"]}
    facts = {fact["path"]: fact["value"] for fact in answered["facts"]}
    assert facts["destination.countries"] == ["FR"]


def test_nobody_is_asked_what_no_rule_of_the_action_reads(tmp_path: Path) -> None:
    told = tell(answer(facts={"audited": "2026-01-01"}))
    with world(tmp_path, source(told, states=["audited"])) as gateway:
        decide(gateway, asked())
        assert told.asked == []


@pytest.mark.parametrize(
    "question",
    [
        asked(resource={"type": "site", "id": "nowhere"}),
        asked(context={"checked": {"sound": True}}),
        asked(context={"staff": []}),
        asked(action={"name": "dance"}),
    ],
)
def test_a_question_that_is_refused_asks_nobody(tmp_path: Path, question: dict[str, Any]) -> None:
    told, of_verifier = tell(answer()), Told(lambda _: None)
    checks = source(
        of_verifier,
        about="subject/workload",
        name="verifier",
        origin=Origin.VERIFIER,
        states=["checked"],
    )
    with world(tmp_path, source(told), checks) as gateway:
        with pytest.raises(RequestError):
            decide(gateway, question)
        assert (told.asked, of_verifier.asked) == ([], [])


def test_one_site_at_two_places_is_asked_about_once(tmp_path: Path) -> None:
    told = Told(lambda key: answer(key.id, facts={"open": True, "staff": ["FR"]}))
    question = asked(
        action={"name": "flow"},
        resource={"type": "site", "id": "vague"},
        context={"origin": {"type": "site", "id": "vague"}},
    )
    with world(tmp_path, source(told, states=["open", "staff"])) as gateway:
        answered = decide(gateway, question)
    assert told.asked == [Key("vague")]
    facts = {fact["path"]: fact["value"] for fact in answered["facts"]}
    assert (facts["destination.open"], facts["origin.open"]) == (True, True)
    assert facts["destination.staff"] == ["FR"]
    assert answered["decision"] == "indeterminate"  # its countries nobody states


# --- time ----------------------------------------------------------------------------


def test_a_decision_lasts_no_longer_than_the_facts_it_rests_on(tmp_path: Path) -> None:
    with world(tmp_path, source(tell(answer())), verifier()) as gateway:
        answered = decide(gateway, asked())
    assert answered["valid_until"] == "2026-11-22T09:40:00.000Z"  # ten minutes after AT


def test_what_is_open_for_a_fault_is_valid_for_no_time(tmp_path: Path) -> None:
    with world(tmp_path, source(tell(BROKEN["late"])), verifier()) as gateway:
        answered = decide(gateway, asked())
    assert answered["valid_until"] == answered["decided_at"]


def test_a_denial_beside_a_fault_keeps_its_time(tmp_path: Path) -> None:
    question = asked(resource={"type": "site", "id": "far"})
    with world(tmp_path, source(tell(BROKEN["late"])), verifier()) as gateway:
        answered = decide(gateway, question)
    assert answered["valid_until"] > answered["decided_at"]


def test_a_kept_answer_becomes_too_old(tmp_path: Path) -> None:
    told = tell(answer())
    books = source(told, keep_s=600)
    with world(tmp_path, books, verifier()) as gateway:
        assert decide(gateway, asked())["decision"] == "permit"
        gateway.clock.now = NOW + timedelta(seconds=584)
        assert decide(gateway, asked())["decision"] == "permit"
        gateway.clock.now = NOW + timedelta(seconds=585)
        answered = decide(gateway, asked())
    assert (answered["decision"], said(answered)["status"]) == ("indeterminate", "stale")
    assert len(told.asked) == 1


def test_a_clock_that_is_a_little_ahead_is_believed(tmp_path: Path) -> None:
    ahead = (NOW + SKEW).isoformat()
    with world(tmp_path, source(tell(answer(observed_at=ahead))), verifier()) as gateway:
        assert decide(gateway, asked())["decision"] == "permit"


def test_a_change_of_a_fact_changes_the_verdict_that_was_remembered(tmp_path: Path) -> None:
    facts: dict[str, Json] = dict(FULL)
    told = Told(lambda _: answer(facts=dict(facts)))
    with world(tmp_path, source(told, keep_s=0), verifier()) as gateway:
        assert decide(gateway, asked())["decision"] == "permit"
        facts["staff"] = ["US"]
        assert decide(gateway, asked())["decision"] == "deny"
        facts["staff"] = ["DE"]
        assert decide(gateway, asked())["decision"] == "permit"
        facts["staff"] = None
        assert decide(gateway, asked())["decision"] == "indeterminate"


def test_asking_does_not_hold_up_other_questions(tmp_path: Path) -> None:
    def slow(_: Key) -> Json:
        time.sleep(0.4)
        return answer()

    async def both(gateway: World) -> tuple[list[str], dict[str, Any]]:
        order: list[str] = []

        async def put(name: str, question: dict[str, Any]) -> dict[str, Any]:
            done = await gateway.service.decide(json.dumps(question).encode(), CALLER)
            order.append(name)
            return done

        waits, _ = await asyncio.gather(
            put("waits", asked()), put("needs nothing", asked(action={"name": "purge"}))
        )
        return order, waits

    with world(tmp_path, source(Told(slow)), verifier()) as gateway:
        order, waits = run(both(gateway))
    assert order == ["needs nothing", "waits"]
    assert waits["decision"] == "permit"


# --- whose it is ---------------------------------------------------------------------


def of_tenant(key: Key) -> Json:
    """Knows workload and data sets of one tenant alone."""
    if key.tenant != TENANT:
        return None
    return answer(key.id, tenant=key.tenant, facts={"checked.sound": True})


def test_what_is_known_of_a_tenants_workload_is_not_known_to_another(tmp_path: Path) -> None:
    other = Caller("caller-2", "clinic-b")
    with world(tmp_path, source(tell(answer())), verifier(of_tenant)) as gateway:
        assert decide(gateway, asked())["decision"] == "permit"
        answered = decide(gateway, asked(), other)
    assert answered["decision"] == "indeterminate"
    assert said(answered, "verifier")["status"] == "absent"


def test_a_subject_of_another_type_is_not_asked_about(tmp_path: Path) -> None:
    question = asked(subject={"type": "user", "id": "w-1"})
    with world(tmp_path, source(tell(answer())), verifier()) as gateway:
        answered = decide(gateway, question)
    assert answered["decision"] == "indeterminate"
    assert [one["source"] for one in answered["sources"]] == ["books"]


PURGE = asked(action={"name": "purge"}, context={"data": {"datasets": ["a", "b"]}})


@pytest.mark.parametrize(
    ("of", "outcome"),
    [
        ({"a": True, "b": True}, "permit"),
        ({"a": True, "b": False}, "indeterminate"),
        ({"a": False, "b": False}, "deny"),
        ({"a": True}, "indeterminate"),
        ({}, "indeterminate"),
    ],
)
def test_of_several_data_sets_is_known_what_is_the_same_of_all(
    tmp_path: Path, of: dict[str, bool], outcome: str
) -> None:
    def held(key: Key) -> Json:
        if key.id not in of:
            return None
        return answer(key.id, tenant=key.tenant, facts={"held.encrypted": of[key.id]})

    def paid(key: Key) -> Json:
        return answer(key.id, facts={"paid.rank": 3})

    registry = source(Told(held), name="held", about="data.datasets", states=["held.encrypted"])
    accounts = source(Told(paid), name="paid", about="tenant", states=["paid"])
    with world(tmp_path, registry, accounts) as gateway:
        answered = decide(gateway, PURGE)
    assert answered["decision"] == outcome
    assert [(one["source"], one["id"]) for one in answered["sources"]] == [
        ("held", "a"), ("held", "b"), ("paid", TENANT),
    ]  # fmt: skip


def test_too_many_data_sets_are_not_asked_about(tmp_path: Path) -> None:
    told = Told(lambda key: answer(key.id, tenant=key.tenant, facts={"held.encrypted": True}))
    registry = source(told, name="held", about="data.datasets", states=["held.encrypted"])
    many = asked(
        action={"name": "purge"}, context={"data": {"datasets": [f"d{n}" for n in range(17)]}}
    )
    with world(tmp_path, registry) as gateway:
        answered = decide(gateway, many)
    assert (answered["decision"], told.asked) == ("indeterminate", [])


# --- explained -----------------------------------------------------------------------


def test_a_recorded_decision_is_explained_with_what_sources_said_then(tmp_path: Path) -> None:
    with world(tmp_path, source(tell(answer())), verifier()) as gateway:
        predicate = gateway.verify(decide(gateway, asked()))
    found = explain_stored(program(), sites(program()), predicate, budget=100)
    assert found is not None
    listed = cast("list[dict[str, Any]]", to_body(found)["rests_on"])
    rests = {one["path"]: one for one in listed}
    stated_by = rests["destination.staff"]["stated_by"]
    assert stated_by["source"] == "books"
    assert stated_by["digest"] == said(predicate)["digest"]
    assert rests["destination.open"]["stated_by"]["file"] == "sites.toml"


def test_a_record_whose_sources_were_tampered_with_is_not_explained(tmp_path: Path) -> None:
    with world(tmp_path, source(tell(answer())), verifier()) as gateway:
        predicate = gateway.verify(decide(gateway, asked()))
    worse = {**said(predicate), "said": {"staff": ["US"]}}
    damages: tuple[Any, ...] = (None, [], "x", [1], [{}], [worse])
    for damage in damages:
        damaged = {**predicate, "sources": damage}
        assert explain_stored(program(), sites(program()), damaged, budget=10) is None


# --- promise 1 -----------------------------------------------------------------------

VALUES: dict[str, list[Any]] = {
    "open": [True, False],
    "countries": [["FR"], ["US"], ["FR", "US"]],
    "staff": [[], ["DE"], ["US"]],
    "holders": [[], [{"country": "US", "share": "60"}], [{"country": "US"}]],
    "seal": [{"SOV-2": "SEAL-2"}, {"SOV-2": "SEAL-0"}, {"SOV-1": "SEAL-2"}],
}
GARBLED = [None, "x", 7, [7], {"x": 1}, [{"share": "a"}]]
STATES = list(VALUES)


@settings(max_examples=60, deadline=None)
@given(
    facts=st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in VALUES.items()}),
    hidden=st.sets(st.sampled_from(STATES)),
    garbled=st.dictionaries(st.sampled_from(STATES), st.sampled_from(GARBLED)),
    sound=st.sampled_from([True, False, None]),
)
def test_hiding_or_garbling_what_a_source_states_opens_no_gate(
    tmp_path_factory: pytest.TempPathFactory,
    facts: dict[str, Json],
    hidden: set[str],
    garbled: dict[str, Json],
    sound: bool | None,
) -> None:
    question = json.dumps(asked(resource={"type": "site", "id": "vague"})).encode()
    less = {name: value for name, value in facts.items() if name not in hidden}
    damaged = {**facts, **{name: value for name, value in garbled.items() if name in facts}}

    def workload(key: Key) -> Json:
        return answer(key.id, tenant=key.tenant, facts={"checked.sound": sound})

    async def outcomes(gateway: World, told: dict[str, Json]) -> list[str]:
        found: list[str] = []
        for shown in (facts, less, damaged):
            told.clear()
            told.update(shown)
            judged = await gateway.service.decide(question, CALLER)
            found.append(str(judged["decision"]))
        return found

    told: dict[str, Json] = {}
    books = source(Told(lambda _: answer("vague", facts=dict(told))), states=STATES, keep_s=0)
    with world(tmp_path_factory.mktemp("w"), books, verifier(workload)) as gateway:
        all_said, *changed = run(outcomes(gateway, told))
    if all_said != "permit":
        assert "permit" not in changed
    if "deny" in changed:
        assert all_said == "deny"


def test_the_property_above_sees_permits_and_denials(tmp_path: Path) -> None:
    """Otherwise it would hold of a gateway that permits nothing."""
    best: dict[str, Any] = {name: values[0] for name, values in VALUES.items()}
    worst: dict[str, Any] = {**best, "countries": ["US"]}
    question = asked(resource={"type": "site", "id": "vague"})
    for number, (facts, outcome) in enumerate([(best, "permit"), (worst, "deny")]):
        books = source(tell(answer("vague", facts=facts)), states=STATES)
        with world(tmp_path / str(number), books, verifier()) as gateway:
            assert decide(gateway, question)["decision"] == outcome
