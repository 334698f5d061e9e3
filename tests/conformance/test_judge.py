"""What an expectation asks, one at a time, and what verdicts come to."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from conformance.case import Case, Expect
from conformance.client import Reply
from conformance.errors import NoAnswerInTimeError
from conformance.judge import judge
from conformance.run import Outcome, Plan, run_suite
from conformance.strict_json import canonical
from conformance.suite import Suite, load_suite
from conformance.verdict import ORDER, Verdict, worst
from tests.conformance.minimal_gateway import Body, answer
from tests.conformance.serving import JSON, PROBLEM

SUITE = load_suite()
PROFILES = frozenset({"decision-core"})


def answered(*, duties: Sequence[str] = (), **members: object) -> Reply:
    """A decision on the wire."""
    body: Body = {"id": "1", "decision": "permit", "reasons": [], "missing": []}
    body["obligations"] = [{"id": duty} for duty in duties]
    return Reply(200, JSON, canonical({**body, **members}), 1)


def reason(rule: str, status: str = "uncovered", *cites: str) -> Body:
    citations: list[Body] = []
    for cite in cites:
        celex, _, locator = cite.partition("/")
        citations.append({"law": "a law", "celex": celex, "locator": locator})
    return {"rule": rule, "status": status, "citations": citations}


def permit(**asked: tuple[str, ...]) -> Expect:
    return Expect(http=(200,), decision="permit", **asked)


def deny(**asked: tuple[str, ...]) -> Expect:
    return Expect(http=(200,), decision="deny", **asked)


def denied(*reasons: Body, missing: tuple[str, ...] = ()) -> Reply:
    named = [{"path": path} for path in missing]
    return answered(decision="deny", reasons=list(reasons), missing=named)


HOLDS = [
    (permit(), answered()),
    (permit(obligations_exactly=()), answered()),
    (permit(obligations_exactly=("b", "a")), answered(duties=["a", "b"])),
    (permit(obligations_at_least=("a",)), answered(duties=["a", "b"])),
    (permit(reasons_none=("c/a",)), answered()),
    (deny(), denied()),
    (deny(reasons_all=("c/a", "c/b")), denied(reason("c/b"), reason("c/a"), reason("c/c"))),
    (deny(reasons_any=("c/a", "c/b")), denied(reason("c/b"))),
    (deny(reasons_none=("c/a",)), denied(reason("c/b"))),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a", "forbidden", "x/art 44"))),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a", "forbidden", "x/art 44(1)"))),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a"), reason("c/b", "forbidden", "x/art 44"))),
    (deny(missing_all=("r.a",)), denied(missing=("r.b", "r.a"))),
]


@pytest.mark.parametrize(("expect", "reply"), HOLDS)
def test_an_expectation_holds(expect: Expect, reply: Reply) -> None:
    assert judge(expect, reply).misses == ()


MISSES = [
    (permit(), denied(), "decision"),
    (deny(), answered(), "decision"),
    (permit(obligations_exactly=()), answered(duties=["a"]), "obligations"),
    (permit(obligations_exactly=("a",)), answered(duties=["a", "b"]), "obligations"),
    (permit(obligations_exactly=("a", "b")), answered(duties=["a"]), "obligations"),
    (permit(obligations_at_least=("a", "b")), answered(duties=["a"]), "obligations"),
    (deny(reasons_all=("c/a", "c/b")), denied(reason("c/a")), "reasons"),
    (deny(reasons_any=("c/a", "c/b")), denied(reason("c/c")), "reasons"),
    (deny(reasons_none=("c/a",)), denied(reason("c/a"), reason("c/b")), "reasons"),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a", "forbidden", "x/art 440")), "cites"),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a", "forbidden", "x/art 4")), "cites"),
    (deny(cites_any=("x/art 44",)), denied(reason("c/a", "forbidden", "y/art 44")), "cites"),
    (deny(cites_any=("x/art 44(1)",)), denied(reason("c/a", "forbidden", "x/art 44")), "cites"),
    (deny(missing_all=("r.a", "r.b")), denied(missing=("r.a",)), "missing"),
    (permit(), answered(reasons=[reason("c/a", "forbidden")]), "answer"),
    (permit(), answered(reasons=[reason("c/a", "undetermined")]), "answer"),
    (permit(), answered(reasons=[reason("c/a", "perhaps")]), "answer"),
    (deny(), answered(decision="deny", duties=["a"]), "answer"),
    (permit(), answered(bundle=7), "answer"),
    (permit(), answered(missing=[{"path": "x" * 257}]), "answer"),
    (permit(), Reply(500, JSON, answered().body, 1), "http"),
    (permit(), Reply(422, PROBLEM, b"{}", 1), "http"),
    (Expect(http=(400, 422)), answered(), "http"),
    (Expect(http=(400, 422)), Reply(404, PROBLEM, b"{}", 1), "http"),
    (Expect(http=(400, 422)), Reply(422, PROBLEM, b'{"decision": "deny"}', 1), "answer"),
]


@pytest.mark.parametrize(("expect", "reply", "what"), MISSES)
def test_an_expectation_does_not_hold(expect: Expect, reply: Reply, what: str) -> None:
    (miss,) = judge(expect, reply).misses
    assert (miss.what, miss.verdict) == (what, Verdict.FAIL)
    assert miss.expected != miss.got


@pytest.mark.parametrize(
    ("media_type", "body"), [(JSON, b"{}"), ("", b"{}"), (PROBLEM, b"[]"), (PROBLEM, b"no")]
)
def test_a_refusal_in_another_form_is_a_warning(media_type: str, body: bytes) -> None:
    (miss,) = judge(Expect(http=(422,)), Reply(422, media_type, body, 1)).misses
    assert miss.verdict is Verdict.WARN


@pytest.mark.parametrize("status", [401, 403, 429])
@pytest.mark.parametrize("expect", [permit(), Expect(http=(400, 422))])
def test_not_being_let_in_is_inconclusive(status: int, expect: Expect) -> None:
    (miss,) = judge(expect, Reply(status, PROBLEM, b"{}", 1)).misses
    assert miss.verdict is Verdict.INCONCLUSIVE


# --- verdicts ---


def test_verdicts_are_in_order() -> None:
    names = ["pass", "warn", "inconclusive", "fail", "error"]
    assert [verdict.value for verdict in ORDER] == names


@pytest.mark.parametrize(("better", "worse"), [*itertools.combinations(ORDER, 2)])
def test_a_verdict_can_only_get_worse(better: Verdict, worse: Verdict) -> None:
    assert worst([better, worse]) is worst([worse, better]) is worse


def test_nothing_judged_is_an_error_and_no_pass() -> None:
    assert worst([]) is Verdict.ERROR


class Good:
    """The second gateway, without a line in between."""

    def ask(self, body: bytes) -> Reply:
        status, content = answer(body)
        return Reply(status, JSON if status == 200 else PROBLEM, canonical(content), 1)


class Silent(Good):
    """Good, and silent where the question holds some bytes."""

    def __init__(self, where: bytes) -> None:
        self._where = where

    def ask(self, body: bytes) -> Reply:
        if self._where in body:
            raise NoAnswerInTimeError("no whole answer within 10 s")
        return super().ask(body)


def with_all(**changes: object) -> Suite:
    cases = tuple(replace(case, **changes) for case in SUITE.cases)  # type: ignore[arg-type]
    return replace(SUITE, cases=cases)


def outcome(suite: Suite, gateway: Good | None = None, plan: Plan | None = None) -> Outcome:
    return run_suite(suite, gateway or Good(), plan or Plan(3, PROFILES))


def test_a_good_gateway_conforms() -> None:
    assert outcome(SUITE).result == "conforms"


def test_one_inconclusive_case_is_enough_not_to_conform() -> None:
    found = outcome(SUITE, Silent(b'"unfavourable"'))
    verdicts = [result.verdict for result in found.cases]
    assert verdicts.count(Verdict.INCONCLUSIVE) == 1
    assert verdicts.count(Verdict.PASS) == 9
    assert found.result == "does-not-conform"


def test_an_optional_case_may_fail() -> None:
    def lighter(case: Case) -> Case:
        return replace(case, level="optional") if case.id.startswith("CT-NIS2") else case

    suite = replace(SUITE, cases=tuple(map(lighter, SUITE.cases)))
    assert outcome(suite, Silent(b'"unfavourable"')).result == "conforms"


@pytest.mark.parametrize("status", ["draft", "deprecated", "withdrawn"])
def test_a_case_that_is_not_active_is_listed_and_not_run(status: str) -> None:
    found = outcome(with_all(status=status))
    assert {result.verdict for result in found.cases} == {Verdict.NOT_APPLICABLE}
    assert all(status in result.why for result in found.cases)
    assert found.result == "could-not-run"


def test_a_case_of_another_profile_is_not_claimed() -> None:
    found = outcome(SUITE, plan=Plan(3, frozenset({"ledger"})))
    assert {result.verdict for result in found.cases} == {Verdict.NOT_CLAIMED}
    assert found.result != "conforms"


def test_a_mandatory_case_without_its_feature_does_not_conform() -> None:
    def needy(case: Case) -> Case:
        return replace(case, requires=("wings",)) if case.id == "CT-NIS2-0021-001" else case

    suite = replace(SUITE, cases=tuple(map(needy, SUITE.cases)))
    found = outcome(suite, plan=Plan(3, PROFILES, without=frozenset({"wings"})))
    assert found.result == "does-not-conform"
    (left_out,) = (result for result in found.cases if not result.steps)
    assert (left_out.verdict, left_out.why) == (Verdict.NOT_CLAIMED, "needs wings")
    assert found.verdict_of(["CT-NIS2-0021-001", "CT-NIS2-0021-002"]) is Verdict.NOT_CLAIMED


def test_a_requirement_is_as_bad_as_its_worst_case() -> None:
    found = outcome(SUITE, Silent(b'"unfavourable"'))
    pair = ["CT-NIS2-0021-001", "CT-NIS2-0021-002"]
    assert found.verdict_of(pair) is Verdict.INCONCLUSIVE
    assert found.verdict_of(pair[:1]) is Verdict.PASS
