"""What decides, for those who may read it: the parts of the bundle, and the catalogue."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.pdp.catalogue import Entry
from gateway.service import Service
from gateway.web import problem
from gateway.web.limits import MAX_PAGE
from gateway.web.problem import NOT_FOUND
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema
from gateway.web.schemas import ANY, DAY, DIGEST, INTEGER, STRING, closed, listed, mapped, or_null

TEXT = "text/plain; charset=utf-8"
_DEFAULT_PAGE = 100
# Where in a bundle a part is.
_PARTS: Mapping[str, tuple[str, str]] = {
    "schema": ("vocabulary.schema.json", JSON),
    "core": ("core.json", JSON),
    "rego": ("opa/charter/charter.rego", TEXT),
    "cedar/decide": ("cedar/decide.cedar", TEXT),
    "cedar/why": ("cedar/why.cedar", TEXT),
    "cedar/duties": ("cedar/duties.cedar", TEXT),
    "cedar/schema": ("cedar/charter.cedarschema", TEXT),
}
_ROW: dict[str, Schema] = {
    "id": STRING,
    "title": STRING,
    "valid_from": DAY,
    "valid_until": or_null(DAY),
    "source": STRING,
}


class RulesDoor:
    """`/v1/bundle/…` and `/v1/catalogue`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> tuple[Operation, ...]:
        return (*self._parts(), *self._read_out())

    # --- the bundle ------------------------------------------------------------------

    def _parts(self) -> tuple[Operation, ...]:
        refuses = (problem.FORBIDDEN, NOT_FOUND)
        source = Operation(
            "GET",
            "/v1/bundle/source/{path:path}",
            self._source,
            "readSource",
            "Read one charter",
            {200: Answer("Its text", {TEXT: STRING})},
            refuses,
            parameters=(Parameter("path", "As the manifest names it, without `sources/`"),),
        )
        parts = (
            Operation(
                "GET",
                f"/v1/bundle/{name}",
                self._part(path, media_type),
                "readBundle" + "".join(part.capitalize() for part in name.split("/")),
                f"Read `{path}` of the bundle",
                {200: Answer("The file", {media_type: STRING if media_type == TEXT else ANY})},
                refuses,
            )
            for name, (path, media_type) in _PARTS.items()
        )
        return (source, *parts)

    def _part(self, path: str, media_type: str):
        async def read(_: Request) -> Response:
            return self._file(path, media_type)

        return read

    async def _source(self, request: Request) -> Response:
        return self._file(f"sources/{request.path_params['path']}", TEXT)

    def _file(self, path: str, media_type: str) -> Response:
        # A key of the bundle and never a path of the disk.
        data = self._service.in_force.bundle.files.get(path)
        if data is None:
            return NOT_FOUND.response()
        return Response(data, media_type=media_type)

    # --- the catalogue ---------------------------------------------------------------

    def _read_out(self) -> tuple[Operation, ...]:
        head = closed(
            {
                "title": STRING,
                "as_of": DAY,
                "digest": DIGEST,
                "entities": listed(closed({"type": STRING, "count": INTEGER})),
                "wire_types": mapped(STRING),
            }
        )
        rows = closed({"digest": DIGEST, "rows": listed(closed(_ROW)), "next": or_null(STRING)})
        row = closed({**_ROW, "digest": DIGEST, "facts": mapped(ANY)})
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

    async def _head(self, _: Request) -> Response:
        known = self._service.in_force.catalogue
        counts = [{"type": t, "count": len(rows)} for t, rows in sorted(known.entries.items())]
        return JSONResponse(
            {
                "title": known.title,
                "as_of": known.as_of.isoformat(),
                "digest": known.digest,
                "entities": counts,
                "wire_types": dict(known.wire_types),
            }
        )

    async def _rows(self, request: Request) -> Response:
        known = self._service.in_force.catalogue
        rows = known.entries.get(request.path_params["entity"])
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
        rows = known.entries.get(request.path_params["entity"], {})
        entry = rows.get(request.path_params["id"])
        if entry is None:
            return NOT_FOUND.response()
        said = {**_body(entry), "digest": known.digest, "facts": dict(entry.facts)}
        return JSONResponse(said)


def _body(entry: Entry) -> dict[str, object]:
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
