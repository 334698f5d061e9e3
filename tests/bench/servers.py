"""The gateway, the echo of its server and stock OPA, each with a question."""

import copy
import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.facts import Question
from dsl.to_rego import opa_bundle, tarball
from gateway import bundle
from gateway.pdp import catalogue
from gateway.pdp.normalise import Normaliser
from gateway.pdp.request import DecisionRequest
from tests.bench import generated
from tests.bench.target import JSON_TYPE, Target, served
from tests.gateway_process import GatewayProcess, run_gateway
from tests.opa import run_opa

BATCH = 100
ONE = ("--workers", "0")  # one process, which holds the log as well
TWO = ("--workers", "2")
NEW = ("--memo", "0")  # every question is new to the memo, for there is none

_QUESTION: dict[str, Any] = {
    "subject": {
        "type": "workload",
        "id": "trainer-7",
        "properties": {
            "sector": "health",
            "entity_class": "out-of-scope",
            "supports_essential_service": False,
            "critical_entity": False,
            "exporter_country": "DE",
        },
    },
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "aws/us-east-1"},
    "context": {
        "data": {"labels": ["health"]},
        "transfer": {"mechanism": "scc-m2", "impact_assessment": "favourable"},
        "ai": {"area": "none"},
    },
}


@dataclass(frozen=True)
class Law:
    """A folder of charters with a question that they permit and one that they do not."""

    name: str
    folder: Path
    question: dict[str, Any]
    refused: dict[str, Any]

    def program(self) -> Program:
        return _compiled(self.folder)

    def joined(self, question: dict[str, Any]) -> Question:
        """The facts that the gateway gives its engines."""
        program = self.program()
        known = catalogue.load(self.folder / "catalogue" / "sites.toml", program)
        request = DecisionRequest.read(question)
        return Normaliser(program, known).join(request, now=datetime.now(UTC)).question


@cache
def _compiled(folder: Path) -> Program:
    _, program = bundle.compile_folder(folder).require()
    return program


def pack() -> Law:
    """The charters that come with the gateway."""
    return Law("pack", bundle.PACK, _QUESTION, _with(_QUESTION, "mechanism", "none"))


def generated_law(folder: Path, rules: int) -> Law:
    """Charters with so many prohibitions, in a folder; written where it is not there yet."""
    if not folder.exists():
        generated.write_charters(folder, rules)
    asked = generated.QUESTION
    return Law(f"{rules} rules", folder, asked, _with(asked, "tool", "none"))


def _with(question: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    changed = copy.deepcopy(question)
    changed["context"]["transfer"][name] = value
    return changed


# --- servers -------------------------------------------------------------------------


def echo(stack: ExitStack, body: bytes) -> Target:
    """The gateway's server with a route that gives a body back."""
    script = str(Path(__file__).with_name("echo.py"))
    port, pid = stack.enter_context(served(lambda port: [sys.executable, script, str(port)]))
    url = f"http://127.0.0.1:{port}/"
    return Target("echo of the same server", url, body, JSON_TYPE, pid, lambda said: said == body)


def gateway(
    stack: ExitStack, state: Path, law: Law, name: str, *arguments: str, token: str | None = None
) -> Target:
    """A gateway with both engines; its answers are signed, durable and proven."""
    running = start(stack, state, law, *arguments, token=token)
    return Target(
        f"charter: {law.name}, {name}" if name else f"charter: {law.name}",
        f"{running.url}/v1/decisions",
        json.dumps(law.question).encode(),
        authorised(running),
        running.process.pid,
        lambda said: json.loads(said)["decision"] == "permit",
        json.dumps(law.refused).encode(),
        peer=opa_name(law),
    )


def start(
    stack: ExitStack, state: Path, law: Law, *arguments: str, token: str | None = None
) -> GatewayProcess:
    places = ("--policies", str(law.folder), *arguments)
    return stack.enter_context(run_gateway(state, *places, token=token))


def authorised(running: GatewayProcess) -> dict[str, str]:
    return {**JSON_TYPE, "Authorization": f"Bearer {running.token}"}


def batches(single: Target, name: str) -> Target:
    """The same gateway, asked `BATCH` questions at once."""

    def many(question: bytes) -> bytes:
        return b'{"questions":[%b]}' % b",".join([question] * BATCH)

    def permits(said: bytes) -> bool:
        decisions = [one["decision"] for one in json.loads(said)["answers"]]
        return decisions == ["permit"] * BATCH

    return Target(
        name,
        f"{single.url}/batch",
        many(single.body),
        single.headers,
        single.pid,
        permits,
        None if single.refused is None else many(single.refused),
        BATCH,
        single.peer,
    )


def opa_name(law: Law) -> str:
    return f"stock OPA: {law.name}, same Rego"


def opa(stack: ExitStack, law: Law) -> Target:
    """A stock server with the Rego that the gateway compiles, and the facts it gives it."""
    program = law.program()
    server = stack.enter_context(run_opa(tarball(opa_bundle(program, program_digest(program)))))

    def document(question: dict[str, Any]) -> bytes:
        return json.dumps({"input": law.joined(question).document()}).encode()

    def permits(said: bytes) -> bool:
        answer = json.loads(said)["result"]
        return bool(answer["granted"]) and not answer["denied"]

    url = f"http://{server.host}:{server.port}/v1/data/charter/answer"
    name, asked, refused = opa_name(law), document(law.question), document(law.refused)
    return Target(name, url, asked, JSON_TYPE, server.pid, permits, refused, peer=name)
