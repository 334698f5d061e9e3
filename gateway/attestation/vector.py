"""The trustworthiness vector of an attestation result (AR4SI, draft-ietf-rats-ar4si, section 2.3).

Eight members, each a signed byte whose range is a tier. What nobody said anything about is 0,
and 0 never counts as approval.
"""

from dataclasses import dataclass, fields
from enum import IntEnum


class Tier(IntEnum):
    """How far a claim is believed; a higher number is worse."""

    NONE = 0
    AFFIRMING = 2
    WARNING = 32
    CONTRAINDICATED = 96

    @property
    def word(self) -> str:
        return self.name.lower()


# Values that a verifier gives (section 2.3.4). Those of one tier differ by member.
NOT_TOLD = 0
VERIFIER_MALFUNCTION = -1
UNEXPECTED_EVIDENCE = 1
CRYPTO_FAILED = 99


class Identity(IntEnum):
    RECOGNISED = 2
    UNTRUSTWORTHY = 96
    UNRECOGNISED = 97


class Configuration(IntEnum):
    APPROVED = 2
    NO_KNOWN_VULNERABILITY = 3
    UNSAFE = 32
    UNAVAILABLE = 36
    UNSUPPORTABLE = 96


class Executables(IntEnum):
    APPROVED_RUN_TIME = 2
    APPROVED_BOOT = 3
    KNOWN_BUGS = 32
    UNRECOGNISED = 33
    CONTRAINDICATED = 96


class Hardware(IntEnum):
    GENUINE = 2
    UNSAFE = 32
    CONTRAINDICATED = 96
    UNRECOGNISED = 97


class Runtime(IntEnum):
    ENCRYPTED = 2
    ISOLATED = 32
    VISIBLE = 96


def tier_of(value: int) -> Tier:
    """The tier of a value (section 2.3.2). Negative values mirror positive ones; -1, 0 and 1 say
    nothing about the attester, and so does what lies outside a signed byte."""
    magnitude = -value if value < 0 else value
    if 2 <= magnitude <= 31:
        return Tier.AFFIRMING
    if 32 <= magnitude <= 95:
        return Tier.WARNING
    if 96 <= magnitude <= 128:
        return Tier.CONTRAINDICATED
    return Tier.NONE


@dataclass(frozen=True, slots=True)
class Vector:
    """A value for each member, in the order and under the names of the draft."""

    instance_identity: int = NOT_TOLD
    configuration: int = NOT_TOLD
    executables: int = NOT_TOLD
    file_system: int = NOT_TOLD
    hardware: int = NOT_TOLD
    runtime_opaque: int = NOT_TOLD
    storage_opaque: int = NOT_TOLD
    sourced_data: int = NOT_TOLD

    def members(self) -> dict[str, int]:
        """By the names of the wire, such as `instance-identity`; all eight."""
        return {f.name.replace("_", "-"): getattr(self, f.name) for f in fields(self)}

    def told(self) -> dict[str, int]:
        """The members that say something."""
        return {name: value for name, value in self.members().items() if value != NOT_TOLD}

    def worst(self) -> Tier:
        """The worst tier of what is told; `NONE` where nothing is."""
        return max((tier_of(value) for value in self.told().values()), default=Tier.NONE)


MEMBERS = tuple(Vector().members())


def crypto_failed() -> Vector:
    """Of evidence whose signature does not hold: every member says so."""
    return Vector(*(CRYPTO_FAILED,) * len(MEMBERS))
