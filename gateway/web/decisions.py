"""The native door: put a question, read a decision again."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.service import Service
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.problem import NOT_FOUND


class DecisionDoor:
    """`/v1/decisions`. The gate has let the caller through before a body is read."""

    def __init__(self, service: Service, entrance: Entrance) -> None:
        self._service = service
        self._entrance = entrance

    async def create(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with (
                self._entrance.body(request, caller) as body,
                self._entrance.turn(caller, len(body)),
            ):
                answer = await self._service.answer(body, caller)
        except RefusedError as refused:
            return refused.response()
        return Response(answer, media_type="application/json", headers=PRIVATE)

    async def read(self, request: Request) -> Response:
        answer = await self._service.find(request.path_params["id"], caller_of(request))
        return NOT_FOUND.response() if answer is None else JSONResponse(answer, headers=PRIVATE)

    async def proof(self, request: Request) -> Response:
        answer = await self._service.find(request.path_params["id"], caller_of(request))
        if answer is None:
            return NOT_FOUND.response()
        return PlainTextResponse(str(answer["proof"]), headers=PRIVATE)
