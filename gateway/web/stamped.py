"""Timestamps of an authority over checkpoints, with what leads to them from a smaller tree."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.ledger.merkle import Nodes, consistency_path
from gateway.ledger.tiles import TileMissingError
from gateway.web import problem
from gateway.web.routes import JSON, Answer, Operation, Parameter
from gateway.web.schemas import INTEGER, STRING, closed, listed

_DIGITS = 19


class Stamp(Protocol):
    """As `gateway.stamping.stamps.Stamp`."""

    @property
    def size(self) -> int: ...
    @property
    def checkpoint(self) -> bytes: ...
    @property
    def response(self) -> bytes: ...


class Tree(Protocol):
    """As `gateway.ledger.tiles.TileReader`."""

    def node(self, level: int, index: int) -> bytes: ...

    def close(self) -> None: ...


class StampDoor:
    """`/v1/timestamps/{size}`.

    Args:
        first_of: The first timestamp over a tree of so many entries or more.
        tree: Opens the log.
    """

    def __init__(
        self,
        first_of: Callable[[int], Stamp | None] | None,
        tree: Callable[[], Tree] | None,
    ) -> None:
        self._first_of = first_of
        self._tree = tree
        self._turn = asyncio.Semaphore(1)

    def operations(self) -> tuple[Operation, ...]:
        body = closed(
            {
                "size": INTEGER,
                "checkpoint": STRING,
                "timestamp": STRING,
                "from": INTEGER,
                "consistency": listed(STRING),
            }
        )
        return (
            Operation(
                "GET", "/v1/timestamps/{size}", self._stamped, "readTimestamp",
                "Read the first timestamp over a tree of so many entries or more",
                {200: Answer("Checkpoint, RFC 3161 response, and what leads to it", {JSON: body})},
                (problem.NOT_FOUND, problem.LEDGER_UNAVAILABLE),
                parameters=(Parameter("size", "The size of the tree in a checkpoint or proof"),),
                is_open=True,
            ),
        )  # fmt: skip

    async def _stamped(self, request: Request) -> Response:
        text = request.path_params["size"]
        right = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
        if self._first_of is None or self._tree is None or not right or text != str(int(text)):
            return problem.NOT_FOUND.response()
        try:
            async with self._turn:
                body = await asyncio.to_thread(self._read, int(text))
        except TileMissingError:
            return problem.NOT_FOUND.response()
        if body is None:
            return problem.NOT_FOUND.response()
        return JSONResponse(body, headers={"Cache-Control": "no-cache"})

    def _read(self, size: int) -> dict[str, object] | None:
        if size < 1 or self._first_of is None or self._tree is None:
            return None
        found = self._first_of(size)
        if found is None:
            return None
        with closing(self._tree()) as tree:
            nodes: Nodes = tree.node
            path = consistency_path(size, found.size, nodes)
        return {
            "size": found.size,
            "checkpoint": found.checkpoint.decode(),
            "timestamp": b64encode(found.response).decode(),
            "from": size,
            "consistency": [b64encode(one).decode() for one in path],
        }
