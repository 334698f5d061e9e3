"""What decides, for those who may read it: the parts of the bundle, and the catalogue."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from gateway.service import Service
from gateway.web import problem
from gateway.web.problem import NOT_FOUND
from gateway.web.read_out import CatalogueDoor
from gateway.web.routes import JSON, Answer, Operation, Parameter
from gateway.web.schemas import (
    ANY,
    STRING,
)

TEXT = "text/plain; charset=utf-8"
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


class RulesDoor:
    """`/v1/bundle/…` and `/v1/catalogue`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> tuple[Operation, ...]:
        return (*self._parts(), *CatalogueDoor(self._service).operations())

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
