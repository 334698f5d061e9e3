"""The OpenAPI 3.1 file of one gateway, made of what it serves."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from gateway.web import problem
from gateway.web.problem import MEDIA_TYPE, Problem
from gateway.web.routes import JSON, Answer, Operation, Schema, ref
from gateway.web.schemas import SCHEMAS
from gateway.web.stated import Stated, stated_limits

QUESTION = "Question"
VOCABULARY = "vocabulary.schema.json"  # of a bundle
# What any place may say, whatever was asked.
EVERYWHERE = (
    problem.MALFORMED_HTTP,
    problem.NO_METHOD,
    problem.TOO_SLOW,
    problem.HEAD_TOO_LARGE,
    problem.INTERNAL,
    problem.TOO_MANY_CONNECTIONS,
    problem.NO_CONNECTIONS_LEFT,
)
# What any place may say that needs a token. Those are all by their slug: callers can come to
# be known in more ways.
OF_A_CALLER = (
    problem.UNAUTHENTICATED,
    problem.FORBIDDEN,
    problem.CALLERS_UNAVAILABLE,
    problem.CLOCK_IN_DOUBT,
)
_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "Comes back with the answer; 1 to 128 printable characters of ASCII. "
    "Anything else is replaced.",
    "schema": {"type": "string"},
}


def document(
    operations: Iterable[Operation],
    vocabulary: bytes,
    more: Mapping[str, Schema] | None = None,
    chosen: Stated | None = None,
) -> dict[str, object]:
    """The file as JSON.

    Args:
        vocabulary: The JSON Schema of a question under the charters in force.
        more: Schemas of doors besides the usual ones.
        chosen: Limits that the operator has set.
    """
    question = dict(cast("dict[str, object]", json.loads(vocabulary)))
    question.pop("$schema", None)
    paths: dict[str, dict[str, object]] = {}
    for operation in operations:
        place = paths.setdefault(operation.template, {})
        place[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Charter",
            "version": "1",
            "description": "Decides where a workload may run and where data may flow, and "
            "proves it. A denial is an answer with status 200; a problem is never a decision.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "x-limits": stated_limits(chosen),
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **(more or {}), QUESTION: question},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class Described:
    """Operations, and the place where they are described.

    Args:
        vocabulary: Gives that of the charters in force.
        chosen: Limits that the operator has set.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        vocabulary: Callable[[], bytes],
        chosen: Stated | None = None,
    ) -> None:
        self.operations = (*operations, self._own())
        self._vocabulary = vocabulary
        self._chosen = chosen
        self._described = (b"", b"")

    def _own(self) -> Operation:
        answer = Answer("An OpenAPI document of version 3.1", {JSON: {"type": "object"}})
        return Operation(
            "GET",
            "/openapi.json",
            self._read,
            "readOpenApi",
            "Read what is served here",
            {200: answer},
            is_open=True,
        )

    async def _read(self, _: Request) -> Response:
        vocabulary = self._vocabulary()
        if self._described[0] != vocabulary:
            data = json.dumps(document(self.operations, vocabulary, chosen=self._chosen)).encode()
            self._described = (vocabulary, data)
        return Response(self._described[1], media_type=JSON)


def _operation(operation: Operation) -> dict[str, object]:
    own = () if operation.is_open else OF_A_CALLER
    refusals = (*EVERYWHERE, *own, *operation.problems)
    parameters: list[object] = [
        {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.place == "path",
            "description": parameter.words,
            "schema": parameter.schema,
        }
        for parameter in operation.parameters
    ]
    entry: dict[str, object] = {
        "operationId": operation.id,
        "summary": operation.words,
        "security": [] if operation.is_open else [{"token": []}],
        "parameters": [*parameters, _REQUEST_ID],
        "responses": _responses(operation.answers, refusals),
    }
    if operation.body is not None:
        entry["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    return entry


def _responses(
    answers: Mapping[int, Answer], refusals: Iterable[Problem]
) -> dict[str, dict[str, object]]:
    """By status. A door can say with one status what is a problem and what is none."""
    found = {str(status): _answer(answer) for status, answer in answers.items()}
    for status, refused in _problems(refusals).items():
        own = found.get(status)
        if own is None:
            found[status] = refused
            continue
        own["description"] = f"{own['description']}; {refused['description']}"
        for member in ("content", "headers"):
            both = (cast("Schema", one.get(member, {})) for one in (own, refused))
            own[member] = {name: value for one in both for name, value in one.items()}
    return found


def _answer(answer: Answer) -> dict[str, object]:
    said: dict[str, object] = {
        "description": answer.words,
        "headers": {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in answer.headers.items()
        },
    }
    if answer.content:
        said["content"] = {kind: {"schema": schema} for kind, schema in answer.content.items()}
    return said


def _problems(refusals: Iterable[Problem]) -> dict[str, dict[str, object]]:
    by_status: dict[int, dict[str, Problem]] = {}
    for one in refusals:
        by_status.setdefault(int(one.status), {})[one.slug] = one
    return {
        str(status): {
            "description": "; ".join(f"`{slug}`: {one.title}" for slug, one in those.items()),
            "headers": {
                name: {"schema": {"type": "string"}}
                for name in sorted({name for one in those.values() for name in one.all_headers})
            },
            "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
        }
        for status, those in sorted(by_status.items())
    }
