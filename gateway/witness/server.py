"""The two places of a witness over HTTP (C2SP tlog-witness v1).

Anybody may ask: what counts is the signature of the log. Each body is bounded in size and
time, and so is the number of those that are answered at once.
"""

import asyncio
import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.witness.errors import RefusedError, StoreError
from gateway.witness.protocol import CONFLICT, MAX_REQUEST, SIZE_TYPE
from gateway.witness.witness import Witness

BODY_TIMEOUT_S = 10.0
MAX_AT_ONCE = 64

log = logging.getLogger("charter")


class _TooLargeError(Exception):
    """The body is larger than a request can be."""


class WitnessDoor:
    """The handlers."""

    def __init__(self, witness: Witness, at_once: int) -> None:
        self._witness = witness
        self._at_once = at_once
        self._open = 0

    async def add_checkpoint(self, request: Request) -> Response:
        if self._open >= self._at_once:
            return _text("too much is asked at once", 503)
        self._open += 1
        try:
            body = await _read_body(request)
            cosigned = await asyncio.to_thread(self._witness.add_checkpoint, body)
        except RefusedError as error:
            return _refused(error)
        except _TooLargeError:
            return _text(f"the body is larger than {MAX_REQUEST} bytes", 413, close=True)
        except TimeoutError:
            return _text("the body did not come in time", 408, close=True)
        except ClientDisconnect:
            return _text("the body did not come", 400, close=True)
        except StoreError as error:
            return _failed(error)
        finally:
            self._open -= 1
        return _text(cosigned.line)

    async def checkpoint(self, request: Request) -> Response:
        try:
            found = await asyncio.to_thread(
                self._witness.latest, str(request.path_params["origin_hash"])
            )
        except StoreError as error:
            return _failed(error)
        if found is None:
            return _text("nothing was cosigned of such a log", 404)
        return _text(found.note)


def create_app(witness: Witness, *, at_once: int = MAX_AT_ONCE) -> Starlette:
    """The witness as an ASGI application."""
    door = WitnessDoor(witness, at_once)
    app = Starlette(
        routes=[
            Route("/add-checkpoint", door.add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", door.checkpoint, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _unforeseen},
    )
    app.router.redirect_slashes = False
    return app


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_TIMEOUT_S):
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_REQUEST:
                raise _TooLargeError
            chunks.append(chunk)
    return b"".join(chunks)


def _refused(error: RefusedError) -> Response:
    if error.status == CONFLICT:
        # Bytes: otherwise the library would add a charset.
        headers = {"Content-Type": SIZE_TYPE, "Cache-Control": "no-store"}
        return Response(f"{error.known}\n".encode(), CONFLICT, headers)
    return _text(str(error), error.status)


def _failed(error: StoreError) -> Response:
    log.error("%s", error)
    return _text("the witness cannot remember or read anything at present", 503)


def _text(words: str, status: int = 200, *, close: bool = False) -> Response:
    headers = {"Cache-Control": "no-store", **({"Connection": "close"} if close else {})}
    text = words if words.endswith("\n") else words + "\n"
    return PlainTextResponse(text, status, headers)


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


def _unforeseen(_: Request, error: Exception) -> Response:
    log.error("unforeseen: %s", type(error).__name__, exc_info=error)
    return _text("the witness failed; nothing was cosigned", 500)
