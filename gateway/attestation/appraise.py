"""Claims of any technology, judged by an appraisal policy (RFC 9334, section 8.5)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from gateway.attestation.conclusions import concluded
from gateway.attestation.errors import EvidenceError
from gateway.attestation.evidence import Claims, Technology, Used, earliest
from gateway.attestation.policy import ANY, AppraisalPolicy, Floor, Refusal, Section
from gateway.attestation.result import AttestationResult, Finding, Freshness, Verdict
from gateway.attestation.vector import (
    Configuration,
    Executables,
    Hardware,
    Identity,
    Runtime,
    Tier,
    Vector,
    crypto_failed,
    tier_of,
)

# Of which it is not a question whether they can be debugged: they tell what was measured.
_MEASURE_ONLY = frozenset({Technology.TPM})
# Without these said, nothing was found out about the machine.
_NEEDED = ("configuration", "executables", "hardware")
# Without one of these, anybody's machine of that kind could feign the virtual TPM beside it.
_ROOTS = {
    Technology.AZURE_SNP: ("launch", "id-key", "author-key"),
    Technology.AZURE_TDX: ("mrtd",),
}
# By which the clock of another machine may be ahead.
SKEW = timedelta(seconds=60)


@dataclass
class _Found:
    """Findings so far; the worst value of a member counts."""

    findings: list[Finding] = field(default_factory=list[Finding])
    skipped: list[str] = field(default_factory=list[str])
    lacking: list[str] = field(default_factory=list[str])

    def add(self, member: str, value: int, because: str, clause: str) -> None:
        self.findings.append(Finding(member, value, because, clause))

    def vector(self) -> Vector:
        worst: dict[str, int] = {}
        for found in self.findings:
            name = found.member.replace("-", "_")
            worst[name] = max(worst.get(name, 0), found.value, key=lambda v: (tier_of(v), v))
        return replace(Vector(), **worst)


def appraise(
    claims: Claims,
    policy: AppraisalPolicy,
    *,
    at: datetime,
    freshness: Freshness,
    evidence_sha256: str,
) -> AttestationResult:
    """Judge verified claims.

    Args:
        claims: Their signatures and chains held at `at`.
        at: The instant of the judgement. No clock is read here.
        freshness: Whether the evidence answers a challenge of ours.

    Returns:
        A result; it raises nothing, for claims that do not satisfy are a result too.
    """
    day = at.astimezone(UTC).date()
    found = _Found()
    section = policy.sections.get(claims.technology)
    if not policy.terms.counts(day):
        found.lacking.append(f"the policy {policy.id} does not count on {day}")
    elif section is None:
        found.lacking.append(f"the policy {policy.id} says nothing of {claims.technology.value}")
    else:
        _judge(claims, section, found, at=at, day=day)
    vector = found.vector()
    verdict, reason = _verdict(found, vector)
    valid_s = section.valid_s if section is not None else 0
    result = AttestationResult(
        technology=claims.technology,
        verdict=verdict,
        vector=vector,
        appraised_at=at,
        policy_id=policy.id,
        policy_sha256=policy.sha256,
        freshness=freshness,
        evidence_sha256=evidence_sha256,
        reason=reason,
        findings=tuple(found.findings),
        lacking=tuple(found.lacking),
        skipped=tuple(found.skipped),
        valid_until=earliest([at + timedelta(seconds=valid_s), claims.ends()]),
        claims=claims,
        used=tuple(_used(claims)),
    )
    for part in claims.parts:
        inner = appraise(part, policy, at=at, freshness=freshness, evidence_sha256=evidence_sha256)
        result = _with_part(result, inner)
    return result


def refused(
    technology: Technology,
    error: EvidenceError,
    policy: AppraisalPolicy,
    *,
    at: datetime,
    evidence_sha256: str,
) -> AttestationResult:
    """The result of evidence that could not be verified, for the reason that `error` says."""
    undecided = error.is_undecided
    return AttestationResult(
        technology=technology,
        verdict=Verdict.UNDECIDED if undecided else Verdict.REFUSED,
        vector=Vector() if undecided else crypto_failed(),
        appraised_at=at,
        policy_id=policy.id,
        policy_sha256=policy.sha256,
        freshness=Freshness.BACKGROUND,
        evidence_sha256=evidence_sha256,
        reason=error.reason,
        findings=(Finding("hardware", 0, str(error), "verification"),),
        valid_until=at,
    )


def _verdict(found: _Found, vector: Vector) -> tuple[Verdict, str]:
    bad = [one for one in found.findings if tier_of(one.value) is not Tier.AFFIRMING]
    if bad:
        return Verdict.REFUSED, f"appraisal-{bad[0].member}"
    told = vector.told()
    if found.lacking or any(name not in told for name in _NEEDED):
        return Verdict.UNDECIDED, "appraisal-incomplete"
    return Verdict.ACCEPTED, ""


def _judge(claims: Claims, section: Section, found: _Found, *, at: datetime, day: date) -> None:
    name = section.name.value
    _judge_identity(claims, section, found, name)
    if claims.concluded:
        _judge_conclusions(claims, section, found, name, day)
    else:
        _judge_configuration(claims, section, found, name)
        _judge_hardware(claims, section, found, name, day)
        _judge_executables(claims, section, found, name, day)
    _judge_age(claims, section, found, name, at)


def _judge_conclusions(
    claims: Claims, section: Section, found: _Found, name: str, day: date
) -> None:
    """Ours speak against it, never for it: what the external verifier left open stays open."""
    ours = _Found(skipped=found.skipped, lacking=found.lacking)
    if claims.is_debug is not None:
        _judge_configuration(claims, section, ours, name)
    _judge_hardware(claims, section, ours, name, day)
    _judge_executables(claims, section, ours, name, day)
    found.findings += [one for one in ours.findings if tier_of(one.value) is not Tier.AFFIRMING]
    findings, lacking = concluded(claims, name)
    found.findings += findings
    found.lacking += lacking


def _judge_identity(claims: Claims, section: Section, found: _Found, name: str) -> None:
    if not section.attesters:
        return
    clause = f"{name}.attesters"
    if claims.attester_id in section.attesters:
        found.add("instance-identity", Identity.RECOGNISED, "a device that is listed", clause)
    else:
        found.add("instance-identity", Identity.UNRECOGNISED, "a device that is not listed", clause)


def _judge_configuration(claims: Claims, section: Section, found: _Found, name: str) -> None:
    bad = Configuration.UNSUPPORTABLE
    before = len(found.findings)
    is_told = claims.is_debug is not None or claims.technology in _MEASURE_ONLY
    if not is_told:
        found.lacking.append("whether it can be debugged")
    elif claims.is_debug and not section.debug:
        found.add("configuration", bad, "the host may look inside (debug)", f"{name}.debug")
        found.add("runtime-opaque", Runtime.VISIBLE, "the host may look inside", f"{name}.debug")
    if claims.is_migratable and not section.migration:
        found.add("configuration", bad, "it may move to other machines", f"{name}.migration")
    if claims.level is not None and claims.level > section.max_level:
        words = f"made at privilege level {claims.level}, of at most {section.max_level}"
        found.add("configuration", bad, words, f"{name}.max_level")
    if claims.is_debug and section.debug:
        found.skipped.append(f"{name}.debug")
    if len(found.findings) == before and is_told:
        found.add("configuration", Configuration.APPROVED, "configured as demanded", name)
    # What a GPU keeps from the host it closes and does not encrypt.
    is_encrypted = claims.is_confidential and claims.technology is not Technology.NVIDIA_GPU
    if is_encrypted and not claims.is_debug:
        found.add("runtime-opaque", Runtime.ENCRYPTED, "memory is encrypted", name)


def _judge_hardware(claims: Claims, section: Section, found: _Found, name: str, day: date) -> None:
    before = len(found.findings)
    if ANY in section.products:
        found.skipped.append(f"{name}.products: any product")
    elif claims.product is None or claims.product not in section.products:
        words = f"product `{claims.product or 'unknown'}` is not listed"
        found.add("hardware", Hardware.UNRECOGNISED, words, f"{name}.products")
    for number, refusal in enumerate(section.refuse):
        if refusal.counts(day) and _is_refused(claims, refusal):
            clause = f"{name}.refuse[{number}]"
            found.add("hardware", Hardware.CONTRAINDICATED, refusal.reason, clause)
    _judge_firmware(claims, section, found, name, day)
    if claims.is_unrevoked is False:
        if section.without_revocation:
            found.skipped.append(f"{name}.without_revocation")
        else:
            found.lacking.append("a revocation list of the issuer")
    if len(found.findings) == before:
        is_judged = bool(claims.firmware) and not _lacks_floor(claims, section, day)
        words = "genuine, and firmware as demanded" if is_judged else "genuine"
        found.add("hardware", Hardware.GENUINE, words, name)


def _is_refused(claims: Claims, refusal: Refusal) -> bool:
    if refusal.product is not None and claims.product != refusal.product:
        return False
    if refusal.attesters and claims.attester_id not in refusal.attesters:
        return False
    if refusal.firmware_at_most is None:
        return True
    # A component that is not told may be as old as the refused one.
    levels = refusal.firmware_at_most.items()
    return any(claims.firmware.get(part, 0) <= most for part, most in levels)


def _judge_firmware(claims: Claims, section: Section, found: _Found, name: str, day: date) -> None:
    unsafe = Hardware.UNSAFE
    for floor in _floors(claims, section, day):
        for words in _below(claims, floor):
            found.add("hardware", unsafe, words, f"{name}.floor[{floor.product}]")
    if claims.tcb_status is not None and claims.tcb_status not in section.tcb_status:
        words = f"the vendor calls the firmware {claims.tcb_status}"
        found.add("hardware", unsafe, words, f"{name}.tcb_status")
    for advisory in claims.advisories:
        if advisory not in section.advisories:
            words = f"{advisory} is known against it"
            found.add("hardware", unsafe, words, f"{name}.advisories")
    if _lacks_floor(claims, section, day):
        found.lacking.append(f"a firmware floor for {claims.product}")


def _floors(claims: Claims, section: Section, day: date) -> list[Floor]:
    return [one for one in section.floor if one.product == claims.product and one.counts(day)]


def _lacks_floor(claims: Claims, section: Section, day: date) -> bool:
    """Whether levels are told that neither the policy nor the vendor judges."""
    judged = bool(_floors(claims, section, day)) or claims.tcb_status is not None
    return bool(claims.firmware) and not judged


def _below(claims: Claims, floor: Floor) -> Iterator[str]:
    for part, least in floor.firmware.items():
        level = claims.firmware.get(part)
        if level is None:
            yield f"firmware does not tell `{part}`"
        elif level < least:
            yield f"firmware `{part}` is {level}, of at least {least}"


def _judge_executables(
    claims: Claims, section: Section, found: _Found, name: str, day: date
) -> None:
    named = sorted({one.measurement for one in section.reference})
    if claims.is_as_published is not None:
        _judge_published(claims, found, name)
    elif not named:
        found.lacking.append("reference values for what was started")
    roots = _ROOTS.get(claims.technology, ())
    if named and roots and not set(roots) & set(named):
        found.lacking.append(
            f"a reference value for {' or '.join(f'`{one}`' for one in roots)}: without it "
            "nothing says whose virtual TPM it is"
        )
    for measurement in named:
        clause = f"{name}.reference[{measurement}]"
        rows = [r for r in section.reference if r.measurement == measurement and r.counts(day)]
        waived = [row.waived for row in rows if row.waived is not None]
        value = claims.measurements.get(measurement)
        if waived:
            found.skipped.append(f"{clause}: {waived[0]}")
            found.add("executables", Executables.APPROVED_BOOT, "any value will do", clause)
        elif not rows:
            found.lacking.append(f"a reference value for `{measurement}` on {day}")
        elif value is None:
            words = f"`{measurement}` was not measured"
            found.add("executables", Executables.UNRECOGNISED, words, clause)
        elif any(value.hex() in row.any_of for row in rows):
            words = f"`{measurement}` is as it should be"
            found.add("executables", Executables.APPROVED_BOOT, words, clause)
        else:
            words = f"`{measurement}` is {value.hex()}, which no reference value is"
            found.add("executables", Executables.UNRECOGNISED, words, clause)


def _judge_published(claims: Claims, found: _Found, name: str) -> None:
    clause = f"{name}: values of the maker"
    if claims.is_as_published:
        words = "what was started is what its maker publishes"
        found.add("executables", Executables.APPROVED_BOOT, words, clause)
    else:
        words = "what was started is not what its maker publishes"
        found.add("executables", Executables.UNRECOGNISED, words, clause)


def _judge_age(claims: Claims, section: Section, found: _Found, name: str, at: datetime) -> None:
    if claims.produced_at is None:
        return
    clause = f"{name}.max_age_s"
    if claims.produced_at > at + SKEW:
        found.add("configuration", Configuration.UNSUPPORTABLE, "made in the future", clause)
    elif at - claims.produced_at > timedelta(seconds=section.max_age_s):
        words = f"made more than {section.max_age_s} s before"
        found.add("configuration", Configuration.UNSUPPORTABLE, words, clause)


def _used(claims: Claims) -> Iterator[Used]:
    yield from claims.used
    for part in claims.parts:
        yield from _used(part)


def _with_part(whole: AttestationResult, part: AttestationResult) -> AttestationResult:
    """The whole is no better than a part that is bound to it."""
    order = (Verdict.ACCEPTED, Verdict.UNDECIDED, Verdict.REFUSED)
    worse = max(whole, part, key=lambda one: order.index(one.verdict))
    mine, theirs = whole.vector.members(), part.vector.members()
    members = {
        name.replace("-", "_"): max(mine[name], theirs[name], key=lambda v: (tier_of(v), v))
        for name in mine
    }
    return replace(
        whole,
        verdict=worse.verdict,
        reason=worse.reason,
        vector=Vector(**members),
        findings=whole.findings + part.findings,
        lacking=whole.lacking + part.lacking,
        skipped=whole.skipped + part.skipped,
        valid_until=earliest([whole.valid_until, part.valid_until]),
    )
