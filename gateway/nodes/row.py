"""Evidence that stands, or could, as a row of the store: which of two takes the place of the
other."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from gateway.attestation.evidence import Claims
from gateway.attestation.result import Freshness, Verdict
from gateway.nodes.attested import Attested
from gateway.nodes.challenge import VALID, milliseconds

_LONGEST_MS = VALID // timedelta(milliseconds=1)

Count = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """Evidence that stands, or could.

    Attributes:
        id: Of the submission.
        device: The key of its TPM, where it has counts.
        resets, restarts, clock: What its TPM counts (TPM 2.0 Library, Part 1, section 36).
        ends_ms: When it ends, where it was accepted.
    """

    tenant: str
    node: str
    id: str
    sha256: str
    nonce: bytes | None
    at_ms: int
    produced_ms: int | None
    device: str | None
    resets: int | None
    restarts: int | None
    clock: int | None
    ends_ms: int | None

    @classmethod
    def of(cls, attested: Attested, name: str) -> Self:
        result, claims = attested.result, attested.result.claims
        is_accepted = result.verdict is Verdict.ACCEPTED and result.valid_until is not None
        produced = None if claims is None else claims.produced_at
        return cls(
            attested.tenant,
            attested.node,
            name,
            result.evidence_sha256,
            attested.nonce if result.freshness is Freshness.CHALLENGED else None,
            milliseconds(result.appraised_at),
            None if produced is None else milliseconds(produced),
            *_counts(claims),
            milliseconds(result.valid_until) if is_accepted and result.valid_until else None,
        )

    @property
    def count(self) -> Count | None:
        """How often its TPM was started; grows."""
        if self.resets is None or self.restarts is None:
            return None
        return self.resets, self.restarts

    @property
    def is_challenged(self) -> bool:
        return self.nonce is not None

    def takes_over(self, old: "Row", before: Attested | None, now: datetime) -> bool:
        """Whether it stands in the place of another.

        Args:
            before: What the other comes to by what is in force; None where to nothing.
        """
        if self.device == old.device and self.count is not None and old.count is not None:
            if self.count != old.count:
                return self.count > old.count
            if (self.clock or 0) < (old.clock or 0):
                return False
        if self.is_challenged:
            # The one that was overtaken has been judged before. None is by more than a challenge
            # lasts: what stands after that was judged by a clock that was ahead.
            ahead = old.at_ms - self.at_ms
            return not old.is_challenged or ahead <= 0 or ahead > _LONGEST_MS
        if old.is_challenged:
            # What anybody may have kept must not end what was asked for, nor hide that it
            # was refused.
            return before is None or _has_ended(before, now)
        return (self.produced_ms or self.at_ms) >= (old.produced_ms or 0)


def _has_ended(before: Attested, now: datetime) -> bool:
    return before.result.verdict is Verdict.ACCEPTED and not before.counts_at(now)


def _counts(claims: Claims | None) -> tuple[str | None, int | None, int | None, int | None]:
    if claims is None:
        return None, None, None, None
    detail = claims.detail
    counted = [detail.get(name) for name in ("reset_count", "restart_count", "clock_ms")]
    keys = [one.sha256 for one in claims.used if one.kind == "attestation-key"]
    numbers = [one for one in counted if isinstance(one, int)]
    if len(numbers) != len(counted) or not keys:
        return None, None, None, None
    resets, restarts, clock = numbers
    # A clock has 64 bits and a column 63; no TPM runs for that long.
    return keys[0], resets, restarts, min(clock, 2**63 - 1)
