"""Rego on an Open Policy Agent server, through opa-python-client.

The server has the bundle of the program loaded already, from `opa_bundle`; we only ask.
Its answer carries the digest of the program, so a server that still holds an older
bundle is found out. One request a question, over kept connections, and no second try:
whoever asked has a time limit, and a late permit is no permit.
"""

# opa_client annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from typing import cast

from opa_client.opa_async import AsyncOpaClient

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.errors import EngineAnswerError, EngineUnavailableError
from gateway.pdp.engine import AnswerCheck, rego_answer

DEFAULT_PACKAGE = "charter"
DEFAULT_TIMEOUT_S = 0.5


class OpaEngine:
    """A client of one OPA server.

    Args:
        program: The program whose bundle the server has loaded.
        host: Name or address of the server.
        port: Its port.
        timeout_s: Seconds after which a question counts as unanswered.
        tls: Whether to speak HTTPS, with the system's certificates.
        token: Bearer token, where the server asks for one.
        package: The Rego package of the program.
    """

    name = "opa"

    def __init__(
        self,
        program: Program,
        *,
        host: str,
        port: int,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: bool = False,
        token: str | None = None,
        package: str = DEFAULT_PACKAGE,
    ) -> None:
        self._check = AnswerCheck(self.name, program)
        self._digest = program_digest(program)
        self._package = package
        self._client = AsyncOpaClient(
            host=host, port=port, ssl=tls, token=token, timeout=timeout_s, retries=0
        )
        self._opening = asyncio.Lock()
        self._open = False

    async def ask(self, question: Question) -> Answer:
        try:
            await self._connect()
            reply = await self._client.query_rule(question.document(), self._package, "answer")
        except (ValueError, TypeError) as error:
            raise EngineAnswerError(self.name, "the reply is no JSON") from error
        except Exception as error:
            # The library lets the errors of its HTTP client through, whichever that is.
            detail = str(error) or "no answer in time"
            raise EngineUnavailableError(self.name, detail) from error
        # The library promises an object and passes on whatever the server sent.
        body = cast("object", reply)
        if not isinstance(body, dict) or "result" not in body:
            raise EngineAnswerError(self.name, "the answer is undefined: is the bundle loaded?")
        result = cast("dict[str, object]", body)["result"]
        return self._check.answer(rego_answer(self.name, result, self._digest))

    async def close(self) -> None:
        async with self._opening:
            self._open = False
            await self._client.close_connection()

    async def _connect(self) -> None:
        if self._open:
            return
        async with self._opening:
            if not self._open:
                await self._client.__aenter__()
                self._open = True
