"""`charter attest`: evidence from a file, verified, judged and explained in plain words."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dsl.printable import printable
from gateway.attestation.anchors import MAX_FILE as MAX_ANCHORS
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.appraise import appraise, refused
from gateway.attestation.bundle import MAX_BUNDLE, EvidenceBundle, read_bundle
from gateway.attestation.ear import ear_claims
from gateway.attestation.errors import AppraisalPolicyError, EvidenceError
from gateway.attestation.evidence import Claims
from gateway.attestation.freshness import check_bound
from gateway.attestation.policy import MAX_FILE as MAX_POLICY
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from gateway.cli import exit_codes, output
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError
from gateway.verify.instant import parse_instant

DEFAULT_POLICY = Path(__file__).parents[2] / "policies" / "appraisal" / "default.toml"
MAX_NONCE = 1024

_CODES = {
    Verdict.ACCEPTED: exit_codes.OK,
    Verdict.REFUSED: exit_codes.REFUSED,
    Verdict.UNDECIDED: exit_codes.INDETERMINATE,
}
_HEADS = {
    Verdict.ACCEPTED: "ACCEPTED",
    Verdict.REFUSED: "REFUSED",
    Verdict.UNDECIDED: "CANNOT TELL, so refused",
}
# What to do about evidence that could not be verified, by its reason.
HINTS = {
    "evidence-malformed": "is this the file that the machine sent, whole and unchanged?",
    "evidence-unsupported": "this kind of evidence is not known here",
    "evidence-signature": "the evidence was changed, or made by somebody else; do not use it",
    "evidence-chain": "add the certificates between key and maker, or an anchor with --anchors",
    "evidence-expired": "ask the machine for new evidence and certificates, or give the time of "
    "an earlier decision with --at",
    "evidence-revoked": "the maker does not vouch for this key any more; do not use it",
    "evidence-binding": "parts of different machines or times were put together; ask again",
    "evidence-disputed": "two verifiers read it differently; do not use it, and report it",
    "evidence-nonce": "it answers another challenge; ask the machine again, with yours",
    "evidence-tcb": "the firmware is older than anything the maker still names; update it",
    "evidence-erased": "it was erased on legal grounds; ask the machine for new evidence",
    "evidence-incomplete": "add what is missing to the file, or an anchor with --anchors",
}


def attest(args: Namespace) -> int:
    """Verify and judge evidence; nothing is asked of the network."""
    policy, anchors = _policy(args.policy), _anchors(args.anchors)
    at = datetime.now(UTC) if args.at is None else _instant(args.at)
    nonce = None if args.nonce is None else _nonce(args.nonce)
    data = read_file(args.evidence, limit=MAX_BUNDLE)
    try:
        bundle = read_bundle(data)
    except EvidenceError as error:
        raise ConfigurationError(f"{args.evidence}: {error}") from error
    result = _judge(bundle, policy, anchors, at=at, nonce=nonce)
    if args.ear:
        build = f"charter {version('charter-gateway')}"
        spelled = None if nonce is None else nonce.hex()
        sys.stdout.write(output.to_json(ear_claims(result, build=build, nonce=spelled)))
    elif args.format == "json":
        sys.stdout.write(output.to_json(result_body(result)))
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(result)))
    return _CODES[result.verdict]


def _judge(
    bundle: EvidenceBundle,
    policy: AppraisalPolicy,
    anchors: Anchors,
    *,
    at: datetime,
    nonce: bytes | None,
) -> AttestationResult:
    digest = bundle.sha256
    try:
        claims = verify_bundle(bundle, anchors, at=at)
        if nonce is not None:
            check_bound(claims, nonce)
    except EvidenceError as error:
        return refused(bundle.technology, error, policy, at=at, evidence_sha256=digest)
    freshness = Freshness.BACKGROUND if nonce is None else Freshness.CHALLENGED
    return appraise(claims, policy, at=at, freshness=freshness, evidence_sha256=digest)


def _policy(path: Path | None) -> AppraisalPolicy:
    chosen = DEFAULT_POLICY if path is None else path
    try:
        return read_policy(read_file(chosen, limit=MAX_POLICY))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{chosen}: {error}") from error


def _anchors(path: Path | None) -> Anchors:
    if path is None:
        return Anchors()
    try:
        return read_anchors(read_file(path, limit=MAX_ANCHORS))
    except AppraisalPolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ConfigurationError(f"--at: {error}") from error


def _nonce(text: str) -> bytes:
    try:
        nonce = bytes.fromhex(text)
    except ValueError as error:
        raise ConfigurationError("--nonce: write the bytes in hexadecimal") from error
    if not 0 < len(nonce) <= MAX_NONCE:
        raise ConfigurationError(f"--nonce: 1 to {MAX_NONCE} bytes")
    return nonce


# --- for people ----------------------------------------------------------------------


def _lines(result: AttestationResult) -> Iterator[str]:
    yield f"{_HEADS[result.verdict]}: {result.technology.value} evidence"
    if result.claims is not None:
        yield from (f"  {line}" for line in _about(result.claims))
        for part in result.claims.parts:
            yield f"  with {part.technology.value} evidence that is bound to it"
            yield from (f"    {line}" for line in _about(part))
    for found in result.findings:
        yield f"  {_mark(result, found.value)} {found.because}"
        yield f"      by {found.clause}"
    if result.verdict is Verdict.UNDECIDED and result.claims is not None:
        yield "  ? something is lacking that the policy needs, so nobody can tell:"
    yield from (f"      {words}" for words in result.lacking)
    yield from (f"  ! waived by the policy: {words}" for words in result.skipped)
    if result.reason in HINTS:
        yield f"  what to do: {HINTS[result.reason]}"
    if result.freshness is Freshness.BACKGROUND and result.claims is not None:
        yield "  ! background alone: without --nonce it may have been shown before"
    yield f"  policy {result.policy_id}, sha256 {result.policy_sha256[:16]}"
    if result.verdict is Verdict.ACCEPTED and result.valid_until is not None:
        yield f"  counts until {_rfc3339(result.valid_until)}"


def _mark(result: AttestationResult, value: int) -> str:
    if result.claims is None:
        return "-"
    return "+" if 2 <= value <= 31 else "-"


def _about(claims: Claims) -> Iterator[str]:
    if claims.product is not None:
        yield f"product {claims.product}"
    if claims.firmware:
        levels = ", ".join(f"{part} {level}" for part, level in claims.firmware.items())
        yield f"firmware {levels}"
    if claims.tcb_status is not None:
        yield f"the maker calls it {claims.tcb_status}"
    for name, digest in claims.measurements.items():
        if any(digest):
            yield f"measured {name} {digest.hex()}"
    for name, value in claims.detail.items():
        yield f"{name} {value}"


# --- for programs --------------------------------------------------------------------


def result_body(result: AttestationResult) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "verdict": result.verdict.value,
        "reason": result.reason,
        "technology": result.technology.value,
        "status": result.status.word,
        "vector": result.vector.told(),
        "appraised_at": _rfc3339(result.appraised_at),
        "valid_until": None if result.valid_until is None else _rfc3339(result.valid_until),
        "freshness": result.freshness.value,
        "policy": {"id": result.policy_id, "sha256": result.policy_sha256},
        "evidence_sha256": result.evidence_sha256,
        "findings": [
            {
                "member": found.member,
                "value": int(found.value),
                "because": found.because,
                "clause": found.clause,
            }
            for found in result.findings
        ],
        "lacking": list(result.lacking),
        "skipped": list(result.skipped),
        "used": [{"kind": one.kind, "sha256": one.sha256} for one in result.used],
        "claims": None if result.claims is None else _claims(result.claims),
    }


def _claims(claims: Claims) -> dict[str, Any]:
    return {
        "technology": claims.technology.value,
        "product": claims.product,
        "firmware": dict(claims.firmware),
        "tcb_status": claims.tcb_status,
        "advisories": list(claims.advisories),
        "debug": claims.is_debug,
        "migration": claims.is_migratable,
        "level": claims.level,
        "confidential": claims.is_confidential,
        "as_published": claims.is_as_published,
        "measurements": {name: value.hex() for name, value in claims.measurements.items()},
        "bound": claims.bound.hex(),
        "attester": claims.attester_id,
        "produced_at": None if claims.produced_at is None else _rfc3339(claims.produced_at),
        "detail": dict(claims.detail),
        "parts": [_claims(part) for part in claims.parts],
    }


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
