"""Errors → problem documents (RFC 9457). Each type has a section in docs/problems.md."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse

from gateway.errors import (
    AuthenticationError,
    AuthorisationError,
    GatewayError,
    JsonError,
    LedgerUnavailableError,
    RequestError,
)

MEDIA_TYPE = "application/problem+json"
# Identifiers, not addresses: nobody can register a name under .example (RFC 2606).
BASE = "https://charter.example/problems/"


REQUEST_TITLES = {
    "malformed-question": "The question does not have the shape of a question",
    "unknown-action": "The action is not one of this gateway's",
    "unknown-attribute": "The vocabulary declares no such attribute",
    "unknown-entity": "The catalogue does not hold what the question names",
    "unfit-value": "The value cannot be a value of its attribute",
    "foreign-origin": "The caller states what only another may state",
}


@dataclass(frozen=True)
class Problem:
    """One problem. `pointer` is the RFC 6901 pointer of the field that is wrong."""

    slug: str
    title: str
    status: HTTPStatus
    detail: str = ""
    pointer: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> JSONResponse:
        body: dict[str, object] = {
            "type": BASE + self.slug,
            "title": self.title,
            "status": int(self.status),
        }
        if self.detail:
            body["detail"] = self.detail
        if self.pointer is not None:
            body["errors"] = [{"pointer": self.pointer, "detail": self.detail}]
        return JSONResponse(
            body, status_code=self.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


def of_error(error: GatewayError) -> Problem:
    """The problem of an error that a caller may see. Everything that is not the caller's
    doing is told without its message, which goes to the log."""
    match error:
        case AuthenticationError():
            return Problem(
                "unauthenticated",
                "The caller is not known",
                HTTPStatus.UNAUTHORIZED,
                str(error),
                headers=(("WWW-Authenticate", 'Bearer realm="charter"'),),
            )
        case AuthorisationError():
            return Problem(
                "forbidden-caller",
                "The caller may not ask this",
                HTTPStatus.FORBIDDEN,
                str(error),
            )
        case JsonError():
            return Problem(
                "malformed-json",
                "The body is not JSON that can be read in one way",
                HTTPStatus.BAD_REQUEST,
                error.detail,
                error.pointer,
            )
        case RequestError():
            return Problem(
                error.kind,
                REQUEST_TITLES[error.kind],
                HTTPStatus.UNPROCESSABLE_ENTITY,
                error.detail,
                error.pointer,
            )
        case LedgerUnavailableError():
            return Problem(
                "ledger-unavailable",
                "No decision can be recorded, so none is made",
                HTTPStatus.SERVICE_UNAVAILABLE,
                headers=(("Retry-After", "5"),),
            )
        case _:
            return INTERNAL


INTERNAL = Problem(
    "internal", "The gateway failed; nothing was permitted", HTTPStatus.INTERNAL_SERVER_ERROR
)
NOT_FOUND = Problem("not-found", "There is nothing here", HTTPStatus.NOT_FOUND)
NO_METHOD = Problem(
    "method-not-allowed", "This place does not take that method", HTTPStatus.METHOD_NOT_ALLOWED
)
TOO_LARGE = Problem(
    "body-too-large",
    "The body is larger than 1 MiB",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    headers=(("Connection", "close"),),
)
NOT_JSON = Problem(
    "unsupported-media-type",
    "The body must be application/json, not compressed",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
