"""Rego on an Open Policy Agent server, through opa-python-client.

The server has the bundle of the program loaded already, from `opa_bundle`; we only ask.
Its answer carries the digest of the program, so a server that still holds an older
bundle is found out. One request a question, over kept connections, and no second try:
whoever asked has a time limit, and a late permit is no permit.

The server is somebody's, at an address, or our own, which is started, loaded and proved here
and started again when it ends. Ours has lean modules besides (`gateway.pdp.opa_modules`).
"""

from pathlib import Path
from typing import Protocol

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.to_rego import opa_bundle, tarball
from gateway.errors import EngineAnswerError, EngineError, EngineUnavailableError
from gateway.pdp.engine import AnswerCheck, rego_answer
from gateway.pdp.keeper import Keeper
from gateway.pdp.lean import joined_answer
from gateway.pdp.opa_client import OpaClient, ReplyError
from gateway.pdp.opa_modules import OpaModules
from gateway.pdp.opa_server import OpaServer
from gateway.pdp.proving import PATIENT_S, Prove

DEFAULT_PACKAGE = "charter"
DEFAULT_TIMEOUT_S = 0.5


class Replying(Protocol):
    """A client of a server."""

    async def result(self, package: str, rule: str, given: object) -> object: ...


class Asking:
    """Puts questions to a server that has the program loaded."""

    def __init__(self, name: str, program: Program, package: str = DEFAULT_PACKAGE) -> None:
        self._name = name
        self._check = AnswerCheck(name, program)
        self._digest = program_digest(program)
        self._package = package

    async def ask(
        self, client: Replying, question: Question, modules: OpaModules | None = None
    ) -> Answer:
        """What the published module says, or the one of `modules` that is for the question."""
        module = None if modules is None else modules.of(question)
        if module is not None:
            result = await self._result(client, module.package, module.document(question))
            said = rego_answer(self._name, joined_answer(result), module.digest)
            return self._check.answer(said)
        result = await self._result(client, self._package, question.document())
        return self._check.answer(rego_answer(self._name, result, self._digest))

    async def _result(self, client: Replying, package: str, asked: object) -> object:
        try:
            return await client.result(package, "answer", asked)
        except (ReplyError, ValueError, TypeError) as error:
            detail = str(error) if isinstance(error, ReplyError) else "the question is no JSON"
            raise EngineAnswerError(self._name, detail) from error
        except EngineError:
            raise
        except Exception as error:
            # The library lets the errors of its HTTP client through, whichever that is.
            detail = str(error) or "no answer in time"
            raise EngineUnavailableError(self._name, detail) from error


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
        self._asking = Asking(self.name, program, package)
        self._client = OpaClient(host=host, port=port, timeout_s=timeout_s, tls=tls, token=token)

    async def ask(self, question: Question) -> Answer:
        return await self._asking.ask(self._client, question)

    async def close(self) -> None:
        await self._client.close()


class OwnOpaEngine:
    """An OPA server of our own, with the program loaded.

    Args:
        program: What it loads.
        binary: A stock OPA; see `gateway.pdp.opa_server.check_binary`.
        prove: Puts known questions to a server that has just started; raises an
            `EngineError` where it is not to be believed.
    """

    name = "opa"

    def __init__(self, program: Program, *, binary: Path, prove: Prove | None = None) -> None:
        self._asking = Asking(self.name, program)
        self._modules: OpaModules | None = OpaModules(program)
        published = opa_bundle(program, program_digest(program))
        self._bundle = tarball({**published, **self._modules.files})
        self._binary = binary
        self._prove = prove
        self._keeper = Keeper(self.name, self._start)

    @property
    def restarts(self) -> int:
        return self._keeper.restarts

    @property
    def is_running(self) -> bool:
        return self._keeper.is_running

    async def open(self) -> None:
        """Start the server; raises an `EngineError` where it cannot be used."""
        await self._keeper.open()

    async def _start(self) -> OpaServer:
        server = await OpaServer.launch(self._binary, self._bundle, timeout_s=PATIENT_S)
        if self._prove is not None:
            try:
                await self._prove(lambda question: self._asking.ask(server.client, question))
                await self._prove(lambda question: self._put(server, question))
            except BaseException:
                await server.close()
                raise
        return server

    async def ask(self, question: Question) -> Answer:
        await self.open()
        return await self._put(self._keeper.running(), question)

    async def _put(self, server: OpaServer, question: Question) -> Answer:
        return await self._asking.ask(server.client, question, self._modules)

    def forget(self) -> None:
        """Ask the published module alone from now on."""
        self._modules = None

    def restart(self) -> None:
        """End the server; another is started."""
        self._keeper.condemn()

    async def close(self) -> None:
        await self._keeper.close()
