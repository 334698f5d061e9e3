"""Errors → problem documents (RFC 9457). Each type has a section in docs/problems.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gateway.errors import (
    AuthenticationError,
    AuthorisationError,
    CallersUnavailableError,
    ClockError,
    DecisionTimeoutError,
    GatewayError,
    JsonError,
    KeysExhaustedError,
    LedgerUnavailableError,
    OverloadedError,
    RequestError,
)
from gateway.keys.errors import SigningUnavailableError
from gateway.ledger.erased import ErasedEntryError
from gateway.nodes.errors import EvidenceStoreError, TooManyChallengesError

MEDIA_TYPE = "application/problem+json"
# Identifiers, not addresses: nobody can register a name under .example (RFC 2606).
BASE = "https://charter.example/problems/"
# Under this name a problem leaves its slug in the scope of its request.
IN_SCOPE = "charter.problem"


@dataclass(frozen=True)
class Problem:
    """One problem. `pointer` is the RFC 6901 pointer of the field that is wrong."""

    slug: str
    title: str
    status: HTTPStatus
    detail: str = ""
    pointer: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    retry_ms: int | None = None  # when to come back

    def body(self) -> dict[str, object]:
        body: dict[str, object] = {
            "type": BASE + self.slug,
            "title": self.title,
            "status": int(self.status),
        }
        if self.detail:
            body["detail"] = self.detail
        if self.retry_ms is not None:
            body["retry_after_ms"] = self.retry_ms
        if self.pointer is not None:
            body["errors"] = [{"pointer": self.pointer, "detail": self.detail}]
        return body

    @property
    def all_headers(self) -> dict[str, str]:
        """Its own, and when to come back: RFC 9110 knows whole seconds alone."""
        if self.retry_ms is None:
            return dict(self.headers)
        seconds = -(-self.retry_ms // 1000)
        return {
            **dict(self.headers),
            "Retry-After": str(seconds),
            "Retry-After-Ms": str(self.retry_ms),
        }

    def response(self, more: Mapping[str, str] | None = None) -> JSONResponse:
        """The problem as an answer; `more` are headers besides its own."""
        headers = {**self.all_headers, "Cache-Control": "no-store", **(more or {})}
        return _Said(self, headers)

    def raw(self) -> bytes:
        """The problem as the bytes of a last answer, where no request could be read."""
        body = json.dumps(self.body()).encode()
        head = (
            f"HTTP/1.1 {int(self.status)} {self.status.phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            "cache-control: no-store\r\n"
            + "".join(f"{name.lower()}: {value}\r\n" for name, value in self.all_headers.items())
            + "connection: close\r\n\r\n"
        )
        return head.encode() + body


class _Said(JSONResponse):
    """The answer of a problem, which tells whoever watches what was refused."""

    def __init__(self, problem: Problem, headers: Mapping[str, str]) -> None:
        super().__init__(problem.body(), int(problem.status), headers, MEDIA_TYPE)
        self._slug = problem.slug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[IN_SCOPE] = self._slug
        await super().__call__(scope, receive, send)


def _request(slug: str, title: str) -> Problem:
    return Problem(slug, title, HTTPStatus.UNPROCESSABLE_ENTITY)


UNAUTHENTICATED = Problem(
    "unauthenticated",
    "The caller is not known",
    HTTPStatus.UNAUTHORIZED,
    headers=(("WWW-Authenticate", 'Bearer realm="charter"'),),
)
FORBIDDEN = Problem("forbidden-caller", "The caller may not ask this", HTTPStatus.FORBIDDEN)
MALFORMED_JSON = Problem(
    "malformed-json", "The body is not JSON that can be read in one way", HTTPStatus.BAD_REQUEST
)
# By the `kind` of a RequestError.
QUESTIONS = {
    problem.slug: problem
    for problem in (
        _request("malformed-question", "The question does not have the shape of a question"),
        _request("unknown-action", "The action is not one of this gateway's"),
        _request("unknown-attribute", "The vocabulary declares no such attribute"),
        _request("unknown-entity", "The catalogue does not vouch for what the question names"),
        _request("unfit-value", "The value cannot be a value of its attribute"),
        _request("foreign-origin", "The caller states what only another may state"),
    )
}
CALLERS_UNAVAILABLE = Problem(
    "callers-unavailable",
    "Nobody can be known at present, so nobody is answered",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=5_000,
)
CLOCK_IN_DOUBT = Problem(
    "clock-in-doubt",
    "The time is not known for certain, so nothing is decided",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=5_000,
)
SIGNER_UNAVAILABLE = Problem(
    "signer-unavailable",
    "No decision can be signed at present, so none is made",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=1_000,
)
LEDGER_UNAVAILABLE = Problem(
    "ledger-unavailable",
    "No decision can be recorded, so none is made",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=5_000,
)
OVERLOADED = Problem(
    "overloaded",
    "More is asked at once than can be decided in time",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=1_000,
)
TOO_LATE = Problem(
    "decision-timeout",
    "No decision could be answered in time",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=1_000,
)
TOO_MANY_CONNECTIONS = Problem(
    "too-many-connections",
    "Too many connections of this client are open at once",
    HTTPStatus.TOO_MANY_REQUESTS,
    retry_ms=1_000,
)
NO_CONNECTIONS_LEFT = Problem(
    "no-connections-left",
    "As many connections are open as this gateway can have",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=1_000,
)
KEY_MALFORMED = Problem(
    "malformed-idempotency-key",
    "The header Idempotency-Key is not one string in quotes",
    HTTPStatus.BAD_REQUEST,
)
KEY_IN_USE = Problem(
    "idempotency-key-in-use",
    "The first question with this Idempotency-Key is being answered",
    HTTPStatus.CONFLICT,
    retry_ms=1_000,
)
KEY_REUSED = Problem(
    "idempotency-key-reused",
    "This Idempotency-Key stands for another question",
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
KEYS_EXHAUSTED = Problem(
    "too-many-idempotency-keys",
    "This tenant has used up its Idempotency-Keys of the last 24 hours",
    HTTPStatus.TOO_MANY_REQUESTS,
    retry_ms=60_000,
)
TOO_MANY_CHALLENGES = Problem(
    "too-many-challenges",
    "This tenant has as many challenges open as it may",
    HTTPStatus.TOO_MANY_REQUESTS,
    retry_ms=60_000,
)
EVIDENCE_UNAVAILABLE = Problem(
    "evidence-unavailable",
    "Evidence cannot be kept or looked up at present, so none counts",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=5_000,
)
EVIDENCE_ERASED = Problem("evidence-erased", "The evidence was erased", HTTPStatus.GONE)
ERASED = Problem("erased", "The decision was erased", HTTPStatus.GONE)
# What a question with a key may be refused with besides.
OF_A_KEY = (KEY_MALFORMED, KEY_IN_USE, KEY_REUSED, KEYS_EXHAUSTED, ERASED)
ERASURE_REFUSED = Problem("erasure-refused", "The record cannot be erased", HTTPStatus.CONFLICT)
RELOAD_REFUSED = Problem(
    "reload-refused",
    "Other rules and facts cannot come into force; those before them stay",
    HTTPStatus.CONFLICT,
)
NOT_READY = Problem(
    "not-ready",
    "The gateway does not answer questions at present",
    HTTPStatus.SERVICE_UNAVAILABLE,
    retry_ms=5_000,
)
INTERNAL = Problem(
    "internal", "The gateway failed; nothing was permitted", HTTPStatus.INTERNAL_SERVER_ERROR
)
NOT_FOUND = Problem("not-found", "There is nothing here", HTTPStatus.NOT_FOUND)
NO_METHOD = Problem(
    "method-not-allowed", "This place does not take that method", HTTPStatus.METHOD_NOT_ALLOWED
)
TOO_LARGE = Problem(
    "body-too-large",
    "The body is larger than 1 MiB, or of a batch or of evidence 4 MiB",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
TOO_MANY = Problem(
    "too-many-items",
    "More is asked for at once than one answer can hold",
    HTTPStatus.BAD_REQUEST,
)
NOT_JSON = Problem(
    "unsupported-media-type",
    "The body must be application/json, not compressed",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
TOO_BUSY = Problem(
    "too-many-requests",
    "Too many questions of this tenant are open at once",
    HTTPStatus.TOO_MANY_REQUESTS,
    retry_ms=200,
)
TOO_SLOW = Problem(
    "request-timeout", "The request did not arrive in time", HTTPStatus.REQUEST_TIMEOUT
)
HEAD_TOO_LARGE = Problem(
    "headers-too-large",
    "The request line and headers are more than 16 KiB, or the headers more than 100",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
)
MALFORMED_HTTP = Problem(
    "malformed-http", "The request is not HTTP/1.1 that can be read", HTTPStatus.BAD_REQUEST
)

PROBLEMS = (
    UNAUTHENTICATED,
    FORBIDDEN,
    MALFORMED_JSON,
    *QUESTIONS.values(),
    CALLERS_UNAVAILABLE,
    CLOCK_IN_DOUBT,
    LEDGER_UNAVAILABLE,
    SIGNER_UNAVAILABLE,
    OVERLOADED,
    TOO_LATE,
    TOO_MANY_CONNECTIONS,
    NO_CONNECTIONS_LEFT,
    NOT_READY,
    INTERNAL,
    NOT_FOUND,
    NO_METHOD,
    TOO_LARGE,
    TOO_MANY,
    NOT_JSON,
    TOO_BUSY,
    TOO_SLOW,
    HEAD_TOO_LARGE,
    MALFORMED_HTTP,
    *OF_A_KEY,
    RELOAD_REFUSED,
    ERASURE_REFUSED,
    EVIDENCE_ERASED,
    TOO_MANY_CHALLENGES,
    EVIDENCE_UNAVAILABLE,
)


def of_error(error: GatewayError) -> Problem:
    """The problem of an error that a caller may see. Everything that is not the caller's
    doing is told without its message, which goes to the log."""
    match error:
        case AuthenticationError():
            return replace(UNAUTHENTICATED, detail=str(error))
        case AuthorisationError():
            return replace(FORBIDDEN, detail=str(error))
        case JsonError():
            return replace(MALFORMED_JSON, detail=error.detail, pointer=error.pointer)
        case RequestError():
            return replace(QUESTIONS[error.kind], detail=error.detail, pointer=error.pointer)
        case CallersUnavailableError():
            return CALLERS_UNAVAILABLE
        case ClockError():
            return CLOCK_IN_DOUBT
        case LedgerUnavailableError():
            return LEDGER_UNAVAILABLE
        case SigningUnavailableError():
            return SIGNER_UNAVAILABLE
        case OverloadedError():
            return OVERLOADED
        case DecisionTimeoutError():
            return TOO_LATE
        case ErasedEntryError():
            return ERASED
        case KeysExhaustedError():
            return KEYS_EXHAUSTED
        case TooManyChallengesError():
            return TOO_MANY_CHALLENGES
        case EvidenceStoreError():
            return EVIDENCE_UNAVAILABLE
        case _:
            return INTERNAL
