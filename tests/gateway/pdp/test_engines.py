"""What engines make of wrong questions, wrong answers and servers that fail."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.to_rego import opa_bundle, rego_policy, tarball
from gateway.errors import EngineAnswerError, EngineUnavailableError, OverloadedError
from gateway.pdp.combine import Combined, ask_all
from gateway.pdp.engine import AnswerCheck, Engine, RawAnswer, rego_answer
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from tests import corpus
from tests.opa import OpaServer, run_opa

PROGRAM = corpus.PROGRAMS["exceptions"]
P, F = "test.charter/permission", "test.charter/prohibition"
DUTY = "test.charter/prohibition/keep-record"
GOOD = Question(
    "place",
    {
        "data.labels": ("health", "personal", "special-category"),
        "destination.countries": ("DE",),
        "transfer.mechanism": "scc-m2",
    },
    {"Europe/Brussels": 20_000, "Europe/Tallinn": 20_000},
)


def run(engine: Engine, question: Question) -> Answer:
    async def once() -> Answer:
        try:
            return await engine.ask(question)
        finally:
            await engine.close()

    return asyncio.run(once())


@pytest.fixture(scope="module")
def server() -> Iterator[OpaServer]:
    with run_opa(tarball(opa_bundle(PROGRAM, program_digest(PROGRAM)))) as running:
        yield running


# --- every engine --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reference", "cedar", "rego", "opa"])
def test_unknown_destination_is_never_permitted(name: str, server: OpaServer) -> None:
    engines: dict[str, Callable[[], Engine]] = {
        "reference": lambda: ReferenceEngine(PROGRAM),
        "cedar": lambda: CedarEngine(PROGRAM),
        "rego": lambda: RegoEngine(PROGRAM),
        "opa": lambda: OpaEngine(PROGRAM, host=server.host, port=server.port),
    }
    known, unknown = run(engines[name](), GOOD), run(engines[name](), hide("destination.countries"))
    assert known == Answer(frozenset(), frozenset({P}), duties=frozenset({DUTY}))
    assert unknown == evaluate(PROGRAM, hide("destination.countries"))
    assert not unknown.permits
    assert engines[name]().name == name


def hide(path: str) -> Question:
    return replace(GOOD, facts={p: v for p, v in GOOD.facts.items() if p != path})


def stated(**facts: Any) -> Question:
    named = {path.replace("_", ".", 1): value for path, value in facts.items()}
    return replace(GOOD, facts={**GOOD.facts, **named})


@pytest.mark.parametrize("make", [ReferenceEngine, CedarEngine, RegoEngine])
def test_an_action_that_no_rule_names_is_covered_by_none(
    make: Callable[[Program], Engine],
) -> None:
    question = replace(GOOD, action="delete")
    assert run(make(PROGRAM), question) == Answer(frozenset(), frozenset())


def test_an_action_that_no_rule_names_is_covered_by_none_on_a_server(server: OpaServer) -> None:
    engine = OpaEngine(PROGRAM, host=server.host, port=server.port)
    assert run(engine, replace(GOOD, action="delete")) == Answer(frozenset(), frozenset())


@pytest.mark.parametrize("day", [None, "20000", 20000.5, True, 2**63])
@pytest.mark.parametrize("make", [CedarEngine, RegoEngine])
def test_a_day_that_is_no_day_permits_nothing(make: Callable[[Program], Engine], day: Any) -> None:
    program = corpus.PROGRAMS["during"]
    good = Question("place", {}, {"Europe/Tallinn": 20_000})
    assert run(make(program), good).permits
    with suppress(EngineAnswerError):
        assert not run(make(program), replace(good, today={"Europe/Tallinn": day})).permits


@pytest.mark.parametrize("make", [ReferenceEngine, CedarEngine])
def test_a_missing_day_is_an_error(make: Callable[[Program], Engine]) -> None:
    with pytest.raises(EngineAnswerError):
        run(make(PROGRAM), replace(GOOD, today={}))


# --- Cedar ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        stated(transfer_encrypted="yes"),
        stated(transfer_encrypted=1),
        stated(training_compute=True),
        stated(training_compute=1.0),
        stated(training_compute=2**53),
        stated(transfer_mechanism="nowhere"),
        stated(transfer_mechanism=["scc-m2"]),
        stated(data_labels=("health",)),
        stated(data_labels=()),
        stated(data_labels="personal"),
        stated(data_labels=("personal", 1)),
        stated(data_labels=(["personal"],)),
        stated(data_labels=("personal",) * 1001),
        stated(destination_countries={"__entity": {"type": "Subject", "id": "subject"}}),
        replace(GOOD, today={**GOOD.today, "Europe/Brussels": object()}),  # type: ignore[dict-item]
    ],
    ids=lambda q: str(sorted(q.facts.items()))[-60:],
)
def test_cedar_refuses_to_answer_where_a_fact_is_not_fit(question: Question) -> None:
    with pytest.raises(EngineAnswerError):
        run(CedarEngine(PROGRAM), question)


def test_a_fact_that_no_rule_reads_bothers_no_engine() -> None:
    question = stated(destination_site=["unfit"])
    assert run(CedarEngine(PROGRAM), question).permits
    assert run(RegoEngine(PROGRAM), question).permits


# --- OPA -----------------------------------------------------------------------------

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(respond: Respond) -> AsyncGenerator[int]:
    """A server on this machine that answers every connection as told."""
    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await asyncio.sleep(0.02)  # what answered may finish its goodbye


def replying(body: bytes, status: str = "200 OK") -> Respond:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await hang_up(reader, writer)

    return respond


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await hang_up(reader, writer)


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def ask_server(respond: Respond) -> Answer:
    async def once() -> Answer:
        async with serving(respond) as port:
            engine = OpaEngine(PROGRAM, host="127.0.0.1", port=port, timeout_s=0.2)
            try:
                return await engine.ask(GOOD)
            finally:
                await engine.close()

    return asyncio.run(once())


@pytest.mark.parametrize(
    "respond",
    [
        silence,
        hang_up,
        replying(b"{}", "500 Internal Server Error"),
        replying(b"{}", "503 Service Unavailable"),
        replying(b"{}", "401 Unauthorized"),
        replying(b"{}", "404 Not Found"),
    ],
    ids=["silence", "hangs up", "500", "503", "401", "404"],
)
def test_a_server_that_does_not_serve_is_unavailable(respond: Respond) -> None:
    with pytest.raises(EngineUnavailableError):
        ask_server(respond)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(EngineUnavailableError):
        run(OpaEngine(PROGRAM, host="127.0.0.1", port=1), GOOD)


PERMIT: dict[str, Any] = {
    "program": program_digest(PROGRAM),
    "denied": [],
    "granted": [P],
    "duties": [DUTY],
    "preferred": [],
    "noted": [],
}
REFUSAL: dict[str, Any] = {
    "program": program_digest(PROGRAM),
    "denied": [F],
    "granted": [],
    "broken": [F],
    "open": [P],
    "noted": [],
}


def without(answer: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != member}


UNUSABLE: dict[str, Any] = {
    "null": None,
    "true": True,
    "list": [PERMIT],
    "empty object": {},
    "allow": {"allow": True},
    "duties missing": without(PERMIT, "duties"),
    "denied missing": without(PERMIT, "denied"),
    "program missing": without(PERMIT, "program"),
    "another program": {**PERMIT, "program": "sha256:0"},
    "member too many": {**PERMIT, "allow": True},
    "denied null": {**PERMIT, "denied": None},
    "granted as text": {**PERMIT, "granted": P},
    "granted as object": {**PERMIT, "granted": {P: True}},
    "granted holds a number": {**PERMIT, "granted": [P, 1]},
    "granted twice": {**PERMIT, "granted": [P, P]},
    "unknown permission": {**PERMIT, "granted": ["test.charter/other"]},
    "prohibition grants": {**PERMIT, "granted": [F]},
    "duty grants": {**PERMIT, "granted": [DUTY]},
    "unknown duty": {**PERMIT, "duties": ["x"]},
    "refusal with duties": {**PERMIT, "granted": []},
    "denial with duties": {**PERMIT, "denied": [F]},
    "permit with reasons": {**REFUSAL, "denied": [], "granted": [P], "broken": []},
    "permission denies": {**REFUSAL, "denied": [P]},
    "broken but not denied": {**REFUSAL, "denied": []},
    "granted but not open": {**REFUSAL, "granted": [P], "open": []},
    "broken missing": without(REFUSAL, "broken"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_answer_that_is_not_exactly_the_expected_object_is_an_error(name: str) -> None:
    with pytest.raises(EngineAnswerError):
        ask_server(replying(json.dumps({"result": UNUSABLE[name]}).encode()))


@pytest.mark.parametrize("body", [b"{}", b"null", b"[]", b"not json", b'{"result"', b"\xff"])
def test_a_reply_without_a_result_is_an_error(body: bytes) -> None:
    with pytest.raises(EngineAnswerError):
        ask_server(replying(body))


def test_the_expected_objects_are_answers() -> None:
    permit = ask_server(replying(json.dumps({"result": PERMIT}).encode()))
    refusal = ask_server(replying(json.dumps({"result": REFUSAL}).encode()))
    assert permit == Answer(frozenset(), frozenset({P}), duties=frozenset({DUTY}))
    assert refusal == Answer(
        frozenset({F}), frozenset(), broken=frozenset({F}), open=frozenset({P})
    )


def test_a_server_without_the_bundle_is_an_error() -> None:
    with run_opa() as empty, pytest.raises(EngineAnswerError, match="bundle"):
        run(OpaEngine(PROGRAM, host=empty.host, port=empty.port), GOOD)


def test_a_server_with_an_older_bundle_is_an_error(server: OpaServer) -> None:
    newer = corpus.PROGRAMS["holds"]
    with pytest.raises(EngineAnswerError, match="another program"):
        run(OpaEngine(newer, host=server.host, port=server.port), GOOD)


def test_many_tasks_share_one_connection_pool_and_get_their_own_answers(server: OpaServer) -> None:
    async def all_at_once() -> list[Answer]:
        engine = OpaEngine(PROGRAM, host=server.host, port=server.port, timeout_s=30)
        try:
            questions = [GOOD, hide("destination.countries")] * 20
            return list(await asyncio.gather(*map(engine.ask, questions)))
        finally:
            await engine.close()

    expected = [evaluate(PROGRAM, GOOD), evaluate(PROGRAM, hide("destination.countries"))]
    assert asyncio.run(all_at_once()) == expected * 20


# --- regopy --------------------------------------------------------------------------


def test_many_tasks_share_one_interpreter_and_get_their_own_answers() -> None:
    async def all_at_once() -> list[Answer]:
        engine = RegoEngine(PROGRAM)
        try:
            questions = [GOOD, hide("destination.countries")] * 20
            return list(await asyncio.gather(*map(engine.ask, questions)))
        finally:
            await engine.close()

    expected = [evaluate(PROGRAM, GOOD), evaluate(PROGRAM, hide("destination.countries"))]
    assert asyncio.run(all_at_once()) == expected * 20


def read_by_no_rule(size: int) -> Question:
    terms = tuple(f"{number:0250}" for number in range(size))
    return replace(GOOD, facts={**GOOD.facts, "nothing.reads": terms, "nor.this": object()})  # type: ignore[dict-item]


@pytest.mark.parametrize("sliced", [True, False])
def test_what_no_rule_reads_is_not_even_given_to_regopy(sliced: bool) -> None:
    # An object of no JSON type could not be given to it.
    asked = read_by_no_rule(10)
    assert run(RegoEngine(PROGRAM, sliced=sliced), asked) == evaluate(PROGRAM, GOOD)


class Held(RegoEngine):
    """An engine whose evaluations each take until `go`, or for ever as far as it seems."""

    def __init__(self, *, queue_timeout_s: float, each_s: float) -> None:
        super().__init__(PROGRAM, queue_timeout_s=queue_timeout_s)
        self.each_s = each_s

    def _evaluate(self, module: Any, question: Question) -> RawAnswer:
        time.sleep(self.each_s)
        return super()._evaluate(module, question)


def all_in_turn(engine: RegoEngine, count: int, timeout_s: float) -> list[Combined | Exception]:
    async def all_at_once() -> list[Any]:
        try:
            asked = [ask_all([engine], GOOD, timeout_s=timeout_s) for _ in range(count)]
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(all_at_once())


def test_regopy_answers_a_queue_that_takes_longer_than_the_limit_of_each() -> None:
    said = all_in_turn(Held(queue_timeout_s=30, each_s=0.05), 12, timeout_s=0.4)
    assert [isinstance(one, Combined) and one.incident for one in said] == [None] * 12


def test_a_queue_that_moves_too_slowly_is_overload() -> None:
    said = all_in_turn(Held(queue_timeout_s=0.4, each_s=0.15), 12, timeout_s=5)
    assert all(not isinstance(one, Combined) or one.incident is None for one in said)
    assert {type(one) for one in said} == {Combined, OverloadedError}


def test_an_interpreter_that_hangs_is_an_incident_of_every_question() -> None:
    said = all_in_turn(Held(queue_timeout_s=0.2, each_s=1.0), 4, timeout_s=0.1)
    words = [one.incident.description for one in said if isinstance(one, Combined) and one.incident]
    assert words == ["rego: no answer within 0.1 s"] + ["rego: no turn within 0.2 s"] * 3


def test_one_evaluation_beyond_its_limit_takes_no_time_from_the_next() -> None:
    async def one_after_another() -> list[Combined]:
        engine = Held(queue_timeout_s=5, each_s=0.8)
        slow = asyncio.create_task(ask_all([engine], GOOD, timeout_s=0.3))
        await asyncio.sleep(0.1)
        engine.each_s = 0
        try:
            return [await ask_all([engine], GOOD, timeout_s=0.3), await slow]
        finally:
            await engine.close()

    after, slow = asyncio.run(one_after_another())
    assert slow.incident is not None
    assert after.incident is None


def test_a_closed_interpreter_is_unavailable() -> None:
    async def ask_after_closing() -> Answer:
        engine = RegoEngine(PROGRAM)
        await engine.close()
        return await engine.ask(GOOD)

    with pytest.raises(EngineUnavailableError):
        asyncio.run(ask_after_closing())


def test_a_number_beyond_all_bounds_is_an_error_or_a_refusal_to_regopy() -> None:
    question = stated(data_labels=("personal",), destination_countries=("US",))
    enormous = replace(question, facts={**question.facts, "training.compute": 10**400})
    with suppress(EngineAnswerError):
        assert not run(RegoEngine(PROGRAM), enormous).permits


def test_the_module_of_the_engine_is_the_published_one(server: OpaServer) -> None:
    assert rego_policy(PROGRAM).module.encode() == opa_bundle(PROGRAM, "x")["charter/charter.rego"]


# --- believing -----------------------------------------------------------------------


def test_a_refusal_and_a_permit_pass_in_normal_form() -> None:
    check = AnswerCheck("test", PROGRAM)
    both = RawAnswer([F], [P], [], broken=[], open=[P])
    assert check.answer(both) == Answer(frozenset({F}), frozenset(), open=frozenset({P}))


def test_an_answer_of_another_program_is_not_read_at_all() -> None:
    with pytest.raises(EngineAnswerError, match="another program"):
        rego_answer("opa", PERMIT, "sha256:0")
