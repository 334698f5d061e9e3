"""Routes, and the one place where errors become answers."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.callers import Callers, Known
from gateway.errors import GatewayError
from gateway.nodes.documents import Documents
from gateway.reload import Reloader
from gateway.service import Service
from gateway.web import straight
from gateway.web.access import Gate
from gateway.web.asked_again import AskedAgain
from gateway.web.attesting import AttestingDoor
from gateway.web.decisions import DecisionDoor
from gateway.web.discovery import DiscoveryDoor
from gateway.web.documents import DocumentsDoor
from gateway.web.ended import Ended, EndedDoor
from gateway.web.entrance import Entrance
from gateway.web.further import further_places
from gateway.web.idempotency import Repeats
from gateway.web.log import LogDoor, Tiles
from gateway.web.metrics import Metrics
from gateway.web.openapi import VOCABULARY, Described
from gateway.web.own_evidence import OwnEvidenceDoor
from gateway.web.pages import PagesDoor
from gateway.web.places import decision_places, public_places
from gateway.web.problem import INTERNAL, NO_METHOD, NOT_FOUND, of_error
from gateway.web.public import PublicDoor
from gateway.web.reloading import ReloadDoor
from gateway.web.routes import routes
from gateway.web.stamped import Stamp, StampDoor, Tree
from gateway.web.stated import Stated, stated_limits
from gateway.web.straight import Questions, Straight
from gateway.web.watched import Tracing, Watched
from gateway.web.watching import WatchingDoor
from gateway.web.witnessing import WitnessedDoor

log = logging.getLogger("charter")


class LogReader(Tiles, Tree, Protocol):
    """As `gateway.ledger.tiles.TileReader`."""


class Stamps(Protocol):
    """As `gateway.stamping.stamps.Stamps`."""

    def first_of(self, size: int) -> Stamp | None: ...

    def newest_at(self) -> float | None: ...


class Gateway(Starlette):
    """The application, watched from outside of all that it does."""

    def __init__(
        self, metrics: Metrics, tracing: Tracing | None, questions: Questions, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.metrics = metrics
        self._tracing = tracing
        self._questions = questions

    def build_middleware_stack(self) -> ASGIApp:
        app = Straight(super().build_middleware_stack(), self._questions)
        return Watched(app, self.metrics, self._tracing)

    def asked_again(self) -> AskedAgain | None:
        """What the server may answer by itself; nothing where a span is kept for each
        request."""
        return None if self._tracing else AskedAgain(self._questions, self.metrics)


def create_app(
    service: Service,
    callers: Known | Callers,
    trust: Mapping[str, object],
    *,
    clock: Callable[[], datetime] | None = None,
    tracing: Tracing | None = None,
    public_url: str | None = None,
    reloader: Reloader | None = None,
    limits: Stated | None = None,
    without_context: frozenset[str] = frozenset(),
    workers: int = 1,
    tiles: Callable[[], LogReader] | None = None,
    stamps: Stamps | None = None,
    ended: Callable[[int], Ended | None] | None = None,
    documents: Documents | None = None,
    own_evidence: Callable[[str], bytes | None] | None = None,
) -> Gateway:
    """The gateway as an ASGI application. It closes the service when it stops.

    Args:
        clock: By which credentials run out; that of the service where none is given.
        public_url: Where callers reach it; without it, no metadata can be served.
        reloader: Of the service, where it was loaded from a disk.
        limits: Those of `gateway.web.stated` that the operator has set.
        workers: How many such applications answer for one gateway, and share its limits.
        without_context: Tenants whose AuthZEN answers have no context.
        tiles: Opens the log as files, for anybody to read.
        stamps: Timestamps over checkpoints of the log.
        ended: Opens the logs that were before it, by their number.
        documents: Evidence of machines, and what it is judged by.
        own_evidence: Documents by which the gateway attested itself, by their SHA-256.
    """
    entrance = Entrance(stated_limits(limits)["in_flight_of_tenant"], workers)
    repeats = Repeats(service)
    decisions = DecisionDoor(service, entrance, repeats)
    public = PublicDoor(service, trust)
    tiled, before_it = LogDoor(tiles), EndedDoor(ended)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await service.close()
        tiled.close()
        before_it.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)

    metrics = service.watch = Metrics(service)
    if stamps is not None:
        metrics.stamped_at = stamps.newest_at
    watching = WatchingDoor(service, metrics)
    operations = [
        # First, for `batch` is no id of a decision.
        *further_places(service, entrance, repeats, without_context),
        *DiscoveryDoor(service, public_url, limits).operations(),
        *DocumentsDoor(service, entrance, documents).operations(),
        *PagesDoor().operations(),
        *decision_places(decisions),
        *public_places(public),
        *tiled.operations(),
        *before_it.operations(),
        *StampDoor(None if stamps is None else stamps.first_of, tiles).operations(),
        *WitnessedDoor(service).operations(),
        *OwnEvidenceDoor(service, own_evidence).operations(),
        *watching.operations(),
        *ReloadDoor(reloader).operations(),
        *AttestingDoor(service, entrance).operations(),
    ]
    described = Described(operations, lambda: service.in_force.bundle.files[VOCABULARY], limits)
    gate = Gate(callers, clock or service.clock)
    served = gate.guard(routes(described.operations))
    route = next(route for route in served if route.path == straight.PATH)

    questions = Questions(
        route, service, gate, entrance, refused=_gateway_error, failed=_unforeseen
    )
    app = Gateway(
        metrics,
        tracing,
        questions,
        routes=served,
        lifespan=lifespan,
        exception_handlers={
            GatewayError: _gateway_error,
            HTTPException: _http_error,
            Exception: _unforeseen,
        },
    )
    # A redirect would be built from the Host header, which anybody can write.
    app.router.redirect_slashes = False
    return app


def _gateway_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for it alone
    problem = of_error(error)
    if problem.status >= 500:
        log.error("%s: %s", type(error).__name__, error)
    return problem.response()


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    if error.status_code == 404:
        return NOT_FOUND.response()
    if error.status_code == 405:
        return NO_METHOD.response(error.headers)
    return INTERNAL.response()


def _unforeseen(_: Request, error: Exception) -> Response:
    log.error("unforeseen: %s", type(error).__name__, exc_info=error)
    return INTERNAL.response()
