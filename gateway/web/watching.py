"""The places for whoever runs the gateway: is it alive, is it ready, what are its numbers."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.service import Service
from gateway.web import problem, witnessing
from gateway.web.metrics import MEDIA_TYPE, Metrics
from gateway.web.routes import JSON, Answer, Operation
from gateway.web.schemas import STRING, closed, one_of

_FRESH = {"Cache-Control": "no-store"}


class WatchingDoor:
    """`/livez` answers while the process runs, `/readyz` while it can decide and record.

    Numbers need a token: they name tenants, and tell how much each of them asks.
    """

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics

    def operations(self) -> tuple[Operation, ...]:
        alive = {200: Answer("It does", {JSON: closed({"status": {"const": "ok"}})})}
        said = closed(
            {
                "status": {"const": "ready"},
                "reload": {"const": "failed"},
                "witnessing": one_of(*witnessing.MODES),
            },
            "reload",
            "witnessing",
        )
        ready = {200: Answer("It can; whether by older rules than it should", {JSON: said})}
        numbers = {200: Answer("The text format of Prometheus", {MEDIA_TYPE: STRING})}
        words = "Learn whether the process answers at all"
        return (
            Operation("GET", "/livez", self.live, "isAlive", words, alive, is_open=True),
            Operation("GET", "/healthz", self.live, "isHealthy", words, alive, is_open=True),
            Operation(
                "GET",
                "/readyz",
                self.ready,
                "isReady",
                "Learn whether questions can be decided and recorded",
                ready,
                (problem.NOT_READY,),
                is_open=True,
            ),
            Operation(
                "GET",
                "/metrics",
                self.metrics,
                "readMetrics",
                "Read the numbers of the gateway",
                numbers,
                (problem.FORBIDDEN,),
            ),
        )

    async def live(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    async def ready(self, _: Request) -> Response:
        why = self._service.not_ready()
        if why is not None:
            return replace(problem.NOT_READY, detail=why).response()
        # Not why: anybody may read this.
        reload = {"reload": "failed"} if self._metrics.reload_failed else {}
        said = await witnessing.ask(self._service)
        cosigned = {} if said is None else {"witnessing": witnessing.state(said)}
        return JSONResponse({"status": "ready", **reload, **cosigned}, headers=_FRESH)

    async def metrics(self, _: Request) -> Response:
        return Response(await self._metrics.of_all(), headers=_FRESH, media_type=MEDIA_TYPE)
