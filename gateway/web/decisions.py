"""The native door: put a question, read a decision again."""

from time import perf_counter

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.callers import Caller
from gateway.ledger.erased import ErasedEntryError
from gateway.record.canonical import MAX_VALUES, is_plain, load_strict
from gateway.service import MAX_BODY_BYTES, Service
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.erasing import gone
from gateway.web.idempotency import Asked, Repeats, key_of
from gateway.web.problem import NOT_FOUND


class DecisionDoor:
    """`/v1/decisions`. The gate has let the caller through before a body is read."""

    def __init__(self, service: Service, entrance: Entrance, repeats: Repeats) -> None:
        self._service = service
        self._entrance = entrance
        self._repeats = repeats

    async def create(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.body(request, caller) as body:
                arrived = perf_counter()
                async with self._entrance.turn(caller, len(body)):
                    key = key_of(request)
                    if key is None:
                        answer = await self._service.answer(body, caller, arrived)
                    else:
                        answer = await self._answer_once(key, body, caller, arrived)
        except RefusedError as refused:
            return refused.response()
        return Response(answer, media_type="application/json", headers=PRIVATE)

    async def _answer_once(self, key: str, body: bytes, caller: Caller, arrived: float) -> bytes:
        value = load_strict(body, max_bytes=MAX_BODY_BYTES, max_values=MAX_VALUES)

        async def decide(asked: Asked) -> list[bytes]:
            prepared = await self._service.prepare(
                value, caller, arrived=arrived, plain=is_plain(body)
            )
            return await self._service.commit_texts([prepared], once=asked.leads_to([prepared]))

        (answer,) = await self._repeats.answers(key, "/v1/decisions", value, caller, decide)
        return answer

    async def read(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.reading(caller):
                answer = await self._service.recorded.again(request.path_params["id"], caller)
        except RefusedError as refused:
            return refused.response()
        except ErasedEntryError as erased:
            return await gone(request, self._service, erased)
        if answer is None:
            return NOT_FOUND.response()
        return Response(answer, media_type="application/json", headers=PRIVATE)

    async def proof(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.reading(caller):
                proof = await self._service.recorded.proof(request.path_params["id"], caller)
        except RefusedError as refused:
            return refused.response()
        if proof is None:
            return NOT_FOUND.response()
        return PlainTextResponse(proof, headers=PRIVATE)
