"""`POST /v1/decisions/{id}/erasure`: an operator has a record erased on legal grounds. And what
is answered in place of one that is."""

from dataclasses import replace
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.erasure import MAX_WORDS, Grounds
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError, NothingToEraseError
from gateway.record.canonical import load_strict
from gateway.service import Service
from gateway.watch import shown
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.problem import ERASED, ERASURE_REFUSED, IN_SCOPE, MEDIA_TYPE, NOT_FOUND, QUESTIONS
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema
from gateway.web.schemas import INTEGER, STRING, closed

MAX_GROUNDS_BYTES = 16 * 1024
_MEMBERS = ("reason", "authority")
_WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_WORDS}
GROUNDS = closed(dict.fromkeys(_MEMBERS, _WORDS))


async def gone(request: Request, service: Service, erased: ErasedEntryError) -> Response:
    """The tombstone, as a problem that carries its own evidence."""
    body = ERASED.body() | dict(await service.recorded.tombstone(erased))
    request.scope[IN_SCOPE] = ERASED.slug
    return JSONResponse(body, int(ERASED.status), PRIVATE, MEDIA_TYPE)


class ErasureDoor:
    """Takes the grounds; who had it done is the caller."""

    def __init__(self, service: Service, entrance: Entrance) -> None:
        self._service = service
        self._entrance = entrance

    def operations(self) -> tuple[Operation, ...]:
        said = closed(
            {
                "id": STRING,
                "index": INTEGER,
                "erasure_id": STRING,
                "erasure_index": INTEGER,
                "tidy": {"type": "boolean"},
            }
        )
        return (
            Operation(
                "POST",
                "/v1/decisions/{id}/erasure",
                self.erase,
                "eraseDecision",
                "Erase the record of a decision of any tenant, and log why",
                {200: Answer("What says so", {JSON: said}, {"Cache-Control": "`no-store`"})},
                (
                    problem.FORBIDDEN,
                    problem.MALFORMED_JSON,
                    QUESTIONS["malformed-question"],
                    problem.NOT_JSON,
                    problem.TOO_LARGE,
                    problem.TOO_BUSY,
                    problem.LEDGER_UNAVAILABLE,
                    ERASED,
                    ERASURE_REFUSED,
                    NOT_FOUND,
                ),
                body=GROUNDS,
                parameters=(Parameter("id", "The id of a decision"),),
            ),
        )

    async def erase(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.body(request, caller, MAX_GROUNDS_BYTES) as data:
                value = load_strict(data, max_bytes=MAX_GROUNDS_BYTES)
                grounds = read_grounds(value, shown(caller.id))
                done = await self._service.recorded.erase(request.path_params["id"], grounds)
        except RefusedError as refused:
            return refused.response()
        except NothingToEraseError:
            return NOT_FOUND.response()
        except ErasureRefusedError as error:
            return replace(ERASURE_REFUSED, detail=str(error)).response()
        body = {
            "id": done.id,
            "index": done.index,
            "erasure_id": done.erasure_id,
            "erasure_index": done.erasure_index,
            "tidy": done.is_tidy,
        }
        return JSONResponse(body, headers=PRIVATE)


def read_grounds(value: object, by: str) -> Grounds:
    """Why something is erased, as a body says it.

    Raises:
        RefusedError: It does not.
    """
    members = cast("dict[object, object]", value) if isinstance(value, dict) else {}
    reason, authority = (members.get(name) for name in _MEMBERS)
    if isinstance(reason, str) and isinstance(authority, str) and len(members) == len(_MEMBERS):
        try:
            return Grounds(reason, authority, by)
        except ErasureRefusedError as error:
            detail = str(error)
    else:
        detail = "an erasure has a reason and an authority, both texts, and nothing else"
    refused = replace(QUESTIONS["malformed-question"], detail=detail, pointer="")
    raise RefusedError(refused, closes=False)
