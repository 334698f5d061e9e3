"""What an auditor checks without trusting the gateway: offline, with public keys only.

Begin with `decision`: one answer. `evidence` checks a file of them that was exported,
`checkpoints` that a log was only added to, `entries` a whole log. `docs/verify.md` is the
page for auditors; each refusal has the stable word of `docs/reason_codes.md` in `reason`.
"""

from gateway.verify.decision import (
    DECISIONS,
    MAX_ANSWER,
    VerifiedDecision,
    read_answer,
    verify_decision,
)
from gateway.verify.terms import Period, Terms
from gateway.verify.trust import MAX_TRUST, TRUST_FORMAT, Trust

__all__ = [
    "DECISIONS",
    "MAX_ANSWER",
    "MAX_TRUST",
    "TRUST_FORMAT",
    "Period",
    "Terms",
    "Trust",
    "VerifiedDecision",
    "read_answer",
    "verify_decision",
]
