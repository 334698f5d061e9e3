"""What the library dcap-qvl says of a TDX quote: the verifier that decides, beside ours, which
must agree. It is loaded only where a quote is verified.

Its network client is never called: it is given the collateral and the instant.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation.errors import EvidenceDisputedError, EvidenceIncompleteError
from gateway.attestation.tdx_collateral import Collateral, Signed, der
from gateway.attestation.tdx_quote import TdReport


@dataclass(frozen=True)
class Opinion:
    """What two verifiers must say alike. The fields of the report are in hexadecimal."""

    status: str
    advisories: frozenset[str]
    fmspc: str
    report: tuple[tuple[str, str], ...]


def opinion_of(
    quote: bytes, chain: Sequence[x509.Certificate], collateral: Collateral, *, at: datetime
) -> Opinion | None:
    """What the library says.

    Args:
        quote: Whose signatures held.
        chain: Of the quote: PCK, its authority, and the root, which is pinned.

    Returns:
        None where the collateral is not whole: the library verifies all or nothing.

    Raises:
        EvidenceDisputedError: It refuses what ours found good.
        EvidenceIncompleteError: It is not installed.
    """
    tcb, qe = collateral.tcb_info, collateral.qe_identity
    root_crl, pck_crl = collateral.root_crl, collateral.pck_crl
    if tcb is None or qe is None or root_crl is None or pck_crl is None:
        return None
    try:
        import dcap_qvl
    except ImportError as error:
        raise EvidenceIncompleteError("TDX needs the extra `tdx` (dcap-qvl)") from error
    instant = int(at.timestamp())
    try:
        given = dcap_qvl.QuoteCollateralV3(
            _pem(chain[1:]), root_crl, pck_crl, *_triple(tcb), *_triple(qe)
        )
        policy = dcap_qvl.QuotePolicy.claims_only(instant)
        found = dcap_qvl.QuoteVerifier(der(chain[-1])).verify_with_policy(
            quote, given, instant, policy
        )
        return _opinion(json.loads(found.to_json()))
    except Exception as error:
        raise EvidenceDisputedError(f"dcap-qvl refuses what held here: {error!s:.200}") from error
    except BaseException as error:
        # A fault inside the library is no `Exception`, so that it would end the process.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise EvidenceDisputedError("dcap-qvl failed on what held here") from error


def _pem(chain: Sequence[x509.Certificate]) -> str:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain).decode()


def _triple(signed: Signed) -> tuple[str, str, bytes]:
    return signed.pem.decode(), signed.raw.decode(), signed.signature


def _opinion(claims: Any) -> Opinion:
    (report,) = claims["report"].values()
    fields = {**report.pop("base", {}), **report}
    return Opinion(
        status=claims["tcb"]["status"],
        advisories=frozenset(claims["tcb"]["advisory_ids"]),
        fmspc=bytes(claims["platform"]["pck"]["fmspc"]).hex(),
        report=tuple(sorted(fields.items())),
    )


def report_fields(td: TdReport) -> tuple[tuple[str, str], ...]:
    """A report as the library spells it."""
    fields = {
        "tee_tcb_svn": td.tee_tcb_svn,
        "mr_seam": td.mrseam,
        "mr_signer_seam": td.mrsignerseam,
        "seam_attributes": td.seam_attributes,
        "td_attributes": td.td_attributes,
        "xfam": td.xfam,
        "mr_td": td.mrtd,
        "mr_config_id": td.mrconfigid,
        "mr_owner": td.mrowner,
        "mr_owner_config": td.mrownerconfig,
        "report_data": td.report_data,
        "tee_tcb_svn2": td.tee_tcb_svn2,
        "mr_service_td": td.mrservicetd,
        **{f"rt_mr{n}": value for n, value in enumerate(td.rtmrs)},
    }
    return tuple(sorted((name, value.hex()) for name, value in fields.items() if value is not None))


def check_agreement(ours: Opinion, theirs: Opinion) -> None:
    """Raise `EvidenceDisputedError` unless both say the same."""
    for name in ("status", "advisories", "fmspc", "report"):
        if getattr(ours, name) != getattr(theirs, name):
            raise EvidenceDisputedError(f"dcap-qvl and our own reading differ in `{name}`")
