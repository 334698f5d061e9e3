"""Event logs of TDX guests, and the run-time registers they lead to (UEFI Specification 2.10,
section 38.4.1: registers of the confidential computing event log, CCEL)."""

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.errors import EvidenceBindingError
from gateway.attestation.tdx_quote import TdReport
from gateway.attestation.tpm_event_log import EventLog


def check_rtmrs(log: EventLog, td: TdReport) -> list[int]:
    """Check that the events of a log lead to the registers of a report.

    Args:
        log: Its register 1 is RTMR0, and so on.
        td: Of a quote that holds.

    Returns:
        The numbers of the RTMRs that the log explains. Others are not explained by it.

    Raises:
        EvidenceBindingError: A register has another value than the events lead to, or an event
            is of a register that no event extends.
    """
    explained: list[int] = []
    for index, value in sorted(log.replay(tpm.SHA384).items()):
        number = index - 1
        if not 0 <= number < len(td.rtmrs):
            raise EvidenceBindingError(f"no event extends register {index} of a TDX guest")
        if td.rtmrs[number] != value:
            raise EvidenceBindingError(f"the events do not lead to RTMR{number} of the quote")
        explained.append(number)
    return explained
