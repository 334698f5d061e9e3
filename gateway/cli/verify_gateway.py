"""`charter verify --gateway-evidence`: that a TPM quoted over the key which signed a decision, and
over the rules it was made with. Asked once the decision itself has been verified.
"""

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsl.printable import printable
from gateway.attestation.anchors import MAX_FILE as MAX_ANCHORS
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.errors import AppraisalPolicyError, EvidenceError
from gateway.attestation.policy import MAX_FILE as MAX_POLICY
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import AttestationResult, Verdict
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError
from gateway.own_evidence.check import Relied, check_gateway
from gateway.own_evidence.document import MAX_DOCUMENT
from gateway.own_evidence.errors import GatewayEvidenceError
from gateway.verify import VerifiedDecision
from gateway.verify.refused import CannotTellError


@dataclass(frozen=True)
class Told:
    """What to say of the evidence of a gateway; `members` where it is good."""

    code: int
    reason: str = ""
    detail: str = ""
    members: Mapping[str, object] = field(default_factory=dict[str, object])

    def text(self, style: str) -> str:
        bad = self.code == exit_codes.REFUSED
        if style == "json":
            verdict = "bad" if bad else "cannot tell"
            value = {"verdict": verdict, "reason": self.reason, "detail": self.detail}
            return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
        head = "NOT VERIFIED" if bad else "CANNOT TELL"
        return f"{head} ({self.reason}): {printable(self.detail)}\n"

    def words(self) -> str:
        """A line for people about evidence that is good."""
        judged = self.members["policy"]
        started = (
            f"it was started as {judged} demands"
            if judged
            else "how it was started is not judged without --appraisal"
        )
        where = "; the key cannot leave that TPM" if self.members["key_in_tpm"] else ""
        return printable(
            f"OK: a TPM, by a key that is {self.members['vouched']}, quoted over the key that "
            f"signed and the rules that decided, at {self.members['made_at']}{where}; {started}"
        )


def rely_on(args: Namespace, verified: VerifiedDecision) -> Told:
    """What the evidence of the gateway shows.

    Raises:
        ConfigurationError: A file cannot be read.
    """
    data = read_file(args.gateway_evidence, limit=MAX_DOCUMENT)
    anchors, policy = _anchors(args.anchors), _policy(args.appraisal)
    try:
        relied = check_gateway(verified, data, anchors, policy, resident=args.key_in_tpm)
    except GatewayEvidenceError as error:
        return Told(exit_codes.REFUSED, error.reason, str(error))
    except CannotTellError as error:
        return Told(exit_codes.INDETERMINATE, error.reason, str(error))
    except EvidenceError as error:
        code = exit_codes.INDETERMINATE if error.is_undecided else exit_codes.REFUSED
        return Told(code, error.reason, str(error))
    result = relied.result
    if result is not None and result.verdict is not Verdict.ACCEPTED:
        undecided = result.verdict is Verdict.UNDECIDED
        code = exit_codes.INDETERMINATE if undecided else exit_codes.REFUSED
        return Told(code, result.reason, _because(result))
    return Told(exit_codes.OK, members=_members(relied))


def _because(result: AttestationResult) -> str:
    if result.verdict is Verdict.UNDECIDED:
        return f"the policy {result.policy_id} lacks: {'; '.join(result.lacking)}"
    found = [one.because for one in result.findings if not 2 <= one.value <= 31]
    return "; ".join(found)


def _members(relied: Relied) -> Mapping[str, object]:
    claims, result = relied.claims, relied.result
    return {
        "evidence": relied.document.digest,
        "made_at": relied.document.made_at.isoformat().replace("+00:00", "Z"),
        "attestation_key": claims.attester_id,
        "vouched": claims.detail["vouched"],
        "measurements": {name: value.hex() for name, value in claims.measurements.items()},
        "reset_count": claims.detail["reset_count"],
        "key_in_tpm": relied.is_resident,
        "policy": None if result is None else result.policy_id,
        "waived": [] if result is None else list(result.skipped),
    }


def _anchors(path: Path | None) -> Anchors:
    if path is None:
        return Anchors()
    try:
        return read_anchors(read_file(path, limit=MAX_ANCHORS))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _policy(path: Path | None) -> AppraisalPolicy | None:
    if path is None:
        return None
    try:
        return read_policy(read_file(path, limit=MAX_POLICY))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error
