"""The log as anybody may read it: tiles and entry bundles (C2SP tlog-tiles).

They hold hashes and salted digests and nothing of a tenant, and never change: whoever stands
between may keep them for ever.
"""

import asyncio
import gzip
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.ledger.tile_paths import TilePath, parse_tile_path
from gateway.ledger.tiles import TileMissingError
from gateway.web import problem
from gateway.web.routes import Answer, Operation, Parameter

FOREVER = "public, max-age=31536000, immutable"
BYTES = "application/octet-stream"
# Anybody may ask, and each takes a thread and up to 5 ms of reading and hashing.
AT_ONCE = 2
_KEPT = 256  # at most 12 KB each


class Tiles(Protocol):
    """As `gateway.ledger.tiles.TileReader`."""

    def read(self, path: TilePath) -> bytes: ...

    def close(self) -> None: ...


class LogDoor:
    """`/tile/…`. Without a ledger in reach there is none.

    Args:
        tiles: Opens the log on first use; it is asked again where it failed.
    """

    def __init__(self, tiles: Callable[[], Tiles] | None) -> None:
        self._open = tiles
        self._tiles: Tiles | None = None
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._read = lru_cache(_KEPT)(self._read_and_pack)

    def close(self) -> None:
        """It must not be asked any more."""
        if self._tiles is not None:
            self._tiles.close()

    def operations(self) -> tuple[Operation, ...]:
        headers = {"Cache-Control": f"`{FOREVER}`", "ETag": "Of these bytes"}
        return (
            Operation(
                "GET", "/tile/{path:path}", self.tile, "readTile",
                "Read a tile or an entry bundle of the log (C2SP tlog-tiles)",
                {
                    200: Answer("The hashes, or the entries", {BYTES: {}}, headers),
                    304: Answer("It is the one of `If-None-Match`", {}, headers),
                },
                (problem.NOT_FOUND, problem.LEDGER_UNAVAILABLE),
                parameters=(
                    Parameter("path", "`<L>/<N>` or `entries/<N>`, and `.p/<W>` for a part"),
                    Parameter("If-None-Match", "An `ETag` that came before", "header"),
                ),
                is_open=True,
            ),
        )  # fmt: skip

    async def tile(self, request: Request) -> Response:
        """The tile of the path that the request names."""
        try:
            path = parse_tile_path(f"tile/{request.path_params['path']}")
        except ValueError:
            return problem.NOT_FOUND.response()
        # Only bundles get smaller: hashes look like noise.
        packed = path.level is None and _takes_gzip(request.headers.get("accept-encoding", ""))
        if self._open is None:
            return problem.NOT_FOUND.response()
        try:
            async with self._turn:
                data, tag = await asyncio.to_thread(self._read, path, packed)
        except TileMissingError:
            return problem.NOT_FOUND.response()
        headers = {"ETag": tag, "Cache-Control": FOREVER}
        if path.level is None:
            headers["Vary"] = "Accept-Encoding"
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(data, media_type=BYTES, headers=headers)

    def _read_and_pack(self, path: TilePath, packed: bool) -> tuple[bytes, str]:
        """What is sent, and the ETag that names it."""
        if self._tiles is None:
            assert self._open is not None  # noqa: S101 - asked before
            self._tiles = self._open()
        data = self._tiles.read(path)
        if packed:
            data = gzip.compress(data, compresslevel=6, mtime=0)
        return data, f'"{sha256(data).hexdigest()}"'


def _takes_gzip(accepted: str) -> bool:
    """Whether a client says that it takes gzip (RFC 9110, 12.5.3); no weight means yes."""
    for one in accepted.split(","):
        name, _, weight = one.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
