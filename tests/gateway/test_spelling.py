"""What is spelled from kept parts is byte for byte what canonical JSON of the whole is."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import FactType, Kind, Origin
from dsl.facts import Value
from gateway import spelling
from gateway.callers import Caller
from gateway.errors import CanonicalFormError, StatementMalformedError
from gateway.pdp.decision import Fact
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.normalise import Joined
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import canonicalise, spell_object
from gateway.record.envelope import Envelope, EnvelopeSignature
from gateway.record.statement import Statement, state_predicate, write_statement
from gateway.spelling import Speller, answer_text
from tests.gateway import whole
from tests.gateway.world import CALLER, NOW, FakeEngine, World, program, question, run, sites

CLINIC = Caller("c-1", "clinic-b")
LATER = NOW + timedelta(minutes=7)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    TEXT,
    st.lists(TEXT, max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=3),
)
NAMES = st.text(st.characters(max_codepoint=0x7F), max_size=8)


def judge() -> Judge:
    return Judge(program(), sites(), [ReferenceEngine(program())])


def judged(by: Judge, now: datetime = NOW, tenant: str = "a", **changes: Any) -> Judged:
    return run(by.judge(DecisionRequest.read(question(**changes)), now=now, tenant=tenant))


def speller() -> Speller:
    return Speller(bundle="sha256:b", catalogue="sha256:c", remember=10)


def spelled(by: Speller, what: Judged, now: datetime = NOW) -> bytes:
    return by.predicate(what, decision_id="d", tenant="a", now=now, until=now)


def expected(what: Judged, at: str = "2026-11-22T09:30:15.250Z") -> bytes:
    """The same predicate, put together as one value."""
    members = {"id": "d", "tenant": "a", "bundle": "sha256:b", "catalogue": "sha256:c"}
    times = {"decided_at": at, "valid_until": at}
    return canonicalise({**members, **times, **what.body(), "evidence": []})


QUESTIONS: list[dict[str, Any]] = [
    {},
    {"resource__id": "far"},
    {"resource__id": "closed"},
    {"resource__id": "vague"},
    {"resource__id": "far", "context__transfer__tool": ...},
    {"resource__id": "far", "context__transfer__tool": "clauses"},
    {"context__data__datasets": ['a "quoted"\\ \u20ac \U0001f600', "\u6f22"]},
    {"context__data__datasets": []},
    {"action__name": "sleep"},
]


@pytest.mark.parametrize("changes", QUESTIONS)
def test_spelled_from_parts_or_as_one_a_predicate_has_the_same_bytes(
    changes: dict[str, Any],
) -> None:
    by, at = speller(), judge()
    for _ in range(2):  # the second time from what was kept
        what = judged(at, **changes)
        assert spelled(by, what) == expected(what)


def test_questions_in_any_order_never_get_each_others_parts() -> None:
    by, at = speller(), judge()
    for changes in [*QUESTIONS, *reversed(QUESTIONS), *QUESTIONS[::2]]:
        what = judged(at, **changes)
        assert spelled(by, what) == expected(what), changes


def test_every_construct_of_the_language_is_spelled_alike(tmp_path: Path) -> None:
    with whole.world(tmp_path) as world:
        known = whole.CONTEXT
        for contract in ({}, {"price": "1000.01"}, {"ends": "2026-12-01"}):
            context = {**known, "contract": {**known["contract"], **contract}}
            members = whole.asked(context=context)
            for _ in range(2):
                one = world.decide(CLINIC, **members)
                predicate = {k: v for k, v in one.items() if k not in ("record", "proof")}
                assert world.verify(one) == predicate


# --- what must not be kept -----------------------------------------------------------


def test_what_a_fault_gave_is_never_kept() -> None:
    async def fails(_: object) -> Any:
        raise RuntimeError

    at = Judge(program(), sites(), [FakeEngine("fake", fails)])
    what = judged(at)
    assert what.key is None
    by = speller()
    assert json.loads(spelled(by, what))["incident"]["kind"] == "engine-error"
    fine = judged(judge())
    assert json.loads(spelled(by, fine))["incident"] is None


def test_a_deadline_in_minutes_is_spelled_anew_each_time(tmp_path: Path) -> None:
    with whole.world(tmp_path) as world:
        first = world.decide(CLINIC, **whole.asked())
        world.clock.now = LATER
        second = world.decide(CLINIC, **whole.asked())
    assert first["decision"] == second["decision"] == "permit"
    dues = [{one["id"]: one["due"] for one in a["obligations"]} for a in (first, second)]
    assert dues[0] != dues[1]


def test_the_same_facts_on_another_day_are_another_judgement() -> None:
    at = judge()
    keys = {judged(at, now).key for now in (NOW, LATER, NOW + timedelta(days=1))}
    assert len(keys) == 2  # LATER is the same day
    assert None not in keys


def test_one_tenant_never_gets_what_is_kept_for_another() -> None:
    asked: list[object] = []
    reference = ReferenceEngine(program())

    async def counts(asks: Any) -> Any:
        asked.append(asks)
        return await reference.ask(asks)

    at = Judge(program(), sites(), [FakeEngine("fake", counts)])
    for tenant in ("a", "b", "a", "b"):
        judged(at, tenant=tenant)
    # Were it one memo, the time of an answer would tell b what a has asked.
    assert len(asked) == 2


def test_a_fact_of_another_value_or_origin_is_spelled_anew() -> None:
    fact = FactType("x.y", Kind.TERMS, Origin.CATALOGUE, ())
    base = judged(judge())
    by = speller()
    for origin in (Origin.CATALOGUE, Origin.REQUEST, Origin.CATALOGUE):
        for value in (("a",), ("b",), ("a", "b")):
            asks = replace(base.joined.question, facts={"x.y": value})
            what = replace(
                base,
                key=None,
                joined=Joined(asks, {"x.y": origin}, types={"x.y": fact}),
            )
            facts = json.loads(spelled(by, what))["facts"]
            assert facts == [Fact(fact, value, origin).body()]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.TRUTH, (True, False)),
        (Kind.TERM, ("a", "b", "c")),  # c is none of the vocabulary
        (Kind.INTEGER, (1, 0, 2)),
        (Kind.TERMS, (("a",), ("b", "c"))),
    ],
)
def test_a_word_of_the_vocabulary_is_spelled_with_its_own_fact_and_origin(
    kind: Kind, values: tuple[Value, ...]
) -> None:
    words = ("a", "b") if kind in (Kind.TERM, Kind.TERMS) else None
    fact = FactType("x.y", kind, Origin.REQUEST, (), values=words)
    base = judged(judge())
    by = speller()
    for origin in (Origin.REQUEST, Origin.LEDGER, Origin.CATALOGUE, Origin.REQUEST):
        for value in values:
            asks = replace(base.joined.question, facts={"x.y": value})
            what = replace(
                base, key=None, joined=Joined(asks, {"x.y": origin}, types={"x.y": fact})
            )
            facts = json.loads(spelled(by, what))["facts"]
            assert facts == [Fact(fact, value, origin).body()]
            assert isinstance(facts[0]["value"], bool) is isinstance(value, bool)


def test_what_a_caller_says_is_not_kept() -> None:
    by = speller()
    spelled(by, judged(judge(), context__data__datasets=["secret-name"]))
    kept = repr(vars(by._facts)) + repr(vars(by._forms))  # pyright: ignore[reportPrivateUsage]
    assert "secret-name" not in kept + repr(by._wholes)  # pyright: ignore[reportPrivateUsage]
    assert "destination.countries" in kept


# --- the parts -----------------------------------------------------------------------


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_an_object_of_spelled_members_is_the_object_spelled(members: dict[str, Any]) -> None:
    parts = {name: canonicalise(value) for name, value in members.items()}
    assert spell_object(parts) == canonicalise(members)


@pytest.mark.parametrize("name", ["\x80", "\u20ac", "\U0001f600", "a\ue000"])
def test_a_member_whose_place_is_not_clear_is_refused(name: str) -> None:
    with pytest.raises(CanonicalFormError):
        spell_object({"a": b"1", name: b"2"})


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_a_statement_around_a_predicate_is_the_statement_spelled(members: dict[str, Any]) -> None:
    digest = "ab" * 32
    whole_statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": members,
        "predicateType": "https://charter.example/attestation/decision/v1",
        "subject": [{"digest": {"sha256": digest}, "name": "request"}],
    }
    assert write_statement(Statement(digest, members)) == canonicalise(whole_statement)


@pytest.mark.parametrize("digest", ["", "AB" * 32, "ab" * 31, 'ab"' * 32, "ab" * 32 + "\n"])
def test_no_statement_is_made_about_what_is_no_digest(digest: str) -> None:
    with pytest.raises(StatementMalformedError):
        state_predicate(digest, b"{}")


def test_no_statement_is_made_that_could_not_be_read() -> None:
    with pytest.raises(StatementMalformedError, match="longer"):
        state_predicate("ab" * 32, b'{"a":"%b"}' % (b"x" * 1024 * 1024))


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=60),
    st.lists(st.tuples(TEXT, st.binary(max_size=40)), max_size=3),
)
def test_an_envelope_in_bytes_is_its_json_spelled(
    kind: str, payload: bytes, lines: list[tuple[str, bytes]]
) -> None:
    envelope = Envelope(kind, payload, tuple(EnvelopeSignature(*line) for line in lines))
    assert envelope.to_bytes() == canonicalise(envelope.to_json())


@pytest.mark.parametrize("kind", ["\ud800", "a\udfffb"])
def test_an_envelope_that_has_no_utf8_has_no_bytes(kind: str) -> None:
    with pytest.raises(CanonicalFormError):
        Envelope(kind, b"", ()).to_bytes()
    with pytest.raises(CanonicalFormError):
        Envelope("t", b"", (EnvelopeSignature(kind, b""),)).to_bytes()


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), TEXT)
def test_an_answer_is_its_predicate_with_record_and_proof(
    members: dict[str, Any], proof: str
) -> None:
    text = answer_text(canonicalise(members), canonicalise({"payload": "…"}), proof)
    assert json.loads(text) == {**members, "record": {"payload": "…"}, "proof": proof}


def test_the_module_keeps_nothing_but_shapes_of_facts() -> None:
    # What it keeps for the length of the process must not grow with what callers send.
    assert spelling._before.cache_info().maxsize == 4096  # pyright: ignore[reportPrivateUsage]


def test_an_instant_is_spelled_in_utc() -> None:
    what = judged(judge())
    other = NOW.astimezone(UTC) + timedelta(milliseconds=1)
    assert spelled(speller(), what, other) == expected(what, "2026-11-22T09:30:15.251Z")


def test_an_answer_is_one_json_text_with_no_member_twice(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        text = run(world.service.answer(json.dumps(question()).encode(), CALLER))
    names = json.loads(text, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    assert len(set(names)) == len(names)
    assert names[-2:] == ["record", "proof"]
