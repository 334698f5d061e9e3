"""OpenID AuthZEN Authorization API 1.0: evaluation and evaluations.

`decision` is a truth value, and our own answer is the context. What is malformed is 400 with
a message, as the standard has it; all else is refused as at our own doors.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.callers import Caller
from gateway.errors import AuthorisationError, GatewayError, JsonError, RequestError
from gateway.in_force import InForce
from gateway.pdp.lenient import Evaluation, Understood
from gateway.record.canonical import MAX_VALUES, load_strict
from gateway.service import MAX_BODY_BYTES, Prepared, Service
from gateway.web.access import caller_of
from gateway.web.context import (
    WIRE,
    Context,
    MalformedError,
    context_of,
    in_profile,
    wants_profile,
)
from gateway.web.entrance import CLOSE, PRIVATE, Entrance, RefusedError
from gateway.web.limits import MAX_BATCH, MAX_BATCH_BYTES, MAX_BATCH_VALUES
from gateway.web.problem import INTERNAL, NOT_JSON, of_error
from gateway.web.routes import JSON

BASE = "/access/v1"
_PARTS = ("subject", "action", "resource", "context")
# Whether the answer so far ends the rest.
_STOPS = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}


@dataclass(frozen=True)
class Said:
    """An answer that is prepared, or why there is none."""

    prepared: Prepared | None
    understood: Understood | None = None
    error: Mapping[str, object] | None = None

    profile: bool = False

    def permits(self, context: Context) -> bool:
        """Whether the answer is true. Whoever is told nothing besides cannot meet a duty that
        comes with a permit, so that it is none for them."""
        if self.prepared is None or not self.prepared.permits:
            return False
        return context is Context.WHOLE or not self.prepared.judged.decision.obligations


@asynccontextmanager
async def reading(
    entrance: Entrance, request: Request, most: int = MAX_BODY_BYTES
) -> AsyncGenerator[tuple[Mapping[str, object], int]]:
    """The object of a body, and its bytes.

    Raises:
        MalformedError: There is none.
        RefusedError: The body cannot come in.
    """
    caller = caller_of(request)
    if "content-encoding" not in request.headers and not _is_json(request):
        raise MalformedError(NOT_JSON.title)
    async with entrance.body(request, caller, most) as body:
        try:
            values = MAX_VALUES if most == MAX_BODY_BYTES else MAX_BATCH_VALUES
            async with entrance.turn(caller, len(body)):
                value = load_strict(body, max_bytes=most, max_values=values)
        except JsonError as error:
            raise MalformedError(str(error)) from error
        if not isinstance(value, dict):
            raise MalformedError("the body is not a JSON object")
        yield cast("Mapping[str, object]", value), len(body)


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == JSON


def malformed(error: Exception) -> Response:
    """400 as the standard has it. The body may not have been read."""
    return JSONResponse(str(error), status_code=400, headers={**PRIVATE, **CLOSE})


def malformed_request(error: RequestError) -> MalformedError:
    at = f" at {error.pointer}" if error.pointer else ""
    return MalformedError(f"{error.detail}{at}")


def check_tenant(understood: Understood, caller: Caller) -> None:
    """Raise `AuthorisationError` where the caller names another tenant, declared or not."""
    if understood.tenant is not None and understood.tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


class AuthZenDoor:
    """`/access/v1/evaluation` and `/access/v1/evaluations`."""

    def __init__(
        self, service: Service, entrance: Entrance, without_context: frozenset[str] = frozenset()
    ) -> None:
        self._service = service
        self._entrance = entrance
        self._without = without_context

    async def evaluation(self, request: Request) -> Response:
        try:
            async with reading(self._entrance, request) as (value, size):
                context = context_of(request, caller_of(request), self._without)
                return await self._single(value, caller_of(request), size, context)
        except MalformedError as error:
            return malformed(error)
        except RefusedError as refused:
            return refused.response()

    async def evaluations(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            async with reading(self._entrance, request, MAX_BATCH_BYTES) as (value, size):
                context = context_of(request, caller, self._without)
                items, stop = _items(value)
                if not items:
                    return await self._single(value, caller, size, context)
                return await self._many(value, items, stop, caller, size, context)
        except MalformedError as error:
            return malformed(error)
        except RefusedError as refused:
            return refused.response()

    async def _single(
        self, value: Mapping[str, object], caller: Caller, size: int, context: Context
    ) -> Response:
        with self._service.question() as in_force:
            try:
                understood = _understood(value, in_force)
            except RequestError as error:
                raise malformed_request(error) from error
            said = await self._said(value, understood, caller, size, in_force)
        (text,) = await self._committed([said], context)
        return Response(text, media_type=JSON, headers=PRIVATE)

    async def _many(
        self,
        value: Mapping[str, object],
        items: list[object],
        stop: bool | None,
        caller: Caller,
        size: int,
        context: Context,
    ) -> Response:
        defaults = {name: value[name] for name in _PARTS if name in value}
        said: list[Said] = []
        for item in items:
            await asyncio.sleep(0)
            said.append(await self._item(defaults, item, caller, size // len(items)))
            if stop is said[-1].permits(context):
                break
        texts = await self._committed(said, context)
        text = b'{"evaluations":[%b]}' % b",".join(texts)
        return Response(text, media_type=JSON, headers=PRIVATE)

    async def _item(
        self, defaults: Mapping[str, object], item: object, caller: Caller, size: int
    ) -> Said:
        """What is wrong with one item is said in its place."""
        try:
            if not isinstance(item, dict):
                raise RequestError("this is not an object")
            value = {**defaults, **cast("Mapping[str, object]", item)}
            with self._service.question() as in_force:
                understood = _understood(value, in_force)
                return await self._said(value, understood, caller, size, in_force)
        except GatewayError as error:
            return _refused(error)

    async def _said(
        self,
        value: Mapping[str, object],
        understood: Understood,
        caller: Caller,
        size: int,
        in_force: InForce,
    ) -> Said:
        check_tenant(understood, caller)
        try:
            async with self._entrance.turn(caller, size):
                prepared = await self._service.prepare(
                    value, caller, understood.request, understood.claims, in_force=in_force
                )
        except RequestError as error:
            # It has the shape of a question, and cannot be decided here: no permit.
            return _refused(error)
        return Said(prepared, understood, profile=wants_profile(value))

    async def _committed(self, said: list[Said], context: Context) -> list[bytes]:
        prepared = [one.prepared for one in said if one.prepared is not None]
        answers = iter(await self._service.commit_texts(prepared) if prepared else ())
        return [
            _text(one, next(answers) if one.prepared is not None else None, context) for one in said
        ]


def _understood(value: object, in_force: InForce) -> Understood:
    takes_evidence = in_force.attestation is not None
    return in_force.lenient.read(value, Evaluation, takes_evidence=takes_evidence)


def _items(value: Mapping[str, object]) -> tuple[list[object], bool | None]:
    """The items of a request, none where there are none, and which decision ends it."""
    options = value.get("options", {})
    if not isinstance(options, dict):
        raise MalformedError("this must be an object at /options")
    semantic = cast("Mapping[str, object]", options).get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in _STOPS:
        known = ", ".join(_STOPS)
        raise MalformedError(f"write one of {known} at /options/evaluations_semantic")
    items = value.get("evaluations", [])
    if not isinstance(items, list):
        raise MalformedError("this must be a list at /evaluations")
    listed = cast("list[object]", items)
    if len(listed) > MAX_BATCH:
        raise MalformedError(f"at most {MAX_BATCH} evaluations can be asked for at once")
    for name in _PARTS:
        if listed and name in value and not isinstance(value[name], dict):
            raise MalformedError(f"this must be an object at /{name}")
    return listed, _STOPS[semantic]


def _refused(error: GatewayError) -> Said:
    """An item that cannot be decided. What is not its own fault ends the whole."""
    problem = of_error(error)
    if problem.status == INTERNAL.status:
        raise error
    return Said(None, error={"error": problem.body()})


def _text(said: Said, answer: bytes | None, context: Context) -> bytes:
    decision = b"true" if said.permits(context) else b"false"
    if context is Context.NONE:
        return b'{"decision":%b}' % decision
    if answer is None:
        return b'{"decision":false,"context":%b}' % json.dumps(said.error).encode()
    notes = said.understood.notes() if said.understood else []
    if said.profile:
        answer = in_profile(answer)
        notes = [note for note in notes if note["pointer"] != WIRE]
    # Beside the context, which is signed as it is.
    ignored = b',"ignored":%b' % json.dumps(notes).encode() if notes else b""
    return b'{"decision":%b,"context":%b%b}' % (decision, answer, ignored)
