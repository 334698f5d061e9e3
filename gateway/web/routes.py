"""A place that is served and its entry in the OpenAPI file, made in one act.

Every door lists its places as `Operation`s, and there is no other way into the application:
what is served is described, and what is described is served.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.problem import Problem

Handler = Callable[[Request], Awaitable[Response]]
Schema = Mapping[str, object]
JSON = "application/json"

_CONVERTER = re.compile(r"\{(\w+):\w+\}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the path, the query or a header. Those of the path are required."""

    name: str
    words: str
    place: str = "path"
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem. `content` maps media types to schemas; empty for none."""

    words: str
    content: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Operation:
    """One method of one place.

    Attributes:
        path: As Starlette writes it; `{id:path}` takes slashes.
        id: The `operationId`, in camel case.
        words: What it does, one sentence without a full stop.
        answers: By status, what it says that is no problem.
        problems: What it may refuse with, besides what every place may.
        body: The schema of its body, of media type JSON; None where it takes none.
        is_open: Whether it needs no token.
    """

    method: str
    path: str
    handler: Handler
    id: str
    words: str
    answers: Mapping[int, Answer]
    problems: tuple[Problem, ...] = ()
    body: Schema | None = None
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False

    @property
    def template(self) -> str:
        """The path as the OpenAPI file writes it."""
        return _CONVERTER.sub(r"{\1}", self.path)


def ref(name: str) -> Schema:
    """The schema of that name in the OpenAPI file."""
    return {"$ref": f"#/components/schemas/{name}"}


def routes(operations: Iterable[Operation]) -> list[Route]:
    """What Starlette serves them by: one route for each path, so that a method which the
    path does not take is told all that it takes."""
    by_path: dict[str, dict[str, Handler]] = {}
    for operation in operations:
        methods = by_path.setdefault(operation.path, {})
        if operation.method in methods:
            raise ValueError(f"{operation.method} {operation.path} is registered twice")
        methods[operation.method] = operation.handler
    return [
        Route(path, _by_method(methods), methods=list(methods)) for path, methods in by_path.items()
    ]


def _by_method(methods: Mapping[str, Handler]) -> Handler:
    if len(methods) == 1:
        (only,) = methods.values()
        return only

    async def handle(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await methods[method](request)

    return handle
