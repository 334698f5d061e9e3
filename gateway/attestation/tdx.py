"""Intel TDX: quotes checked to the pinned authority, with the firmware levels that Intel states
(Intel, "Intel TDX DCAP Quoting Library API"; "Provisioning Certification Service", API v4).

    root → platform CA → PCK → report of the quoting enclave → attestation key → quote
    root → TCB signer → TCB info, identity of the quoting enclave

Where the collateral is whole, the library dcap-qvl verifies the same, and both must agree.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

from gateway.attestation.chain import used, verify_chain
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceChainError,
    EvidenceIncompleteError,
    EvidenceSignatureError,
)
from gateway.attestation.evidence import Claims, Detail, Technology, Used, earliest
from gateway.attestation.tdx_collateral import (
    Collateral,
    check_lists,
    common_name,
    verify_p256,
    verify_statement,
)
from gateway.attestation.tdx_dcap import (
    Opinion,
    check_agreement,
    opinion_of,
    report_fields,
)
from gateway.attestation.tdx_levels import (
    check_qe,
    qe_level,
    rate,
    with_part,
)
from gateway.attestation.tdx_pck import Platform, read_platform
from gateway.attestation.tdx_quote import Quote, TdReport
from gateway.attestation.tdx_statements import Level, QeIdentity, TcbInfo

# SHA-256 of the DER of the certificate "Intel SGX Root CA".
ANCHORS = frozenset({"44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"})
_PCK = "Intel SGX PCK Certificate"
_ISSUERS = ("Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA")
# Of the quoting enclave of Intel for TDX; decides only where no identity is given.
_QE_SIGNER = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
_QE_PRODUCT = 2

# Bits of TD attributes (Intel TDX Module, ABI specification, ATTRIBUTES).
_UNTRUSTED = 0xFF  # bit 0 is DEBUG; the others of its group are reserved for the like
_SEPT_VE_DISABLE = 1 << 28
_MIGRATABLE = 1 << 29
_PKS = 1 << 30
_KEY_LOCKER = 1 << 31
_PERFMON = 1 << 63
_KNOWN = _UNTRUSTED | _SEPT_VE_DISABLE | _MIGRATABLE | _PKS | _KEY_LOCKER | _PERFMON


class Part(Enum):
    """Statements that a verifier may do without, by name. It shows as an advisory."""

    TCB_INFO = "no-tcb-info"
    QE_IDENTITY = "no-qe-identity"


@dataclass
class _Stated:
    """What was found in the statements. The status is that of platform and module."""

    rated: str | None = None
    levels: dict[str, Level] = field(default_factory=dict[str, Level])
    signers: list[x509.Certificate] = field(default_factory=list[x509.Certificate])
    ends: list[datetime] = field(default_factory=list[datetime])
    lacking: list[str] = field(default_factory=list[str])

    def lack(self, part: Part, without: frozenset[Part]) -> None:
        if part not in without:
            raise EvidenceIncompleteError(f"a statement of the vendor is lacking ({part.value})")
        self.lacking.append(part.value)

    def status(self) -> str | None:
        """That of all that was stated; None where nothing is stated of the platform."""
        qe = self.levels.get("qe")
        if self.rated is None or qe is None:
            return self.rated
        return with_part(self.rated, qe)

    def advisories(self) -> tuple[str, ...]:
        """Of all levels, each once."""
        named = {name: None for level in self.levels.values() for name in level.advisories}
        return tuple(named)

    def detail(self) -> dict[str, Detail]:
        return {
            f"{name}_{key}": value
            for name, level in self.levels.items()
            for key, value in (
                ("status", level.tcb_status),
                ("tcb_date", f"{level.tcb_date:%Y-%m-%d}"),
            )
        }


def verify_quote(
    quote: Quote,
    *,
    collateral: Collateral,
    at: datetime,
    anchors: frozenset[str] = ANCHORS,
    without: frozenset[Part] = frozenset(),
) -> Claims:
    """Check a quote, what vouches for it, and what is stated of its platform at an instant.

    Args:
        collateral: Without revocation lists the claims say that nothing is known of revocation.
        anchors: Fingerprints of the authorities that count.
        without: Statements that may be lacking. Without TCB info there is no status.

    Raises:
        EvidenceIncompleteError: A statement is lacking that is not in `without`.
        EvidenceDisputedError: Two verifiers do not agree.
        EvidenceError: Of the kind that tells what does not hold.
    """
    ends = _check_chain(quote.chain, anchors, at)
    _check_signatures(quote)
    platform = read_platform(quote.chain[0])
    stated = _Stated()
    _check_qe(quote, collateral, stated, anchors, at, without)
    _check_tcb(quote.td, platform, collateral, stated, anchors, at, without)
    lists = check_lists(collateral, quote.chain, stated.signers, at=at)
    stated.ends += [ends, *lists]
    is_seconded = _is_seconded(quote, collateral, platform, stated, at)
    return _claims(quote, collateral, platform, stated, len(lists) == 2, is_seconded)


def _claims(
    quote: Quote,
    collateral: Collateral,
    platform: Platform,
    stated: _Stated,
    is_unrevoked: bool,
    is_seconded: bool,
) -> Claims:
    return Claims(
        Technology.TDX,
        product=f"fmspc:{platform.fmspc.hex()}",
        firmware=_firmware(quote, platform),
        tcb_status=stated.status(),
        advisories=(*stated.advisories(), *stated.lacking, *_weak(quote.td)),
        is_debug=_is_debug(quote.td),
        is_migratable=_is_migratable(quote.td),
        is_unrevoked=is_unrevoked,
        is_confidential=True,
        measurements=_measurements(quote.td),
        bound=quote.td.report_data,
        attester_id=platform.ppid.hex(),
        valid_until=earliest(stated.ends),
        used=_used(quote, collateral, stated.signers),
        detail={
            **_detail(quote, platform),
            **stated.detail(),
            "verifiers": "dcap-qvl and own" if is_seconded else "own",
        },
    )


def _is_seconded(
    quote: Quote, collateral: Collateral, platform: Platform, stated: _Stated, at: datetime
) -> bool:
    """Whether the library was asked; where it was, it agrees.

    It refuses some guests altogether, of which here a policy judges: of these it is not asked.
    """
    if _weak(quote.td) or _is_debug(quote.td) or _is_migratable(quote.td):
        return False
    theirs = opinion_of(quote.raw, quote.chain, collateral, at=at)
    if theirs is None:
        return False
    ours = Opinion(
        status=stated.status() or "",
        advisories=frozenset(stated.advisories()),
        fmspc=platform.fmspc.hex(),
        report=report_fields(quote.td),
    )
    check_agreement(ours, theirs)
    return True


def _check_chain(
    chain: Sequence[x509.Certificate], anchors: frozenset[str], at: datetime
) -> datetime:
    """The chain of a PCK. Whatever else leads to the root is no PCK."""
    names = [common_name(one) for one in chain]
    if len(names) != 3 or names[0] != _PCK or names[1] not in _ISSUERS:
        raise EvidenceChainError("the chain of the quote is not PCK, its authority and the root")
    return verify_chain(chain, anchors=anchors, at=at)


def _check_signatures(quote: Quote) -> None:
    """PCK over the report of the quoting enclave; that report over the attestation key; that key
    over the quote."""
    key = quote.attestation_key
    verify_p256(quote.chain[0].public_key(), quote.qe_signature, quote.qe.raw, "the enclave report")
    digest = hashlib.sha256(key + quote.qe_authentication).digest()
    if quote.qe.report_data != digest.ljust(len(quote.qe.report_data), b"\0"):
        raise EvidenceBindingError("the quoting enclave did not vouch for the attestation key")
    x, y = int.from_bytes(key[:32]), int.from_bytes(key[32:])
    try:
        point = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    except ValueError as error:
        raise EvidenceSignatureError("the attestation key is no point of P-256") from error
    verify_p256(point, quote.signature, quote.signed, "the quote")


def _check_qe(
    quote: Quote,
    collateral: Collateral,
    stated: _Stated,
    anchors: frozenset[str],
    at: datetime,
    without: frozenset[Part],
) -> None:
    """That the enclave which signed is Intel's, by its identity or by what is pinned here."""
    if collateral.qe_identity is None:
        stated.lack(Part.QE_IDENTITY, without)
        check_qe(quote.qe, _QE_SIGNER, _QE_PRODUCT)
        return
    identity, path, ends = verify_statement(
        QeIdentity, collateral.qe_identity, anchors=anchors, at=at
    )
    stated.levels["qe"] = qe_level(identity, quote.qe)
    stated.signers.append(path[0])
    stated.ends.append(ends)


def _check_tcb(
    td: TdReport,
    platform: Platform,
    collateral: Collateral,
    stated: _Stated,
    anchors: frozenset[str],
    at: datetime,
    without: frozenset[Part],
) -> None:
    """The levels of the platform and of its TDX module."""
    if collateral.tcb_info is None:
        stated.lack(Part.TCB_INFO, without)
        return
    info, path, ends = verify_statement(TcbInfo, collateral.tcb_info, anchors=anchors, at=at)
    rated = rate(info, td, platform)
    stated.rated = rated.status
    stated.levels.update(rated.levels)
    stated.signers.append(path[0])
    stated.ends.append(ends)


def _attributes(td: TdReport) -> int:
    return int.from_bytes(td.td_attributes, "little")


def _is_debug(td: TdReport) -> bool:
    return bool(_attributes(td) & _UNTRUSTED)


def _is_migratable(td: TdReport) -> bool:
    """A guest with a service guest bound to it can be migrated by that one."""
    return bool(_attributes(td) & _MIGRATABLE) or any(td.mrservicetd or b"")


def _weak(td: TdReport) -> list[str]:
    """What is known against a guest by its attributes. Without SEPT_VE_DISABLE the host can have
    it trap on its own memory; what attributes mean that are not known here, nobody can tell."""
    attributes = _attributes(td)
    found = [] if attributes & _SEPT_VE_DISABLE else ["td-sept-ve"]
    return found + (["td-attributes-unknown"] if attributes & ~_KNOWN else [])


def _firmware(quote: Quote, platform: Platform) -> dict[str, int]:
    """Security versions: `tee-0` to `tee-15` of the TDX module and what loads it, `sgx-1` to
    `sgx-16` of the platform, `pce`, `qe`."""
    tee = {f"tee-{n}": svn for n, svn in enumerate(quote.td.tee_tcb_svn)}
    sgx = {f"sgx-{n}": svn for n, svn in enumerate(platform.svns, start=1)}
    return {**tee, **sgx, "pce": platform.pce_svn, "qe": quote.qe.svn}


def _measurements(td: TdReport) -> dict[str, bytes]:
    found = {
        "mrtd": td.mrtd,
        **{f"rtmr{n}": value for n, value in enumerate(td.rtmrs)},
        "mrseam": td.mrseam,
        "mrsignerseam": td.mrsignerseam,
        "mrconfigid": td.mrconfigid,
        "mrowner": td.mrowner,
        "mrownerconfig": td.mrownerconfig,
        "td-attributes": td.td_attributes,
        "xfam": td.xfam,
    }
    return found if td.mrservicetd is None else {**found, "mrservicetd": td.mrservicetd}


def _detail(quote: Quote, platform: Platform) -> dict[str, Detail]:
    attributes = _attributes(quote.td)
    second = quote.td.tee_tcb_svn2
    return {
        "version": quote.version,
        "sept_ve_disable": bool(attributes & _SEPT_VE_DISABLE),
        "protection_keys": bool(attributes & _PKS),
        "key_locker": bool(attributes & _KEY_LOCKER),
        "perfmon": bool(attributes & _PERFMON),
        "sgx_type": platform.sgx_type,
        "trailing_bytes": quote.trailing,
        **({} if second is None else {"tee_tcb_svn2": second.hex()}),
    }


def _used(
    quote: Quote, collateral: Collateral, signers: Sequence[x509.Certificate]
) -> tuple[Used, ...]:
    raw = {
        "tcb-info": collateral.tcb_info and collateral.tcb_info.raw,
        "qe-identity": collateral.qe_identity and collateral.qe_identity.raw,
    }
    kept = [Used.of(kind, data) for kind, data in raw.items() if data is not None]
    crls = [Used.of("crl", crl) for crl in (collateral.root_crl, collateral.pck_crl) if crl]
    certificates = used("certificate", [*quote.chain, *signers])
    return tuple(dict.fromkeys([*certificates, *kept, *crls]))
