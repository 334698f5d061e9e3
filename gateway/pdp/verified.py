"""Verified: what a verifier says of the machine that a question names, as facts of one program.

Nothing else states these facts. They are known while the evidence counts, at the machine's
own site alone, and never for longer than they are true.
"""

from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from dsl.core import Program
from gateway.attestation.evidence import earliest
from gateway.pdp.reads import read_by_action
from gateway.pdp.supplied import Statement, Supplied
from gateway.pdp.supplied_read import fitted

AGE = "attestation.age"  # in minutes since `Statement.observed_at`, of which the last has begun


class Verified:
    """Reads what verifiers say with the vocabulary of one program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def facts(self, said: Supplied, action: str) -> Supplied:
        """What was said, with the facts of this program, as long as they are true of questions
        on an action."""
        return replace(
            said,
            statements=tuple(
                self._lasting(fitted(self._program, one), action) for one in said.statements
            ),
        )

    def _lasting(self, statement: Statement, action: str) -> Statement:
        minutes, made_at = statement.facts.get(AGE), statement.observed_at
        if not isinstance(minutes, int) or made_at is None or action not in self._ageing:
            return statement
        older = made_at + timedelta(minutes=minutes)
        return replace(statement, until=earliest([statement.until, older]))

    @cached_property
    def _ageing(self) -> frozenset[str]:
        """The actions some rule of which asks how old evidence is."""
        read = read_by_action(self._program)
        return frozenset(action for action, paths in read.items() if AGE in paths)
