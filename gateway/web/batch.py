"""`/v1/decisions/batch`: many questions, each answered in its place."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from gateway.callers import Caller
from gateway.errors import GatewayError, RequestError
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

PLACE = "/v1/decisions/batch"
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
                    said = [
                        await self._one(question, caller, size, plain, f"/questions/{number}")
                        for number, question in enumerate(questions)
                    ]
                    return await committed(self._service, said, asked)

                if key is None:
                    answers = await decide()
                else:
                    answers = await self._repeats.answers(key, PLACE, value, caller, decide)
        except RefusedError as refused:
            return refused.response()
        return Response(_whole(answers), media_type=JSON, headers=PRIVATE)

    async def _one(
        self, question: object, caller: Caller, size: int, plain: bool, where: str
    ) -> Prepared | Problem:
        # Deciding holds the event loop: others get their turn in between.
        await asyncio.sleep(0)
        turns = self._entrance.turns
        turn = turns.enter(caller.tenant, size)  # no block: its entry costs more than the turn
        try:
            await turns.come(turn)
            return await self._service.prepare(question, caller, plain=plain)
        except GatewayError as error:
            refused = of_error(error)
            if refused.status == problem.INTERNAL.status:
                raise
            pointer = None if refused.pointer is None else where + refused.pointer
            return replace(refused, pointer=pointer)
        finally:
            turns.leave(caller.tenant, turn)


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
