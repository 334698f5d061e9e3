"""Documents by which the gateway attests itself, for anybody: decisions name them."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from gateway.service import Service
from gateway.web import problem
from gateway.web.routes import JSON, Answer, Operation, Parameter

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


class OwnEvidenceDoor:
    """`/v1/attestation/gateway`.

    Args:
        kept: The document of a SHA-256 in hex; None where there is none.
    """

    def __init__(self, service: Service, kept: Callable[[str], bytes | None] | None) -> None:
        self._service = service
        self._kept = kept

    def operations(self) -> tuple[Operation, ...]:
        document = {200: Answer("The document", {JSON: {"type": "object"}})}
        return (
            Operation(
                "GET", "/v1/attestation/gateway", self._newest, "readGatewayEvidence",
                "Read the document by which this gateway attests itself at present",
                document, (problem.NOT_FOUND,), is_open=True,
            ),
            Operation(
                "GET", "/v1/attestation/gateway/{sha256}", self._named, "readGatewayEvidenceOf",
                "Read the document that a decision names",
                document, (problem.NOT_FOUND,),
                parameters=(Parameter("sha256", "Its digest, 64 digits"),), is_open=True,
            ),
        )  # fmt: skip

    async def _newest(self, _: Request) -> Response:
        named = self._service.in_force.gateway_evidence
        if named is None:
            return problem.NOT_FOUND.response()
        return await self._answer(named.removeprefix("sha256:"), {"Cache-Control": "no-cache"})

    async def _named(self, request: Request) -> Response:
        return await self._answer(request.path_params["sha256"], _FOR_EVER)

    async def _answer(self, sha256: str, headers: dict[str, str]) -> Response:
        found = None if self._kept is None else await asyncio.to_thread(self._kept, sha256)
        if found is None:
            return problem.NOT_FOUND.response()
        return Response(found, media_type="application/json", headers=headers)
