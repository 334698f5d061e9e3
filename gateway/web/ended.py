"""Logs that have ended, as anybody may read them: each below a number, from 1."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.web import problem
from gateway.web.log import LogDoor, Tiles
from gateway.web.routes import Answer, Operation, Parameter
from gateway.web.schemas import STRING

TEXT = "text/plain; charset=utf-8"
_DIGITS = 4


class Ended(Tiles, Protocol):
    """As `gateway.ledger.tiles.TileReader`."""

    def checkpoint(self) -> tuple[int, str]: ...


class EndedDoor:
    """`/shards/{number}/…`.

    Args:
        find: Opens the log of a number; None where there is none.
    """

    def __init__(self, find: Callable[[int], Ended | None] | None) -> None:
        self._find = find
        self._opened: dict[int, tuple[Ended, LogDoor]] = {}
        self._turn = asyncio.Lock()

    def close(self) -> None:
        """It must not be asked any more."""
        for reader, _ in self._opened.values():
            reader.close()

    def operations(self) -> tuple[Operation, ...]:
        number = Parameter("number", "Which of the logs that have ended, the first 1")
        path = Parameter("path", "As below `/tile/`")
        return (
            Operation(
                "GET", "/shards/{number}/checkpoint", self._checkpoint, "readEndedCheckpoint",
                "Read the last checkpoint of a log that has ended",
                {200: Answer("A signed note (C2SP tlog-checkpoint)", {TEXT: STRING})},
                (problem.NOT_FOUND, problem.LEDGER_UNAVAILABLE),
                parameters=(number,), is_open=True,
            ),
            Operation(
                "GET", "/shards/{number}/tile/{path:path}", self._tile, "readEndedTile",
                "Read a tile or an entry bundle of a log that has ended (C2SP tlog-tiles)",
                {
                    200: Answer("The hashes, or the entries", {"application/octet-stream": {}}),
                    304: Answer("It is the one of `If-None-Match`"),
                },
                (problem.NOT_FOUND, problem.LEDGER_UNAVAILABLE),
                parameters=(
                    number, path,
                    Parameter("If-None-Match", "An `ETag` that came before", "header"),
                ),
                is_open=True,
            ),
        )  # fmt: skip

    async def _checkpoint(self, request: Request) -> Response:
        found = await self._log(request)
        if found is None:
            return problem.NOT_FOUND.response()
        _, note = await asyncio.to_thread(found[0].checkpoint)
        return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})

    async def _tile(self, request: Request) -> Response:
        found = await self._log(request)
        return problem.NOT_FOUND.response() if found is None else await found[1].tile(request)

    async def _log(self, request: Request) -> tuple[Ended, LogDoor] | None:
        text = request.path_params["number"]
        if self._find is None or not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
            return None
        number = int(text)
        async with self._turn:
            if number not in self._opened and text == str(number):
                reader = await asyncio.to_thread(self._find, number)
                if reader is not None:
                    self._opened[number] = reader, LogDoor(lambda: reader)
        return self._opened.get(number) if text == str(number) else None
