"""Puts the cases to a gateway, one after the other, and keeps what came."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from conformance.answer import Decision
from conformance.case import Case, Step
from conformance.client import Reply
from conformance.errors import (
    AnswerError,
    ConnectionLostError,
    NoAnswerInTimeError,
    NoConnectionError,
)
from conformance.judge import Judgement, Miss, judge
from conformance.strict_json import canonical
from conformance.suite import Suite
from conformance.vary import filled, in_order, names
from conformance.verdict import GOOD, NOT_RUN, Verdict, worst


class Asker(Protocol):
    """Whatever takes the bytes of a question and brings a reply, or an `ExchangeError`."""

    def ask(self, body: bytes) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: cases of these profiles, or `only` some of them, `without` features."""

    seed: int
    profiles: frozenset[str]
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StepResult:
    """One question, what was expected and what came. `status` is None without an answer."""

    step: Step
    verdict: Verdict
    misses: tuple[Miss, ...]
    status: int | None
    decision: Decision | None
    attempts: int
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case and its verdict; `why` only where it was not run."""

    case: Case
    verdict: Verdict
    steps: tuple[StepResult, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All cases of the suite, in the order in which they were run."""

    suite: Suite
    plan: Plan
    cases: tuple[CaseResult, ...]

    @property
    def result(self) -> str:
        """`conforms`, `does-not-conform`, `partial` (chosen cases, all good), or
        `could-not-run` (nobody let the run in, or a fault of the runner)."""
        run = [case for case in self.cases if case.verdict not in NOT_RUN]
        if not run or any(case.verdict is Verdict.ERROR for case in run):
            return "could-not-run"
        if all(_never_let_in(case) for case in run):
            return "could-not-run"
        if self.plan.only:
            good = all(case.verdict in GOOD for case in run)
            return "partial" if good else "does-not-conform"
        must = [case for case in self.cases if self._counts(case.case)]
        good = bool(must) and all(case.verdict in GOOD for case in must)
        return "conforms" if good else "does-not-conform"

    def _counts(self, case: Case) -> bool:
        claimed = not self.plan.profiles.isdisjoint(case.profiles)
        return claimed and case.mandatory and case.status == "active"

    def verdict_of(self, case_ids: Iterable[str]) -> Verdict:
        """The worst verdict of some cases; not claimed where one of them was not run."""
        wanted = set(case_ids)
        verdicts = [result.verdict for result in self.cases if result.case.id in wanted]
        ran = [verdict for verdict in verdicts if verdict not in NOT_RUN]
        if ran and (len(ran) == len(verdicts) or worst(ran) not in GOOD):
            return worst(ran)
        return Verdict.NOT_CLAIMED

    @property
    def bundles(self) -> list[str]:
        """The bundle digests that the answers named."""
        steps = [step for case in self.cases for step in case.steps]
        return sorted({s.decision.bundle for s in steps if s.decision and s.decision.bundle})


def run_suite(
    suite: Suite, client: Asker, plan: Plan, told: Callable[[CaseResult], None] = lambda _: None
) -> Outcome:
    """Run what the plan says and list the rest with its reason; `told` hears of each case."""
    results: list[CaseResult] = []
    for case in in_order(suite.cases, plan.seed):
        left_out = _left_out(case, plan)
        result = left_out if left_out else _run_case(case, client, plan)
        told(result)
        results.append(result)
    return Outcome(suite, plan, tuple(results))


def _left_out(case: Case, plan: Plan) -> CaseResult | None:
    if case.status != "active":
        return CaseResult(case, Verdict.NOT_APPLICABLE, why=f"the case is {case.status}")
    if plan.profiles.isdisjoint(case.profiles):
        return CaseResult(case, Verdict.NOT_CLAIMED, why="of no profile that is claimed")
    if absent := sorted(plan.without.intersection(case.requires)):
        return CaseResult(case, Verdict.NOT_CLAIMED, why=f"needs {', '.join(absent)}")
    if plan.only and case.id not in plan.only:
        return CaseResult(case, Verdict.NOT_APPLICABLE, why="not among the cases asked for")
    return None


def _run_case(case: Case, client: Asker, plan: Plan) -> CaseResult:
    found = names(case, plan.seed)
    steps = tuple(_run_step(step, client, found) for step in case.steps)
    return CaseResult(case, worst(step.verdict for step in steps), steps)


def _run_step(step: Step, client: Asker, found: dict[str, str]) -> StepResult:
    started = monotonic()
    reply, judgement = _put(step, client, found)
    return StepResult(
        step=step,
        verdict=worst([Verdict.PASS, *(miss.verdict for miss in judgement.misses)]),
        misses=judgement.misses,
        status=reply.status if reply else None,
        decision=judgement.decision,
        attempts=reply.attempts if reply else 0,
        elapsed_ms=round((monotonic() - started) * 1000),
    )


def _put(step: Step, client: Asker, found: dict[str, str]) -> tuple[Reply | None, Judgement]:
    try:
        reply = client.ask(canonical(filled(step.request, found)))
        return reply, judge(step.expect, reply)
    except NoAnswerInTimeError as error:
        return None, _miss(Verdict.INCONCLUSIVE, "timeout", str(error))
    except NoConnectionError as error:
        return None, _miss(Verdict.INCONCLUSIVE, "no-connection", str(error))
    except ConnectionLostError as error:
        return None, _miss(Verdict.INCONCLUSIVE, "connection-lost", str(error))
    except AnswerError as error:
        return None, _miss(Verdict.FAIL, "answer", str(error))
    except Exception as error:  # a fault of ours must be told apart from one of the product
        return None, _miss(Verdict.ERROR, "runner", f"{type(error).__name__} in the runner")


def _miss(verdict: Verdict, what: str, got: str) -> Judgement:
    return Judgement((Miss(verdict, what, "an answer", got),))


def _never_let_in(result: CaseResult) -> bool:
    return all(
        any(miss.what in ("no-connection", "token-refused") for miss in step.misses)
        for step in result.steps
    )
