"""What anybody may read: keys, checkpoint, bundle."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.service import Service


class PublicDoor:
    """Read-only places without a token; nothing here depends on a tenant."""

    def __init__(self, service: Service, trust: Mapping[str, object]) -> None:
        self._service = service
        self._trust = trust

    async def trust(self, _: Request) -> Response:
        return JSONResponse(self._trust)

    async def bundle(self, _: Request) -> Response:
        return Response(self._service.in_force.bundle.manifest(), media_type="application/json")

    async def opa_bundle(self, request: Request) -> Response:
        """A bundle for stock Open Policy Agent servers, with the ETag they poll by."""
        data, tag = self._service.in_force.opa
        headers = {"ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="application/gzip", headers=headers)

    async def checkpoint(self, _: Request) -> Response:
        note = await asyncio.to_thread(self._service.ledger.latest_checkpoint)
        # Nobody should be told for long what is not the newest any more (C2SP tlog-tiles).
        return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})
