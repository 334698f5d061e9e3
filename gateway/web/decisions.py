"""The native door: put a question, read a decision again."""

from collections.abc import Callable
from datetime import datetime

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.callers import Caller, Callers
from gateway.service import MAX_BODY_BYTES, Service
from gateway.web.problem import NOT_FOUND, NOT_JSON, TOO_LARGE

# A decision may rest on what the caller keeps secret: no cache may hold it.
_PRIVATE = {"Cache-Control": "no-store"}


class DecisionDoor:
    """`/v1/decisions`. Every handler authenticates before it reads a body."""

    def __init__(self, service: Service, callers: Callers, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._callers = callers
        self._clock = clock

    def _caller(self, request: Request) -> Caller:
        return self._callers.authenticate(request.headers.get("authorization"), now=self._clock())

    async def create(self, request: Request) -> Response:
        caller = self._caller(request)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or "content-encoding" in request.headers:
            return NOT_JSON.response()
        body = await _read(request)
        if body is None:
            return TOO_LARGE.response()
        answer = await self._service.decide(body, caller)
        return JSONResponse(answer, headers=_PRIVATE)

    async def read(self, request: Request) -> Response:
        caller = self._caller(request)
        answer = await self._service.find(request.path_params["id"], caller)
        return NOT_FOUND.response() if answer is None else JSONResponse(answer, headers=_PRIVATE)

    async def proof(self, request: Request) -> Response:
        caller = self._caller(request)
        answer = await self._service.find(request.path_params["id"], caller)
        if answer is None:
            return NOT_FOUND.response()
        return PlainTextResponse(str(answer["proof"]), headers=_PRIVATE)


async def _read(request: Request) -> bytes | None:
    """The body, or None as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        return None
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                return None
            chunks.append(chunk)
    except ClientDisconnect:
        return b""
    return b"".join(chunks)
