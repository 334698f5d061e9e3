"""What the manifests of NVIDIA say of a report of a GPU, and in which mode it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.attestation.errors import EvidenceUnsupportedError
from gateway.attestation.evidence import Detail, Used, earliest
from gateway.attestation.rim import Firmware, Manifest, differing, verify_rim
from gateway.attestation.xml_signed import SignedXml

MAX_RIMS = len(Firmware)

# Fields of the opaque data of a report, by type.
_NVDEC0, _PROTECTED_PCIE, _FEATURES = 11, 21, 36
_ON, _OFF = 0xAA, 0x55
_MODES = {0: "mpt", 1: "spt", 2: "ppcie"}
# Without the video decoder nothing is measured there: 35 in manifests, which begin at 0.
_NVDEC0_INDEX = 36


@dataclass(frozen=True)
class Golden:
    """Attributes:
    is_met: Whether every value is right; None without manifests.
    differs: The indexes of the report at which it is not.
    mode: `spt` and `mpt` (one GPU or several, each closed to the host), `ppcie` (closed on its
        bus alone, so that switches between GPUs would have to be judged too), or empty.
    """

    is_met: bool | None
    differs: tuple[int, ...]
    manifests: tuple[Manifest, ...]
    mode: str

    @property
    def is_closed(self) -> bool:
        return self.mode in ("spt", "mpt")

    def ends(self) -> datetime | None:
        return earliest([one.valid_until for one in self.manifests])

    def used(self) -> tuple[Used, ...]:
        return tuple(one for manifest in self.manifests for one in manifest.used)

    def detail(self) -> dict[str, Detail]:
        told: dict[str, Detail] = {"mode": self.mode} if self.mode else {}
        if self.differs:
            told["differs_at"] = ", ".join(str(index) for index in self.differs)
        return told


def golden_of(
    rims: Sequence[SignedXml],
    *,
    product: str,
    versions: Mapping[Firmware, str],
    measured: Mapping[int, bytes],
    opaque: Mapping[int, bytes],
    at: datetime,
    anchors: frozenset[str],
) -> Golden:
    """Verify manifests and compare a report with them; arguments as of `rim.differing`.

    Args:
        opaque: The fields of the report by type.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    mode = _mode(opaque)
    if not rims:
        return Golden(None, (), (), mode)
    manifests = tuple(verify_rim(one, at=at, anchors=anchors) for one in rims)
    differs = differing(
        manifests, product=product, versions=versions, measured=measured, without=_without(opaque)
    )
    return Golden(not differs, differs, manifests, mode)


def _without(opaque: Mapping[int, bytes]) -> frozenset[int]:
    decoder = _flag(opaque, _NVDEC0)
    if decoder not in (None, _ON, _OFF):
        raise EvidenceUnsupportedError("the report does not say whether its decoder is on")
    return frozenset({_NVDEC0_INDEX}) if decoder == _OFF else frozenset()


def _mode(opaque: Mapping[int, bytes]) -> str:
    """By its own field, and before there was one, by that of protected PCIe."""
    features = _flag(opaque, _FEATURES)
    if features is not None:
        return _MODES.get(features, "")
    return {_ON: "ppcie", _OFF: "spt"}.get(_flag(opaque, _PROTECTED_PCIE) or 0, "")


def _flag(opaque: Mapping[int, bytes], kind: int) -> int | None:
    value = opaque.get(kind)
    if value is None:
        return None
    if not 0 < len(value) <= 8:
        raise EvidenceUnsupportedError(f"field {kind} of the GPU report is no flag")
    return int.from_bytes(value, "little")
