"""`POST /v1/reload`: an operator has other rules and facts come into force."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import ReloadError
from gateway.reload import Reloader
from gateway.watch import shown
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE
from gateway.web.routes import JSON, Answer, Operation
from gateway.web.schemas import DIGEST, INTEGER, STRING, closed, or_null


class ReloadDoor:
    """Takes no body: what is loaded is on the disk of the gateway, and was put there by those
    who may. `reloader` is None where nothing was loaded from a disk."""

    def __init__(self, reloader: Reloader | None) -> None:
        self._reloader = reloader

    def operations(self) -> tuple[Operation, ...]:
        named = {"bundle": DIGEST, "catalogue": DIGEST, "sequence": or_null(INTEGER)}
        said = closed({**named, "before": or_null(closed(named)), "rollback": or_null(STRING)})
        return (
            Operation(
                "POST",
                "/v1/reload",
                self.reload,
                "reload",
                "Load rules and catalogue anew, and decide with them from now on",
                {200: Answer("What is in force", {JSON: said}, {"Cache-Control": "`no-store`"})},
                (problem.FORBIDDEN, problem.RELOAD_REFUSED),
            ),
        )

    async def reload(self, request: Request) -> Response:
        if self._reloader is None:
            return replace(
                problem.RELOAD_REFUSED, detail="this gateway loads nothing from disk"
            ).response()
        try:
            done = await self._reloader.reload(shown(caller_of(request).id))
        except ReloadError as error:
            return replace(problem.RELOAD_REFUSED, detail=str(error)).response()
        return JSONResponse(done.body(), headers=PRIVATE)
