"""Holds an answer against an expectation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance.answer import Decision, is_problem, names_a_decision, read_decision
from conformance.case import Expect
from conformance.client import Reply
from conformance.errors import AnswerError
from conformance.verdict import Verdict

# Answers that say nothing of the decision: the run was not let in.
NOT_LET_IN = {401: "token-refused", 403: "token-refused", 429: "rate-limited"}


@dataclass(frozen=True, slots=True)
class Miss:
    """One expectation that did not hold, and what that makes of the step."""

    verdict: Verdict
    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that did not hold, and the decision where one could be read."""

    misses: tuple[Miss, ...]
    decision: Decision | None = None


def judge(expect: Expect, reply: Reply) -> Judgement:
    """The misses of an answer; none where all held."""
    if reply.status in NOT_LET_IN:
        why = NOT_LET_IN[reply.status]
        return _only(Miss(Verdict.INCONCLUSIVE, why, "to be let in", str(reply.status)))
    if reply.status not in expect.http:
        return _only(_failed("http", any_number(expect.http), str(reply.status)))
    if expect.decision is None:
        return Judgement(tuple(_refusal(reply)))
    try:
        decision = read_decision(reply)
    except AnswerError as error:
        return _only(_failed("answer", "an answer of PROTOCOL.md", str(error)))
    return Judgement(tuple(_compare(expect, decision)), decision)


def any_number(statuses: Iterable[int]) -> str:
    """`400 or 422`."""
    return " or ".join(str(status) for status in statuses)


def _refusal(reply: Reply) -> Iterator[Miss]:
    if names_a_decision(reply):
        yield _failed("answer", "a refusal without a decision", "a refusal that also decides")
    if not is_problem(reply):
        got = reply.media_type or "no media type"
        yield Miss(Verdict.WARN, "problem", "application/problem+json (RFC 9457)", got)


def _compare(expect: Expect, got: Decision) -> Iterator[Miss]:
    if expect.decision != got.outcome:
        yield _failed("decision", str(expect.decision), got.outcome)
    yield from _all("reasons", expect.reasons_all, got.rules)
    yield from _any("reasons", expect.reasons_any, got.rules)
    yield from _none("reasons", expect.reasons_none, got.rules)
    if expect.cites_any and not any(_covers(w, c) for w in expect.cites_any for c in got.cites):
        yield _failed("cites", "any of " + _listed(expect.cites_any), _listed(got.cites))
    if expect.obligations_exactly is not None and set(expect.obligations_exactly) != set(
        got.obligations
    ):
        exactly = "exactly " + _listed(expect.obligations_exactly)
        yield _failed("obligations", exactly, _listed(got.obligations))
    yield from _all("obligations", expect.obligations_at_least, got.obligations)
    yield from _all("missing", expect.missing_all, got.missing)


def _covers(wanted: str, cited: str) -> bool:
    """Whether a citation is of the clause wanted, or of a paragraph or point in it."""
    return cited == wanted or cited.startswith(f"{wanted}(")


def _all(what: str, wanted: tuple[str, ...], got: tuple[str, ...]) -> Iterator[Miss]:
    if not set(wanted) <= set(got):
        yield _failed(what, "all of " + _listed(wanted), _listed(got))


def _any(what: str, wanted: tuple[str, ...], got: tuple[str, ...]) -> Iterator[Miss]:
    if wanted and set(wanted).isdisjoint(got):
        yield _failed(what, "any of " + _listed(wanted), _listed(got))


def _none(what: str, unwanted: tuple[str, ...], got: tuple[str, ...]) -> Iterator[Miss]:
    if not set(unwanted).isdisjoint(got):
        yield _failed(what, "none of " + _listed(unwanted), _listed(got))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _failed(what: str, expected: str, got: str) -> Miss:
    return Miss(Verdict.FAIL, what, expected, got)


def _only(miss: Miss) -> Judgement:
    return Judgement((miss,))
