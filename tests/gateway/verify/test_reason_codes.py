"""The page of reason codes: each has a damaged file that gives it, and none is missing."""

import re

from tests.gateway.verify import mutations, test_logs
from tests.project import ROOT


def listed() -> dict[str, list[str]]:
    """The codes of the page, by the first word of their heading."""
    page = (ROOT / "docs" / "reason_codes.md").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for part in page.split("\n## ")[1:]:
        verdict = re.split(r"[:\n]", part)[0]
        found.setdefault(verdict, []).extend(re.findall(r"^\| `([a-z-]+)` \|", part, re.MULTILINE))
    return found


def given(table: dict[str, mutations.Mutation]) -> set[str]:
    return {reason for _, reason in table.values()}


def test_each_code_of_the_page_has_a_case_that_gives_it_and_no_other_is_given() -> None:
    page = listed()
    assert all(len(codes) == len(set(codes)) for codes in page.values())
    cases = {(code, reason) for *_, code, reason in test_logs.CHECKPOINTS.values()}
    cases |= {(code, reason) for *_, code, reason in test_logs.LOGS.values()}
    bad = given(mutations.BAD) | {reason for code, reason in cases if code == 1}
    unclear = given(mutations.CANNOT_TELL) | {reason for code, reason in cases if code == 2}
    assert bad == set(page["Bad"])
    # A file that is not there is put to the command by a test of its own.
    assert unclear | {"unreadable"} == set(page["Cannot tell"])
    assert page["Good"] == ["verified"]
