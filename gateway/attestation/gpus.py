"""A machine together with its GPUs: evidence of both counts only where the machine vouches for
just these reports, or a GPU of another machine could be shown with it.

Each GPU is asked with the challenge itself. The machine then puts `binding` of the challenge and
of all reports into its own evidence. What this does not tell is whether a GPU is plugged into
that machine: it is the software of the machine that asked it, which the machine's own
measurements are about.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from gateway.attestation.errors import EvidenceBindingError
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.nvidia_gpu import NONCE, Report

BINDING = b"charter/attestation/gpu/v1\0"
# Fields of fixed length, which a challenge would have filled from the left, zeros after it.
_ROOM = {Technology.SEV_SNP: 64, Technology.TDX: 64, Technology.ARM_CCA: 64}
_NONE = frozenset({Technology.NVIDIA_GPU, Technology.EAR})

Gpu = tuple[Report, Claims]


def binding(challenge: bytes, reports: Sequence[bytes]) -> bytes:
    """What the evidence of a machine must hold, in place of the challenge, for its GPUs to count:
    SHA-256 over a label, the challenge of 32 bytes, and the SHA-256 of each report in ascending
    order. It has 32 bytes too: the field of some TPMs has room for 34."""
    digests = sorted(hashlib.sha256(report).digest() for report in reports)
    return hashlib.sha256(BINDING + challenge + b"".join(digests)).digest()


def _held(machine: Claims, value: bytes) -> bytes:
    """A challenge, or what stands in its place, as the evidence of a machine holds it."""
    return value.ljust(_ROOM.get(machine.technology, NONCE), b"\0")


def with_gpus(machine: Claims, gpus: Sequence[Gpu], challenge: bytes) -> Claims:
    """The machine with its GPUs as parts.

    Raises:
        EvidenceBindingError: A GPU answers another challenge, comes twice, or the machine does
            not hold `binding` of just these: they could be of another machine.
    """
    if not gpus or len({claims.attester_id for _, claims in gpus}) != len(gpus):
        raise EvidenceBindingError("a GPU is shown twice, or none is")
    if any(claims.bound != challenge for _, claims in gpus):
        raise EvidenceBindingError("the GPUs answer different challenges")
    expected = binding(challenge, [report.raw for report, _ in gpus])
    if machine.bound != _held(machine, expected):
        raise EvidenceBindingError("the machine does not vouch for just these GPUs")
    return replace(machine, parts=machine.parts + tuple(claims for _, claims in gpus))


def bound_together(machine: Claims, gpus: Sequence[Gpu]) -> Claims:
    """The machine with its GPUs, bound to the challenge that all of them answer.

    Returns:
        Claims whose `bound` is that challenge, as the machine alone would hold it.

    Raises:
        EvidenceBindingError: As `with_gpus`, or the evidence is of no machine.
    """
    if machine.technology in _NONE:
        raise EvidenceBindingError(f"{machine.technology.value} evidence is of no machine")
    challenge = gpus[0][1].bound if gpus else b""
    joined = with_gpus(machine, gpus, challenge)
    return replace(joined, bound=_held(machine, challenge))
