"""What was decided of a question like this one is used again for nothing but what it settles."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.source import SourceText
from gateway import bundle, shapes
from gateway.callers import Caller
from gateway.errors import AuthorisationError, RequestError
from gateway.in_force import InForce
from gateway.nodes.question import MEMBER as EVIDENCE
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.health import Guarded
from gateway.pdp.judge import Judge
from gateway.pdp.request import DecisionRequest
from gateway.pdp.supplied import NOTHING, Named, Status, Supplied
from gateway.record.canonical import canonicalise, load_strict
from gateway.record.statement import digest_request
from gateway.service import Prepared, Service
from gateway.shapes import Asked, Shapes
from tests.gateway import whole
from tests.gateway.test_spelling import CLINIC, QUESTIONS
from tests.gateway.world import (
    CALLER,
    CHARTERS,
    NOW,
    TENANT,
    FakeEngine,
    World,
    made,
    program,
    question,
    run,
    sites,
)

TENANTS = ("a", "b")
MEMBERS = ("id", "type", "properties", "subject", "action", "resource", "context", "x")
INNER = st.recursive(
    st.sampled_from(("w-1", "w-2", '"', "\\", '"},"id":"w-1"', "")) | st.integers(0, 2),
    lambda below: st.dictionaries(st.sampled_from(MEMBERS), below, max_size=3),
    max_leaves=6,
)


def told(value: object) -> bytes:
    return json.dumps(value).encode()


def prepared(world: World, value: object, caller: Caller = CALLER) -> Prepared:
    read = load_strict(told(value), max_bytes=100_000)
    return run(world.service.prepare(read, caller, plain=True))


def said(one: Prepared) -> bytes:
    """What is signed of a decision but for its identity."""
    return one.predicate.replace(one.id.encode(), b"(id)")


def judgements(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Filled with what is judged from now on."""
    asked: list[object] = []
    judge = Judge.judge

    async def counted(self: Judge, request: Any, **more: Any) -> Any:
        asked.append(request)
        return await judge(self, request, **more)

    monkeypatch.setattr(Judge, "judge", counted)
    return asked


# --- the same bytes ------------------------------------------------------------------


@pytest.mark.parametrize("changes", QUESTIONS)
def test_a_question_of_a_known_shape_leads_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    ids = ("w-1", "w-2", 'a "quoted"\\ \u20ac', "x" * 256)
    asked = judgements(monkeypatch)
    with World(tmp_path / "a") as kept, World(tmp_path / "b", remember=0) as plain:
        for number, name in enumerate(ids):
            value = question(subject__id=name, **changes)
            one, other = prepared(kept, value), prepared(plain, value)
            assert said(one) == said(other)
            assert one.id != other.id
            answer = run(kept.service.commit([one]))[0]
            kept.verify(answer, value)
            assert len(asked) == 2 + number  # here once, and there each time


def test_the_digest_is_of_the_question_itself(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for name in ("w-1", "w-2"):
            value = question(subject__id=name)
            answer = run(world.service.decide(told(value), CALLER))
            world.verify(answer, value)
            with pytest.raises(Exception, match=digest_request(value)[:8]):
                world.verify(answer, question(subject__id="w-3"))


@given(INNER, INNER, INNER, st.sampled_from(TENANTS), st.sampled_from(TENANTS))
def test_two_questions_share_a_shape_only_if_nothing_but_the_id_differs(
    one: Any, other: Any, name: Any, mine: str, yours: str
) -> None:
    known = Shapes(program(), 10)
    first = {"subject": {"id": "w-1", "properties": one}, "context": one}
    for second in (
        {"subject": {"id": name, "properties": one}, "context": one},
        {"subject": {"id": "w-1", "properties": other}, "context": one},
        {"subject": {"id": name, "properties": one}, "context": other},
        {"subject": other, "context": one},
        other,
    ):
        a, b = known.read(first, mine), known.read(second, yours)
        for asked, value in ((a, first), (b, second)):
            assert asked is None or asked.text.encode() == canonicalise(value)
        if a is None or b is None or a.key != b.key:
            continue
        assert mine == yours
        assert {**first, "subject": {**first["subject"], "id": ""}} == {
            **second, "subject": {**second["subject"], "id": ""}
        }  # fmt: skip


# --- what is not shared --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"subject__id": ""}, "/subject/id"),
        ({"subject__id": "x" * 257}, "/subject/id"),
        ({"subject__id": 1}, "/subject/id"),
        ({"subject__id": None}, "/subject/id"),
        ({"subject__id": ...}, "/subject/id"),
        ({"subject__more": "w-1"}, "/subject/more"),
        ({"subject__type": ""}, "/subject/type"),
        ({"more": {}}, "/more"),
        ({"subject": "w-1"}, "/subject"),
        ({"context__transfer__age": "10"}, "/context/transfer/age"),
    ],
)
def test_what_is_malformed_is_refused_after_one_like_it_was_decided(
    tmp_path: Path, changes: dict[str, Any], pointer: str
) -> None:
    with World(tmp_path) as world:
        prepared(world, question())
        with pytest.raises(RequestError) as refused:
            prepared(world, question(**changes))
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("caller", "changes"),
    [
        (Caller("c-2", TENANT, actions=frozenset({"flow"})), {}),
        (Caller("c-3", "clinic-b"), {"subject__properties__tenant": TENANT}),
    ],
)
def test_who_may_not_ask_is_refused_after_another_was_answered(
    tmp_path: Path, caller: Caller, changes: dict[str, Any]
) -> None:
    with World(tmp_path) as world:
        prepared(world, question(**changes))
        with pytest.raises(AuthorisationError):
            prepared(world, question(**changes), caller)


def test_another_tenant_is_judged_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = judgements(monkeypatch)
    with World(tmp_path) as world:
        for tenant in ("clinic-a", "clinic-b", "clinic-a"):
            one = prepared(world, question(), Caller("c", tenant))
            assert json.loads(one.predicate)["tenant"] == tenant
    assert len(asked) == 2


def test_the_next_day_is_judged_anew_and_valid_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = judgements(monkeypatch)
    value = question(resource__id="lapsing")
    with World(tmp_path) as world:
        world.clock.now = NOW.replace(hour=23, minute=20)
        first = json.loads(prepared(world, value).predicate)
        world.clock.now += timedelta(minutes=35)
        second = json.loads(prepared(world, value).predicate)
        assert first["valid_until"] == second["valid_until"] == "2026-11-23T00:00:00.000Z"
        assert first["decided_at"] < second["decided_at"]
        world.clock.now += timedelta(minutes=10)
        with pytest.raises(RequestError, match="its row ended"):
            prepared(world, value)
    assert first["today"] == second["today"]
    assert len(asked) == 2  # the first, and the one that is refused


def test_nothing_is_repeated_while_an_engine_is_down(tmp_path: Path) -> None:
    async def answers(asked: Question) -> Answer:
        if broken:
            raise RuntimeError
        return evaluate(program(), asked)

    broken: list[bool] = []
    engine = Guarded(FakeEngine("reference", answers), made().vectors)
    with World(tmp_path, engines=[engine]) as world:
        assert json.loads(prepared(world, question()).predicate)["decision"] == "permit"
        broken.append(True)
        # Others fail, until it is known to be down.
        for tier in range(20):
            prepared(world, question(context__transfer__age=tier))
        assert engine.down is not None
        fault = json.loads(prepared(world, question()).predicate)
        assert (fault["decision"], fault["valid_until"]) == ("indeterminate", fault["decided_at"])


def test_a_fault_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: object) -> Any:
        raise RuntimeError

    asked = judgements(monkeypatch)
    with World(tmp_path, engines=[FakeEngine("fake", fails)]) as world:
        for _ in range(2):
            assert json.loads(prepared(world, question()).predicate)["incident"]
    assert len(asked) == 2


def test_deadlines_of_minutes_count_from_each_question(tmp_path: Path) -> None:
    with whole.world(tmp_path) as world:
        dues: list[str] = []
        for minutes in (0, 7):
            world.clock.now = NOW + timedelta(minutes=minutes)
            dues.append(json.dumps(world.decide(CLINIC, **whole.asked())["obligations"]))
    assert dues[0] != dues[1]


class Source:
    """Says of everything that it does not know it."""

    digest = "sha256:0"

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, named: Named, now: object) -> Supplied:
        self.asked += 1
        return NOTHING

    def counted(self) -> dict[tuple[str, Status], int]:
        return {}

    async def close(self) -> None: ...


def test_where_there_are_sources_each_question_asks_them(tmp_path: Path) -> None:
    source = Source()
    law = InForce(made(), sites(), [ReferenceEngine(program())], sources=source)
    with World(tmp_path, in_force=law) as world:
        for _ in range(3):
            prepared(world, question())
    assert source.asked == 3


def test_what_is_known_of_a_machine_is_looked_up_for_each_question_that_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []

    async def look(_: Service, request: DecisionRequest, *more: object) -> object:
        looked.append(request)
        context = {name: value for name, value in request.context.items() if name != EVIDENCE}
        return request.model_copy(update={"context": context}), NOTHING

    monkeypatch.setattr(Service, "_look", look)
    asked = judgements(monkeypatch)
    value = question(**{f"context__{EVIDENCE}": {"node": "n-1"}})
    with World(tmp_path) as world:
        for _ in range(3):
            prepared(world, value)
    assert len(looked) == len(asked) == 3


def test_a_subject_that_is_a_fact_tells_questions_apart(tmp_path: Path) -> None:
    texts = dict(CHARTERS)
    texts["words.charter"] += '\nrecord who "Who" from request at subject\n  field id identifier\n'
    texts["law.charter"] = texts["law.charter"].replace(
        "when transfer.age more than 365 days", 'when who.id = "w-2"', 1
    ).split('  example "an old one"')[0] + (
        '  example "it" is denied\n    who.id = "w-2"\n    destination = near\n'
    )
    compiled = compile_charters([SourceText(name, text) for name, text in texts.items()])
    _, law = compiled.require()
    with World(tmp_path, law=bundle.build(compiled, sites(law).raw_facts()), known=sites(law)) as w:
        found = [
            json.loads(prepared(w, question(subject__id=name)).predicate)["decision"]
            for name in ("w-1", "w-2", "w-1", "w-2")
        ]
    assert found == ["permit", "deny", "permit", "deny"]


# --- bounds --------------------------------------------------------------------------


def read(known: Shapes, value: object) -> Asked:
    asked = known.read(value, TENANT)
    assert asked is not None
    return asked


@pytest.mark.parametrize(
    ("remember", "changes", "is_kept"),
    [
        (10, {}, True),
        (0, {}, False),
        (10, {"context__data__datasets": ["x" * 60] * (shapes.LONGEST // 64)}, False),
    ],
)
def test_only_small_questions_are_kept_and_none_where_nothing_is_remembered(
    tmp_path: Path, remember: int, changes: dict[str, Any], is_kept: bool
) -> None:
    with World(tmp_path, remember=remember) as world:
        value = question(**changes)
        prepared(world, value)
        known = world.service.in_force.shapes
        assert (known.find(read(known, value)) is not None) is is_kept


def test_the_least_used_goes_first(tmp_path: Path) -> None:
    with World(tmp_path, remember=2) as world:
        known = world.service.in_force.shapes
        for age in (1, 2, 1, 3):
            prepared(world, question(context__transfer__age=age))
        found = [
            known.find(read(known, question(context__transfer__age=age))) is not None
            for age in (1, 2, 3)
        ]
    assert found == [True, False, True]


@pytest.mark.parametrize("value", [None, [], "x", {}, {"subject": []}, {"subject": {"id": []}}])
def test_what_is_no_question_has_no_shape(value: object) -> None:
    assert Shapes(program(), 10).read(value, TENANT) is None


def test_many_at_once_of_one_shape_are_each_a_decision(tmp_path: Path) -> None:
    async def ask(world: World) -> list[dict[str, Any]]:
        asked = [told(question(subject__id=f"w-{number}")) for number in range(20)]
        return await asyncio.gather(*(world.service.decide(one, CALLER) for one in asked))

    with World(tmp_path) as world:
        answers = run(ask(world))
        assert len({one["id"] for one in answers}) == 20
        assert len({json.dumps(one["record"]) for one in answers}) == 20
        for number, one in enumerate(answers):
            world.verify(one, question(subject__id=f"w-{number}"))
