"""Which role each place needs, and the gate in front of it.

The gate stands before the handler: a place that is in no row of the table is not served, and
what goes wrong in the gate never reaches the handler.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.callers import Caller, Callers, Credentials, Known, Peer, Role
from gateway.errors import (
    AuthorisationError,
    CallersUnavailableError,
    ConfigurationError,
    GatewayError,
)
from gateway.web.peer import PEER
from gateway.web.problem import of_error

log = logging.getLogger("charter")

# Where the gate puts the caller.
_CALLER = "charter.caller"
TENANT_HEADER = "charter-tenant"
# What is refused before its body was read leaves bytes behind that are no next request.
_TENANT = TENANT_HEADER.lower().encode()
_CLOSE = {"Connection": "close"}

ANYBODY: frozenset[Role] | None = None
_ASKING = frozenset({Role.SCHEDULER})
_READING = frozenset({Role.SCHEDULER, Role.AUDITOR})
_AUDITING = frozenset({Role.AUDITOR})
_RULES = frozenset(Role)
_RUNNING = frozenset({Role.OPERATOR})

# The roles of which one is needed. ANYBODY is for what holds nothing of a tenant and is
# needed before, or without, being a caller: keys, checkpoints, health, descriptions.
ACCESS: Mapping[str, frozenset[Role] | None] = {
    "POST /v1/decisions": _ASKING,
    "POST /v1/decisions/batch": _ASKING,
    "GET /v1/decisions/{id}": _READING,
    "GET /v1/decisions/{id}/proof": _READING,
    "GET /v1/decisions/{id}/explain": _READING,
    "POST /v1/decisions/{id}/erasure": _RUNNING,
    "GET /v1/attestation/documents/{sha256}": _AUDITING,
    "POST /v1/attestation/documents/{sha256}/erasure": _RUNNING,
    "POST /access/v1/evaluation": _ASKING,
    "POST /access/v1/evaluations": _ASKING,
    "POST /access/v1/search/subject": _ASKING,
    "POST /access/v1/search/resource": _ASKING,
    "POST /access/v1/search/action": _ASKING,
    "POST /v1/attestation/challenge": _ASKING,
    "POST /v1/attestation/evidence": _ASKING,
    "GET /.well-known/authzen-configuration": ANYBODY,
    "GET /.well-known/jwks.json": ANYBODY,
    "GET /v1/bundle": _RULES,
    "GET /bundles/charter.tar.gz": _RULES,
    "GET /v1/catalogue": _RULES,
    "GET /v1/trust": ANYBODY,
    "GET /checkpoint": ANYBODY,
    "GET /checkpoint/witnessed": ANYBODY,
    "GET /v1/timestamps/{size}": ANYBODY,
    "GET /v1/attestation/gateway": ANYBODY,
    "GET /v1/attestation/gateway/{sha256}": ANYBODY,
    "GET /problems/{slug}": ANYBODY,
    "GET /livez": ANYBODY,
    "GET /healthz": ANYBODY,
    "GET /readyz": ANYBODY,
    "GET /openapi.json": ANYBODY,
    # It names every tenant, which an auditor of one must not see.
    "GET /metrics": _RUNNING,
    "POST /v1/reload": _RUNNING,
}
# Whole folders of the above: every place below needs the same.
BELOW: Mapping[str, frozenset[Role] | None] = {
    "GET /v1/bundle/": _RULES,
    "GET /v1/catalogue/": _RULES,
    "GET /v1/attestation/nodes/": _READING,
    "GET /tile/": ANYBODY,
    "GET /shards/": ANYBODY,
}


def roles_for(method: str, path: str) -> frozenset[Role] | None:
    """The roles of which a place needs one; `ANYBODY` where it needs none.

    Raises:
        ConfigurationError: No row names it.
    """
    place = f"{'GET' if method == 'HEAD' else method} {path}"
    if place in ACCESS:
        return ACCESS[place]
    for folder, roles in BELOW.items():
        if place.startswith(folder):
            return roles
    raise ConfigurationError(f"no row of gateway/web/access.py says who may use {place}")


def caller_of(request: Request) -> Caller:
    """The caller that the gate let through. A place for anybody has none."""
    return cast("Caller", request.scope[_CALLER])


@dataclass(frozen=True, slots=True)
class Knock:
    """What came with a request of who asks, and for which tenant."""

    credentials: Credentials
    tenant: str | None


CallerFor = Callable[[Knock], Awaitable[Caller]]


def knock(scope: Scope, headers: Mapping[bytes, bytes]) -> Knock:
    """Of a request with a token, and with headers of which each stands once."""
    authorization = headers[b"authorization"].decode("latin-1")
    tenant = headers.get(_TENANT)
    return Knock(
        Credentials((authorization,), cast("Peer | None", scope.get(PEER))),
        None if tenant is None else tenant.decode("latin-1"),
    )


class Gate:
    """Lets callers through to the places that their role is for."""

    def __init__(self, callers: Known | Callers, clock: Callable[[], datetime]) -> None:
        self._known = callers if isinstance(callers, Known) else Known(callers)
        self._clock = clock

    def guard(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, each behind the gate.

        Raises:
            ConfigurationError: A route is in no row of the table.
        """
        guarded = list(routes)
        for route in guarded:
            needs = {method: roles_for(method, route.path) for method in route.methods or ()}
            route.app = self._before(route.app, needs)
        return guarded

    def _before(self, app: ASGIApp, needs: Mapping[str, frozenset[Role] | None]) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            roles = needs[scope["method"]]
            if roles is not None:
                try:
                    caller = await self._caller(Request(scope))
                    caller.act_as(roles)
                except GatewayError as error:
                    if isinstance(error, CallersUnavailableError):
                        log.warning("%s: %s", type(error).__name__, error)
                    await of_error(error).response(_CLOSE)(scope, receive, send)
                    return
                scope[_CALLER] = caller
            await app(scope, receive, send)

        return guarded

    def caller_for(self, method: str, path: str) -> CallerFor:
        """Finds the caller of a request to a place that needs one, as the gate before the
        place does.

        Raises:
            ConfigurationError: No row names the place, or anybody may use it.
        """
        roles = roles_for(method, path)
        if roles is None:
            raise ConfigurationError(f"{method} {path} needs no caller")

        async def find(knocked: Knock) -> Caller:
            identity = await self._known.identify(knocked.credentials, now=self._clock())
            caller = identity.caller(knocked.tenant)
            caller.act_as(roles)
            return caller

        return find

    async def _caller(self, request: Request) -> Caller:
        peer = cast("Peer | None", request.scope.get(PEER))
        credentials = Credentials(request.headers.getlist("authorization"), peer)
        identity = await self._known.identify(credentials, now=self._clock())
        named = request.headers.getlist(TENANT_HEADER)
        if len(named) > 1:
            # Whoever stands between may read the other one.
            raise AuthorisationError("name one tenant in Charter-Tenant")
        return identity.caller(named[0] if named else None)
