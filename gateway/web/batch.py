"""`/v1/decisions/batch`: many questions, each answered in its place."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from gateway.callers import Caller
from gateway.errors import GatewayError, OverloadedError, RequestError
from gateway.record.canonical import MAX_DEPTH, is_plain, load_strict
from gateway.service import Prepared, Service
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.idempotency import PARAMETER, Asked, Repeats, key_of
from gateway.web.limits import MAX_BATCH, MAX_BATCH_BYTES, MAX_BATCH_VALUES
from gateway.web.openapi import QUESTION
from gateway.web.problem import TOO_MANY, Problem, of_error
from gateway.web.routes import JSON, Answer, Operation, Schema, ref
from gateway.web.schemas import ANY, closed, listed
from gateway.web.turns import Turns

PLACE = "/v1/decisions/batch"
# Questions of a batch that are decided in one turn while nobody else is there: with the most that
# one tenant may decide at once, as many as single ones in a pass of the loop take as long as them.
TOGETHER = 4
# The list and the object around the questions.
_AROUND = 2
_ANSWERS: Schema = closed({"answers": listed({"anyOf": [ref("Decision"), ref("Problem")]})})
# A question that is none is refused in its place, so the list takes anything.
_QUESTIONS: Schema = closed(
    {
        "questions": {
            "type": "array",
            "items": {"anyOf": [ref(QUESTION), ANY]},
            "minItems": 1,
            "maxItems": MAX_BATCH,
        }
    }
)


class BatchDoor:
    """Decides questions one after another, and records them together."""

    def __init__(self, service: Service, entrance: Entrance, repeats: Repeats) -> None:
        self._service = service
        self._entrance = entrance
        self._repeats = repeats

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "POST",
                PLACE,
                self.create,
                "decideBatch",
                "Put up to 100 questions, each answered in its place",
                {200: Answer("The decisions", {JSON: _ANSWERS}, {"Cache-Control": "`no-store`"})},
                (
                    problem.FORBIDDEN,
                    problem.MALFORMED_JSON,
                    problem.QUESTIONS["malformed-question"],
                    TOO_MANY,
                    problem.NOT_JSON,
                    problem.TOO_LARGE,
                    problem.TOO_BUSY,
                    problem.OVERLOADED,
                    problem.TOO_LATE,
                    problem.LEDGER_UNAVAILABLE,
                    problem.SIGNER_UNAVAILABLE,
                    *problem.OF_A_KEY,
                ),
                body=_QUESTIONS,
                parameters=(PARAMETER,),
            ),
        )

    async def create(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.body(request, caller, MAX_BATCH_BYTES) as body:
                async with self._entrance.turn(caller, len(body)):
                    value, questions = _questions(body)
                    plain = is_plain(body)
                if len(questions) > MAX_BATCH:
                    words = f"a batch has at most {MAX_BATCH} questions"
                    return replace(TOO_MANY, detail=words, pointer="/questions").response()
                size = len(body) // len(questions)
                key = key_of(request)

                async def decide(asked: Asked | None = None) -> list[bytes]:
                    turns = self._entrance.turns
                    said = await in_turns(
                        self._service, turns, questions, caller, size=size, plain=plain
                    )
                    return await committed(self._service, said, asked)

                if key is None:
                    answers = await decide()
                else:
                    answers = await self._repeats.answers(key, PLACE, value, caller, decide)
        except RefusedError as refused:
            return refused.response()
        return Response(_whole(answers), media_type=JSON, headers=PRIVATE)


async def in_turns(
    service: Service,
    turns: Turns,
    questions: Sequence[object],
    caller: Caller,
    *,
    size: int,
    plain: bool,
) -> list[Prepared | Problem]:
    """What each question comes to, in order. Deciding holds the event loop: others get their turn
    in between.

    Args:
        size: Of one, in bytes.
        plain: As of `Service.prepare`.
    """
    said: list[Prepared | Problem] = []
    tenant = caller.tenant
    while (first := len(said)) < len(questions):
        await asyncio.sleep(0)
        turn = turns.enter(tenant, size)  # no block: its entry costs more than the turn
        try:
            await turns.come(turn)
            for number in range(first, min(first + TOGETHER, len(questions))):
                if number > first:
                    if not turns.is_alone(tenant):
                        break
                    turns.more(tenant, size)
                said.append(await _one(service, questions[number], caller, plain, number))
        except OverloadedError as error:
            said.append(_refused(error, first))
        finally:
            turns.leave(tenant, turn)
    return said


async def _one(
    service: Service, question: object, caller: Caller, plain: bool, number: int
) -> Prepared | Problem:
    try:
        with service.question() as in_force:
            return await service.prepare(question, caller, in_force=in_force, plain=plain)
    except GatewayError as error:
        return _refused(error, number)


def _refused(error: GatewayError, number: int) -> Problem:
    """What is said in place of the answer to the question of that number."""
    refused = of_error(error)
    if refused.status == problem.INTERNAL.status:
        raise error
    pointer = None if refused.pointer is None else f"/questions/{number}{refused.pointer}"
    return replace(refused, pointer=pointer)


def _whole(answers: Sequence[bytes]) -> bytes:
    """The answer around the answers, copied once: it can have megabytes."""
    pieces = [b'{"answers":[']
    for answer in answers:
        pieces += (answer, b",")
    pieces[-1] = b"]}"
    return b"".join(pieces)


def _questions(body: bytes) -> tuple[object, Sequence[object]]:
    """The body, and the questions in it."""
    value = load_strict(
        body,
        max_bytes=MAX_BATCH_BYTES,
        max_depth=MAX_DEPTH + _AROUND,
        max_values=MAX_BATCH_VALUES,
    )
    if not isinstance(value, dict):
        raise RequestError("the body is not a JSON object")
    members = cast("Mapping[str, object]", value)
    questions = members.get("questions")
    for name in members:
        if name != "questions":
            raise RequestError("this member is not known here", pointer="/" + name[:256])
    if not isinstance(questions, list) or not questions:
        raise RequestError("this must be a list of questions", pointer="/questions")
    return members, cast("list[object]", questions)


async def committed(
    service: Service, said: Sequence[Prepared | Problem], asked: Asked | None = None
) -> list[bytes]:
    """What was prepared, recorded in one commit group, with the problems in between; with the
    key under which it was asked."""
    prepared = [one for one in said if isinstance(one, Prepared)]
    once = None if asked is None else asked.leads_to(said)
    answers = iter(await service.commit_texts(prepared, once=once) if prepared else ())
    return [
        next(answers) if isinstance(one, Prepared) else json.dumps(one.body()).encode()
        for one in said
    ]
