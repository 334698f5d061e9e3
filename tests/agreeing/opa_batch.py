"""Many questions to a real OPA in one request.

A module beside the program's maps its answer over a list of inputs. That this gives what
single questions give is held by asking some of them singly, through the gateway's engine.
"""

import http.client
import json
from collections.abc import Sequence
from typing import cast

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.to_rego import rego_policy
from gateway.errors import EngineAnswerError, EngineError
from gateway.pdp.engine import AnswerCheck, rego_answer
from tests.opa import OpaServer

BATCH = """package batch

answers := [answer |
	some question in input.questions
	answer := data.charter.answer with input as question
]
"""
TIMEOUT_S = 120.0


class BatchOpa:
    """A server that holds one program at a time."""

    name = "opa"

    def __init__(self, server: OpaServer) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)
        self._server = server
        self._loaded: Program | None = None

    @property
    def server(self) -> OpaServer:
        return self._server

    def load(self, program: Program) -> None:
        policy = rego_policy(program)
        document = cast("dict[str, dict[str, object]]", policy.data).get("charter", {})
        self._send("PUT", "/v1/data/charter/values", json.dumps(document.get("values", {})))
        self._send("PUT", "/v1/policies/charter", policy.module)
        if self._loaded is None:
            self._send("PUT", "/v1/policies/batch", BATCH)
        self._loaded = program
        self._check = AnswerCheck(self.name, program)
        self._digest = program_digest(program)

    def ask(self, questions: Sequence[Question]) -> list[Answer | EngineError]:
        documents = [question.document() for question in questions]
        body = json.dumps({"input": {"questions": documents}}, ensure_ascii=False)
        reply = cast("dict[str, object]", json.loads(self._send("POST", "/v1/data/batch", body)))
        result = cast("dict[str, list[object]]", reply["result"])["answers"]
        if len(result) != len(questions):
            raise EngineAnswerError(self.name, f"{len(result)} answers to {len(questions)}")
        return [self._believed(answer) for answer in result]

    def close(self) -> None:
        self._connection.close()

    def _believed(self, answer: object) -> Answer | EngineError:
        try:
            return self._check.answer(rego_answer(self.name, answer, self._digest))
        except EngineError as error:
            return error

    def _send(self, method: str, path: str, body: str) -> bytes:
        headers = {"Content-Type": "application/json" if "/data" in path else "text/plain"}
        self._connection.request(method, path, body.encode("utf-8"), headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status not in (200, 204):
            raise EngineAnswerError(self.name, data.decode("utf-8", "replace"))
        return data
