"""What anybody may read of a gateway before asking it: the metadata of AuthZEN (section 9),
plain and signed, and the keys it is signed with."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.keys.jose import public_jwk, sign_jwt
from gateway.service import Service
from gateway.web import problem
from gateway.web.context import SUPPORTED, TYPES
from gateway.web.routes import JSON, Answer, Operation, Schema
from gateway.web.schemas import INTEGER, STRING, closed, listed, mapped
from gateway.web.stated import Stated, stated_limits

CONFIGURATION = "/.well-known/authzen-configuration"
JWKS = "/.well-known/jwks.json"
_BASE = "/access/v1"


def metadata(public_url: str, chosen: Stated | None = None) -> Mapping[str, object]:
    """Where what is served, and within which limits."""
    base = public_url.rstrip("/")
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}{_BASE}/evaluation",
        "access_evaluations_endpoint": f"{base}{_BASE}/evaluations",
        "search_subject_endpoint": f"{base}{_BASE}/search/subject",
        "search_resource_endpoint": f"{base}{_BASE}/search/resource",
        "search_action_endpoint": f"{base}{_BASE}/search/action",
        SUPPORTED: list(TYPES),
        "jwks_uri": base + JWKS,
        "charter_limits": stated_limits(chosen),
    }


class DiscoveryDoor:
    """`/.well-known/…`. The metadata is signed once, when somebody first wants it.

    Args:
        public_url: Where callers reach the gateway; without it there is no metadata.
        chosen: Limits that the operator has set.
    """

    def __init__(self, service: Service, public_url: str | None, chosen: Stated | None) -> None:
        self._service = service
        self._said = None if public_url is None else metadata(public_url, chosen)
        self._signed: str | None = None

    async def configuration(self, _: Request) -> Response:
        if self._said is None:
            return problem.NOT_FOUND.response()
        if self._signed is None:
            # A signer can be far away.
            self._signed = await asyncio.to_thread(self._sign, self._said, self._service.clock())
        return JSONResponse({**self._said, "signed_metadata": self._signed})

    def _sign(self, said: Mapping[str, object], now: datetime) -> str:
        own = {"iss": said["policy_decision_point"], "iat": int(now.timestamp())}
        return sign_jwt({**said, **own}, self._service.signer)

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [public_jwk(self._service.signer.public)]})

    def operations(self) -> tuple[Operation, ...]:
        members: dict[str, Schema] = dict.fromkeys(metadata("https://gateway.example"), STRING) | {
            SUPPORTED: listed(STRING),
            "charter_limits": mapped(INTEGER),
            "signed_metadata": STRING,
        }
        return (
            Operation(
                "GET",
                CONFIGURATION,
                self.configuration,
                "readAuthzenConfiguration",
                "Read where AuthZEN Authorization API 1.0 is served",
                {200: Answer("The metadata", {JSON: closed(members)})},
                (problem.NOT_FOUND,),
                is_open=True,
            ),
            Operation(
                "GET",
                JWKS,
                self.keys,
                "readKeys",
                "Read the keys of signed metadata as a JWK set",
                {200: Answer("The keys", {JSON: closed({"keys": listed(mapped(STRING))})})},
                is_open=True,
            ),
        )
