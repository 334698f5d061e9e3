"""A rule as a whole: exceptions that clash, leave nothing, or never hold."""

import pytest

from dsl.compile import Compiled, compile_charters
from dsl.source import SourceText
from tests.dsl.mistake_files import BASE, MORE
from tests.dsl.test_check_language import HEAD

NOTIFY = "notify with authority = {}, copies = 2 within 72 hours"


def compiled(text: str) -> Compiled:
    return compile_charters([BASE, MORE, SourceText("whole.charter", HEAD + text)])


def a_rule(clauses: str, *exceptions: tuple[str, str], effect: str = "forbid") -> str:
    text = f'rule r "R"\n  cites GDPR art 44\n  on flow\n  {effect}\n{clauses}'
    for number, (conditions, duty) in enumerate(exceptions):
        text += f'  except e{number} "E"\n    cites GDPR art {46 + number}\n{conditions}{duty}'
    reasons = '  because "B"\n  remedy "R"\n' if effect in ("forbid", "require") else ""
    return text + reasons


def codes(text: str) -> list[str]:
    return [d.code for d in compiled(text).errors]


APART = [
    ("transfer.mechanism = scc-m1", "transfer.mechanism = scc-m2"),
    ("transfer.mechanism in {scc-m1, none}", "not transfer.mechanism in {scc-m1, none}"),
    ("transfer.mechanism = scc-m1", "data.labels has public and transfer.mechanism is not scc-m1"),
    ("transfer.assessed", "not transfer.assessed"),
    ("transfer.assessed = yes", "transfer.assessed = no"),
    ("transfer.assessment_age at most 30 days", "transfer.assessment_age more than 30 days"),
    ("contract.share at least 10 %", "contract.share less than 9.99 %"),
    ("contract.share less than 5 %", "contract.share more than 24 %"),
    ("not contract.share at least 5 %", "not contract.share at most 24 %"),
    ("not (contract.share at least 5 % or transfer.assessed)", "not contract.share at most 24 %"),
    ("contract.ends before 2027-01-01", "contract.ends on or after 2027-01-01"),
    ("contract.ends within 10 days", "contract.ends on or after today + 1 day"),
    ("operator.overall at least SEAL-3", "operator.overall at most SEAL-2"),
    ("today before 2027-01-01", "today on or after 2027-01-01"),
    ("destination.countries within EEA", "destination.countries has US"),
    ("not (transfer.assessed or data.labels has public)", "transfer.assessed"),
]
TOGETHER = [
    ("transfer.mechanism = scc-m1", "transfer.assessed"),
    ("transfer.mechanism in {scc-m1, none}", "transfer.mechanism in {scc-m2, none}"),
    ("transfer.assessment_age at most 30 days", "transfer.assessment_age at least 30 days"),
    ("contract.ends before 2027-01-01", "contract.ends after today"),
    ("operator.seal[SOV-1] at least SEAL-3", "operator.seal[SOV-2] at most SEAL-2"),
    ("destination.countries within EEA", "destination.countries has DE"),
    ("transfer.assessed or data.labels has public", "not transfer.assessed"),
    ("data.labels has public", "data.labels has health"),
    ("data.owner is not other", "data.owner is not another"),
    ("not contract.share at most 5 %", "not contract.share at least 24 %"),
]
IN_FORCE = [
    ("    in force until 2026-12-31\n", "    in force from 2027-01-01\n", False),
    ("    in force until 2027-01-01\n", "    in force from 2027-01-01\n", True),
    ("", "    in force from 2027-01-01\n", True),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("first", "second"), APART)
def test_exceptions_that_never_hold_together_do_not_clash(
    first: str, second: str, turned: bool
) -> None:
    one, other = (second, first) if turned else (first, second)
    assert codes(two(f"    when {one}\n", f"    when {other}\n")) == []


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_exceptions_that_may_hold_together_clash_over_one_duty(
    first: str, second: str, turned: bool
) -> None:
    one, other = (second, first) if turned else (first, second)
    text = two(f"    when {one}\n", f"    when {other}\n")
    (error,) = compiled(text).errors
    assert error.code == "CH0317"
    shown = {label.span.text for label in error.labels}
    assert {"cites GDPR art 46", "cites GDPR art 47"} <= shown
    # The same duty, or a duty of one of them alone, is no clash.
    assert codes(text.replace("cnil", "bnetza")) == []
    assert codes(text.replace(f"    oblige {NOTIFY.format('cnil')}\n", "")) == []


def two(first: str, second: str) -> str:
    duties = [f"    oblige {NOTIFY.format(name)}\n" for name in ("bnetza", "cnil")]
    when = "  when data.labels has personal or data.labels has public\n"
    return a_rule(when, (first, duties[0]), (second, duties[1]))


@pytest.mark.parametrize(("first", "second", "clashes"), IN_FORCE)
def test_exceptions_in_force_at_other_times_do_not_clash(
    first: str, second: str, clashes: bool
) -> None:
    when = "    when transfer.assessed\n"
    assert codes(two(first + when, second + when)) == (["CH0317"] if clashes else [])


WHOLE = [
    ("data.labels has health", "data.labels has personal", True),
    ("data.labels has personal", "data.labels has health", False),
    ("data.labels has health and transfer.assessed", "transfer.assessed", True),
    ("data.labels has health", "data.labels has health or transfer.assessed", True),
    ("data.labels has health", "data.labels has health and transfer.assessed", False),
    ("transfer.assessment_age more than 30 days", "transfer.assessment_age at least 4 weeks", True),
    (
        "transfer.assessment_age more than 3 weeks",
        "transfer.assessment_age at least 4 weeks",
        False,
    ),
    ("transfer.mechanism = none", "transfer.mechanism is not scc-m1", True),
    ("not (transfer.assessed or data.labels has public)", "not data.labels has public", True),
    ("every operator.seal at least SEAL-3", "operator.seal[SOV-2] at least SEAL-2", True),
    ("operator.seal[SOV-2] at least SEAL-3", "some operator.seal at least SEAL-2", True),
    ("operator.seal[SOV-2] at least SEAL-3", "every operator.seal at least SEAL-2", False),
    ("destination.countries within EEA", "destination.countries within EEA + {GB}", True),
    ("destination.countries within EEA + ADEQUATE", "destination.countries within EEA", False),
    ("destination.countries within EEA", "destination.countries within EEA + ADEQUATE", True),
    ("contract.ends within 10 days", "contract.ends on or before today", True),
]


@pytest.mark.parametrize("effect", ["forbid", "permit", "oblige keep-record"])
@pytest.mark.parametrize(("rule", "exception", "wider"), WHOLE)
def test_an_exception_leaves_something_of_its_rule(
    rule: str, exception: str, wider: bool, effect: str
) -> None:
    text = a_rule(f"  when {rule}\n", (f"    when {exception}\n", ""), effect=effect)
    assert codes(text) == (["CH0316"] if wider else [])


@pytest.mark.parametrize(
    ("rule", "exception", "code"),
    [
        ("", "", "CH0316"),
        ("", "from 2027-01-01", None),
        ("", "until 2027-01-01", None),
        ("from 2026-01-01", "from 2025-01-01", "CH0316"),
        ("from 2026-01-01", "from 2026-01-02", None),
        ("from 2026-01-01 until 2026-06-30", "until 2026-06-30", "CH0316"),
        ("from 2026-01-01", "until 2025-12-31", "CH0308"),
        ("until 2025-12-31", "from 2026-01-01", "CH0308"),
    ],
)
def test_an_exception_for_some_days_leaves_the_others(
    rule: str, exception: str, code: str | None
) -> None:
    of_rule = f"  in force {rule}\n" if rule else ""
    of_exception = f"    in force {exception}\n" if exception else ""
    text = a_rule(
        f"{of_rule}  when transfer.assessed\n", (f"{of_exception}    when transfer.assessed\n", "")
    )
    assert codes(text) == ([code] if code else [])


def test_an_exception_of_a_rule_for_everything_is_no_wider_than_it() -> None:
    assert codes(a_rule("", ("    when transfer.assessed\n", ""))) == []
