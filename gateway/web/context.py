"""What an AuthZEN answer says besides its decision: the whole answer, the obligations in the
shape of the draft profile, or nothing.

AuthZEN Profile for Obligations, draft 1 (July 2026): an obligation has `type` and `id`, and
what its type says. Ours are declared by charters, so that their type is `custom`.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import cast

from starlette.requests import Request

from gateway.callers import Caller

HEADER = "charter-context"
SUPPORTED = "obligations_supported"
TYPES = ("custom",)
# Where a question says which types of obligations its sender knows.
WIRE = f"/context/{SUPPORTED}"


class MalformedError(Exception):
    """The request is malformed as the standard means it: 400, with a message."""


class Context(Enum):
    """What an answer has for its context. `NONE` also leaves out what was ignored."""

    WHOLE = "whole"
    NONE = "none"


def context_of(request: Request, caller: Caller, without: frozenset[str]) -> Context:
    """What the answers to a request have for their context.

    Args:
        without: The tenants whose answers have none unless they ask for it.

    Raises:
        MalformedError: The header is there and says neither.
    """
    said = request.headers.getlist(HEADER)
    if not said:
        return Context.NONE if caller.tenant in without else Context.WHOLE
    try:
        (one,) = said
        return Context(one)
    except ValueError:
        raise MalformedError("write whole or none in the header Charter-Context") from None


def wants_profile(value: Mapping[str, object]) -> bool:
    """Whether a question says which types of obligations its sender supports, so that it
    reads them in the shape of the profile."""
    context = value.get("context")
    if not isinstance(context, dict):
        return False
    types = cast("Mapping[str, object]", context).get(SUPPORTED)
    return isinstance(types, list) and all(isinstance(t, str) for t in cast("list[object]", types))


def in_profile(answer: bytes) -> bytes:
    """An answer with its obligations in the shape of the profile. The record in it is the
    same; around it, this one member is another than was signed."""
    whole = cast("dict[str, object]", json.loads(answer))
    duties = cast("Sequence[Mapping[str, object]]", whole["obligations"])
    whole["obligations"] = obligations(duties)
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def obligations(duties: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Duties of an answer as obligations of the profile. `id` is that of the duty; of several
    with one id, each further one has its number behind it."""
    told: list[dict[str, object]] = []
    seen: dict[str, int] = {}
    for duty in duties:
        name = str(duty["id"])
        seen[name] = seen.get(name, 0) + 1
        own = name if seen[name] == 1 else f"{name}#{seen[name]}"
        properties = {"obligation": name, **{key: duty[key] for key in _TOLD}}
        told.append({"type": "custom", "id": own, "properties": properties})
    return told


_TOLD = ("rule", "title", "parameters", "due")
