"""The definition itself as an engine."""

from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.errors import EngineAnswerError


class ReferenceEngine:
    """`dsl.evaluate`, for tests, for comparison, and where no other engine can run."""

    name = "reference"

    def __init__(self, program: Program) -> None:
        self._program = program

    async def ask(self, question: Question) -> Answer:
        try:
            return evaluate(self._program, question)
        except (KeyError, TypeError) as error:
            raise EngineAnswerError(self.name, "a day is missing or no number") from error

    async def close(self) -> None:
        """There is nothing to close."""
