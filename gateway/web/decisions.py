"""The native door: put a question, read a decision again."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.service import Service
from gateway.web.access import caller_of
from gateway.web.limits import (
    BodyTooLargeError,
    InFlight,
    TooBusyError,
    Turns,
    expected_size,
    read_body,
)
from gateway.web.problem import NOT_FOUND, NOT_JSON, TOO_BUSY, TOO_LARGE, TOO_SLOW

# A decision may rest on what the caller keeps secret: no cache may hold it.
PRIVATE = {"Cache-Control": "no-store"}
# What is refused before its body was read leaves bytes behind that are no next request.
_CLOSE = {"Connection": "close"}


class DecisionDoor:
    """`/v1/decisions`. The gate has let the caller through before a body is read."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._in_flight = InFlight()
        self._turns = Turns()

    async def create(self, request: Request) -> Response:
        caller = caller_of(request)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or "content-encoding" in request.headers:
            return NOT_JSON.response(_CLOSE)
        try:
            with self._in_flight.one(caller.tenant, expected_size(request)) as place:
                body = await read_body(request)
                place.size = len(body)
                async with self._turns.one(caller.tenant, place.size):
                    answer = await self._service.answer(body, caller)
        except TooBusyError:
            return TOO_BUSY.response(_CLOSE)
        except BodyTooLargeError:
            return TOO_LARGE.response(_CLOSE)
        except TimeoutError:
            return TOO_SLOW.response(_CLOSE)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return Response(answer, media_type="application/json", headers=PRIVATE)

    async def read(self, request: Request) -> Response:
        answer = await self._service.find(request.path_params["id"], caller_of(request))
        return NOT_FOUND.response() if answer is None else JSONResponse(answer, headers=PRIVATE)

    async def proof(self, request: Request) -> Response:
        answer = await self._service.find(request.path_params["id"], caller_of(request))
        if answer is None:
            return NOT_FOUND.response()
        return PlainTextResponse(str(answer["proof"]), headers=PRIVATE)
