"""Each technology with what verifies it: one row, whatever the evidence.

| technology | evidence | endorsements |
|---|---|---|
| `sev-snp` | `report` | `vek`, `chain`, `crls` |
| `azure-snp-vtpm` | `hcl_report`, `quote`, `signature`, `pcrs` | `vek`, `chain`, `crls` |
| `tdx` | `quote`, maybe `ccel` | `collateral` |
| `azure-tdx-vtpm` | `hcl_report`, `td_quote`, `quote`, `signature`, `pcrs` | `collateral` |
| `tpm` | `quote`, `signature`, `pcrs`, `public` or `ak_pem` | `ak_path` |
| `nitro` | `document` | |
| `arm-cca` | `token` | |
| `nvidia-gpu` | `report` | `chain`, `rims`, `ocsp` |
| | or `nras` | |
| `ear` | `token` | |

`pcrs` is a file of `tpm2_quote --pcr`. What a technology does not name is refused: nothing that
was sent goes unread. Each machine may come with GPUs, which have `report` and the endorsements of
`nvidia-gpu`, and must be bound to it (`gpus`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.attestation import (
    arm_cca,
    azure,
    azure_tdx,
    ear_token,
    nitro,
    nras,
    nvidia_gpu,
    ocsp,
    sev_snp,
    tdx,
    tpm,
)
from gateway.attestation.anchors import Anchors
from gateway.attestation.bundle import EvidenceBundle
from gateway.attestation.chain import read_certificate, read_crl
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceMalformedError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.gpu_golden import MAX_RIMS
from gateway.attestation.gpus import Gpu, bound_together
from gateway.attestation.tdx_collateral import parse_collateral
from gateway.attestation.tdx_event_log import check_rtmrs
from gateway.attestation.tdx_quote import parse_quote as parse_td_quote
from gateway.attestation.tpm_event_log import parse_event_log
from gateway.attestation.tpm_structures import parse_pcr_file, parse_public
from gateway.attestation.xml_signed import SignedXml, parse_signed_xml

Verify = Callable[[EvidenceBundle, Anchors, datetime], Claims]


@dataclass(frozen=True)
class Row:
    """What a technology has, and what verifies it."""

    verify: Verify
    evidence: frozenset[str]
    endorsements: frozenset[str] = frozenset()


def verify_bundle(bundle: EvidenceBundle, anchors: Anchors, *, at: datetime) -> Claims:
    """Verify evidence of any technology at an instant.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    row = VERIFIERS.get(bundle.technology)
    if row is None:
        raise EvidenceUnsupportedError(f"{bundle.technology.value} cannot be verified from a file")
    _check_parts(bundle, row.evidence, row.endorsements)
    claims = row.verify(bundle, anchors, at)
    if not bundle.gpus:
        return claims
    return bound_together(claims, [_gpu(one, at) for one in bundle.gpus])


def _check_parts(
    bundle: EvidenceBundle, evidence: frozenset[str], endorsements: frozenset[str]
) -> None:
    strange = (bundle.evidence.keys() - evidence) | (bundle.endorsements.keys() - endorsements)
    if strange:
        raise EvidenceMalformedError(
            f"{bundle.technology.value} evidence has no part `{min(strange):.40}`"
        )


def _sev_snp(bundle: EvidenceBundle, _: Anchors, at: datetime) -> Claims:
    return sev_snp.verify_report(
        sev_snp.parse_report(bundle.one("report")),
        vek=read_certificate(bundle.endorsement("vek")),
        chain=[read_certificate(der) for der in bundle.endorsement_list("chain")],
        crls=[read_crl(der) for der in bundle.endorsement_list("crls")],
        at=at,
    )


def _azure_snp(bundle: EvidenceBundle, _: Anchors, at: datetime) -> Claims:
    return azure.verify_snp(
        azure.parse_hcl_report(bundle.one("hcl_report")),
        vek=read_certificate(bundle.endorsement("vek")),
        chain=[read_certificate(der) for der in bundle.endorsement_list("chain")],
        crls=[read_crl(der) for der in bundle.endorsement_list("crls")],
        quote=azure.raw_quote(bundle.one("quote"), bundle.one("signature")),
        values=parse_pcr_file(bundle.one("pcrs")),
        at=at,
    )


def _tdx(bundle: EvidenceBundle, _: Anchors, at: datetime) -> Claims:
    quote = parse_td_quote(bundle.one("quote"))
    collateral = parse_collateral(bundle.endorsement("collateral"))
    claims = tdx.verify_quote(quote, collateral=collateral, at=at)
    if "ccel" in bundle.evidence:
        check_rtmrs(parse_event_log(bundle.one("ccel")), quote.td)
    return claims


def _azure_tdx(bundle: EvidenceBundle, _: Anchors, at: datetime) -> Claims:
    return azure_tdx.verify_tdx(
        azure.parse_hcl_report(bundle.one("hcl_report")),
        td_quote=parse_td_quote(bundle.one("td_quote")),
        collateral=parse_collateral(bundle.endorsement("collateral")),
        quote=azure.raw_quote(bundle.one("quote"), bundle.one("signature")),
        values=parse_pcr_file(bundle.one("pcrs")),
        at=at,
    )


def _tpm(bundle: EvidenceBundle, anchors: Anchors, at: datetime) -> Claims:
    return tpm.verify_quote(
        tpm.parse_quote(bundle.one("quote"), bundle.one("signature")),
        key=_attestation_key(bundle, anchors, at),
        values=parse_pcr_file(bundle.one("pcrs")),
    )


def _attestation_key(bundle: EvidenceBundle, anchors: Anchors, at: datetime) -> tpm.AttestationKey:
    """The AK, and who vouches for it: the operator by name, or an authority by certificate."""
    public = parse_public(bundle.one("public")) if "public" in bundle.evidence else None
    key = public.key if public is not None else _pem(bundle.one("ak_pem"))
    path = [read_certificate(der) for der in bundle.endorsement_list("ak_path")]
    day = at.astimezone(UTC).date()
    if path:
        found = tpm.certified_key(path, anchors=anchors.authorities_on(day), at=at)
        if found.key != key:
            raise EvidenceBindingError("the AK is another than that of its certificate")
        return tpm.AttestationKey(key, found.vouched, public, found.valid_until, found.used)
    is_pinned = anchors.pinned_on(key, day)
    vouched = tpm.Vouched.PINNED if is_pinned else tpm.Vouched.NOBODY
    return tpm.AttestationKey(key, vouched, public)


def _pem(data: bytes) -> tpm.Key:
    try:
        key = load_pem_public_key(data[:16_384])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceMalformedError("`evidence.ak_pem` is no public key in PEM") from error
    if not isinstance(key, (RSAPublicKey, EllipticCurvePublicKey)):
        raise EvidenceUnsupportedError("`evidence.ak_pem` is neither RSA nor of an elliptic curve")
    return key


def _nitro(bundle: EvidenceBundle, _: Anchors, at: datetime) -> Claims:
    return nitro.verify_document(nitro.parse_document(bundle.one("document")), at=at)


def _arm_cca(bundle: EvidenceBundle, anchors: Anchors, at: datetime) -> Claims:
    token = arm_cca.parse_token(bundle.one("token"))
    return arm_cca.verify_token(token, endorsements=anchors.cca_platforms, at=at)


def _nvidia_gpu(bundle: EvidenceBundle, anchors: Anchors, at: datetime) -> Claims:
    if "nras" in bundle.evidence:
        if "report" in bundle.evidence or bundle.endorsements:
            raise EvidenceMalformedError("an answer of the service stands alone")
        found = nras.parse_result(bundle.one("nras"))
        return nras.verify_result(found, issuers=anchors.ear_issuers, at=at)
    return _gpu(bundle, at)[1]


def _gpu(bundle: EvidenceBundle, at: datetime) -> Gpu:
    """A report, by itself or of a GPU of a machine."""
    _check_parts(bundle, frozenset({"report"}), _GPU)
    report = nvidia_gpu.parse_report(bundle.one("report"))
    claims = nvidia_gpu.verify_report(
        report,
        chain=[read_certificate(der) for der in bundle.endorsement_list("chain")],
        rims=_rims(bundle),
        answers=_answers(bundle),
        at=at,
    )
    return report, claims


def _rims(bundle: EvidenceBundle) -> list[SignedXml]:
    listed = bundle.endorsement_list("rims")
    if len(listed) > MAX_RIMS:
        raise EvidenceMalformedError(f"a GPU has {MAX_RIMS} reference manifests at most")
    return [parse_signed_xml(data) for data in listed]


def _answers(bundle: EvidenceBundle) -> list[ocsp.Answer]:
    listed = bundle.endorsement_list("ocsp")
    if len(listed) > ocsp.MAX_ANSWERS:
        raise EvidenceMalformedError(f"a GPU has {ocsp.MAX_ANSWERS} OCSP answers at most")
    return [ocsp.parse_answer(data) for data in listed]


def _ear(bundle: EvidenceBundle, anchors: Anchors, at: datetime) -> Claims:
    token = ear_token.parse_token(bundle.one("token"))
    return ear_token.verify_token(token, issuers=anchors.ear_issuers, at=at)


_VEK = frozenset({"vek", "chain", "crls"})
_COLLATERAL = frozenset({"collateral"})
_GPU = frozenset({"chain", "rims", "ocsp"})
_QUOTE = frozenset({"quote", "signature", "pcrs"})
VERIFIERS: Mapping[Technology, Row] = {
    Technology.SEV_SNP: Row(_sev_snp, frozenset({"report"}), _VEK),
    Technology.AZURE_SNP: Row(_azure_snp, _QUOTE | {"hcl_report"}, _VEK),
    Technology.TDX: Row(_tdx, frozenset({"quote", "ccel"}), _COLLATERAL),
    Technology.AZURE_TDX: Row(_azure_tdx, _QUOTE | {"hcl_report", "td_quote"}, _COLLATERAL),
    Technology.TPM: Row(_tpm, _QUOTE | {"public", "ak_pem"}, frozenset({"ak_path"})),
    Technology.NITRO: Row(_nitro, frozenset({"document"})),
    Technology.ARM_CCA: Row(_arm_cca, frozenset({"token"})),
    Technology.NVIDIA_GPU: Row(_nvidia_gpu, frozenset({"report", "nras"}), _GPU),
    Technology.EAR: Row(_ear, frozenset({"token"})),
}
