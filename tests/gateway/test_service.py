"""One decision: signed, durable, verifiable, and never a permit out of a fault."""

import asyncio
import json
import sqlite3
import tomllib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dsl.compile import compile_charters
from dsl.core import InForce
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.source import SourceText
from gateway import bundle
from gateway.callers import Caller
from gateway.errors import (
    AuthorisationError,
    ConfigurationError,
    DecisionMismatchError,
    EngineAnswerError,
    EngineLateError,
    EngineUnavailableError,
    JsonError,
    LedgerUnavailableError,
    OverloadedError,
    RequestError,
)
from gateway.ledger import storage
from gateway.pdp import catalogue
from gateway.pdp.dates import LAST_DAY
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.service import MAX_BODY_BYTES
from tests.gateway.world import (
    CALLER,
    CHARTERS,
    NOW,
    SITES,
    TENANT,
    FakeEngine,
    World,
    body,
    program,
    question,
    run,
    sites,
)

PERMIT = "permit"


# --- the answer is what was signed ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, PERMIT),
        ({"resource__id": "far"}, "deny"),
        ({"resource__id": "closed"}, "deny"),
        ({"resource__id": "far", "context__transfer__tool": ...}, "indeterminate"),
        ({"resource__id": "far", "context__transfer__tool": "clauses"}, PERMIT),
        ({"action__name": "sleep"}, "deny"),
    ],
)
def test_an_answer_verifies_offline_and_equals_the_signed_predicate(
    tmp_path: Path, changes: dict[str, Any], decision: str
) -> None:
    with World(tmp_path) as world:
        answer = world.decide(**changes)
        predicate = world.verify(answer, question(**changes))
    assert answer["decision"] == decision
    assert {**predicate} == {k: v for k, v in answer.items() if k not in ("record", "proof")}
    assert answer["tenant"] == TENANT
    assert answer["bundle"] == world.service.in_force.bundle.digest
    assert answer["catalogue"] == world.service.in_force.catalogue.digest


def test_the_answer_is_bound_to_its_request(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        answer = world.decide()
        with pytest.raises(DecisionMismatchError):
            world.verify(answer, question(resource__id="far"))


def test_two_like_questions_have_records_of_their_own(tmp_path: Path) -> None:
    engine = FakeEngine("fake", _truly)
    with World(tmp_path, engines=[engine]) as world:
        first, second = world.decide(), world.decide()
        assert engine.asked == 1  # the verdict is remembered
        assert first["id"] != second["id"]
        assert first["record"] != second["record"]
        assert world.ledger.size == 2
        world.verify(first)
        world.verify(second)


def test_the_instant_comes_from_the_clock_that_was_given(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        assert world.decide()["decided_at"] == "2026-11-22T09:30:15.250Z"
        world.clock.now += timedelta(days=400)
        later = world.decide()
    assert later["decided_at"] == "2027-12-27T09:30:15.250Z"
    assert later["today"]["Europe/Brussels"] == "2027-12-27"


def test_a_decision_is_found_again_with_the_same_record_and_a_newer_proof(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        first = world.decide()
        for _ in range(3):
            world.decide(resource__id="far")
        found = run(world.service.recorded.find(first["id"], CALLER))
        assert found is not None
        world.verify(found, question())
        assert found["proof"] != first["proof"]
        assert {**found, "proof": ""} == {**first, "proof": ""}


def test_the_largest_record_is_found_again(tmp_path: Path) -> None:
    datasets = [f"{n:04}" + "x" * 240 for n in range(1000)]
    with World(tmp_path) as world:
        first = world.decide(context__data__datasets=datasets)
        found = run(world.service.recorded.find(first["id"], CALLER))
        assert found is not None
        assert found["record"] == first["record"]
        world.verify(found)


def test_a_question_whose_record_would_be_too_large_is_refused(tmp_path: Path) -> None:
    # The facts stand in the record once, and once more in the reason.
    datasets = ["archive", *(f"{n:04}" + "€" * 250 for n in range(999))]
    value = question(action__name="purge", context__data__datasets=datasets)
    sent = json.dumps(value, ensure_ascii=False).encode()
    assert len(sent) < MAX_BODY_BYTES
    with World(tmp_path) as world:
        fewer = question(action__name="purge", context__data__datasets=datasets[:500])
        assert run(world.service.decide(json.dumps(fewer).encode(), CALLER))["decision"] == "deny"
        with pytest.raises(RequestError, match="too large to be recorded"):
            run(world.service.decide(sent, CALLER))
        assert world.ledger.size == 1


# --- whose decision it is ------------------------------------------------------------


@pytest.mark.parametrize("decision_id", ["", "x", "\x00", "é" * 300, "../origin", "%"])
def test_an_id_that_does_not_exist_finds_nothing(tmp_path: Path, decision_id: str) -> None:
    with World(tmp_path) as world:
        world.decide()
        assert run(world.service.recorded.find(decision_id, CALLER)) is None


def test_another_tenants_decision_is_not_found(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        answer = world.decide()
        assert run(world.service.recorded.find(answer["id"], Caller("other", "clinic-b"))) is None


@pytest.mark.parametrize(
    ("caller", "changes"),
    [
        (CALLER, {"subject__properties": {"tenant": "clinic-b"}}),
        (CALLER, {"subject__properties": {"tenant": ["clinic-a"]}}),
        (Caller("c", TENANT, frozenset({"flow"})), {}),
        (Caller("c", TENANT, frozenset()), {}),
        (Caller("c", TENANT, frozenset({"flow"})), {"action__name": "no-such-action"}),
    ],
)
def test_what_a_caller_may_not_ask_is_refused_and_not_recorded(
    tmp_path: Path, caller: Caller, changes: dict[str, Any]
) -> None:
    with World(tmp_path) as world:
        with pytest.raises(AuthorisationError):
            world.decide(caller, **changes)
        assert world.ledger.size == 0


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", JsonError),
        (b"[]", RequestError),
        (b'{"a":1,"a":1}', JsonError),
        (b"NaN", JsonError),
        (b"\xef\xbb\xbf{}", JsonError),
        (b" " * (MAX_BODY_BYTES + 1), JsonError),
        (body(resource__id="moon"), RequestError),
        (body(context__data__labels="health"), RequestError),
    ],
)
def test_a_malformed_question_records_nothing(
    tmp_path: Path, sent: bytes, error: type[Exception]
) -> None:
    with World(tmp_path) as world:
        with pytest.raises(error):
            run(world.service.decide(sent, CALLER))
        assert world.ledger.size == 0


# --- no answer before its record -----------------------------------------------------


def _full(path: Path) -> sqlite3.Connection:
    """A connection whose disk is full after a few pages more."""
    connection = storage.open_connection(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={max(pages, 16) + 8}")
    return connection


def test_on_a_full_disk_there_is_no_decision_and_what_was_answered_stays(tmp_path: Path) -> None:
    answered: list[dict[str, Any]] = []
    with World(tmp_path, connect=_full) as world:
        with pytest.raises(LedgerUnavailableError):
            answered.extend(world.decide() for _ in range(200))
        with pytest.raises(LedgerUnavailableError):
            world.decide()
        assert 0 < len(answered) == world.ledger.size
        for answer in answered:
            assert run(world.service.recorded.find(answer["id"], CALLER)) is not None
            world.verify(answer)


def test_after_the_ledger_closed_there_is_no_decision(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        answer = world.decide()
        world.ledger.close()
        with pytest.raises(LedgerUnavailableError):
            world.decide()
        world.verify(answer)


def test_closing_lets_go_of_engines_and_ledger(tmp_path: Path) -> None:
    engine = FakeEngine("fake", _truly)
    with World(tmp_path, engines=[engine]) as world:
        run(world.service.close())
        assert engine.closed
        with pytest.raises(LedgerUnavailableError):
            world.decide()


# --- engines -------------------------------------------------------------------------


async def _truly(asked: Question) -> Answer:
    return evaluate(program(), asked)


async def _raises(_: Question) -> Answer:
    raise EngineAnswerError("fake", "it is broken")


async def _crashes(_: Question) -> Answer:
    raise ZeroDivisionError("secret of the library")


async def _hangs(_: Question) -> Answer:
    await asyncio.sleep(30)
    raise AssertionError("nobody waits that long")


async def _always_permits(_: Question) -> Answer:
    return Answer(frozenset(), frozenset({"test.baseline/open-site"}))


async def _drops_duties(asked: Question) -> Answer:
    truly = evaluate(program(), asked)
    return Answer(truly.denied, truly.granted, truly.broken, truly.open)


async def _only_undetermined(asked: Question) -> Answer:
    truly = evaluate(program(), asked)
    return Answer(truly.denied, truly.granted, frozenset(), truly.open)


Behaviour = Callable[[Question], Coroutine[Any, Any, Answer]]
FAULTS: list[tuple[Behaviour, str, str]] = [
    (_raises, "engine-error", "it is broken"),
    (_crashes, "engine-error", "ZeroDivisionError"),
    (_hangs, "engine-error", "no answer within"),
    (_always_permits, "engine-disagreement", "test.law/eea-only"),
    (_only_undetermined, "engine-disagreement", "test.law/eea-only"),
]


@pytest.mark.parametrize(("behaviour", "kind", "words"), FAULTS)
@pytest.mark.parametrize("first", [True, False])
def test_a_faulty_engine_is_an_incident_signed_and_never_a_permit(
    tmp_path: Path, behaviour: Behaviour, kind: str, words: str, first: bool
) -> None:
    engines: list[Engine] = [FakeEngine("fake", behaviour), ReferenceEngine(program())]
    engines = engines if first else engines[::-1]
    with World(tmp_path, engines=engines, engine_timeout_s=0.05) as world:
        answer = world.decide(resource__id="far")
        predicate = world.verify(answer)
        assert world.ledger.size == 1
    assert answer["decision"] == predicate["decision"] == "indeterminate"
    assert answer["incident"]["kind"] == kind
    assert words in answer["incident"]["description"]
    assert "secret" not in str(answer)
    assert answer["obligations"] == []
    # Nobody may build on what came of a fault.
    assert answer["valid_until"] == answer["decided_at"]


def test_an_engine_that_forgets_duties_is_an_incident(tmp_path: Path) -> None:
    engines: list[Engine] = [FakeEngine("fake", _drops_duties), ReferenceEngine(program())]
    with World(tmp_path, engines=engines) as world:
        answer = world.decide(resource__id="far", context__transfer__tool="clauses")
    assert answer["decision"] == "indeterminate"
    assert "as duties" in answer["incident"]["description"]


@pytest.mark.parametrize(("behaviour", "kind", "words"), FAULTS)
def test_a_fault_does_not_outlive_its_cause(
    tmp_path: Path, behaviour: Behaviour, kind: str, words: str
) -> None:
    now = [behaviour]

    async def healing(asked: Question) -> Answer:
        return await now[0](asked)

    engines: list[Engine] = [FakeEngine("fake", healing), ReferenceEngine(program())]
    with World(tmp_path, engines=engines, engine_timeout_s=0.05) as world:
        assert world.decide(resource__id="far")["incident"]["kind"] == kind, words
        now[0] = _truly
        healed = world.decide(resource__id="far")
    assert (healed["decision"], healed["incident"]) == ("deny", None)


def test_a_lone_engine_that_fails_never_permits(tmp_path: Path) -> None:
    with World(tmp_path, engines=[FakeEngine("fake", _raises)]) as world:
        assert world.decide()["decision"] == "indeterminate"


def test_ids_that_no_rule_has_never_permit_in_company(tmp_path: Path) -> None:
    async def stranger(_: Question) -> Answer:
        return Answer(frozenset(), frozenset({"somebody/else"}))

    engines: list[Engine] = [FakeEngine("fake", stranger), ReferenceEngine(program())]
    with World(tmp_path, engines=engines) as world:
        assert world.decide()["decision"] == "indeterminate"


@pytest.mark.parametrize("behaviour", [_raises, _crashes, _always_permits, _drops_duties])
def test_an_engine_that_misjudges_a_vector_is_seen_at_start(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    # Alone as well: it is compared with the bundle, not only with its neighbours.
    fake = FakeEngine("fake", behaviour)
    sets: list[list[Engine]] = [[fake], [ReferenceEngine(program()), fake]]
    for number, engines in enumerate(sets):
        folder = tmp_path / str(number)
        with World(folder, engines=engines) as world, pytest.raises(ConfigurationError):
            run(world.service.check_engines())


def _fails_now_and_then(error: Exception, *, begins: int) -> Behaviour:
    """As the definition, but every third time, from the one with that number."""
    sound, asked = ReferenceEngine(program()), 0

    async def behaviour(question: Question) -> Answer:
        nonlocal asked
        asked += 1
        if asked >= begins and asked % 3 == begins % 3:
            raise error
        return await sound.ask(question)

    return behaviour


LATE = EngineLateError("fake", "no turn within 0.5 s")
GONE = EngineUnavailableError("fake", "its process starts again")
BUSY = OverloadedError("fake: no turn within 0.5 s")


@pytest.mark.parametrize(("error", "begins"), [(LATE, 1), (LATE, 2), (GONE, 2), (BUSY, 1)])
def test_an_engine_that_is_late_at_start_is_asked_again(
    tmp_path: Path, error: Exception, begins: int
) -> None:
    fake = FakeEngine("fake", _fails_now_and_then(error, begins=begins))
    with World(tmp_path, engines=[fake, ReferenceEngine(program())]) as world:
        run(world.service.check_engines())
        known = len(world.service.in_force.bundle.vectors)
        assert fake.asked > known > 3


@pytest.mark.parametrize("error", [LATE, BUSY], ids=["late", "busy"])
def test_an_engine_that_is_always_late_is_given_up_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def behaviour(_: Question) -> Answer:
        raise error

    monkeypatch.setattr("gateway.pdp.judge.CHECK_PATIENCE_S", 0.3)
    fake = FakeEngine("fake", behaviour)
    with World(tmp_path, engines=[fake, ReferenceEngine(program())]) as world:
        with pytest.raises(ConfigurationError, match="no turn within"):
            run(world.service.check_engines())
        assert fake.asked > 1


@pytest.mark.parametrize(
    "error", [GONE, EngineAnswerError("fake", "no answer of ours")], ids=["never there", "wrong"]
)
def test_an_engine_that_never_answered_or_answers_wrong_is_not_waited_for(
    tmp_path: Path, error: Exception
) -> None:
    async def behaviour(_: Question) -> Answer:
        raise error

    fake = FakeEngine("fake", behaviour)
    with World(tmp_path, engines=[fake, ReferenceEngine(program())]) as world:
        with pytest.raises(ConfigurationError):
            run(world.service.check_engines())
        assert fake.asked == 1


@pytest.mark.parametrize("behaviour", [_always_permits, _raises], ids=["other", "none of ours"])
def test_an_engine_that_is_wrong_once_is_not_asked_again_because_another_is_late(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    """The next time it might have answered as it must."""
    sound, asked = ReferenceEngine(program()), 0

    async def wrong_once(question: Question) -> Answer:
        nonlocal asked
        asked += 1
        return await (behaviour if asked == 1 else sound.ask)(question)

    late = FakeEngine("late", _fails_now_and_then(LATE, begins=1))
    with World(tmp_path, engines=[FakeEngine("fake", wrong_once), late]) as world:
        with pytest.raises(ConfigurationError):
            run(world.service.check_engines())
        assert asked == 1


@pytest.mark.parametrize("engine", [CedarEngine, RegoEngine, ReferenceEngine])
def test_a_sound_engine_passes_the_check_at_start(
    tmp_path: Path, engine: Callable[..., Engine]
) -> None:
    with World(tmp_path, engines=[engine(program())]) as world:
        run(world.service.check_engines())
        assert world.ledger.size == 0
        run(world.service.close())


# --- how long it is valid ------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "changes", "until"),
    [
        # An hour, where nothing changes before.
        (NOW, {}, "2026-11-22T10:30:15.250Z"),
        # Winter time: the exception ends with 15 January in Brussels, at 23:00 UTC.
        (datetime(2027, 1, 15, 22, 59, 59, tzinfo=UTC), {}, "2027-01-15T23:00:00.000Z"),
        (datetime(2027, 1, 15, 21, 59, 59, tzinfo=UTC), {}, "2027-01-15T22:59:59.000Z"),
        (datetime(2027, 1, 15, 23, 0, 0, tzinfo=UTC), {}, "2027-01-16T00:00:00.000Z"),
        # Summer time: the rule begins with 1 July in Brussels, at 22:00 UTC.
        (datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), {}, "2026-06-30T22:00:00.000Z"),
        (datetime(2026, 6, 30, 22, 0, 0, tzinfo=UTC), {}, "2026-06-30T23:00:00.000Z"),
        # Auckland, at UTC+13: 1 February begins there at 11:00 UTC of 31 January.
        (datetime(2026, 1, 31, 10, 30, 0, tzinfo=UTC), {}, "2026-01-31T11:00:00.000Z"),
        (datetime(2026, 1, 31, 11, 0, 0, tzinfo=UTC), {}, "2026-01-31T12:00:00.000Z"),
        # The catalogue vouches for this site until the end of the day of UTC.
        (
            datetime(2026, 11, 22, 23, 30, 0, tzinfo=UTC),
            {"resource__id": "lapsing"},
            "2026-11-23T00:00:00.000Z",
        ),
    ],
)
def test_validity_never_passes_a_day_on_which_something_changes(
    tmp_path: Path, now: datetime, changes: dict[str, Any], until: str
) -> None:
    with World(tmp_path, now=now) as world:
        assert world.decide(**changes)["valid_until"] == until


def test_a_remembered_verdict_does_not_pass_the_day(tmp_path: Path) -> None:
    engine = FakeEngine("fake", _truly)
    clauses: dict[str, Any] = {"resource__id": "far", "context__transfer__tool": "clauses"}
    before = datetime(2027, 1, 15, 22, 59, 59, 999_000, tzinfo=UTC)
    with World(tmp_path, engines=[engine], now=before) as world:
        assert world.decide(**clauses)["decision"] == "permit"
        world.clock.now += timedelta(milliseconds=1)
        assert world.decide(**clauses)["decision"] == "deny"
    assert engine.asked == 2


# --- the whole, once more ------------------------------------------------------------


def test_many_at_once_are_all_recorded_and_found(tmp_path: Path) -> None:
    async def many(world: World) -> list[dict[str, object]]:
        asked = [
            world.service.decide(body(resource__id="near" if n % 2 else "far"), CALLER)
            for n in range(40)
        ]
        return await asyncio.gather(*asked)

    with World(tmp_path) as world:
        answers = run(many(world))
        assert world.ledger.size == 40
        assert len({str(answer["id"]) for answer in answers}) == 40
        for answer in answers:
            world.verify(answer)
            assert run(world.service.recorded.find(str(answer["id"]), CALLER)) is not None


def test_the_log_reports_the_decision_and_no_content_of_the_question(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "charter")
    with World(tmp_path) as world:
        answer = world.decide(context__data__datasets=["patients-of-ward-7"])
    (event,) = [record for record in caplog.records if record.name == "charter"]
    told: dict[str, Any] = event.__dict__["charter"]
    assert (told["decision_id"], told["decision"]) == (answer["id"], "permit")
    assert "ward-7" not in str(event.__dict__)


def test_the_log_of_an_incident_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with World(tmp_path, engines=[FakeEngine("fake", _raises)]) as world:
        world.decide()
    assert [r.levelname for r in caplog.records if r.name == "charter"] == ["ERROR"]


# --- the ends of the calendar ----------------------------------------------------------


def _bundle(charters: dict[str, str]) -> bundle.Bundle:
    sources = [SourceText(name, text) for name, text in charters.items()]
    return bundle.build(compile_charters(sources), sites().raw_facts())


def test_charters_without_any_date_are_answered(tmp_path: Path) -> None:
    baseline = CHARTERS["baseline.charter"].replace("  in force from 2026-02-01\n", "")
    undated = _bundle({"words.charter": CHARTERS["words.charter"], "baseline.charter": baseline})
    assert undated.program.time_zones() == ()
    with World(tmp_path, law=undated, known=sites(undated.program)) as world:
        assert world.decide()["decision"] == "permit"


def test_a_catalogue_row_for_ever_is_answered(tmp_path: Path) -> None:
    dated = "valid_from = 2026-01-01"
    text = SITES.replace(dated, f"{dated}\nvalid_until = 9999-12-31")
    known = catalogue.build(tomllib.loads(text), program(), name="sites.toml")
    with World(tmp_path, known=known) as world:
        answer = world.decide()
    assert answer["valid_until"] > answer["decided_at"]


def test_a_rule_in_force_for_ever_is_answered(tmp_path: Path) -> None:
    text = CHARTERS["law.charter"].replace("until 2027-01-15", "until 9999-12-31")
    law = _bundle({**CHARTERS, "law.charter": text})
    assert any(atom.last == LAST_DAY for atom in law.program.atoms() if isinstance(atom, InForce))
    with World(tmp_path, law=law, now=datetime(2300, 1, 1, tzinfo=UTC)) as world:
        assert world.decide()["decision"] in ("permit", "deny", "indeterminate")
