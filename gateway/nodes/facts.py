"""What is known of a machine because of its evidence, as facts `attestation.*`.

Known only while the result is accepted and lasts, and at the machine's own site. Of all else
nothing is known: a refused machine may be anything. What the technology does not tell is left
out, and is never no.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dsl.core import Origin
from gateway.attestation.evidence import Claims, Technology, earliest
from gateway.attestation.result import AttestationResult, Freshness, Verdict
from gateway.attestation.vector import Tier, tier_of
from gateway.nodes.attested import Attested, digest
from gateway.pdp.supplied import ATTESTATION, Statement, Status, Supplied

SOURCE = "attestation"  # by which records name it among fact sources
RECORD = "attestation"
_MINUTE = timedelta(minutes=1)


def supplied(attested: Attested | None, node: str, *, now: datetime, site: str | None) -> Supplied:
    """What is said of a node that a question names; arguments as of `stated`."""
    said = stated(attested, node, now=now, site=site)
    return Supplied((said,), () if attested is None else (attested.body(),))


def unreachable(node: str) -> Supplied:
    """What is said of a node while its evidence cannot be kept or looked up."""
    said = Statement(SOURCE, Origin.VERIFIER, ATTESTATION, node, Status.UNREACHABLE)
    return Supplied((said,))


def stated(attested: Attested | None, node: str, *, now: datetime, site: str | None) -> Statement:
    """What a verifier says of a node.

    Args:
        attested: What its evidence came to; None where it has shown none.
        now: The instant of the question.
        site: Where the question would run something or move it to, by its id in the catalogue;
            None where that is no site.
    """
    status = _status(attested, now, site)
    if attested is None:
        return Statement(SOURCE, Origin.VERIFIER, ATTESTATION, node, status)
    result = attested.result
    counts = status is Status.STATED
    return Statement(
        source=SOURCE,
        origin=Origin.VERIFIER,
        about=ATTESTATION,
        id=node,
        status=status,
        observed_at=_made_at(result),
        until=result.valid_until if counts else None,
        digest=digest(result.evidence_sha256),
        said={f"{RECORD}.{name}": value for name, value in _said(attested, now)} if counts else {},
    )


def _status(attested: Attested | None, now: datetime, site: str | None) -> Status:
    if attested is None:
        return Status.ABSENT
    if attested.result.verdict is Verdict.REFUSED:
        return Status.REFUSED
    if attested.result.verdict is Verdict.UNDECIDED:
        return Status.UNDECIDED
    if not attested.counts_at(now):
        return Status.STALE
    if attested.site != site:
        return Status.ELSEWHERE
    return Status.STATED


def _said(attested: Attested, now: datetime) -> Iterator[tuple[str, object]]:
    """Every fact by its name in the record, as a value of the wire."""
    result, claims = attested.result, attested.result.claims
    if claims is None:
        return
    yield "node", attested.node
    yield "site", attested.site
    yield "place", attested.strength.value
    yield "technology", result.technology.value
    yield "freshness", result.freshness.value
    yield "verifier", _verifier(attested, claims)
    yield "policy", attested.terms.policy_id
    yield "waived", bool(result.skipped)
    if result.status is not Tier.NONE:
        yield "status", result.status.word
    for member, value in result.vector.told().items():
        if tier_of(value) is not Tier.NONE:
            yield f"trust[{member}]", tier_of(value).word
    # Evidence that answers no challenge may have lain about, unless it says when it was made.
    if result.freshness is Freshness.CHALLENGED or claims.produced_at is not None:
        yield "age", _minutes(now - _made_at(result))
    yield from _of_claims(claims)


def _of_claims(claims: Claims) -> Iterator[tuple[str, object]]:
    told = {
        "device": claims.attester_id,
        "product": claims.product,
        "debug": claims.is_debug,
        "migratable": claims.is_migratable,
        "revocation_checked": claims.is_unrevoked,
        "tcb_status": claims.tcb_status,
        # A GPU alone says nothing of the machine that it is in.
        "confidential": (
            None if claims.technology is Technology.NVIDIA_GPU else claims.is_confidential
        ),
    }
    yield from ((name, value) for name, value in told.items() if value is not None)
    for component, level in claims.firmware.items():
        yield f"firmware[{component}]", level
    # Only a maker who judges the firmware can say that nothing is known against it.
    if claims.tcb_status is not None or claims.advisories:
        yield "advisories", sorted(set(claims.advisories))
        yield "known_faults", bool(claims.advisories)
    yield from _of_gpus(claims)


def _of_gpus(claims: Claims) -> Iterator[tuple[str, object]]:
    """Of GPUs that are bound to the machine."""
    gpus = [part for part in claims.parts if part.technology is Technology.NVIDIA_GPU]
    said = [False if one.is_debug else one.is_confidential for one in gpus]
    if gpus and False in said:
        yield "gpu_confidential", False
    elif gpus and None not in said:
        yield "gpu_confidential", True
    products = {one.product for one in gpus}
    if len(products) == 1 and None not in products:
        yield "gpu_product", products.pop()


def _verifier(attested: Attested, claims: Claims) -> str:
    """Who concluded: another verifier, by the name under which its key is pinned, or we."""
    if claims.technology is Technology.EAR and claims.product is not None:
        return claims.product
    pinned = claims.detail.get("verifier")
    if claims.technology is Technology.NVIDIA_GPU and isinstance(pinned, str):
        return pinned
    return attested.verifier.partition("/")[0]


def _made_at(result: AttestationResult) -> datetime:
    """From when its age counts: never later than it was judged."""
    made = None if result.claims is None else result.claims.produced_at
    return earliest([made, result.appraised_at]) or result.appraised_at


def _minutes(elapsed: timedelta) -> int:
    """Minutes that have begun, one at least: what is at most 30 of them old never is older."""
    return max(1, -(-elapsed // _MINUTE))
