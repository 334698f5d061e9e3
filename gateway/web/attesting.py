"""Evidence of machines: a challenge, evidence that answers it, and what stands of a node."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.callers import Caller
from gateway.errors import RequestError
from gateway.nodes.attested import DECISION, STANDING
from gateway.nodes.desk import Desk
from gateway.nodes.errors import UnknownNodeError
from gateway.nodes.question import read_asked, read_name
from gateway.nodes.register import MAX_NAME
from gateway.nodes.terms import Terms
from gateway.record.canonical import load_strict
from gateway.service import Service
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.limits import MAX_BATCH_BYTES
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema, ref
from gateway.web.schemas import ANY, INSTANT, STRING, closed, one_of

MAX_EVIDENCE_BYTES = MAX_BATCH_BYTES
_MAX_CHALLENGE_BYTES = 4 * 1024
_MAX_PART = 3 * 1024 * 1024  # of evidence, in base64
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_NONCE: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NOT_CACHED = {"Cache-Control": "`no-store`"}
_REFUSES = (
    problem.FORBIDDEN,
    problem.NOT_FOUND,
    problem.MALFORMED_JSON,
    problem.QUESTIONS["malformed-question"],
    problem.QUESTIONS["unknown-entity"],
    problem.NOT_JSON,
    problem.TOO_LARGE,
    problem.TOO_BUSY,
    problem.OVERLOADED,
    problem.EVIDENCE_UNAVAILABLE,
)
_NOBODY = replace(problem.NOT_FOUND, detail="this gateway takes no evidence of machines")
Done = TypeVar("Done")


class AttestingDoor:
    """Whoever may ask for decisions may show evidence; what it comes to is of its tenant."""

    def __init__(self, service: Service, entrance: Entrance) -> None:
        self._service = service
        self._entrance = entrance

    def operations(self) -> tuple[Operation, ...]:
        purpose = one_of(STANDING, DECISION)
        asked = closed({"node": _NAME, "purpose": purpose})
        given = {
            "challenge": STRING,
            "nonce": _NONCE,
            "node": _NAME,
            "purpose": purpose,
            "expires_at": INSTANT,
        }
        shown = closed({"node": _NAME, "challenge": _NAME, "evidence": ANY}, "challenge")
        attested = {JSON: ref("Attestation")}
        return (
            Operation(
                "POST",
                "/v1/attestation/challenge",
                self.challenge,
                "challenge",
                "Ask for a challenge that evidence of a machine must contain",
                {201: Answer("The challenge", {JSON: closed(given)}, _NOT_CACHED)},
                (*_REFUSES, problem.TOO_MANY_CHALLENGES),
                body=asked,
            ),
            Operation(
                "POST",
                "/v1/attestation/evidence",
                self.evidence,
                "showEvidence",
                "Show evidence of a machine, which stands for it until newer does",
                {201: Answer("What it comes to", attested, _NOT_CACHED)},
                (*_REFUSES, problem.QUESTIONS["foreign-origin"]),
                body=shown,
            ),
            Operation(
                "GET",
                "/v1/attestation/nodes/{id:path}",
                self.node,
                "readNode",
                "Read what stands of a machine for the caller's tenant",
                {200: Answer("What its evidence came to", attested, _NOT_CACHED)},
                (
                    problem.FORBIDDEN,
                    problem.NOT_FOUND,
                    problem.TOO_BUSY,
                    problem.OVERLOADED,
                    problem.EVIDENCE_UNAVAILABLE,
                ),
                parameters=(Parameter("id", "The id of a node in the register"),),
            ),
        )

    async def challenge(self, request: Request) -> Response:
        return await self._taken(request, _MAX_CHALLENGE_BYTES, self._challenge)

    async def evidence(self, request: Request) -> Response:
        return await self._taken(request, MAX_EVIDENCE_BYTES, self._evidence)

    async def node(self, request: Request) -> Response:
        caller, (desk, terms) = caller_of(request), self._at()
        if desk is None or terms is None:
            return _NOBODY.response()
        look = partial(desk.look, terms, tenant=caller.tenant, node=request.path_params["id"])
        try:
            found = await self._in_turn(caller, look)
        except RefusedError as refused:
            return refused.response()
        if found is None:
            return problem.NOT_FOUND.response()
        return JSONResponse(found.body(), headers=PRIVATE)

    def _at(self) -> tuple[Desk | None, Terms | None]:
        return self._service.desk, self._service.in_force.attestation

    async def _taken(
        self,
        request: Request,
        most: int,
        answer: Callable[[Desk, Terms, object, Caller], Awaitable[Mapping[str, object]]],
    ) -> Response:
        caller = caller_of(request)
        try:
            async with self._entrance.body(request, caller, most) as data:
                desk, terms = self._at()
                if desk is None or terms is None:
                    return _NOBODY.response()
                value = load_strict(data, max_bytes=most, max_string=_MAX_PART)
                body = await answer(desk, terms, value, caller)
        except RefusedError as refused:
            return refused.response()
        return JSONResponse(body, 201, PRIVATE)

    async def _challenge(
        self, desk: Desk, terms: Terms, value: object, caller: Caller
    ) -> Mapping[str, object]:
        members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        if members.keys() - {"node", "purpose"} or not members:
            raise RequestError("this is an object with `node` and `purpose`")
        node = read_name(members.get("node"), "/node", MAX_NAME)
        purpose = members.get("purpose")
        if purpose not in (STANDING, DECISION):
            raise RequestError(f"this is {STANDING} or {DECISION}", pointer="/purpose")
        made = await self._in_turn(
            caller,
            partial(
                desk.challenge,
                terms,
                tenant=caller.tenant,
                caller=caller.id,
                node=node,
                purpose=cast("str", purpose),
                now=self._service.clock(),
            ),
        )
        return made.body()

    async def _evidence(
        self, desk: Desk, terms: Terms, value: object, caller: Caller
    ) -> Mapping[str, object]:
        asked = read_asked(value, "")
        if asked.submission is None:
            raise RequestError("this member is missing", pointer="/evidence")
        shown = await self._in_turn(
            caller,
            partial(
                desk.submit,
                terms,
                asked.submission,
                tenant=caller.tenant,
                caller=caller.id,
                purpose=STANDING,
                now=self._service.clock(),
            ),
        )
        return shown.body()

    async def _in_turn(self, caller: Caller, do: Callable[[], Done]) -> Done:
        """In a thread, as those who read: whoever decides does not wait for it."""
        async with self._entrance.reading(caller):
            try:
                return await asyncio.to_thread(do)
            except UnknownNodeError as error:
                raise UnknownNodeError(error.node, pointer="/node") from None
