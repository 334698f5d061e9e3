"""Confidential virtual machines of Azure on Intel TDX: the quote of TDX holds the hash of the
runtime data, as the report of SEV-SNP does in `azure`; the quote of the virtual TPM is fresh."""

from datetime import datetime

from gateway.attestation import tdx
from gateway.attestation.azure import Hardware, HclReport, bound_to_tpm
from gateway.attestation.errors import EvidenceUnsupportedError
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.tdx_collateral import Collateral
from gateway.attestation.tdx_quote import Quote as TdQuote
from gateway.attestation.tpm import Quote
from gateway.attestation.tpm_structures import Values


def verify_tdx(
    hcl: HclReport,
    *,
    td_quote: TdQuote,
    collateral: Collateral,
    quote: Quote,
    values: Values,
    at: datetime,
    anchors: frozenset[str] = tdx.ANCHORS,
    without: frozenset[tdx.Part] = frozenset(),
) -> Claims:
    """Check all steps of a machine of TDX; arguments as of `tdx.verify_quote` and
    `tpm.verify_quote`.

    Args:
        td_quote: Made of the TDREPORT in the HCL report, which by itself proves nothing elsewhere.

    Returns:
        Claims of the hardware and of what the TPM measured, bound to the nonce of its quote.

    Raises:
        EvidenceBindingError: The quote of TDX holds another hash than that of the runtime data.
        EvidenceError: Of the kind that tells what does not hold.
    """
    if hcl.hardware is not Hardware.TDX:
        raise EvidenceUnsupportedError("the HCL report is not one of TDX")
    hardware = tdx.verify_quote(
        td_quote, collateral=collateral, at=at, anchors=anchors, without=without
    )
    return bound_to_tpm(Technology.AZURE_TDX, hcl, hardware, quote, values)
