"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same key and question of
the same caller give the recorded decisions again, also after a restart.

The key is used up in the transaction that records the decisions (`gateway.ledger.once`), so
there are never two records for one key. What records nothing uses up no key.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from starlette.requests import Request

from gateway.callers import Caller
from gateway.errors import KeyTakenError, LedgerUnavailableError
from gateway.ledger.once import Once
from gateway.record.canonical import MAX_DEPTH, canonicalise
from gateway.service import Prepared, Service
from gateway.web.entrance import RefusedError
from gateway.web.problem import KEY_IN_USE, KEY_MALFORMED, KEY_REUSED, Problem
from gateway.web.routes import Parameter

HEADER = "idempotency-key"
MAX_KEY = 255  # characters
KEPT_S = 24 * 3600
# A String of Structured Field Values (RFC 9651, section 3.3.3), without parameters.
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_DEEPEST = MAX_DEPTH + 4  # a batch has two levels around its questions, and here is one more
PARAMETER = Parameter(
    "Idempotency-Key",
    "A string in quotes, of 1 to 255 characters, that stands for this question for 24 hours: "
    "sent again with the same question, it gives the decision that was recorded",
    "header",
    # Not required, and what is no such string is told so with a problem of its own.
    {"type": "string", "pattern": '^"([ !#-\\[\\]-~]|\\\\["\\\\]){1,255}"$'},
)


@dataclass(frozen=True)
class Asked:
    """A question under a key: digests of whose key it is and of what was asked."""

    key: bytes
    request: bytes
    tenant: str
    until: int

    def leads_to(self, said: "Sequence[Prepared | Problem]") -> Once:
        """The row to keep, for what is about to be recorded: ids, and problems as told."""
        parts = [one.id if isinstance(one, Prepared) else one.body() for one in said]
        answer = json.dumps(parts, separators=(",", ":"))
        return Once(self.key, self.tenant, self.request, answer, self.until)


Decide = Callable[[Asked], Awaitable[Sequence[bytes]]]


def key_of(request: Request) -> str | None:
    """The key of a request, None where it has none.

    Raises:
        RefusedError: The header is there and no string in quotes, or stands twice.
    """
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    found = _STRING.fullmatch(given[0].strip(" ")) if len(given) == 1 else None
    key = re.sub(r"\\(.)", r"\1", found[1]) if found else ""
    if not 0 < len(key) <= MAX_KEY:
        raise RefusedError(KEY_MALFORMED, closes=False)
    return key


class Repeats:
    """Tells questions that were asked before from those that are asked first."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: dict[bytes, bytes] = {}

    async def answers(
        self, key: str, place: str, value: object, caller: Caller, decide: Decide
    ) -> Sequence[bytes]:
        """The answers to a question under a key: those that were given, or new ones.

        Args:
            place: Where it was asked; elsewhere it is another question.
            value: The question, as JSON; how it is spelled makes no difference.
            decide: Decides and records, with the row of `Asked.leads_to`.

        Raises:
            RefusedError: The key stands for another question, or the first is not over.
            KeysExhaustedError: The tenant has no room for one more key.
        """
        now = int(self._service.clock().timestamp())
        asked = Asked(
            sha256(canonicalise([caller.tenant, caller.id, key])).digest(),
            sha256(canonicalise([place, value], max_depth=_DEEPEST)).digest(),
            caller.tenant,
            now + KEPT_S,
        )
        running = self._running.get(asked.key)
        if running is not None:
            problem = KEY_IN_USE if running == asked.request else KEY_REUSED
            raise RefusedError(problem, closes=False)
        self._running[asked.key] = asked.request
        try:
            before = await self._before(asked, caller, now)
            return await self._first(asked, caller, now, decide) if before is None else before
        finally:
            del self._running[asked.key]

    async def _first(
        self, asked: Asked, caller: Caller, now: int, decide: Decide
    ) -> Sequence[bytes]:
        try:
            return await decide(asked)
        except KeyTakenError:
            # Another process was first, or this one before somebody stopped waiting.
            before = await self._before(asked, caller, now)
            if before is None:
                raise
            return before

    async def _before(self, asked: Asked, caller: Caller, now: int) -> Sequence[bytes] | None:
        found = await self._service.find_once(asked.key, now)
        if found is None:
            return None
        if found.request != asked.request:
            raise RefusedError(KEY_REUSED, closes=False)
        parts = cast("list[str | dict[str, object]]", json.loads(found.answer))
        return [await self._again(part, caller) for part in parts]

    async def _again(self, part: str | dict[str, object], caller: Caller) -> bytes:
        if not isinstance(part, str):
            return json.dumps(part).encode()
        answer = await self._service.recorded.again(part, caller)
        if answer is None:
            # Committed, and not published yet: whoever asks again finds it.
            raise LedgerUnavailableError(f"decision {part} cannot be read yet")
        return answer
