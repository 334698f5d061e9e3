"""What verified evidence says, in one shape for every technology."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Technology(Enum):
    """Of what the evidence is. The values stand in records, policies and facts."""

    SEV_SNP = "sev-snp"
    AZURE_SNP = "azure-snp-vtpm"
    AZURE_TDX = "azure-tdx-vtpm"
    TDX = "tdx"
    TPM = "tpm"
    NITRO = "nitro"
    NVIDIA_GPU = "nvidia-gpu"
    ARM_CCA = "arm-cca"
    EAR = "ear"


@dataclass(frozen=True, slots=True)
class Used:
    """One thing that verification rested on besides the evidence: a certificate, a revocation
    list, a vendor's statement. It is kept by its digest, so that the same can be done again."""

    kind: str
    sha256: str

    @staticmethod
    def of(kind: str, data: bytes) -> "Used":
        return Used(kind, hashlib.sha256(data).hexdigest())


Detail = str | int | bool


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What an external verifier concluded of one part.

    Attributes:
        status: Its tier of the whole part, such as 2 for affirming.
        vector: The members that say something, by name, such as `hardware`.
        policies: Ids of the policies it judged by.
    """

    status: int
    vector: Mapping[str, int]
    policies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claims:
    """What holds cryptographically at one instant. Genuine is not acceptable: a debug guest has
    a perfect signature. What is None was not said.

    Attributes:
        product: The vendor's name of the product line, such as `Milan`.
        firmware: Security version by component, as the evidence reports it.
        tcb_status: The vendor's word for the firmware, such as `UpToDate`, where it gives one.
        advisories: What is known against it: advisories of the vendor for this level, such as
            `INTEL-SA-00837`, and weak algorithms.
        is_debug: Whether the host could look inside.
        is_migratable: Whether it may move to another machine.
        is_unrevoked: Whether a list of the issuer was there and does not name it; None where the
            technology has no such lists.
        level: Privilege level of who asked for the evidence; 0 is the most privileged.
        is_confidential: Whether memory is encrypted against the host, or closed to it.
        is_as_published: Whether what was started is what the maker publishes for that firmware;
            None where nothing that the maker publishes was there.
        measurements: Digests of what was started, by name.
        bound: The bytes that whoever made the evidence put into it: nonce, key, or both.
        attester_id: Of the very device; hexadecimal.
        produced_at: When it was made, where it says so and is believed.
        valid_until: When the first of what it rests on ends.
        used: What verification rested on.
        concluded: By part, where the evidence is the result of an external verifier.
        detail: More that the technology tells; shown, and never judged.
        parts: Evidence that is bound to it, such as that of a GPU.
    """

    technology: Technology
    product: str | None = None
    firmware: Mapping[str, int] = field(default_factory=dict[str, int])
    tcb_status: str | None = None
    advisories: tuple[str, ...] = ()
    is_debug: bool | None = None
    is_migratable: bool | None = None
    is_unrevoked: bool | None = None
    level: int | None = None
    is_confidential: bool | None = None
    is_as_published: bool | None = None
    measurements: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    bound: bytes = b""
    attester_id: str | None = None
    produced_at: datetime | None = None
    valid_until: datetime | None = None
    used: tuple[Used, ...] = ()
    concluded: Mapping[str, Conclusion] = field(default_factory=dict[str, Conclusion])
    detail: Mapping[str, Detail] = field(default_factory=dict[str, Detail])
    parts: tuple["Claims", ...] = ()

    def ends(self) -> datetime | None:
        """When the first of this and its parts ends."""
        own = [one.ends() for one in self.parts]
        return min((end for end in (self.valid_until, *own) if end is not None), default=None)


def earliest(ends: Sequence[datetime | None]) -> datetime | None:
    """The first of those that are known."""
    return min((end for end in ends if end is not None), default=None)
