"""Which level of Intel's statements a platform, its TDX module and its quoting enclave have
(Intel, "Provisioning Certification Service", API v4: Get TDX TCB Info, the algorithm for the TCB
status of a platform; Get QE Identity, that of an enclave).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceTcbError,
    EvidenceUnsupportedError,
)
from gateway.attestation.tdx_pck import Platform
from gateway.attestation.tdx_quote import QeReport, TdReport
from gateway.attestation.tdx_statements import IsvLevel, Level, PlatformLevel, QeIdentity, TcbInfo

# The vendor's words for levels of platforms. One that is not here is not known, and refused.
_PLATFORM = {
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
}
_PART = {"UpToDate", "OutOfDate"}  # those for levels of modules and enclaves
_REVOKED = "Revoked"
_OLD, _OLD_TO_CONFIGURE = "OutOfDate", "OutOfDateConfigurationNeeded"
_RELAUNCH, _RELAUNCH_TO_CONFIGURE = "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"
_VERSION = 3
_QE_VERSIONS = (2, 3)
_QE_DEBUG = 2


@dataclass(frozen=True)
class Rated:
    """A status, and the levels that it comes from, by part."""

    status: str
    levels: Mapping[str, Level]


def rate(info: TcbInfo, td: TdReport, platform: Platform) -> Rated:
    """The status of a platform with its TDX module.

    A guest of TDX 1.5 tells the module that started it and the one that runs now. Where the
    first is out of date and the second is not, the vendor advises to start the guest again.

    Raises:
        EvidenceTcbError: A level is not reached, is revoked, or has a word that is not known.
        EvidenceBindingError: The TCB info or the module is another.
    """
    check_tcb_info(info, platform)
    started = _rate(info, td, td.tee_tcb_svn, platform)
    if td.tee_tcb_svn2 is None:
        return started
    running = _rate(info, td, td.tee_tcb_svn2, platform)
    if not _is_old(started.status) or _is_old(running.status):
        return started
    both = (started.status, running.status)
    word = _RELAUNCH_TO_CONFIGURE if any("Configuration" in one for one in both) else _RELAUNCH
    return Rated(word, started.levels)


def _rate(info: TcbInfo, td: TdReport, svn: bytes, platform: Platform) -> Rated:
    levels: dict[str, Level] = {"platform": platform_level(info, svn, platform)}
    module = module_level(info, td, svn)
    status = _word(levels["platform"], _PLATFORM)
    if module is None:
        return Rated(status, levels)
    return Rated(with_part(status, module), {**levels, "module": module})


def with_part(status: str, part: Level) -> str:
    """A status together with the level of a module or of an enclave: the worse of both."""
    if _word(part, _PART) != _OLD:
        return status
    return _OLD_TO_CONFIGURE if "Configuration" in status else _OLD


def _word(level: Level, known: Set[str]) -> str:
    if level.tcb_status == _REVOKED:
        raise EvidenceTcbError("the vendor has revoked the firmware")
    if level.tcb_status not in known:
        raise EvidenceTcbError(f"the vendor's word `{level.tcb_status}` is not known")
    return level.tcb_status


def _is_old(status: str) -> bool:
    return status in (_OLD, _OLD_TO_CONFIGURE)


def check_tcb_info(info: TcbInfo, platform: Platform) -> None:
    """Check that TCB info is for TDX and for that platform."""
    if info.id != "TDX":
        raise EvidenceBindingError(f"the TCB info is for `{info.id:.20}`, not for TDX")
    if info.version != _VERSION or info.tcb_type != 0:
        raise EvidenceUnsupportedError(f"TCB info of version {info.version}, {info.tcb_type}")
    if (info.fmspc, info.pce_id) != (platform.fmspc, platform.pce_id):
        raise EvidenceBindingError("the TCB info is for other platforms than the PCK")


def platform_level(info: TcbInfo, svn: bytes, platform: Platform) -> PlatformLevel:
    """The first level that platform and module reach.

    Raises:
        EvidenceTcbError: They reach none: the vendor does not support that firmware.
    """
    # The module's own versions count by its identity, where modules have identities.
    begins = 2 if svn[1] > 0 else 0
    for level in info.tcb_levels:
        sgx = [one.svn for one in level.tcb.sgxtcbcomponents]
        tdx = [one.svn for one in level.tcb.tdxtcbcomponents]
        reaches = (
            platform.pce_svn >= level.tcb.pcesvn
            and all(has >= need for has, need in zip(platform.svns, sgx, strict=True))
            and all(has >= need for has, need in zip(svn[begins:], tdx[begins:], strict=True))
        )
        if reaches:
            return level
    raise EvidenceTcbError("the firmware of the platform reaches no level of the TCB info")


def module_level(info: TcbInfo, td: TdReport, svn: bytes) -> IsvLevel | None:
    """Check the identity of the TDX module; its level, where its major version has some.

    Raises:
        EvidenceBindingError: It is signed by another, or has other attributes.
        EvidenceTcbError: No identity is stated for it, or it reaches no level.
    """
    version = svn[1]
    if version == 0:
        _check_module(td, info.tdx_module.mrsigner, info.tdx_module.attributes,
                      info.tdx_module.attributes_mask)  # fmt: skip
        return None
    name = f"TDX_{version:02X}"
    listed = [one for one in info.tdx_module_identities if one.id.upper() == name]
    if len(listed) != 1:
        raise EvidenceTcbError(f"the TCB info does not state one identity {name} of a TDX module")
    _check_module(td, listed[0].mrsigner, listed[0].attributes, listed[0].attributes_mask)
    return _first(listed[0].tcb_levels, svn[0], "TDX module")


def _check_module(td: TdReport, mrsigner: bytes, attributes: bytes, mask: bytes) -> None:
    if td.mrsignerseam != mrsigner:
        raise EvidenceBindingError("the TDX module is signed by another than the vendor states")
    outside = bytes(has & ~bits & 0xFF for has, bits in zip(td.seam_attributes, mask, strict=True))
    if any(outside) or not _equal(td.seam_attributes, attributes, mask):
        raise EvidenceBindingError("the TDX module has other attributes than the vendor states")


def qe_level(identity: QeIdentity, qe: QeReport) -> IsvLevel:
    """Check that an enclave is the quoting enclave of the identity; its level.

    Raises:
        EvidenceBindingError: It is another.
        EvidenceTcbError: It reaches no level, or one that is revoked or has no known word.
    """
    if identity.id != "TD_QE":
        raise EvidenceBindingError(f"the identity is that of `{identity.id:.20}`, not of a TD QE")
    if identity.version not in _QE_VERSIONS:
        raise EvidenceUnsupportedError(f"a QE identity of version {identity.version}")
    check_qe(qe, identity.mrsigner, identity.isvprodid)
    same = _equal(qe.miscselect, identity.miscselect, identity.miscselect_mask) and _equal(
        qe.attributes, identity.attributes, identity.attributes_mask
    )
    if not same:
        raise EvidenceBindingError("the quoting enclave is another than the vendor states")
    level = _first(identity.tcb_levels, qe.svn, "quoting enclave")
    _word(level, _PART)
    return level


def check_qe(qe: QeReport, mrsigner: bytes, prod_id: int) -> None:
    """Check what holds of a quoting enclave also where no identity is stated.

    Raises:
        EvidenceBindingError: It is one of another signer or product, or can be debugged.
    """
    if qe.attributes[0] & _QE_DEBUG:
        raise EvidenceBindingError("the quoting enclave can be debugged")
    if (qe.mrsigner, qe.prod_id) != (mrsigner, prod_id):
        raise EvidenceBindingError("the enclave that signed is no quoting enclave of Intel for TDX")


def _first(levels: Sequence[IsvLevel], svn: int, of: str) -> IsvLevel:
    for level in levels:
        if svn >= level.tcb.isvsvn:
            return level
    raise EvidenceTcbError(f"the {of} reaches no level that the vendor states")


def _equal(value: bytes, expected: bytes, mask: bytes) -> bool:
    return all(a & m == b & m for a, b, m in zip(value, expected, mask, strict=True))
