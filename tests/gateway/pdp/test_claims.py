"""Whatever a caller writes, and wherever: what only others may state is never a claim, and
what is garbled never permits."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.core import PROFILE_PATH, FactType, Kind
from dsl.facts import fit
from gateway.errors import JsonError, RequestError
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.normalise import Normaliser
from gateway.pdp.refusals import stated_facts
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import load_strict
from tests.gateway.language import PROGRAM, request, set_at, sites

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NORMALISER = Normaliser(PROGRAM, sites())
STATED = dict(stated_facts(PROGRAM))
# Facts that no request states; the value of each follows from the rest of the question.
FIXED = sorted(PROGRAM.facts.keys() - {fact.path for fact in STATED.values()})

WORDS = sorted({
    *(part for fact in PROGRAM.facts.values() for part in (*fact.wire, *fact.path.split("."))),
    *FIXED,
    *PROGRAM.lists,
    *(path.replace(".", "__") for path in FIXED),
    "deployment", "profile", "derived", "lists", "facts", "properties", "today", "holders",
    "destination", "__proto__", "", "Seal", "SOV-1", "seal[SOV-1]", "/", "~",
})  # fmt: skip
TOPS = ("/subject/properties", "/action/properties", "/resource/properties", "/context")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([
        "clinics", "everybody", "0", "0.00", "24.10", "-1", "1e9", "2027-01-12", "2026-02-30",
        "9999-12-31", "0000-00-00", "SEAL-2", "US", "FR", "alice", "yes", "true",
    ]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    ),
    max_leaves=8,
)
pointers = st.tuples(
    st.sampled_from(TOPS), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
).map(lambda made: "/".join([made[0], *(w.replace("~", "~0").replace("/", "~1") for w in made[1])]))


def stated(value: dict[str, Any], profile: str | None) -> dict[str, Any] | None:
    """The facts that no request states, of a question with one more member; None where it
    is refused."""
    try:
        joined = NORMALISER.join(DecisionRequest.read(value), now=NOW, profile=profile)
    except RequestError:
        return None
    return {path: joined.question.facts.get(path) for path in FIXED}


@settings(max_examples=400)
@given(pointers, values, st.sampled_from([None, "clinics"]))
def test_no_member_of_a_request_changes_what_only_others_state(
    pointer: str, new: object, profile: str | None
) -> None:
    value = set_at(request(), pointer, new)
    usual = stated(request(), profile)
    got = stated(value, profile)
    assert usual is not None
    if got is None:
        return
    same = value["context"].get("contract") == request()["context"]["contract"]
    # Derived facts follow what the caller may state of the contract, and nothing else.
    compared = [path for path in FIXED if same or not path.startswith("contract.")]
    assert {path: got[path] for path in compared} == {path: usual[path] for path in compared}


@pytest.mark.parametrize("path", [*FIXED, *PROGRAM.lists])
@pytest.mark.parametrize("top", TOPS)
def test_a_fact_of_others_is_refused_under_its_path_and_as_object(path: str, top: str) -> None:
    record, _, name = path.partition(".")
    for pointer, value in (
        (f"{top}/{path}", "clinics"),
        (f"{top}/{record}", {name: "clinics"}),
        (f"{top}/{record}/{name}", "24.10"),
        (f"{top}/{name}", {"SOV-1": "SEAL-2"}),
    ):
        asked = set_at(request(), pointer, value)
        assert stated(asked, "clinics") is None, pointer


def test_every_fact_that_others_state_is_looked_at() -> None:
    assert PROFILE_PATH in FIXED
    assert {"contract.left", "destination.foreign_share", "evidence.fresh"} <= set(FIXED)


# --- garbled values ------------------------------------------------------------------

GARBLED: dict[Kind, list[object]] = {
    Kind.DAY: ["2026-02-30", "2027-13-01", "20270112", "2027-W02-2", "2027-01-12 ", 20_000, 1.5,
               "2027-01-12T00:00", "tomorrow", "9999-99-99", "10000-01-01", [], {}, True, ""],
    Kind.INTEGER: ["1e3", "+1", "0x10", "1_000", "1,5", "1.005", "NaN", "Infinity", 1.5, True, [],
                   {}, "9" * 400, 2**53, -(2**53), "", "-", " 1", "1 "],
    Kind.TERM: [7, True, [], {}, ["SEAL-2"], "seal-2", "SEAL-2 ", "\u202eSEAL-2", ""],
    Kind.TRUTH: ["yes", "true", 1, 0, [], {}, "no"],
}  # fmt: skip


def judged(value: dict[str, Any]) -> Judged | None:
    judge = Judge(PROGRAM, sites(), [ReferenceEngine(PROGRAM)])
    try:
        asked = DecisionRequest.read(load_strict(json.dumps(value).encode(), max_bytes=10**6))
        return asyncio.run(judge.judge(asked, now=NOW, tenant="clinic-a"))
    except (JsonError, RequestError):
        return None


def cases() -> list[tuple[FactType, object]]:
    return [(fact, value) for fact in STATED.values() for value in GARBLED[fact.kind]]


@pytest.mark.parametrize(("fact", "value"), cases(), ids=lambda part: getattr(part, "path", None))
def test_a_garbled_value_is_refused_or_is_none(fact: FactType, value: object) -> None:
    if fit(fact, value) is not None:
        # An identifier may be many a string, and a number of units any whole number.
        assert fact.values is None
        assert fact.path in ("user.id", "contract.points", "contract.persons"), value
        return
    pointer = "/" + "/".join(fact.wire)
    result = judged(set_at(request(), pointer, value))
    assert result is None, (fact.path, value)


def test_the_usual_question_is_permitted() -> None:
    found = judged(request())
    assert found is not None
    assert found.decision.outcome.value == "permit"


@pytest.mark.parametrize("path", sorted(fact.path for fact in STATED.values()))
def test_hiding_a_fact_never_turns_a_refusal_into_a_permit(path: str) -> None:
    (fact,) = [fact for fact in STATED.values() if fact.path == path]
    if fact.wire[-1] in ("id", "type"):
        return  # every request has them
    for refused in (
        request(context__contract__ends="2026-12-01"),
        request(action__name="stop", context__contract__notified_on=None),
        request(action__name="leave", context__contract__notified_on="2020-01-31"),
    ):
        found = judged(refused)
        assert found is None or found.decision.outcome.value != "permit"
        hidden = judged(set_at(refused, "/" + "/".join(fact.wire), None))
        assert hidden is None or hidden.decision.outcome.value != "permit"
