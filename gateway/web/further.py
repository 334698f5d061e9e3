"""The places of AuthZEN, and the doors that list their own."""

from gateway.service import Service
from gateway.web import problem
from gateway.web.authzen import BASE, AuthZenDoor
from gateway.web.batch import BatchDoor
from gateway.web.entrance import Entrance
from gateway.web.erasing import ErasureDoor
from gateway.web.explain import ExplainDoor
from gateway.web.idempotency import Repeats
from gateway.web.limits import MAX_BATCH, MAX_PAGE
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema, ref
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
    problem.SIGNER_UNAVAILABLE,
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
_CONTEXT = Parameter(
    "Charter-Context",
    "`none` for answers without a context, in which a permit with obligations is none",
    "header",
    one_of("whole", "none"),
)
_OBLIGATION = closed({"type": STRING, "id": STRING, "properties": {"type": "object"}})
# The answer with its obligations in the shape of the draft profile.
_PROFILED: Schema = {
    "type": "object",
    "properties": {"obligations": listed(_OBLIGATION)},
    "required": ["id", "decision", "obligations", "record", "proof"],
}
# The decision, or the problem that stands for it; with what was not understood.
_EVALUATION = closed(
    {
        "decision": {"type": "boolean"},
        "context": {
            "anyOf": [
                ref("Decision"),
                _PROFILED,
                closed({"error": ref("Problem")}),
            ]
        },
        "ignored": listed(closed({"pointer": STRING, "detail": STRING})),
    },
    "ignored",
    "context",
)
_NAMED: dict[str, Schema] = {"type": STRING, "id": STRING, "name": STRING}
_RESULT: dict[str, Schema] = {
    **_NAMED, "context": closed({"obligations": listed(_OBLIGATION)}),
}  # fmt: skip
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
        "results": listed(closed(_RESULT, "type", "id", "name", "context")),
        "context": closed(
            {
                "bundle": DIGEST,
                "catalogue": DIGEST,
                "ranked": listed(_RANKED),
                "refused": listed(_REFUSED),
                "unanswered": INTEGER,
            },
            "refused",
            "unanswered",
        ),
    },
    "page",
)


def further_places(
    service: Service, entrance: Entrance, repeats: Repeats, without_context: frozenset[str]
) -> tuple[Operation, ...]:
    return (
        *BatchDoor(service, entrance, repeats).operations(),
        *ExplainDoor(service, entrance).operations(),
        *ErasureDoor(service, entrance).operations(),
        *RulesDoor(service).operations(),
        *_evaluation_places(AuthZenDoor(service, entrance, without_context)),
        *_search_places(SearchDoor(service, entrance)),
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
        _place(
            "evaluation", door.evaluation, "Evaluate one request", single, _EVALUATION, _CONTEXT
        ),
        _place("evaluations", door.evaluations, "Evaluate several requests", many, both, _CONTEXT),
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


def _place(
    name: str, handler: object, words: str, body: Schema, answer: Schema, *parameters: Parameter
) -> Operation:
    return Operation(
        "POST",
        f"{BASE}/{name}",
        handler,  # pyright: ignore[reportArgumentType]
        "authzen" + "".join(part.capitalize() for part in name.split("/")),
        f"{words} (AuthZEN Authorization API 1.0)",
        {200: Answer("The answer", {JSON: answer}, _NOT_CACHED), 400: _MALFORMED},
        _REFUSES,
        body=body,
        parameters=parameters,
    )
