"""Verdicts and their order: within a case a verdict can only get worse (ETSI ES 201 873-1,
TTCN-3, on local verdicts)."""

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """What is said of a step, a case, a requirement."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    WARN = "warn"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"
    NOT_CLAIMED = "not-claimed"
    NOT_APPLICABLE = "not-applicable"


# From good to bad. What was not run has no place in it and is listed on its own.
ORDER = (Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR)
GOOD = frozenset({Verdict.PASS, Verdict.WARN})
NOT_RUN = frozenset({Verdict.NOT_CLAIMED, Verdict.NOT_APPLICABLE})


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts of things that were run; of none, an error.

    A case without a judged step must not pass.
    """
    found = list(verdicts)
    return max(found, key=ORDER.index) if found else Verdict.ERROR
