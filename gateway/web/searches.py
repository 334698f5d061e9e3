"""OpenID AuthZEN Authorization API 1.0, section 8: the searches, page by page.

A search for resources over sites is "where may this run?". Nothing is recorded.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.callers import Caller
from gateway.errors import AuthorisationError, JsonError, RequestError
from gateway.pdp.decision import citations_body
from gateway.pdp.search import Candidate, Searched
from gateway.record.canonical import canonicalise, load_strict
from gateway.service import Service
from gateway.web.access import caller_of
from gateway.web.authzen import malformed, malformed_request, reading
from gateway.web.context import MalformedError, obligations, wants_profile
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.limits import MAX_PAGE

Sought = Literal["subject", "resource", "action"]
_MAX_TOKEN = 4096
_PARTS = ("subject", "action", "resource", "context")


@dataclass(frozen=True)
class Page:
    """What a request says of pages. `after` is the key of the last candidate of the page
    before; `limit` None is all at once."""

    asked: bool
    limit: int | None
    after: tuple[bool, int, str] | None
    refused: bool
    digest: str


class SearchDoor:
    """`/access/v1/search/{subject,resource,action}`."""

    def __init__(self, service: Service, entrance: Entrance) -> None:
        self._service = service
        self._entrance = entrance

    async def subject(self, request: Request) -> Response:
        return await self._search(request, "subject")

    async def resource(self, request: Request) -> Response:
        return await self._search(request, "resource")

    async def action(self, request: Request) -> Response:
        return await self._search(request, "action")

    async def _search(self, request: Request, sought: Sought) -> Response:
        caller = caller_of(request)
        try:
            async with reading(self._entrance, request) as (value, size):
                with self._service.question() as in_force:
                    named = in_force.named()
                    page = _page(value, [sought, caller.tenant, *named.values()])
                    _check(value, caller)
                    async with self._entrance.turn(caller, size):
                        try:
                            found = await self._service.search(
                                value, sought, caller, in_force=in_force
                            )
                        except RequestError as error:
                            raise malformed_request(error) from error
        except MalformedError as error:
            return malformed(error)
        except RefusedError as refused:
            return refused.response()
        kind = _sought_type(value, sought)
        told = _body(found, page, kind, named)
        if wants_profile(value):
            _add_obligations(told, found)
        return JSONResponse(told, headers=PRIVATE)


def _body(
    found: Searched, page: Page, kind: str | None, named: Mapping[str, str]
) -> dict[str, object]:
    wanted = [one for one in found.candidates if one.permitted or page.refused]
    rest = [one for one in wanted if page.after is None or one.rank > page.after]
    here = rest if page.limit is None else rest[: page.limit]
    permitted = [one for one in here if one.permitted]
    more = len(here) < len(rest)
    pages: dict[str, object] = {
        "next_token": _token(page, here[-1]) if more else "",
        "count": len(permitted),
        "total": sum(one.permitted for one in wanted),
    }
    context: dict[str, object] = {
        **named,
        "ranked": [_ranked(one, kind) for one in permitted],
    }
    if found.unanswered:
        context["unanswered"] = found.unanswered
    if page.refused:
        context["refused"] = [_refused(one, kind) for one in here if not one.permitted]
    return {
        **({"page": pages} if page.asked else {}),
        "results": [_named(one, kind) for one in permitted],
        "context": context,
    }


def _add_obligations(told: dict[str, object], found: Searched) -> None:
    """Put the obligations of each result beside it, in the shape of the draft profile."""
    by_id = {one.id: one for one in found.candidates if one.permitted}
    for result in cast("list[dict[str, object]]", told["results"]):
        duties = by_id[str(result.get("id", result.get("name")))].judged.decision.body()
        of_result = obligations(cast("list[dict[str, object]]", duties["obligations"]))
        if of_result:
            result["context"] = {"obligations": of_result}


def _named(one: Candidate, kind: str | None) -> dict[str, object]:
    return {"name": one.id} if kind is None else {"type": kind, "id": one.id}


def _ranked(one: Candidate, kind: str | None) -> dict[str, object]:
    duties = {duty.duty.obligation for duty in one.judged.decision.obligations}
    return {
        **_named(one, kind),
        "preference": one.preference,
        "obligations": sorted(duties),
    }


def _refused(one: Candidate, kind: str | None) -> dict[str, object]:
    """The decisive reason: of those that refuse, the first that a decision would name."""
    decision, incident = one.judged.decision, one.judged.combined.incident
    reason = next(iter(decision.reasons), None)
    return {
        **_named(one, kind),
        "decision": decision.outcome.value,
        "reason": reason
        and {
            "rule": reason.rule.id,
            "status": reason.status,
            "title": reason.rule.title,
            "citations": citations_body(reason.rule.citations),
            "because": reason.rule.because,
            "remedies": list(reason.rule.remedies),
        },
        "missing": [missing.path for missing in decision.missing],
        "incident": incident and incident.kind.value,
    }


def _sought_type(value: Mapping[str, object], sought: Sought) -> str | None:
    if sought == "action":
        return None
    return cast("str", cast("Mapping[str, object]", value[sought])["type"])


def _check(value: Mapping[str, object], caller: Caller) -> None:
    """Raise `AuthorisationError` unless the caller may ask this; what has not the shape of a
    search is refused where it is read."""
    name = _member(value.get("action"), "name")
    if isinstance(name, str):
        caller.may(name)
    tenant = _member(_member(value.get("subject"), "properties"), "tenant")
    if tenant is not None and tenant != caller.tenant:
        raise AuthorisationError("this token does not speak for that tenant")


def _member(value: object, name: str) -> object:
    return cast("Mapping[str, object]", value).get(name) if isinstance(value, dict) else None


# --- pages ---------------------------------------------------------------------------


def _page(value: Mapping[str, object], loaded: Sequence[str]) -> Page:
    page = value.get("page", {})
    if not isinstance(page, dict):
        raise MalformedError("this must be an object at /page")
    members = cast("Mapping[str, object]", page)
    limit, token = members.get("limit"), members.get("token")
    properties = members.get("properties", {})
    if limit is not None and (type(limit) is not int or not 0 < limit <= MAX_PAGE):
        raise MalformedError(f"this must be a whole number from 1 to {MAX_PAGE} at /page/limit")
    if not isinstance(properties, dict):
        raise MalformedError("this must be an object at /page/properties")
    refused = cast("Mapping[str, object]", properties).get("refused", False)
    if not isinstance(refused, bool):
        raise MalformedError("this must be true or false at /page/properties/refused")
    asked = {name: value[name] for name in _PARTS if name in value}
    digest = sha256(canonicalise([asked, refused, *loaded])).hexdigest()
    if token is None:
        return Page("page" in value, limit, None, refused, digest)
    said, after = _read_token(token, digest)
    if limit is not None and limit != said:
        raise MalformedError("the limit is not that of the page before, at /page/limit")
    return Page(True, said, after, refused, digest)


def _token(page: Page, last: Candidate) -> str:
    parts = [page.digest, page.limit, *last.rank]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _read_token(token: object, digest: str) -> tuple[int, tuple[bool, int, str]]:
    """The limit and the last key of the page before. Whoever writes a token of their own gets
    another part of the same list, and nothing else."""
    if not isinstance(token, str) or len(token) > _MAX_TOKEN:
        raise MalformedError("this is no token of a page before, at /page/token")
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        parts = load_strict(raw, max_bytes=_MAX_TOKEN)
    except (JsonError, ValueError) as error:
        raise MalformedError("this is no token of a page before, at /page/token") from error
    match parts:
        case [str(asked), int(limit), bool(refused), int(preference), str(last)] if (
            0 < limit <= MAX_PAGE
        ):
            if asked != digest:
                raise MalformedError(
                    "another question, or another bundle or catalogue, than that of the page "
                    "before: begin again without the token"
                )
            return limit, (refused, preference, last)
        case _:
            raise MalformedError("this is no token of a page before, at /page/token")
