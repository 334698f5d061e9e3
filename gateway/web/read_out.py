"""What the catalogue in force states, who vouches for it, and what overlays changed of it."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.pdp.catalogue import Catalogue
from gateway.pdp.provenance import Change
from gateway.pdp.registry import TABLE, Dataset
from gateway.pdp.rows import Entry, Said
from gateway.service import Service
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.limits import MAX_PAGE
from gateway.web.problem import NOT_FOUND
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema
from gateway.web.schemas import (
    ANY,
    DAY,
    DIGEST,
    INTEGER,
    STRING,
    closed,
    listed,
    mapped,
    one_of,
    or_null,
)

_DEFAULT_PAGE = 100
_SHARED = "shared_with"
_ROW: dict[str, Schema] = {
    "id": STRING,
    "title": STRING,
    "valid_from": DAY,
    "valid_until": or_null(DAY),
    "source": STRING,
}
# Who states a fact: the number of the layer, the first 0, and what it goes by.
_PROVENANCE = mapped(closed({"layer": INTEGER, "source": STRING}))
_LAYER: dict[str, Schema] = {
    "name": STRING,
    "title": STRING,
    "author": STRING,
    "as_of": DAY,
    "digest": DIGEST,
}
_CHANGE: dict[str, Schema] = {
    "kind": one_of("replaced", "changed", "withdrawn"),
    "type": STRING,
    "id": STRING,
    "layer": STRING,
    "reason": STRING,
    "fields": mapped(closed({"from": ANY, "to": ANY})),
}


class CatalogueDoor:
    """`/v1/catalogue`. Data sets are read out to the tenants that may name them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> tuple[Operation, ...]:
        head = closed(
            {
                "title": STRING,
                "as_of": DAY,
                "digest": DIGEST,
                "entities": listed(closed({"type": STRING, "count": INTEGER})),
                "wire_types": mapped(STRING),
                "layers": listed(closed(_LAYER)),
                "changes": listed(closed(_CHANGE)),
            }
        )
        rows = closed({"digest": DIGEST, "rows": listed(closed(_ROW)), "next": or_null(STRING)})
        row = closed({**_ROW, "digest": DIGEST, "facts": mapped(ANY), "provenance": _PROVENANCE})
        entity = Parameter("entity", "A type of entity of the vocabulary")
        pages = (
            Parameter("after", "The id after which a page begins: `next` of the last", "query"),
            Parameter(
                "limit",
                f"Rows of a page, {_DEFAULT_PAGE} where it is left out",
                "query",
                {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
            ),
        )
        refuses = (problem.FORBIDDEN, NOT_FOUND)
        path = "/v1/catalogue"
        return (
            Operation(
                "GET", path, self._head, "readCatalogue",
                "Read what the catalogue in force is",
                {200: Answer("Its head", {JSON: head})}, (problem.FORBIDDEN,),
            ),
            Operation(
                "GET", path + "/{entity}", self._rows, "readEntities",
                "Read a page of the entities of one type, by id",
                {200: Answer("The rows, without facts", {JSON: rows})},
                (*refuses, problem.TOO_MANY), parameters=(entity, *pages),
            ),
            Operation(
                "GET", path + "/{entity}/{id:path}", self._row, "readEntity",
                "Read what the catalogue states of one entity, and who vouches for it",
                {200: Answer("The row", {JSON: row})}, refuses,
                parameters=(entity, Parameter("id", "The id of the entity; it may have slashes")),
            ),
        )  # fmt: skip

    async def _head(self, request: Request) -> Response:
        known = self._service.in_force.catalogue
        tenant = caller_of(request).tenant
        tables = {**known.entries, **_registered(known, tenant)}
        counts = [{"type": t, "count": len(rows)} for t, rows in sorted(tables.items())]
        return JSONResponse(
            {
                "title": known.title,
                "as_of": known.as_of.isoformat(),
                "digest": known.digest,
                "entities": counts,
                "wire_types": dict(known.wire_types),
                "layers": [layer.body() for layer in known.layers],
                "changes": [_change(one, tenant) for one in known.changes if _may_see(one, tenant)],
            }
        )

    async def _rows(self, request: Request) -> Response:
        known = self._service.in_force.catalogue
        rows = _table(known, request)
        if rows is None:
            return NOT_FOUND.response()
        limit = _limit(request.query_params.get("limit"))
        if limit is None:
            return problem.TOO_MANY.response()
        after = request.query_params.get("after", "")
        ids = sorted(one for one in rows if one > after)
        here = ids[:limit]
        return JSONResponse(
            {
                "digest": known.digest,
                "rows": [_body(rows[one]) for one in here],
                "next": here[-1] if len(here) < len(ids) else None,
            }
        )

    async def _row(self, request: Request) -> Response:
        known = self._service.in_force.catalogue
        entry = (_table(known, request) or {}).get(request.path_params["id"])
        if entry is None:
            return NOT_FOUND.response()
        facts = _facts(entry, caller_of(request).tenant)
        said = {
            **_body(entry),
            "digest": known.digest,
            "facts": facts,
            "provenance": {name: _said(known, entry, name) for name in facts},
        }
        return JSONResponse(said)


def _table(known: Catalogue, request: Request) -> Mapping[str, Entry | Dataset] | None:
    """The entities of a type; None where there is none of the name."""
    entity = request.path_params["entity"]
    if entity in known.entries:
        return known.entries[entity]
    return _registered(known, caller_of(request).tenant).get(entity)


def _registered(known: Catalogue, tenant: str) -> dict[str, dict[str, Dataset]]:
    """The data sets that a tenant may name, under the name of their table."""
    if known.registry is None:
        return {}
    datasets = known.registry.datasets.items()
    return {TABLE: {name: one for name, one in datasets if one.is_for(tenant)}}


def _may_see(change: Change, tenant: str) -> bool:
    """Nobody learns of data sets of others, nor of what was another's before."""
    return change.tenants is None or tenant in change.tenants


def _change(change: Change, tenant: str) -> dict[str, object]:
    if change.tenants is None or tenant == change.owner:
        return change.body()
    fields = {name: both for name, both in change.fields.items() if name != _SHARED}
    return replace(change, fields=fields).body()


def _facts(entry: Entry | Dataset, tenant: str) -> dict[str, object]:
    """The facts of a row. With whom else a data set is shared is its owner's to know."""
    if isinstance(entry, Entry):
        return dict(entry.facts)
    facts = entry.facts()
    return facts if tenant == entry.owner else {**facts, _SHARED: [tenant]}


def _said(known: Catalogue, entry: Entry | Dataset, name: str) -> dict[str, object]:
    said = Said(entry.layer, entry.source) if isinstance(entry, Dataset) else entry.said(name)
    return {"layer": known.layers.index(said.layer), "source": said.source}


def _body(entry: Entry | Dataset) -> dict[str, object]:
    until = entry.valid_until
    return {
        "id": entry.id,
        "title": entry.title,
        "valid_from": entry.valid_from.isoformat(),
        "valid_until": None if until is None else until.isoformat(),
        "source": entry.source,
    }


def _limit(text: str | None) -> int | None:
    """The rows of a page; None where they are no number of those a page can hold."""
    if text is None:
        return _DEFAULT_PAGE
    right = text.isascii() and text.isdecimal() and len(text) <= 4
    return int(text) if right and 0 < int(text) <= MAX_PAGE else None
