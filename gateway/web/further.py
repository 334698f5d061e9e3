"""The places of AuthZEN, and the doors that list their own."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.service import Service
from gateway.web import problem
from gateway.web.authzen import BASE, AuthZenDoor, metadata
from gateway.web.batch import BatchDoor
from gateway.web.entrance import Entrance
from gateway.web.explain import ExplainDoor
from gateway.web.idempotency import Repeats
from gateway.web.limits import MAX_BATCH, MAX_PAGE
from gateway.web.routes import JSON, Answer, Operation, Schema, ref
from gateway.web.rules import RulesDoor
from gateway.web.schemas import ANY, DIGEST, INTEGER, STRING, closed, listed, one_of, or_null
from gateway.web.searches import SearchDoor

_NOT_CACHED = {"Cache-Control": "`no-store`"}
_REFUSES = (
    problem.FORBIDDEN,
    problem.NOT_JSON,
    problem.TOO_LARGE,
    problem.TOO_BUSY,
    problem.OVERLOADED,
    problem.TOO_LATE,
    problem.LEDGER_UNAVAILABLE,
)
_MALFORMED = Answer("The request is malformed; a message", {JSON: STRING}, _NOT_CACHED)
_ENTITY: Schema = {
    "type": "object",
    "properties": {"type": STRING, "id": STRING, "properties": {"type": "object"}},
    "required": ["type"],
}
_ACTION: Schema = {
    "type": "object",
    "properties": {"name": STRING, "properties": {"type": "object"}},
    "required": ["name"],
}
_QUESTION: Schema = {
    "subject": _ENTITY,
    "action": _ACTION,
    "resource": _ENTITY,
    "context": {"type": "object"},
}
_PAGE: Schema = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
        "token": STRING,
        "properties": {"type": "object", "properties": {"refused": {"type": "boolean"}}},
    },
}
# The decision, or the problem that stands for it; with what was not understood.
_EVALUATION = closed(
    {
        "decision": {"type": "boolean"},
        "context": {
            "anyOf": [
                ref("Decision"),
                closed({"error": ref("Problem")}),
            ]
        },
        "ignored": listed(closed({"pointer": STRING, "detail": STRING})),
    },
    "ignored",
)
_NAMED: dict[str, Schema] = {"type": STRING, "id": STRING, "name": STRING}
_RANKED = closed(
    {**_NAMED, "preference": INTEGER, "obligations": listed(STRING)}, "type", "id", "name"
)
_REFUSED = closed(
    {
        **_NAMED,
        "decision": one_of("deny", "indeterminate"),
        "reason": or_null(
            closed(
                {
                    "rule": STRING,
                    "status": STRING,
                    "title": STRING,
                    "citations": listed(ref("Citation")),
                    "because": STRING,
                    "remedies": listed(STRING),
                }
            )
        ),
        "missing": listed(STRING),
        "incident": or_null(STRING),
    },
    "type",
    "id",
    "name",
)
_FOUND = closed(
    {
        "page": closed({"next_token": STRING, "count": INTEGER, "total": INTEGER}),
        "results": listed(closed(_NAMED, "type", "id", "name")),
        "context": closed(
            {
                "bundle": DIGEST,
                "catalogue": DIGEST,
                "ranked": listed(_RANKED),
                "refused": listed(_REFUSED),
            },
            "refused",
        ),
    },
    "page",
)


def further_places(
    service: Service, entrance: Entrance, repeats: Repeats, public_url: str | None
) -> tuple[Operation, ...]:
    return (
        *BatchDoor(service, entrance, repeats).operations(),
        *ExplainDoor(service).operations(),
        *RulesDoor(service).operations(),
        *_evaluation_places(AuthZenDoor(service, entrance)),
        *_search_places(SearchDoor(service, entrance)),
        _metadata_place(public_url),
    )


def _evaluation_places(door: AuthZenDoor) -> tuple[Operation, ...]:
    single: Schema = {
        "type": "object",
        "properties": _QUESTION,
        "required": ["subject", "action", "resource"],
    }
    many: Schema = {
        "type": "object",
        "properties": {
            **_QUESTION,
            "evaluations": {"type": "array", "items": ANY, "maxItems": MAX_BATCH},
            "options": {
                "type": "object",
                "properties": {
                    "evaluations_semantic": one_of(
                        "execute_all", "deny_on_first_deny", "permit_on_first_permit"
                    )
                },
            },
        },
    }
    both: Schema = {"anyOf": [_EVALUATION, closed({"evaluations": listed(_EVALUATION)})]}
    return (
        _place("evaluation", door.evaluation, "Evaluate one request", single, _EVALUATION),
        _place("evaluations", door.evaluations, "Evaluate several requests", many, both),
    )


def _search_places(door: SearchDoor) -> tuple[Operation, ...]:
    sought = {"subject": door.subject, "resource": door.resource, "action": door.action}
    return tuple(
        _place(
            f"search/{name}",
            handler,
            f"Search for every {name} that would be permitted",
            {
                "type": "object",
                "properties": {**_QUESTION, "page": _PAGE},
                "required": [part for part in ("subject", "resource", "action") if part != "action"]
                + (["action"] if name != "action" else []),
            },
            _FOUND,
        )
        for name, handler in sought.items()
    )


def _place(name: str, handler: object, words: str, body: Schema, answer: Schema) -> Operation:
    return Operation(
        "POST",
        f"{BASE}/{name}",
        handler,  # pyright: ignore[reportArgumentType]
        "authzen" + "".join(part.capitalize() for part in name.split("/")),
        f"{words} (AuthZEN Authorization API 1.0)",
        {200: Answer("The answer", {JSON: answer}, _NOT_CACHED), 400: _MALFORMED},
        _REFUSES,
        body=body,
    )


def _metadata_place(public_url: str | None) -> Operation:
    async def read(_: Request) -> Response:
        if public_url is None:
            return problem.NOT_FOUND.response()
        return JSONResponse(metadata(public_url))

    names = metadata("https://gateway.example")
    return Operation(
        "GET",
        "/.well-known/authzen-configuration",
        read,
        "readAuthzenConfiguration",
        "Read where AuthZEN Authorization API 1.0 is served",
        {200: Answer("The metadata", {JSON: closed(dict.fromkeys(names, STRING))})},
        (problem.NOT_FOUND,),
        is_open=True,
    )
