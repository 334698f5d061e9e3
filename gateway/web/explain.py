"""`/v1/decisions/{id}/explain`: a recorded decision explained, to its own tenant."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.ledger.erased import ErasedEntryError
from gateway.pdp.explanation import to_body
from gateway.pdp.stored import explain_stored
from gateway.service import Service
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.erasing import gone
from gateway.web.problem import NOT_FOUND
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema
from gateway.web.schemas import ANY, STRING, closed, listed, one_of, or_null

# A search with the definition, which holds the interpreter's lock: a tenth of what the
# command line may take.
MAX_EVALUATIONS = 2_000
_TOLD = ("id", "decision", "grounds", "reasons", "missing", "obligations", "incident")
_OTHER = "the bundle or the catalogue is another one than that of the decision"
_NO_REQUEST = "the facts of the decision do not follow from a request alone"


class ExplainDoor:
    """Explains one decision at a time, beside those that are being made."""

    def __init__(self, service: Service, entrance: Entrance) -> None:
        self._service = service
        self._entrance = entrance

    def operations(self) -> tuple[Operation, ...]:
        said: Schema = closed(
            {
                "id": STRING,
                "decision": one_of("permit", "deny", "indeterminate"),
                **dict.fromkeys(("grounds", "reasons", "missing", "obligations"), listed(ANY)),
                "incident": or_null({"type": "object"}),
                "explanation": or_null({"type": "object"}),
                "unexplained": or_null(STRING),
            }
        )
        return (
            Operation(
                "GET",
                "/v1/decisions/{id}/explain",
                self.read,
                "explainDecision",
                "Read what a decision rests on and what would have changed it",
                {200: Answer("The explanation", {JSON: said}, {"Cache-Control": "`no-store`"})},
                (
                    problem.FORBIDDEN,
                    NOT_FOUND,
                    problem.ERASED,
                    problem.TOO_BUSY,
                    problem.OVERLOADED,
                ),
                parameters=(Parameter("id", "The id of a decision of the caller's tenant"),),
            ),
        )

    async def read(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.explaining(caller):
                found = await self._service.recorded.find(request.path_params["id"], caller)
                if found is None:
                    return NOT_FOUND.response()
                explanation, why_not = await self._explained(found)
        except RefusedError as refused:
            return refused.response()
        except ErasedEntryError as erased:
            return await gone(request, self._service, erased)
        told = {name: found[name] for name in _TOLD}
        body = {**told, "explanation": explanation, "unexplained": why_not}
        return JSONResponse(body, headers=PRIVATE)

    async def _explained(
        self, found: Mapping[str, object]
    ) -> tuple[dict[str, object] | None, str | None]:
        in_force = self._service.in_force
        bundle, catalogue = in_force.bundle, in_force.catalogue
        if (found["bundle"], found["catalogue"]) != (bundle.digest, catalogue.digest):
            return None, _OTHER
        explained = await asyncio.to_thread(
            explain_stored, bundle.program, catalogue, found, budget=MAX_EVALUATIONS
        )
        return (None, _NO_REQUEST) if explained is None else (to_body(explained), None)
