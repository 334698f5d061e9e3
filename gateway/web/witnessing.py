"""What witnesses have cosigned of the log, for those who verify and those who watch.

The ledger says it as JSON, for it can be in another process; None where nobody is asked.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.errors import LedgerError
from gateway.service import Service
from gateway.web import problem
from gateway.web.routes import Answer, Operation
from gateway.web.schemas import STRING

MODES = ("background", "required", "late")

Said = dict[str, Any]


async def ask(service: Service) -> Said | None:
    """What the ledger says of its witnesses; None where it has none, or says nothing."""
    with suppress(LedgerError):
        said = await asyncio.to_thread(service.ledger.witnessed)
        return None if said is None else cast("Said", json.loads(said))
    return None


def state(said: Said) -> str:
    """One of `MODES`: late where the background has found no quorum for some time."""
    return "late" if said["late"] else str(said["mode"])


def families(said: Said | None) -> Iterator[Metric]:
    """The numbers of it."""
    mode = "none" if said is None else str(said["mode"])
    yield InfoMetricFamily(
        "charter_witnessing", "Whether answers wait for witnesses", {"mode": mode}
    )
    if said is None:
        return
    yield GaugeMetricFamily(
        "charter_witnessed_entries", "Entries that a quorum of witnesses covers", said["size"]
    )
    yield GaugeMetricFamily(
        "charter_witness_late",
        "Whether no quorum was found for several intervals, or there is none now",
        said["late"],
    )
    if said["age_s"] is not None:
        yield GaugeMetricFamily(
            "charter_witnessed_age_seconds",
            "Since the newest checkpoint with a quorum was cosigned",
            said["age_s"],
        )
    sizes = GaugeMetricFamily(
        "charter_witness_entries", "Entries that a witness cosigned last", labels=("witness",)
    )
    for name, one in said["witnesses"].items():
        sizes.add_metric((name,), one["size"])
    failures = CounterMetricFamily(
        "charter_witness_failures",
        "Checkpoints that a witness did not cosign",
        labels=("witness", "kind"),
    )
    for name, kinds in said["failures"].items():
        for kind, count in kinds.items():
            failures.add_metric((name, kind), count)
    yield from (sizes, failures)


class WitnessedDoor:
    """`/checkpoint/witnessed`: the newest checkpoint that a quorum cosigned."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> tuple[Operation, ...]:
        media = "text/plain; charset=utf-8"
        return (
            Operation(
                "GET",
                "/checkpoint/witnessed",
                self._checkpoint,
                "readWitnessedCheckpoint",
                "Read the newest checkpoint that a quorum of witnesses cosigned",
                {200: Answer("A signed note with cosignatures", {media: STRING})},
                (problem.NOT_FOUND,),
                is_open=True,
            ),
        )

    async def _checkpoint(self, _: Request) -> Response:
        said = await ask(self._service)
        if said is None or said["checkpoint"] is None:
            return problem.NOT_FOUND.response()
        return PlainTextResponse(said["checkpoint"], headers={"Cache-Control": "no-cache"})
