"""What the suite reads of an answer, and nothing more (PROTOCOL.md, "What is read")."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from conformance.case import OUTCOMES
from conformance.client import Reply
from conformance.errors import AnswerError, ShapeError
from conformance.shape import Members
from conformance.strict_json import parse

_STATUSES = frozenset({"forbidden", "undetermined", "uncovered"})
_LONGEST = r"(?s).{1,256}"  # a name in an answer; longer ones would fill the report


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as far as it is judged; lists sorted, each thing once. A citation reads
    `32016R0679/art 44`."""

    outcome: str
    rules: tuple[str, ...]
    cites: tuple[str, ...]
    obligations: tuple[str, ...]
    missing: tuple[str, ...]
    bundle: str | None

    def body(self) -> dict[str, Any]:
        return {
            "decision": self.outcome,
            "reasons": list(self.rules),
            "cites": list(self.cites),
            "obligations": list(self.obligations),
            "missing": list(self.missing),
        }


def read_decision(reply: Reply) -> Decision:
    """The decision in a 200.

    Raises:
        AnswerError: The answer is not JSON, lacks a part, has one of the wrong type, or
            contradicts itself.
    """
    if reply.media_type != "application/json":
        raise AnswerError("the answer is not of type application/json")
    try:
        return _decision(Members(parse(reply.body)))
    except ShapeError as error:
        raise AnswerError(f"the answer is malformed: {error}") from error


def is_problem(reply: Reply) -> bool:
    """Whether a refusal is a problem document (RFC 9457, section 3)."""
    try:
        Members(parse(reply.body))
    except ShapeError:
        return False
    return reply.media_type == "application/problem+json"


def names_a_decision(reply: Reply) -> bool:
    """Whether the body of a refusal decides all the same; somebody may read only that."""
    try:
        return Members(parse(reply.body)).has("decision")
    except ShapeError:
        return False


def _decision(top: Members) -> Decision:
    top.text("id", _LONGEST)
    outcome = top.choice("decision", OUTCOMES)
    reasons = top.items("reasons", _reason)
    obligations = top.items("obligations", _name("id"))
    missing = top.items("missing", _name("path"))
    if outcome == "permit" and any(status != "uncovered" for _, status, _ in reasons):
        raise ShapeError("/reasons", "a permit names a rule that stands in its way")
    if outcome != "permit" and obligations:
        raise ShapeError("/obligations", "a duty on something that is not permitted")
    return Decision(
        outcome=outcome,
        rules=_sorted(rule for rule, _, _ in reasons),
        cites=_sorted(cite for _, _, cites in reasons for cite in cites),
        obligations=_sorted(obligations),
        missing=_sorted(missing),
        bundle=top.text("bundle", _LONGEST) if top.has("bundle") else None,
    )


def _reason(value: object, where: str) -> tuple[str, str, tuple[str, ...]]:
    members = Members(value, where)
    rule = members.text("rule", _LONGEST)
    return rule, members.choice("status", _STATUSES), members.items("citations", _citation)


def _citation(value: object, where: str) -> str:
    """`CELEX/locator`. Law without a CELEX number goes by its name."""
    members = Members(value, where)
    law = members.text("law", _LONGEST)
    if members.has("celex") and members.value("celex") is not None:
        law = members.text("celex", _LONGEST)
    if members.has("locator"):
        return f"{law}/{members.text('locator', _LONGEST)}"
    return f"{law}/art {members.text('article', _LONGEST)}"


def _name(member: str) -> Callable[[object, str], str]:
    def read(value: object, where: str) -> str:
        return Members(value, where).text(member, _LONGEST)

    return read


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
